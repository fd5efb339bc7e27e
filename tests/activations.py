"""Candidates with other hidden layers and outputs, each bug a switch, written in small functions of
their own: a third generator beside tests/switches.py and tests/planting/.

What a file declares and what it computes are drawn apart, so that a convention may be undeclared
beside a bug.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
from planted import in_process
from planting.case import Case

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose


def sig(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def normal(z: Any) -> Any:
    return (1 + np.vectorize(math.erf, otypes=[float])(z / 2**0.5)) / 2


def d_normal(z: Any) -> Any:
    return np.exp(-z * z / 2) / (2 * np.pi) ** 0.5


@dataclass(frozen=True)
class Made:
    """An activation as somebody writes it: h of z, and its derivative of z."""

    h: Callable[[Any], Any]
    prime: Callable[[Any], Any]
    kinked: bool = False


def made(slope: float) -> dict[str, Made]:
    return {
        "sigmoid": Made(sig, lambda z: sig(z) * (1 - sig(z))),
        "tanh": Made(np.tanh, lambda z: 1 - np.tanh(z) ** 2),
        "relu": Made(lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0, True),
        "leaky-relu": Made(
            lambda z: np.where(z > 0, z, slope * z), lambda z: np.where(z > 0, 1, slope), True
        ),
        "elu": Made(
            lambda z: np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1),
            lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0))),
        ),
        "softplus": Made(lambda z: np.log1p(np.exp(z)), sig),
        "silu": Made(lambda z: z * sig(z), lambda z: sig(z) * (1 + z * (1 - sig(z)))),
        "gelu": Made(lambda z: z * normal(z), lambda z: normal(z) + z * d_normal(z)),
        "identity": Made(lambda z: z * 1.0, np.ones_like, True),
    }


NAMES = tuple(made(0.01))
HEADS = (
    ("softmax", "cross-entropy"),
    ("softmax", "quadratic"),
    ("softmax", "binary-cross-entropy"),
    ("sigmoid", "binary-cross-entropy"),
    ("sigmoid", "quadratic"),
    ("linear", "quadratic"),
    ("linear", "half-quadratic"),
    ("tanh", "quadratic"),
)


@dataclass
class Network:
    """A network trainer; `bug` is the name of what is wrong with it, "" for nothing."""

    asked: Conventions
    bug: str = ""
    layers: tuple[int, ...] = field(default=())  # hidden layers, from 1, in which the bug is

    def gradients(self, W: Any, b: Any, x: Any, y: Any) -> Any:
        L = len(W)
        c = self.asked
        names = [c.hidden] * (L - 1) if isinstance(c.hidden, str) else list(c.hidden)
        table = made(c.slope)
        a = [x]
        z: list[Any] = [None]
        for i in range(L):
            z.append(a[-1] @ W[i].T + b[i])
            if i < L - 1:
                a.append(table[names[i]].h(z[-1]))
        Y = y
        if c.labels == "integers":
            low, high = c.targets
            Y = low + (high - low) * np.eye(len(b[-1]))[y]
        dz = self.output(z[L], Y) / (1 if c.reduction == "sum" else len(x))
        dW: list[Any] = [None] * L
        db: list[Any] = [None] * L
        for i in range(L - 1, -1, -1):
            dW[i] = dz.T @ a[i]
            db[i] = dz.sum(axis=0)
            if self.bug == "bias-scalar":
                db[i] = np.full(len(db[i]), db[i].sum())
            if self.bug == "no-bias-gradient":
                db[i] = np.zeros(len(db[i]))
            if self.bug == "wrong-layer" and i > 0 and a[i - 1].shape == a[i].shape:
                dW[i] = dz.T @ a[i - 1]
            if i:
                dz = self.back(dz, W[i], z[i], a[i], table[names[i - 1]], i)
        return dW, db

    def output(self, z: Any, Y: Any) -> Any:
        c = self.asked
        factor = 1 if c.cost == "half-quadratic" else 2
        if c.output == "softmax":
            e = np.exp(z - z.max(axis=1, keepdims=True))
            p = e / e.sum(axis=1, keepdims=True)
            if c.cost == "cross-entropy":
                return p - Y
            dp = factor * (p - Y) if c.cost == "quadratic" else (p - Y) / (p * (1 - p))
            if self.bug == "softmax-diagonal":
                return dp * p * (1 - p)
            return p * (dp - (dp * p).sum(axis=1, keepdims=True))
        if c.output == "linear":
            return factor * (z - Y)
        if c.output == "tanh":
            return factor * (np.tanh(z) - Y) * (1 - np.tanh(z) ** 2)
        if c.cost == "binary-cross-entropy":
            return sig(z) - Y
        return factor * (sig(z) - Y) * sig(z) * (1 - sig(z))

    def back(self, dz: Any, W: Any, z: Any, a: Any, h: Made, layer: int) -> Any:
        """(B4) and (B5), with a bug in some layers."""
        if self.bug == "transposed":
            return (dz @ W.T) * h.prime(z)
        da = dz @ W
        if self.layers and layer not in self.layers:
            return da * h.prime(z)
        match self.bug:
            case "no-hidden-derivative":
                return da
            case "other-derivative":
                return da * (a * (1 - a) if h.kinked else np.where(z > 0, 1.0, 0.0))
            case "derivative-of-a" | "sigmoid-twice":
                return da * h.prime(a)
            case "z-for-a":
                return da * (1 - z * z)
            case "plus-for-times":
                return da + h.prime(z)
            case "error-unused":
                return h.prime(z)
            case "derivative-of-gradient":
                return da * h.prime(da)
            case "unknown":
                return da * h.prime(z) * (1 + 0.3 * np.arange(a.shape[1]))
            case "unknown root":
                return da * np.sqrt(np.abs(h.prime(z)) + 0.1)
        return da * h.prime(z)


BUGS = (
    "no-hidden-derivative",
    "other-derivative",
    "derivative-of-a",
    "z-for-a",
    "plus-for-times",
    "error-unused",
    "derivative-of-gradient",
    "bias-scalar",
    "no-bias-gradient",
    "transposed",
)
STEPS = {"bias-scalar": "db", "no-bias-gradient": "db", "transposed": "da"}


def carries(bug: str, hidden: str) -> bool:
    """Whether a bug is one in layers of some activation: of a linear layer there is no derivative
    to get wrong, of a ReLU's it does not matter of what it is taken."""
    if bug == "derivative-of-a":
        return hidden not in ("relu", "leaky-relu", "identity", "sigmoid")
    if bug == "sigmoid-twice":
        return hidden == "sigmoid"
    if bug in ("no-hidden-derivative", "derivative-of-gradient"):
        return hidden != "identity"
    return True


