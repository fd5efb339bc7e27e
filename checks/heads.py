"""What stands at the end of a network: an output and a cost, which travel together as one `Head`.

A head holds names, words and tags, no mathematics: agreement is evidence only between strangers, so
each witness writes the formulas of every head by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from backproof.checks.activations import NAMES

# element-wise: each number of p depends on its own z alone. A linear output is the identity.
BY_ELEMENT = (
    "sigmoid",
    "linear",
    *(name for name in NAMES if name not in ("sigmoid", "identity")),
)
OUTPUTS = ("softmax", *BY_ELEMENT)
COSTS = ("cross-entropy", "binary-cross-entropy", "quadratic", "half-quadratic")
QUADRATIC = ("quadratic", "half-quadratic")
# an output's costs are named in full, but these say the same in other words
ALIASES = {("sigmoid", "binary-cross-entropy"): "cross-entropy"}
OUTPUT_ALIASES = {"identity": "linear"}


@dataclass(frozen=True)
class Head:
    """The output, which makes p of the logits z[L], and the cost, which makes a loss of p.

    Attributes:
        output: one of OUTPUTS.
        cost: one of COSTS. Cross-entropy is that of the classes after a softmax, and the binary one
            of each output, summed, after a sigmoid; quadratic is the sum of (p - Y)**2.
    Raises: ValueError for names that do not go together.
    """

    output: str = "softmax"
    cost: str = "cross-entropy"

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", OUTPUT_ALIASES.get(self.output, self.output))
        object.__setattr__(self, "cost", ALIASES.get((self.output, self.cost), self.cost))
        if self.output not in OUTPUTS:
            raise ValueError(f"expected an output of {', '.join(OUTPUTS)}, got {self.output!r}")
        if self.cost not in costs_of(self.output):
            raise ValueError(
                f"expected a cost of {', '.join(costs_of(self.output))} beside the output "
                f"{self.output}, got {self.cost!r}"
            )

    @property
    def is_quadratic(self) -> bool:
        """Whether the loss is a sum of squares, halved or not."""
        return self.cost in QUADRATIC

    @property
    def is_softmax(self) -> bool:
        """Whether every output depends on every logit of its row."""
        return self.output == "softmax"

    @property
    def tells_classes(self) -> bool:
        """Whether the outputs are read as probabilities, so that the largest is an answer."""
        return self.output in ("softmax", "sigmoid")

    @property
    def equation(self) -> str:
        """The tag of the equation that makes dz[L]."""
        if self.is_quadratic and self.is_softmax:
            return "(B7)"
        if self.is_quadratic:
            return "(B8)"
        if self.output == "sigmoid":
            return "(B9)"
        if self.cost == "binary-cross-entropy":
            return "(B10)"
        return "(B1)"

    @property
    def between(self) -> tuple[str, ...]:
        """What is computed between the losses and dz[L]: the gradient dp, the Jacobian J, or
        nothing."""
        if not self.is_quadratic:
            return ()
        if self.is_softmax:
            return ("dp", "J")
        return ("dp",)

    def __str__(self) -> str:
        return f"{self.output}+{self.cost}"


def costs_of(output: str) -> tuple[str, ...]:
    """The costs that may stand behind an output, by the names that a Head has them under."""
    if output == "softmax":
        return COSTS
    if output == "sigmoid":
        return ("cross-entropy", *QUADRATIC)
    return QUADRATIC


def usual_cost(output: str) -> str:
    """The cost that goes with an output if none is named."""
    return costs_of(output)[0]


# the four that the project began with
CLASSIC = (
    Head("softmax", "cross-entropy"),
    Head("softmax", "quadratic"),
    Head("sigmoid", "cross-entropy"),
    Head("sigmoid", "quadratic"),
)
HEADS = tuple(Head(output, cost) for output in OUTPUTS for cost in costs_of(output))
