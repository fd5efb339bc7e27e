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
from backproof.checks.activations import NAMES, SIGMOID, Activation, by_layer, named
from backproof.checks.by_hand import SOFTMAX, Backward, Forward, Hidden
from backproof.checks.heads import CLASSIC, HEADS, Head

if TYPE_CHECKING:
    from backproof.checks.quantities import Quantities

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float64, Int64

    from backproof.checks.by_hand import Answers

    Layers = dict[int, Float64[np.ndarray, "..."]]

REGIMES = ("fresh", "mid-training", "converged", "stationary", "saturated", "extreme-logits")
# the targets of a class that is not the label, and of the label
PLAIN = (0.0, 1.0)
LABELS = ("any", "missing-class", "one-class", "values")


@dataclass(frozen=True)
class Problem:
    """Inputs, answers and a network to differentiate; float64 always, rounded to float32 where
    `dtype` says so.

    Attributes:
        x: one sample a row.
        y: class labels, or real-valued targets, one row a sample.
        W, b: weights and biases by layer.
        head: output and cost.
        name: what tells it from others of its shape.
        dtype: in which every number is representable.
        hidden: the activation of all hidden layers, or one each.
        levels: the target of a class that is not the label, and of the label.
    """

    x: Float64[np.ndarray, "N n_0"]
    y: Answers
    W: Layers
    b: Layers
    head: Head = SOFTMAX
    name: str = "given"
    dtype: str = "float64"
    hidden: Hidden = SIGMOID
    levels: tuple[float, float] = PLAIN

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
        said = [shape, f"N={len(self.y)}", str(self.head), *self._unusual, self.name, self.dtype]
        return " ".join(said)

    @property
    def _unusual(self) -> list[str]:
        """Words for hidden layers that are not all sigmoid, and for targets that are not 0 and
        1."""
        names = list(dict.fromkeys(str(h) for h in self.activation.values()))
        if len(names) > 1:
            names = [",".join(str(h) for h in self.activation.values())]
        if names == [SIGMOID.name]:
            names = []
        if self.y.ndim == 1 and self.levels != PLAIN:
            names.append("targets={:g},{:g}".format(*self.levels))
        return names

    @property
    def output(self) -> str:
        """The head's output, by name."""
        return self.head.output

    @property
    def cost(self) -> str:
        """The head's cost, by name."""
        return self.head.cost

    @property
    def activation(self) -> dict[int, Activation]:
        """The activation of each hidden layer."""
        return by_layer(self.hidden, self.L)

    @property
    def Y(self) -> Float64[np.ndarray, "N K"]:
        """The targets, one row a sample."""
        if self.y.ndim == 2:
            return np.asarray(self.y, dtype=np.float64)
        low, high = self.levels
        return low + (high - low) * targets(self.y, len(self.b[self.L]))

    @property
    def answers(self) -> Answers:
        """What a network that is taught gets: the labels where their targets are 1 and 0, the
        targets themselves elsewhere."""
        if self.y.ndim == 2 or self.levels != PLAIN:
            return self.Y
        return self.y

    def forward(self) -> Forward:
        """Every z and a, and the output p, by hand."""
        return by_hand.forward(self.x, self.W, self.b, head=self.head, hidden=self.hidden)

    def backward(self, passed: Forward | None = None) -> Backward:
        """Every gradient, by hand."""
        if passed is None:
            passed = self.forward()
        return by_hand.backward(passed, self.W, self.Y, head=self.head, hidden=self.hidden)

    def losses(self) -> Float64[np.ndarray, " N"]:
        """The loss of each sample, by hand."""
        return by_hand.losses(self.forward().z[self.L], self.Y, head=self.head)

    def bounds(self, dtype: str = "float64") -> Quantities:
        """By how much rounding in `dtype` may miss each quantity of this problem, entry by
        entry."""
        # bound.py itself speaks of targets, which are defined here
        from backproof.checks import bound

        return bound.rounding(
            self.forward(),
            self.W,
            self.b,
            self.Y,
            head=self.head,
            hidden=self.hidden,
            dtype=dtype,
        )

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
        y = rounded(self.y) if self.y.ndim == 2 else self.y
        return replace(self, x=rounded(self.x), y=y, W=W, b=b, dtype=dtype)


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
    head: Head = SOFTMAX,
    hidden: Hidden = SIGMOID,
    levels: tuple[float, float] = PLAIN,
) -> Problem:
    """Draw a problem.

    Args:
        sizes: units of the input and of each layer; the last is the number of classes, or 1 for a
            single output that tells two.
        N: samples.
        seed: everything random comes from here.
        regime: "fresh" as initialised; "mid-training" and "converged" with a last layer fitted to
            the answers, softly or hard; "stationary" answers the mean target whatever goes in, so
            that gradients cancel over the batch; "saturated" has hidden units at the ends of their
            range, or, where it has no end above, a third of them out of work;
            "extreme-logits" has logits up to 1e4 in magnitude.
        labels: "any", "missing-class" (one never occurs) or "one-class" (all samples alike), or
            "values": real numbers that the output can reach, in place of labels.
        head: output and cost.
        hidden: the activation of all hidden layers, or one each.
        levels: the targets of wrong classes and of the right one.
    Returns: the problem.
    Raises: ValueError for an unknown regime or kind of labels.
    """
    if regime not in REGIMES or labels not in LABELS:
        raise ValueError(
            f"expected a regime of {REGIMES} and labels of {LABELS}, got {regime!r} and {labels!r}"
        )
    random = np.random.default_rng([seed, *sizes, N])
    x = random.normal(size=(N, sizes[0]))
    occurring = classes(sizes[-1])
    if labels == "missing-class":
        occurring = max(sizes[-1] - 1, 1)
    elif labels == "one-class":
        occurring = 1
    y: Answers = random.integers(occurring, size=N)
    W = {}
    b = {}
    for layer in range(1, len(sizes)):
        W[layer] = random.normal(size=(sizes[layer], sizes[layer - 1])) / np.sqrt(sizes[layer - 1])
        b[layer] = random.normal(size=sizes[layer])
    if labels == "values":
        y = _values(head, N, sizes[-1], random)
    name = " ".join([regime, *([] if labels == "any" else [labels]), f"seed={seed}"])
    problem = Problem(x, y, W, b, head, name, hidden=hidden, levels=levels)
    _enter(regime, problem, random)
    return problem