def drawn(random: np.random.Generator) -> Conventions:
    """What a network computes."""
    output, cost = HEADS[random.integers(len(HEADS))]
    names = random.choice(NAMES, size=2)
    mixed = random.random() < 0.15
    return Conventions(
        hidden=tuple(map(str, names)) if mixed else str(names[0]),
        slope=float(random.choice([0.01, 0.1, 0.2])),
        output=output,
        cost=cost,
        reduction=str(random.choice(["mean", "sum"])),
        declared=frozenset({"HIDDEN", "SLOPE", "OUTPUT", "COST", "REDUCTION", "LABELS"}),
    )


def as_file(random: np.random.Generator, true: Conventions, undeclared: bool) -> Conventions:
    """What its file declares: everything, or not the hidden layers and maybe not the head."""
    if not undeclared:
        return true
    found = replace(
        true, hidden="sigmoid", slope=0.01, declared=true.declared - {"HIDDEN", "SLOPE"}
    )
    if random.random() < 0.4:
        found = replace(
            found,
            output="softmax",
            cost="cross-entropy",
            declared=found.declared - {"OUTPUT", "COST"},
        )
    if random.random() < 0.3:
        found = replace(found, reduction="mean", declared=found.declared - {"REDUCTION"})
    return found


def lines_of(true: Conventions, claimed: Conventions) -> set[str]:
    """The constants that differ."""
    names = ["hidden", "output", "cost", "reduction"]
    if "leaky-relu" in (true.hidden, *true.hidden):
        names.append("slope")
    return {name.upper() for name in names if getattr(true, name) != getattr(claimed, name)}


def _case(kind: str, names: tuple[str, ...], network: Network, claimed: Conventions) -> Case:
    candidate = in_process({"gradients": network.gradients}, claimed)
    words = f"{network.bug} {network.layers} {network.asked} claimed {claimed}"
    # of a linear layer z is a
    linear = "identity" in network.asked.hidden
    also = frozenset({"other-derivative"}) if network.bug == "z-for-a" and linear else frozenset()
    return Case(kind, names, also, words, lambda: diagnose(candidate))


def _bug(random: np.random.Generator, true: Conventions, bugs: tuple[str, ...]) -> str:
    hidden = [true.hidden] if isinstance(true.hidden, str) else list(true.hidden)
    fitting = [bug for bug in bugs if all(carries(bug, name) for name in hidden)]
    return str(random.choice(fitting))


def singles(seed: int) -> Iterator[Case]:
    """One bug, everything declared."""
    for index in count():
        random = np.random.default_rng([seed, 10, index])
        true = drawn(random)
        bug = _bug(random, true, BUGS)
        yield _case("single", (bug,), Network(true, bug), true)


def beside(seed: int) -> Iterator[Case]:
    """One bug, and conventions that the file does not declare."""
    for index in count():
        random = np.random.default_rng([seed, 11, index])
        true = drawn(random)
        claimed = as_file(random, true, undeclared=True)
        if lines_of(true, claimed):
            bug = _bug(random, true, BUGS)
            case = _case("beside", (bug,), Network(true, bug), claimed)
            yield replace(case, constants=tuple(sorted(lines_of(true, claimed))))


def correct(seed: int) -> Iterator[Case]:
    """No bug, everything declared."""
    for index in count():
        true = drawn(np.random.default_rng([seed, 12, index]))
        yield _case("correct", (), Network(true), true)


def undeclared(seed: int) -> Iterator[Case]:
    """Right, but the file says nothing of its activations, and maybe of its head."""
    for index in count():
        random = np.random.default_rng([seed, 13, index])
        true = drawn(random)
        claimed = as_file(random, true, undeclared=True)
        names = lines_of(true, claimed)
        if names:
            yield _case("convention", tuple(sorted(names)), Network(true), claimed)


def unknown(seed: int) -> Iterator[Case]:
    """Bugs that are in no catalogue, in one layer."""
    for index in count():
        random = np.random.default_rng([seed, 14, index])
        true = drawn(random)
        layer = int(random.integers(1, 3))
        network = Network(true, str(random.choice(["unknown", "unknown root"])), (layer,))
        yield _case("unknown", (f"dz[{layer}]",), network, true)


STREAMS = {
    "single": singles,
    "beside": beside,
    "correct": correct,
    "convention": undeclared,
    "unknown": unknown,
}
