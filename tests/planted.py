"""Candidates with bugs planted on purpose, sample by sample in plain loops, owing nothing to
checks/bugs/.

`Planted` is one implementation in which each bug of the catalogue is a switch, so that any set of
bugs can be planted together and in every convention. It is asked through the very code that asks a
file (translation, collection, splitting into calls), without the process around it. What a suspect
predicts in one matrix product is written here as somebody would have written it by mistake.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from backproof.checks.candidates.candidate_file import CandidateFile
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.inside.recorder import Recorder
from backproof.checks.candidates.inside.recording import pack as pack_recording
from backproof.checks.candidates.inside.returned import COLLECT, Refused
from backproof.checks.candidates.inside.watching import Watch
from backproof.checks.candidates.output import Output
from backproof.checks.candidates.sandbox import Sandbox


class InProcess(Sandbox):
    """A sandbox without a process: the call happens here."""

    def __init__(self, functions: dict[str, Any]) -> None:
        self.functions, self.path, self.calls = functions, Path("planted.py"), 0
        self.text, self.out = "", Output()

    def call(
        self, header: dict[str, Any], given: dict[str, np.ndarray]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        self.calls += 1
        kind, L = header["call"], header["layers"]
        copies = {name: array.copy() for name, array in given.items()}
        W = [copies[f"W{layer}"] for layer in range(1, L + 1)]
        b = [copies[f"b{layer}"] for layer in range(1, L + 1) if f"b{layer}" in copies]
        rest = [copies["x"]] if kind == "forward" else [copies["x"], copies["y"]]
        rest += [header["learning_rate"]] if kind == "step" else []
        reply: dict[str, Any] = {}
        arrays: dict[str, np.ndarray] = {}
        watch = Watch(lambda file: file.endswith("planted.py"), [*W, *b])
        recorder = Recorder(lambda file: file == "planted.py") if header.get("record") else None
        beside = recorder or (watch if header["watch"] else nullcontext())
        with np.errstate(all="ignore"):
            try:
                with beside:
                    returned = self.functions[kind](W, b, *rest)
                reply, arrays = COLLECT[kind](returned, W, b, bool(b))
                reply["edits"] = watch.found
            except Refused as refused:
                reply = {"complaint": f"{kind} {refused}"}
            except (ValueError, IndexError, TypeError, KeyError) as error:
                reply = {"complaint": f"{kind} raised {type(error).__name__}: {error}"}
        now = (
            {f"W{i + 1}": w for i, w in enumerate(W)}
            | {f"b{i + 1}": v for i, v in enumerate(b)}
            | copies
        )
        now |= {f"W{i + 1}": w for i, w in enumerate(W)} | {f"b{i + 1}": v for i, v in enumerate(b)}
        changed = [
            name
            for name in given
            if given[name].shape != now[name].shape or (given[name] != now[name]).any()
        ]
        if recorder is not None:
            reply["recorded"], recorded = pack_recording(recorder)
            arrays = {**arrays, **recorded}
        return {**reply, "changed": changed, "seed": header["seed"]}, arrays


def in_process(functions: dict[str, Any], conventions: Conventions) -> CandidateFile:
    """A candidate out of functions; what it leaves behind between calls stays."""
    return CandidateFile(InProcess(functions), conventions)


def sig(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def soft(z: Any) -> Any:
    e = np.exp(z - np.max(z))
    return e / e.sum()


@dataclass
class Planted:
    """A network trainer written by hand; `bugs` maps a catalogue id to how and where it was made.

    Layers count from 0 here, as they do in such code: W[0] belongs to layer 1.
    """

    conventions: Conventions = field(default_factory=Conventions)
    bugs: dict[str, dict[str, Any]] = field(default_factory=dict)
    buffers: dict[str, Any] = field(default_factory=dict)

    def candidate(self) -> CandidateFile:
        return in_process(
            {self.conventions.protocol: getattr(self, self.conventions.protocol)}, self.conventions
        )

    def has(self, id: str, layer: int | None = None, **wanted: Any) -> bool:
        bug = self.bugs.get(id)
        if bug is None or any(bug.get(key) != value for key, value in wanted.items()):
            return False
        return layer is None or "layers" not in bug or layer in bug["layers"]

    def gradients(self, W: list, b: list, x: Any, y: Any) -> tuple[list, list]:
        W, b, x, y = self.mine(W, b, x, y)
        dW, db = self.backprop(W, b, x, y, self.bugs.get("updated-weights", {}).get("eta", 0.3))
        return self.theirs(dW, db)

    def step(
        self, W: list, b: list, x: Any, y: Any, learning_rate: float
    ) -> tuple[list, list] | None:
        eta = self.bugs.get("hard-coded", {}).get("eta", learning_rate)
        W_mine, b_mine, x, y = self.mine(W, b, x, y)
        dW, db = self.backprop(W_mine, b_mine, x, y, eta)
        L = len(W)
        rates = [eta * self.folding(layer, L, eta) for layer in range(L)]
        dW, db = self.theirs(dW, db)
        if self.bugs.get("in-place-step"):
            for layer in range(L):
                W[layer] -= rates[layer] * dW[layer]
                if b:
                    b[layer] -= rates[layer] * db[layer]
            return None
        new_b = [b[layer] - rates[layer] * db[layer] for layer in range(L)] if b else []
        return [W[layer] - rates[layer] * dW[layer] for layer in range(L)], new_b

    def folding(self, layer: int, L: int, eta: float) -> float:
        if not self.has("learning-rate-folded", layer):
            return 1.0
        form = self.bugs["learning-rate-folded"]["form"]
        return {"power": eta ** (L - 1 - layer), "missing": 1 / eta, "double": eta}[form]

    def mine(self, W: list, b: list, x: Any, y: Any) -> tuple[list, list, Any, Any]:
        c = self.conventions
        W = [w if c.layout == "out,in" else w.T for w in W]
        x = x if c.examples == "rows" else x.T
        if c.labels == "one-hot":
            y = (y if c.examples == "rows" else y.T).argmax(axis=1)
        return W, b or [np.zeros(w.shape[0]) for w in W], x, y

    def theirs(self, dW: list, db: list) -> tuple[list, list]:
        c = self.conventions
        columns = c.examples == "columns" and not any(np.ndim(v) != 1 for v in db)
        db = [v.reshape(-1, 1) for v in db] if columns and c.protocol == "gradients" else db
        return [w if c.layout == "out,in" else w.T for w in dW], db if c.bias else []

    def forward_all(self, W: list, b: list, x: Any) -> tuple[list, list]:
        zs, acts = [], []
        for n in range(len(x)):
            a, z_of, a_of = x[n], [], [x[n]]
            for layer in range(len(W)):
                z = W[layer] @ a + b[layer]
                a = self.squash(z, layer) if layer < len(W) - 1 else z
                z_of.append(z)
                a_of.append(a)
            zs.append(z_of)
            acts.append(a_of)
        logits = np.array([a_of[-1] for a_of in acts])
        for n in range(len(x)):
            acts[n][-1] = self.output(logits, n)
        return zs, acts

    def squash(self, z: Any, layer: int) -> Any:
        if self.has("in-place", layer, form="z"):
            a = sig(z)
            z[:] = a
            return a
        return sig(z)

    def output(self, logits: Any, n: int) -> Any:
        if self.conventions.output == "sigmoid":
            return sig(logits[n])
        if self.has("softmax-axis"):
            e = np.exp(logits - logits.max())
            return e[n] / (
                e.sum(axis=0) if self.bugs["softmax-axis"]["form"] == "samples" else e.sum()
            )
        return soft(logits[n])

    def target(self, y: Any, n: int, K: int) -> Any:
        t, shift = np.zeros(K), self.bugs.get("labels-shifted", {})
        if shift.get("form") == "rows":
            t[y[(n - shift["by"]) % len(y)]] = 1
        elif shift:
            t[(y[n] + shift["by"]) % K] = 1
        else:
            t[y[n]] = 1
        return t

    def output_delta(self, p: Any, t: Any, z: Any) -> Any:
        quadratic = "quadratic" in self.conventions.cost
        two = {"quadratic": 2.0, "half-quadratic": 1.0}.get(self.conventions.cost, 1.0)
        if self.has("probability-clipped"):
            return self.clipped_delta(p, t, two)
        e = p - t
        if self.has("cost-mismatch"):
            if quadratic:
                return e
            return e * p * (1 - p)
        if self.has("softmax-diagonal"):
            form = self.bugs["softmax-diagonal"]["form"]
            q = soft(p)
            return {"p": two * e * p * (1 - p), "q": two * e * q * (1 - q), "y": -t * (1 - p)}[form]
        if self.has("double-softmax"):
            q = soft(p)
            return (np.diag(p) - np.outer(p, p)) @ (q - t)
        if self.has("sigmoid-twice", form="output") or self.has("sigmoid-twice", form="both"):
            return two * e * sig(p) * (1 - sig(p))
        if not quadratic:
            return e
        if self.conventions.output == "sigmoid":
            return two * e * p * (1 - p)
        return p * (two * e - (two * e * p).sum())

    def clipped_delta(self, p: Any, t: Any, two: float) -> Any:
        bug = self.bugs["probability-clipped"]
        c = np.clip(p, bug["eps"], 1 - bug["eps"])
        if bug["form"] == "delta" and "quadratic" not in self.conventions.cost:
            return c - t
        if "quadratic" in self.conventions.cost:
            dp = two * (c - t)
        elif self.conventions.output == "softmax":
            dp = -t / c
        else:
            dp = (c - t) / (c * (1 - c))
        s = c if bug["form"] == "delta" else p
        if self.conventions.output == "sigmoid":
            return dp * s * (1 - s)
        return s * (dp - (dp * s).sum())

    def slope(self, z: Any, a: Any, layer: int) -> Any:
        if self.has("in-place", layer, form="z"):
            return sig(z) * (1 - sig(z))
        if (
            self.has("sigmoid-twice", layer)
            and self.bugs["sigmoid-twice"].get("form", "hidden") != "output"
        ):
            return sig(a) * (1 - sig(a))
        if self.has("no-hidden-derivative", layer):
            return {"one": 1.0 + 0 * a, "a": a, "rest": 1 - a}[
                self.bugs["no-hidden-derivative"]["form"]
            ]
        if self.has("in-place", layer, form="derivative"):
            a *= 1 - a
            return a
        return a * (1 - a)

    def reset(self, name: str, shape: Any, when: str) -> Any:
        """A buffer, fresh unless the bug keeps it."""
        bug = self.bugs.get("stale-accumulator", {})
        kept = (
            bug.get("buffer") == name.split()[0]
            and (when in bug["when"])
            and self.has("stale-accumulator", int(name.split()[1]))
        )
        if not kept or name not in self.buffers:
            self.buffers[name] = np.zeros(shape)
        return self.buffers[name]

    def backprop(self, W: list, b: list, x: Any, y: Any, eta: float) -> tuple[list, list]:
        N, L, K = len(x), len(W), len(b[-1])
        zs, acts = self.forward_all(W, b, x)
        weight = 1.0 if self.conventions.reduction == "sum" else 1 / N
        deltas: list[list[Any]] = []
        raws: list[list[Any]] = []
        for n in range(N):
            for layer in range(L):
                if n == 0:
                    self.reset(f"da {layer}", len(b[layer]), "calls")
                else:
                    self.reset(f"da {layer}", len(b[layer]), "samples")
            delta, raw = self.back_one(W, zs[n], acts[n], self.target(y, n, K), None)
            deltas.append(delta)
            raws.append(raw)
        used = SimpleNamespace(W=W)
        if self.has("updated-weights"):
            grads = [
                sum(np.outer(deltas[n][layer], acts[n][layer]) for n in range(N)) * weight
                for layer in range(L)
            ]
            changed = list(W)
            for layer in range(L - 1, 0, -1):
                if self.has("updated-weights", layer):
                    for n in range(N):
                        delta, raw = self.back_one(W, zs[n], acts[n], self.target(y, n, K), changed)
                        deltas[n], raws[n] = delta, raw
                    grad = (
                        sum(np.outer(deltas[n][layer], acts[n][layer]) for n in range(N)) * weight
                    )
                    changed[layer] = W[layer] - eta * grad
            for n in range(N):
                deltas[n], raws[n] = self.back_one(W, zs[n], acts[n], self.target(y, n, K), changed)
            used.W, _ = changed, grads
        if self.has("sample-dropped"):
            chunk = self.bugs["sample-dropped"].get("chunk")
            dropped = range(N - N % chunk, N) if chunk else [N - 1]
            for n in dropped:
                deltas[n] = [0 * d for d in deltas[n]]
        dW, db = self.sums(deltas, acts, N, L, b, weight, W)
        return self.finish(dW, db, W, N, K, L, eta)

    def back_one(
        self, W: list, z: list, a: list, t: Any, changed: list | None
    ) -> tuple[list, list]:
        L = len(W)
        W_back = changed or W
        delta: list[Any] = [None] * L
        raw: list[Any] = [None] * L
        delta[L - 1] = self.short(self.output_delta(a[L], t, z[L - 1]), L - 1)
        raw[L - 1] = a[L] - t
        for layer in range(L - 2, -1, -1):
            sent = raw[layer + 1] if self.has("raw-error", layer + 1) else delta[layer + 1]
            matrix = W_back[layer + 1]
            if self.has("transposed", layer + 1):
                matrix = matrix.T
            if self.has("wrong-layer", layer, form="product") and layer + 2 < L:
                sent, matrix = delta[layer + 2], W_back[layer + 2]
            come = matrix.T @ sent
            if (
                "stale-accumulator" in self.bugs
                and self.bugs["stale-accumulator"]["buffer"] == "da"
            ):
                self.buffers[f"da {layer}"] += come
                come = self.buffers[f"da {layer}"].copy()
            raw[layer] = come
            delta[layer] = self.short(come * self.slope(z[layer], a[layer + 1], layer), layer)
            if self.has("sign", layer, form="alternate"):
                delta[layer] = -delta[layer]
        return delta, raw

    def short(self, delta: Any, layer: int) -> Any:
        if self.has("low-precision", layer):
            return delta.astype(self.bugs["low-precision"]["dtype"]).astype(float)
        return delta

    def sums(
        self, deltas: list, acts: list, N: int, L: int, b: list, weight: float, W: list
    ) -> tuple[list, list]:
        dW, db = [], []
        for layer in range(L):
            total, bias = (
                self.reset_sum(f"dW {layer}", W[layer].shape),
                self.reset_sum(f"db {layer}", len(b[layer])),
            )
            outer_total, bias_total = 0.0, 0.0
            stale = self.bugs.get("stale-accumulator", {})
            for n in range(N):
                left = acts[n][layer]
                if self.has("wrong-layer", layer, form="activation"):
                    left = acts[n][layer + 1]
                product = np.outer(deltas[n][layer], left)
                if stale.get("buffer") == "dW" and "samples" in stale["when"]:
                    total += product
                    bias += deltas[n][layer]
                    outer_total, bias_total = outer_total + total, bias_total + bias
                else:
                    outer_total, bias_total = outer_total + product, bias_total + deltas[n][layer]
            if stale.get("buffer") == "dW" and "samples" not in stale["when"]:
                total += outer_total
                bias += bias_total
                outer_total, bias_total = total.copy(), bias.copy()
            dW.append(outer_total * weight)
            db.append(self.bias(deltas, layer, bias_total, weight, N))
        return dW, db

    def reset_sum(self, name: str, shape: Any) -> Any:
        stale = self.bugs.get("stale-accumulator", {})
        if stale.get("buffer") == "dW" and "calls" in stale["when"] and name in self.buffers:
            return self.buffers[name]
        self.buffers[name] = np.zeros(shape)
        return self.buffers[name]

    def bias(self, deltas: list, layer: int, total: Any, weight: float, N: int) -> Any:
        rows = np.array([delta[layer] for delta in deltas]) * weight
        if self.has("bias-scalar", layer):
            number = rows.sum()
            return (
                number
                if self.bugs["bias-scalar"].get("form") == "number"
                else np.full(rows.shape[1], number)
            )
        if self.has("bias-not-summed", layer):
            return rows if self.bugs["bias-not-summed"]["form"] == "rows" else rows.mean(axis=0)
        if self.has("no-bias-gradient", layer):
            return np.zeros(rows.shape[1])
        if self.has("wrong-layer", layer, form="bias"):
            if layer > 0:
                return np.sum([delta[layer - 1] for delta in deltas], axis=0) * weight
            return total * weight
        if self.has("wrong-layer", layer, form="roll"):
            return np.roll(total * weight, 1)
        return total * weight

    def finish(
        self, dW: list, db: list, W: list, N: int, K: int, L: int, eta: float
    ) -> tuple[list, list]:
        for layer in range(L):
            factor = 1.0
            if self.has("scale", layer):
                name = self.bugs["scale"]["factor"]
                factor *= {"N": N, "1/N": 1 / N, "K": K, "1/K": 1 / K, "2": 2, "1/2": 0.5}[name]
            if self.has("sign", layer, form="everywhere"):
                factor *= -1
            if self.conventions.protocol == "gradients" and self.has("learning-rate-folded", layer):
                own, form = (
                    self.bugs["learning-rate-folded"]["eta"],
                    self.bugs["learning-rate-folded"]["form"],
                )
                factor *= {"power": own ** (L - 1 - layer), "missing": 1 / own, "double": own}[form]
            dW[layer], db[layer] = dW[layer] * factor, db[layer] * factor
            if self.has("decay-sign", layer):
                dW[layer] = dW[layer] + self.bugs["decay-sign"]["lambda"] * W[layer]
            if self.has("wrong-layer", layer, form="row"):
                whole = np.column_stack([dW[layer], db[layer]])
                dW[layer], db[layer] = whole[:, 1:], whole[:, 0]
        return dW, db
