"""One test problem: sizes, batch, seed and regime -> x, y, W, b and a printable id.

The regimes are where gradient code breaks in different ways. They are constructed, not trained, so
that a problem is a pure function of its seed and owes nothing to the code that it will test.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks import by_hand
from backproof.checks.by_hand import HEADS, Forward

if TYPE_CHECKING:
    from backproof.checks.quantities import Quantities

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Int64

    Layers = dict[int, Float64[np.ndarray, "..."]]

REGIMES = ("fresh", "mid-training", "converged", "stationary", "saturated", "extreme-logits")
LABELS = ("any", "missing-class", "one-class")


@dataclass(frozen=True)
class Problem:
    """Inputs, labels and a network to differentiate; float64 always, rounded to float32 where
    `dtype` says so."""

    x: Float64[np.ndarray, "N n_0"]
    y: Int64[np.ndarray, " N"]
    W: Layers
    b: Layers
    output: str = "softmax"
    cost: str = "cross-entropy"
    name: str = "given"
    dtype: str = "float64"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of the input and of each layer."""
        return (self.x.shape[1], *(len(self.b[layer]) for layer in range(1, len(self.b) + 1)))

    @property
    def L(self) -> int:
        """How many layers have weights."""
        return len(self.W)

    @property
    def id(self) -> str:
        """What a report prints, and what is needed to draw the problem again."""
        shape = "-".join(map(str, self.sizes))
        return f"{shape} N={len(self.y)} {self.output}+{self.cost} {self.name} {self.dtype}"

    def forward(self) -> Forward:
        """Every z and a, and the output p, by hand."""
        return by_hand.forward(self.x, self.W, self.b, output=self.output)

    def bounds(self, dtype: str = "float64") -> Quantities:
        """By how much rounding in `dtype` may miss each quantity of this problem, entry by
        entry."""
        # bound.py itself speaks of targets, which are defined here
        from backproof.checks import bound

        settled = {"output": self.output, "cost": self.cost}
        return bound.rounding(self.forward(), self.W, self.b, self.y, **settled, dtype=dtype)

    def rounded_to(self, dtype: str) -> Problem:
        """The same problem with every number representable in `dtype`, so that all precisions see
        one problem."""
        if dtype == "float64":
            return self

        def rounded(array: np.ndarray) -> np.ndarray:
            return array.astype(dtype).astype(np.float64)

        W, b = (
            {layer: rounded(array) for layer, array in layers.items()}
            for layers in (self.W, self.b)
        )
        return replace(self, x=rounded(self.x), W=W, b=b, dtype=dtype)


def classes(K: int) -> int:
    """How many labels K outputs tell apart: a single sigmoid output has 0 and 1."""
    return max(K, 2)


def targets(y: Int64[np.ndarray, " N"], K: int) -> Float64[np.ndarray, "N K"]:
    """Y, one row a sample: 1 at its label, 0 elsewhere; of a single output the label itself."""
    return np.asarray(np.arange(K) == y[:, None] if K > 1 else y[:, None], dtype=np.float64)


def draw(
    sizes: Sequence[int],
    N: int,
    seed: int,
    *,
    regime: str = "fresh",
    labels: str = "any",
    output: str = "softmax",
    cost: str = "cross-entropy",
) -> Problem:
    """Draw a problem.

    Args:
        sizes: units of the input and of each layer; the last is the number of classes, or 1 for a
            single output that tells two.
        N: samples.
        seed: everything random comes from here.
        regime: "fresh" as initialised; "mid-training" and "converged" with a last layer fitted to
            the labels, softly or hard; "stationary" answers the class frequencies whatever goes in,
            so that gradients cancel over the batch; "saturated" has hidden units at 0 and 1;
            "extreme-logits" has logits up to 1e4 in magnitude.
        labels: "any", "missing-class" (one never occurs) or "one-class" (all samples alike).
        output, cost: the head.
    Returns: the problem.
    Raises: ValueError for an unknown regime or kind of labels.
    """
    if regime not in REGIMES or labels not in LABELS:
        raise ValueError(
            f"expected a regime of {REGIMES} and labels of {LABELS}, got {regime!r} and {labels!r}"
        )
    random = np.random.default_rng([seed, *sizes, N])
    x = random.normal(size=(N, sizes[0]))
    occurring = {"any": classes(sizes[-1]), "missing-class": max(sizes[-1] - 1, 1), "one-class": 1}[
        labels
    ]
    y = random.integers(occurring, size=N)
    W = {}
    b = {}
    for layer in range(1, len(sizes)):
        W[layer] = random.normal(size=(sizes[layer], sizes[layer - 1])) / np.sqrt(sizes[layer - 1])
        b[layer] = random.normal(size=sizes[layer])
    _enter(regime, x, y, W, b)
    name = " ".join([regime] + ([labels] if labels != "any" else []) + [f"seed={seed}"])
    return Problem(x, y, W, b, output, cost, name)