def standard(
    count: int, seed: int = 0, sizes: Sequence[int] | None = None, batch: int | None = None
) -> Iterator[Problem]:
    """Problems with sigmoid hidden layers and the first four heads: one of each hard kind, then as
    many random ones as asked for.

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
            labels = str(random.choice(LABELS[:3], p=[0.8, 0.1, 0.1]))
        head = CLASSIC[i % len(CLASSIC)]
        yield draw(sizes or shape, batch or N, seed + i, regime=regime, labels=labels, head=head)


def every_kind(
    count: int, seed: int = 0, sizes: Sequence[int] | None = None, batch: int | None = None
) -> Iterator[Problem]:
    """The same with every head in turn, every activation in turn or one a layer, real-valued and
    soft targets."""
    for i, problem in enumerate(standard(count, seed, sizes, batch)):
        random = np.random.default_rng([seed, i, len(NAMES)])
        regime, labels = problem.name.split()[0], "any"
        head = HEADS[i % len(HEADS)]
        hidden: Hidden = named(NAMES[i % len(NAMES)])
        if random.random() < 0.3:
            hidden = [named(str(name)) for name in random.choice(NAMES, size=problem.L - 1)]
        levels = PLAIN
        if head.is_quadratic and random.random() < 0.5:
            labels = "values"
        elif head != SOFTMAX and random.random() < 0.3:
            levels = (0.1, 0.9)
        yield draw(
            problem.sizes,
            len(problem.y),
            seed + i,
            regime=regime,
            labels=labels,
            head=head,
            hidden=hidden,
            levels=levels,
        )


def of_the_project(
    count: int | None = None,
    seed: int = 0,
    sizes: Sequence[int] | None = None,
    batch: int | None = None,
) -> list[Problem]:
    """The problems of `python -m checks`: one of each hard kind, then all heads and activations.

    Args:
        count: how many; None for as many as it takes to have had every head.
        seed, sizes, batch: as for `standard`.
    """
    hard = list(standard(min(count or len(HARD_KINDS), len(HARD_KINDS)), seed, sizes, batch))
    more = len(HEADS) if count is None else count - len(hard)
    return hard + list(every_kind(more, seed + len(hard), sizes, batch))


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


def _values(head: Head, N: int, K: int, random: np.random.Generator) -> Float64[np.ndarray, "N K"]:
    """Targets that the head's output can reach."""
    low = 0.0
    high = 1.0
    if not head.is_softmax:
        low = max(named(head.output).lowest, -2.0)
        high = min(named(head.output).highest, 2.0)
    inside = 0.05 * (high - low)
    return random.uniform(low + inside, high - inside, size=(N, K))


def _enter(regime: str, problem: Problem, random: np.random.Generator) -> None:
    """Change W and b in place until the network is in the regime."""
    L = problem.L
    W = problem.W
    b = problem.b
    if regime == "saturated":
        for layer, activation in problem.activation.items():
            if activation.highest < np.inf:
                W[layer] *= 30
            else:
                b[layer][::3] = -30.0
    a = problem.x
    for layer, activation in problem.activation.items():
        # not by by_hand.forward, which is what the problem will test
        a = activation.h(a @ W[layer].T + b[layer])
    if regime in ("mid-training", "converged"):
        fitted = np.linalg.lstsq(
            np.column_stack([a, np.ones(len(a))]), _fitting(regime, problem, random), rcond=1e-3
        )[0]
        W[L] = fitted[:-1].T.copy()
        b[L] = fitted[-1].copy()
    elif regime == "stationary":
        W[L] *= 0
        b[L] = _mean_answer(problem)
    elif regime == "extreme-logits":
        largest = np.abs(a @ W[L].T + b[L]).max()
        W[L] = W[L] * (1e4 / largest)
        b[L] = b[L] * (1e4 / largest)


def _fitting(
    regime: str, problem: Problem, random: np.random.Generator
) -> Float64[np.ndarray, "N K"]:
    """Logits of a network that has learned its answers, softly or hard."""
    if problem.head.tells_classes and problem.y.ndim == 1:
        margin = {"mid-training": 2.0, "converged": 14.0}[regime]
        return margin * (2 * np.eye(problem.sizes[-1])[problem.y] - 1)
    error = {"mid-training": 0.3, "converged": 1e-4}[regime]
    return problem.Y + error * random.normal(size=problem.Y.shape)


def _mean_answer(problem: Problem) -> Float64[np.ndarray, " K"]:
    """Logits of the mean target."""
    K = problem.sizes[-1]
    if problem.head.tells_classes and problem.y.ndim == 1:
        return np.log((np.bincount(problem.y, minlength=K) + 1e-3) / len(problem.y))
    return problem.Y.mean(axis=0)
