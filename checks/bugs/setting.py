"""One question in the terms of the mathematics, and what of it a suspect may know in advance."""

from __future__ import annotations

from dataclasses import dataclass

from backproof.checks.activations import IDENTITY
from backproof.checks.heads import QUADRATIC
from backproof.checks.problem import Problem
from backproof.checks.quantities import of_parameters


@dataclass(frozen=True)
class Setting:
    """One question in the terms of the mathematics: the problem, and by what its gradients are
    multiplied.

    Attributes:
        problem: inputs, labels, network and head, in this project's own layout.
        weight: what multiplies each sample's gradient: 1/N for the mean, 1 for the sum, and half of
            it for the cost (1/2) times the sum of (p - Y)**2.
        learning_rate: of the step, or None where gradients were asked for.
        bias: False where the candidate has no biases, so that none is compared.
        calls: into how many calls of the candidate the samples are split.
        mean: whether the loss of a call is the mean over its samples, and that of several calls
            their mean.
        half: whether the weight holds the half of that cost.
        decay: the multiple of W that a call takes off beside its gradient: in none of the gradients
            here, but in the weights that are left.
    """

    problem: Problem
    weight: float
    learning_rate: float | None = None
    bias: bool = True
    calls: int = 1
    mean: bool = True
    half: bool = False
    decay: float = 0.0

    @property
    def N(self) -> int:
        """How many samples."""
        return len(self.problem.y)

    @property
    def in_call(self) -> int:
        """How many samples the candidate sees at a time: what its own code calls N."""
        return self.N // self.calls

    @property
    def K(self) -> int:
        """How many classes."""
        return self.problem.sizes[-1]

    @property
    def gradients(self) -> list[str]:
        """The names of what is compared, from the output back: what is wrong there is wrong further
        back, too."""
        if self.bias:
            return of_parameters(self.problem.L)
        return of_parameters(self.problem.L, ("dW",))

    @property
    def shape(self) -> Shape:
        """What a suspect may know of it."""
        hidden = self.problem.activation
        return Shape(
            self.problem.L,
            self.problem.output,
            self.problem.cost,
            self.bias,
            tuple(h.name for h in hidden.values()),
            tuple(layer for layer, h in hidden.items() if h.jump or h.name == IDENTITY.name),
            self.problem.y.ndim == 1,
            self.K > 1,
            self.calls > 1,
            self.in_call > 1,
            self.learning_rate is not None,
        )


@dataclass(frozen=True)
class Shape:
    """All that decides which variants of a bug there are. A suspect is given this and nothing else,
    so that settings alike in it have the same variants.

    Attributes:
        L: how many layers have weights.
        output, cost: the head.
        bias: whether the network has biases.
        hidden: the activation of each hidden layer, as a report names it.
        straight_layers: those whose activation is straight on either side of 0, so that its
            derivative is the same of z and of a.
        labelled: whether its answers are labels, rather than real-valued targets.
        several_classes: whether it has more than one output.
        several_calls: whether the samples of a question are split into calls.
        several_in_call: whether a call has more than one sample.
        steps: whether steps were asked for, and gradients are read off them.
    """

    L: int
    output: str
    cost: str
    bias: bool
    hidden: tuple[str, ...]
    straight_layers: tuple[int, ...]
    labelled: bool
    several_classes: bool
    several_calls: bool
    several_in_call: bool
    steps: bool

    @property
    def quadratic(self) -> bool:
        """Whether the cost is the quadratic one."""
        return self.cost in QUADRATIC

    @property
    def softmaxed(self) -> bool:
        """Whether the output is a softmax."""
        return self.output == "softmax"

    @property
    def has_output_derivative(self) -> bool:
        """Whether dz[L] holds the derivative of a sigmoid: (B8)."""
        return self.quadratic and self.output == "sigmoid"

    @property
    def shares_derivative(self) -> bool:
        """Whether the output goes through the activation of every hidden layer, and back through
        its derivative: one wrong function is wrong in all of them."""
        bent = self.quadratic and self.output not in ("softmax", "linear")
        return bent and self.L > 1 and set(self.hidden) == {self.output}

    @property
    def tells_classes(self) -> bool:
        """Whether the outputs are read as probabilities."""
        return self.output in ("softmax", "sigmoid")

    @property
    def sigmoid_layers(self) -> list[int]:
        """The hidden layers whose activation is the sigmoid."""
        return [layer for layer in range(1, self.L) if self.hidden[layer - 1] == "sigmoid"]

    @property
    def other_layers(self) -> list[int]:
        """The hidden layers that have another activation."""
        return [layer for layer in range(1, self.L) if layer not in self.sigmoid_layers]
