"""Which planted errors does the exhaustive check catch? All that change any entry by more than what
is allowed there.

    python benchmarks/planted_errors.py [--problems 60] [--seeds 100] [--quick] [--json]

Each kind of error is built into a backward pass and let loose on problems of every regime, depth
and head. "shows" counts the problems in which it changes some dW or db by more than what the check
allows; "caught" how many of these the check rejected. The last line is the smallest relative error
in one entry of dW[1] of 784-30-30-10 (N = 32, float64) that is caught with every seed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from itertools import chain

import numpy as np

from backproof.checks import by_hand
from backproof.checks.problem import Problem, draw, every_kind, standard
from backproof.checks.quantities import Quantities
from backproof.checks.witnesses import by_differences
from backproof.checks.witnesses.testimony import Testimony
from backproof.checks.witnesses.verify import bounds_of, cross_examine, hand, with_rounding

Edit = Callable[[str, int, np.ndarray, "Pass"], np.ndarray]
MAGNITUDES = [digit * 10.0**-k for k in range(3, 14) for digit in (5, 2, 1)]


class Pass:
    """A backward pass whose every step can be tampered with.

    Args:
        problem: what to differentiate.
        edit: (name, layer, value, this) -> the value that goes on; the names are dz, s, da, W, a,
            dW and db.
        delta: computes dz[L] in place of the right equation, if given.
    """

    def __init__(
        self,
        problem: Problem,
        edit: Edit | None = None,
        delta: Callable[[Pass], np.ndarray] | None = None,
    ) -> None:
        self.problem, self.N = problem, len(problem.y)
        self.passed = problem.forward()
        self.right = problem.backward(self.passed)
        self.random = np.random.default_rng([len(problem.id), problem.L, *problem.sizes])
        self.Y = problem.Y
        self.edit = edit or (lambda name, layer, value, this: value)
        self.dz_L = delta(self) if delta else self.right.dz[problem.L]

    def gradients(self) -> Quantities:
        """dz, dW and db, back from the output."""
        L, a, found = self.problem.L, self.passed.a, {}
        dz = self.edit("dz", L, self.dz_L.copy(), self)
        for layer in range(L, 0, -1):
            found[f"dz[{layer}]"] = dz
            below = self.edit("a", layer - 1, a[layer - 1].copy(), self)
            found[f"dW[{layer}]"] = self.edit("dW", layer, dz.T @ below, self)
            found[f"db[{layer}]"] = self.edit("db", layer, dz.sum(axis=0), self)
            if layer > 1:
                da = self.edit(
                    "da",
                    layer - 1,
                    dz @ self.edit("W", layer, self.problem.W[layer].copy(), self),
                    self,
                )
                z = self.passed.z[layer - 1]
                h_prime = self.problem.activation[layer - 1].h_prime
                s = self.edit("s", layer - 1, h_prime(z, a[layer - 1]), self)
                dz = self.edit("dz", layer - 1, da * s, self)
        return found


def on(
    name: str, change: Callable[[np.ndarray, Pass], np.ndarray], layer: int | None = None
) -> Edit:
    """Change every value of a name, or that of one layer only; layer 0 means the last."""

    def edit(found: str, at: int, value: np.ndarray, this: Pass) -> np.ndarray:
        wanted = layer is None or at == (layer or this.problem.L)
        return change(value, this) if found == name and wanted else value

    return edit


def at_one_entry(change: Callable[[float], float]) -> Callable[[np.ndarray, Pass], np.ndarray]:
    """Change one entry, drawn at random."""

    def edit(value: np.ndarray, this: Pass) -> np.ndarray:
        index = tuple(int(this.random.integers(n)) for n in value.shape)
        value[index] = change(value[index])
        return value

    return edit


def through(dtype: str) -> Callable[[np.ndarray, Pass], np.ndarray]:
    """Round to a lower precision and back."""
    return lambda value, this: value.astype(dtype).astype(np.float64)


def times(factor: float) -> Callable[[np.ndarray, Pass], np.ndarray]:
    """Scale."""
    return lambda value, this: factor * value


def swapped(value: np.ndarray, this: Pass) -> np.ndarray:
    """The first two columns (or entries) exchanged."""
    return value[..., [1, 0, *range(2, value.shape[-1])]] if value.shape[-1] > 1 else value


def without(part: str) -> Callable[[np.ndarray, Pass], np.ndarray]:
    """The first row, the first column or the last sample set to zero."""

    def edit(value: np.ndarray, this: Pass) -> np.ndarray:
        value[{"row": np.s_[:1], "column": np.s_[:, :1], "sample": np.s_[-1:]}[part]] = 0
        return value

    return edit


def clipped(eps: float) -> Callable[[Pass], np.ndarray]:
    """dz[L] where p was clipped to [eps, 1 - eps] in the loss, so that nothing flows where the clip
    is active."""
    return lambda this: np.where(
        (this.passed.p < eps) | (this.passed.p > 1 - eps), 0.0, this.right.dz[this.problem.L]
    )


def folded(value: np.ndarray, this: Pass) -> np.ndarray:
    """Small numbers taken for zero."""
    return np.where(np.abs(value) < 1e-8, 0.0, value)


def one_sample(factor: float) -> Callable[[np.ndarray, Pass], np.ndarray]:
    """One sample counts a little more."""

    def edit(value: np.ndarray, this: Pass) -> np.ndarray:
        value[0] *= factor
        return value

    return edit


def q(this: Pass) -> np.ndarray:
    """A softmax of the probabilities."""
    return by_hand.softmax(this.passed.p)


ENTRY: dict[str, Callable[[float], float]] = {
    "sign": lambda v: -v,
    "to zero": lambda v: 0.0,
    "by 1e-3": lambda v: v * (1 + 1e-3),
    "by 1e-5": lambda v: v * (1 + 1e-5),
    "by 1e-9": lambda v: v * (1 + 1e-9),
    "NaN": lambda v: np.nan,
    "infinite": lambda v: np.inf,
}
LAYER: dict[str, Callable[[np.ndarray, Pass], np.ndarray]] = {
    "sign": times(-1),
    "2 times": times(2),
    "half": times(0.5),
    "by 1e-3": times(1 + 1e-3),
    "by 1e-5": times(1 + 1e-5),
    "by 1e-9": times(1 + 1e-9),
    "zero": times(0),
    "columns swapped": swapped,
    "row missing": without("row"),
    "through float16": through("float16"),
    "through float32": through("float32"),
    "below 1e-8 taken for 0": folded,
}

KINDS: dict[str, Callable[[Problem], Pass]] = {}
for _name, _entry in ENTRY.items():
    KINDS[f"one entry of dW[1]: {_name}"] = lambda p, e=_entry: Pass(
        p, on("dW", at_one_entry(e), 1)
    )
    KINDS[f"one entry of db[L]: {_name}"] = lambda p, e=_entry: Pass(
        p, on("db", at_one_entry(e), 0)
    )
for _name, _layer in LAYER.items():
    KINDS[f"dW[1]: {_name}"] = lambda p, c=_layer: Pass(p, on("dW", c, 1))
    KINDS[f"every db: {_name}"] = lambda p, c=_layer: Pass(p, on("db", c))
KINDS |= {
    "dz[L]: sign": lambda p: Pass(p, on("dz", times(-1), 0)),
    "every dz through float16": lambda p: Pass(p, on("dz", through("float16"))),
    "every dz through float32": lambda p: Pass(p, on("dz", through("float32"))),
    "activations through float16": lambda p: Pass(p, on("a", through("float16"))),
    "weights through float32": lambda p: Pass(p, on("W", through("float32"))),
    "mean forgotten": lambda p: Pass(p, delta=lambda this: this.right.dz[p.L] * this.N),
    "mean taken twice": lambda p: Pass(p, delta=lambda this: this.right.dz[p.L] / this.N),
    "last sample dropped": lambda p: Pass(p, on("dz", without("sample"), 0)),
    "one sample by 1e-6": lambda p: Pass(p, on("dz", one_sample(1 + 1e-6), 0)),
    "labels shifted": lambda p: Pass(
        p, delta=lambda this: this.right.dz[p.L] + (this.Y - np.roll(this.Y, 1, axis=1)) / this.N
    ),
    "p clipped at 1e-3": lambda p: Pass(p, delta=clipped(1e-3)),
    "p clipped at 1e-7": lambda p: Pass(p, delta=clipped(1e-7)),
    "p clipped at 1e-12": lambda p: Pass(p, delta=clipped(1e-12)),
    "softmax diagonal": lambda p: Pass(
        p,
        delta=lambda this: (this.passed.p - this.Y) * this.passed.p * (1 - this.passed.p) / this.N,
    ),
    "softmax twice": lambda p: Pass(p, delta=lambda this: (q(this) - this.Y) / this.N),
    "no hidden derivative": lambda p: Pass(p, on("s", lambda s, this: np.ones_like(s))),
    "hidden derivative of the wrong sign": lambda p: Pass(p, on("s", times(-1), 1)),
    "h' of the activation": lambda p: Pass(p, edit=_h_twice),
    "sigmoid' of another activation": lambda p: Pass(p, edit=_sigmoids_own),
    "tanh' of another activation": lambda p: Pass(p, edit=_tanhs_own),
    "ReLU' of 1 everywhere": lambda p: Pass(p, edit=_no_kink),
    "W transposed where square": lambda p: Pass(
        p, on("W", lambda W, this: W.T if W.shape[0] == W.shape[1] else W)
    ),
    "weights already updated": lambda p: Pass(p, edit=_updated),
    "db one number": lambda p: Pass(p, on("db", lambda db, this: np.full_like(db, db.sum()))),
    "db the mean": lambda p: Pass(p, on("db", lambda db, this: db / this.N)),
    "weight decay of 1e-6": lambda p: Pass(p, edit=_decayed),
}


def _h_twice(name: str, layer: int, value: np.ndarray, this: Pass) -> np.ndarray:
    if name != "s":
        return value
    h = this.problem.activation[layer]
    a = this.passed.a[layer]
    return h.h_prime(a, h.h(a))


def _sigmoids_own(name: str, layer: int, value: np.ndarray, this: Pass) -> np.ndarray:
    if name != "s":
        return value
    a = this.passed.a[layer]
    return a * (1 - a)


def _tanhs_own(name: str, layer: int, value: np.ndarray, this: Pass) -> np.ndarray:
    if name != "s":
        return value
    return 1 - this.passed.a[layer] ** 2


def _no_kink(name: str, layer: int, value: np.ndarray, this: Pass) -> np.ndarray:
    return np.ones_like(value) if name == "s" and this.problem.activation[layer].jump else value


def _updated(name: str, layer: int, value: np.ndarray, this: Pass) -> np.ndarray:
    return value - 0.1 * this.right.dW[layer] if name == "W" else value


def _decayed(name: str, layer: int, value: np.ndarray, this: Pass) -> np.ndarray:
    return value + 1e-6 * this.problem.W[layer] if name == "dW" else value


def catches(
    problem: Problem, wrong: Quantities, right: Quantities, answer: Testimony, bounds: Quantities
) -> tuple[bool, bool]:
    """Whether the change exceeds what is allowed in any dW or db, and whether the check fails."""
    gradients = [name for name in wrong if name.startswith(("dW", "db"))]
    with np.errstate(invalid="ignore"):
        shows = any(
            not (np.abs(wrong[q] - right[q]) <= bounds[q] + answer.errors[q]).all()
            for q in gradients
        )
    verdicts = cross_examine(problem, [Testimony("by_hand", right | wrong, bounds), answer])
    return shows, any(verdict.outcome == "fail" for verdict in verdicts)


def witnessed(problem: Problem) -> tuple[Quantities, Testimony, Quantities]:
    """Everything that is right, the complex step's testimony, and the bounds of a witness that
    computes in float64."""
    bounds = bounds_of(problem, "float64")
    return (
        hand(problem),
        Testimony("complex_step", *with_rounding(by_differences.complex_step(problem), bounds)),
        bounds,
    )


def smallest_always_caught(seeds: int) -> float:
    """The smallest of MAGNITUDES that, as the relative error of one random entry of dW[1], is
    caught with every seed."""
    missed = dict.fromkeys(MAGNITUDES, 0)
    for seed in range(seeds):
        problem = draw((784, 30, 30, 10), 32, seed)
        right, answer, bounds = witnessed(problem)
        index = tuple(int(i) for i in np.random.default_rng(seed).integers((30, 784)))
        for magnitude in MAGNITUDES:
            wrong = right["dW[1]"].copy()
            wrong[index] *= 1 + magnitude
            missed[magnitude] += not catches(problem, {"dW[1]": wrong}, right, answer, bounds)[1]
    return min(
        (magnitude for magnitude in MAGNITUDES if not missed[magnitude]), default=float("nan")
    )


def main(argv: list[str] | None = None) -> int:
    """Plant, check, count, print; 1 if anything was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--problems", type=int, default=200, help="on which each kind is tried (default: 200)"
    )
    parser.add_argument("--seeds", type=int, default=100, help="of the last line (default: 100)")
    parser.add_argument("--quick", action="store_true", help="18 problems and 5 seeds")
    parser.add_argument("--json", action="store_true", help="one object for machines")
    args = parser.parse_args(argv)
    problems, seeds = (18, 5) if args.quick else (args.problems, args.seeds)
    start, counts = time.perf_counter(), {kind: [0, 0] for kind in KINDS}
    with np.errstate(all="ignore"):
        for problem in chain(standard(problems // 2), every_kind(problems - problems // 2)):
            right, answer, bounds = witnessed(problem)
            for kind, make in KINDS.items():
                shows, caught = catches(problem, make(problem).gradients(), right, answer, bounds)
                counts[kind][0] += shows
                counts[kind][1] += shows and caught
        smallest = smallest_always_caught(seeds)
    missed = sum(shows - caught for shows, caught in counts.values())
    if args.json:
        print(
            json.dumps(
                {
                    "problems": problems,
                    "kinds": counts,
                    "missed": missed,
                    "smallest_relative": smallest,
                    "seeds": seeds,
                }
            )
        )
    else:
        print(f"| planted error | shows in, of {problems} | caught |\n|---|---|---|")
        print(
            "\n".join(
                f"| {kind} | {shows} | {caught} |" for kind, (shows, caught) in counts.items()
            )
        )
        total = sum(shows for shows, _ in counts.values())
        print(
            f"\n{len(KINDS)} kinds, {total:,} errors that show, {missed} missed, "
            f"{time.perf_counter() - start:.0f} s"
        )
        print(
            "smallest relative error of one entry of dW[1] of 784-30-30-10, N=32, caught in all "
            f"of {seeds} seeds: {smallest:.0e}"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