def standard(
    count: int, seed: int = 0, sizes: Sequence[int] | None = None, batch: int | None = None
) -> Iterator[Problem]:
    """The problems of `python -m checks`: first one of each hard kind, then as many random ones as
    asked for.

    Args:
        count: how many.
        seed: of the first; the i-th has seed + i.
        sizes, batch: given, every problem has them, and only regimes, labels and heads vary.
    """
    for i in range(count):
        random = np.random.default_rng([seed, i])
        if i < len(HARD_KINDS):
            shape, N, regime, labels = HARD_KINDS[i]
        else:
            hidden = random.integers(1, 12, size=random.integers(0, 5))
            shape = (int(random.integers(1, 12)), *map(int, hidden), int(random.integers(2, 12)))
            N = int(random.integers(1, 20))
            regime = str(random.choice(REGIMES))
            labels = str(random.choice(LABELS, p=[0.8, 0.1, 0.1]))
        output, cost = HEADS[i % len(HEADS)]
        yield draw(
            sizes or shape,
            batch or N,
            seed + i,
            regime=regime,
            labels=labels,
            output=output,
            cost=cost,
        )


# Depths 0 to 4, every regime under softmax with either cost, N = 1, equal neighbouring widths,
# repeated and missing labels.
HARD_KINDS: tuple[tuple[tuple[int, ...], int, str, str], ...] = (
    ((4, 7, 6, 3), 5, "fresh", "any"),
    ((5, 4, 3), 6, "fresh", "any"),
    ((3, 5, 4), 7, "fresh", "any"),
    ((4, 6, 5, 2), 4, "fresh", "missing-class"),
    ((6, 5), 9, "mid-training", "any"),
    ((5, 8, 3), 6, "extreme-logits", "any"),
    ((4, 5, 5, 3), 6, "mid-training", "any"),
    ((4, 50, 50, 2), 4, "saturated", "any"),
    ((3, 6, 5, 4, 3), 8, "mid-training", "missing-class"),
    ((7, 3, 9, 4), 1, "fresh", "any"),
    ((4, 4, 4), 3, "extreme-logits", "one-class"),
    ((5, 7, 3), 16, "converged", "any"),
    ((2, 5, 4, 3, 6, 3), 7, "extreme-logits", "any"),
    ((9, 6, 4), 12, "converged", "any"),
    ((6, 4), 3, "extreme-logits", "any"),
    ((3, 7, 4, 6, 5, 2), 5, "mid-training", "any"),
    ((5, 6, 6, 3), 10, "stationary", "any"),
    ((8, 5, 3), 5, "saturated", "one-class"),
)


def _enter(regime: str, x: np.ndarray, y: np.ndarray, W: Layers, b: Layers) -> None:
    """Change W and b in place until the network is in the regime."""
    L = len(W)
    if regime == "saturated":
        for layer in range(1, L):
            W[layer] *= 30
    a = x
    for layer in range(1, L):
        a = 0.5 * (1 + np.tanh((a @ W[layer].T + b[layer]) / 2))
    if regime in ("mid-training", "converged"):
        margin = {"mid-training": 2.0, "converged": 14.0}[regime]
        logits = margin * (2 * np.eye(len(b[L]))[y] - 1)
        fitted = np.linalg.lstsq(np.column_stack([a, np.ones(len(a))]), logits, rcond=1e-3)[0]
        W[L] = fitted[:-1].T.copy()
        b[L] = fitted[-1].copy()
    elif regime == "stationary":
        W[L] *= 0
        b[L] = np.log((np.bincount(y, minlength=len(b[L])) + 1e-3) / len(y))
    elif regime == "extreme-logits":
        largest = np.abs(a @ W[L].T + b[L]).max()
        W[L] = W[L] * (1e4 / largest)
        b[L] = b[L] * (1e4 / largest)
