"""A candidate's conventions: how it wants to be asked, and what it means by its answers.

The project's own are those of EQUATIONS.md: rows are samples, W[l] is (n_l, n_{l-1}), labels are
integers. declared.py reads a candidate's from its constants, own_form.py turns arrays to them and
back.
"""

from __future__ import annotations

from dataclasses import dataclass

from backproof.checks.activations import Activation, named
from backproof.checks.heads import COSTS, OUTPUTS, Head
from backproof.checks.problem import PLAIN

CHOICES: dict[str, tuple[str, ...]] = {  # the first is the default
    "LAYOUT": ("out,in", "in,out"),
    "EXAMPLES": ("rows", "columns"),
    "LABELS": ("integers", "one-hot", "values"),
    "OUTPUT": OUTPUTS,
    "COST": COSTS,
    "REDUCTION": ("mean", "sum", "mean-over-all"),
}
CONSTANTS = (
    *CHOICES,
    "TARGETS",
    "HIDDEN",
    "SLOPE",
    "WEIGHT_DECAY",
    "BIAS",
    "SIZES",
    "BATCH",
    "LEARNING_RATE",
)


class NotAConvention(ValueError):
    """A constant holds something that is no convention; the text says which, what was expected, and
    what came."""


@dataclass(frozen=True)
class Conventions:
    """How a candidate wants to be asked, and what it means by its answers.

    Attributes:
        layout: W[l] is (n_l, n_{l-1}) for "out,in", (n_{l-1}, n_l) for "in,out".
        examples: x is (N, n_0) for "rows", (n_0, N) for "columns"; one-hot labels and activations
            go with it.
        labels: y is (N,) int64 for "integers"; (N, K) or (K, N) float64 for "one-hot", and for
            "values", which are real-valued targets.
        targets: what a class that is not the label should give, and what the label should.
        hidden: the activation of all hidden layers, or one each.
        slope: of the leaky ReLU below 0.
        weight_decay: the multiple of W that its gradients or steps add to dW.
        output, cost: the head; "half-quadratic" is half the sum of (p - Y)**2,
            "binary-cross-entropy" goes with a sigmoid or softmax output.
        reduction: its loss is the "mean" or the "sum" over the samples of a call; "mean-over-all"
            is the mean over outputs, too.
        bias: whether the network has biases; without, b is an empty list and db is not read.
        sizes: the only sizes that its code can handle, or None for any.
        batch: the only number of samples that a call may have, or None for any.
        learning_rate: the only learning rate that its step can handle, because it is built in, or
            None for any.
        protocol: which function it defines, "gradients" or "step"; gradients where it defines both.
        builds: whether its step is a method of the object that its make(W, b) returns.
        has_forward, has_intermediates, has_loss: whether it defines these functions, too.
        declared: the constants that the module itself sets.
    """

    layout: str = "out,in"
    examples: str = "rows"
    labels: str = "integers"
    targets: tuple[float, float] = PLAIN
    hidden: str | tuple[str, ...] = "sigmoid"
    slope: float = 0.01
    weight_decay: float = 0.0
    output: str = "softmax"
    cost: str = "cross-entropy"
    reduction: str = "mean"
    bias: bool = True
    sizes: tuple[int, ...] | None = None
    batch: int | None = None
    learning_rate: float | None = None
    protocol: str = "gradients"
    builds: bool = False
    has_forward: bool = False
    has_intermediates: bool = False
    has_loss: bool = False
    declared: frozenset[str] = frozenset()

    @property
    def averages(self) -> bool:
        """Whether the loss of several calls is the mean of theirs."""
        return self.reduction != "sum"

    @property
    def activations(self) -> Activation | tuple[Activation, ...]:
        """That of all hidden layers, or one each."""
        if isinstance(self.hidden, str):
            return named(self.hidden, self.slope)
        return tuple(named(name, self.slope) for name in self.hidden)

    @property
    def is_quadratic(self) -> bool:
        """Whether its loss is a sum of squares, halved or not."""
        return self.cost in ("quadratic", "half-quadratic")

    @property
    def head(self) -> Head:
        """Output and cost of the equations; the half of a cost is a factor on its gradients, and no
        other head."""
        if self.is_quadratic:
            return Head(self.output, "quadratic")
        return Head(self.output, self.cost)
