"""What one file is like before any bug: its style, its conventions, and the habits of whoever wrote
it; all drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HEADS = (
    ("softmax", "cross-entropy"),
    ("softmax", "quadratic"),
    ("softmax", "half-quadratic"),
    ("sigmoid", "quadratic"),
    ("sigmoid", "half-quadratic"),
    ("sigmoid", "binary-cross-entropy"),
)
DEFAULTS = {
    "LAYOUT": "out,in",
    "EXAMPLES": "rows",
    "LABELS": "integers",
    "OUTPUT": "softmax",
    "COST": "cross-entropy",
}
DEFAULTS |= {"REDUCTION": "mean"}
STYLES = ("batch", "batch", "samples", "class", "recursive", "torch")


@dataclass(frozen=True)
class Spec:
    """How a file is written.

    Attributes:
        style: "batch" works on matrices, "samples" on one vector after the other, "class" keeps
            weights in an object, "recursive" goes down and comes back, "torch" computes with
            tensors.
        layout, examples, labels, output, cost, reduction, bias: conventions, in which it is written
        natively.
        protocol: "gradients", "step" or "step in place".
        rate: a learning rate written into the step, or None.
        batch: the only number of examples of a call, or None.
        sizes: the only sizes it can handle, or None.
        divides: where the mean enters: in the "delta", in each "gradient", or at the "end".
        slope: the derivative from "a", from "z", or by a "helper".
        two_loops: whether all deltas are computed before the first gradient.
        chain: whether cross-entropy goes through dC/dp and the output's derivative, rather than by
            p - t.
        single: whether it computes in float32.
        lists: whether it returns lists of numbers.
        spells: whether it declares what is the default, too.
    """

    style: str = "batch"
    layout: str = "out,in"
    examples: str = "rows"
    labels: str = "integers"
    output: str = "softmax"
    cost: str = "cross-entropy"
    reduction: str = "mean"
    bias: bool = True
    protocol: str = "gradients"
    rate: float | None = None
    batch: int | None = None
    sizes: tuple[int, ...] | None = None
    divides: str = "delta"
    slope: str = "a"
    two_loops: bool = False
    chain: bool = False
    single: bool = False
    lists: bool = False
    spells: bool = False

    @property
    def constants(self) -> dict[str, object]:
        """What it declares."""
        own = {name: getattr(self, name.lower()) for name in DEFAULTS}
        found: dict[str, object] = {
            name: value for name, value in own.items() if self.spells or value != DEFAULTS[name]
        }
        found |= {} if self.bias else {"BIAS": False}
        found |= {"SIZES": list(self.sizes)} if self.sizes else {}
        found |= {"BATCH": self.batch} if self.batch else {}
        return found | ({"LEARNING_RATE": self.rate} if self.rate else {})

    @property
    def columns(self) -> bool:
        return self.examples == "columns"

    @property
    def by_sample(self) -> bool:
        return self.style == "samples"


def draw(random: np.random.Generator, **fixed: object) -> Spec:
    """A file at random, but for what is fixed."""
    output, cost = HEADS[random.integers(len(HEADS))]
    protocol = str(random.choice(["gradients", "gradients", "step", "step in place"]))
    style = str(random.choice(STYLES))
    drawn: dict[str, object] = {
        "style": style,
        "layout": str(random.choice(["out,in", "in,out"])),
        "examples": str(random.choice(["rows", "columns"])),
        "labels": str(random.choice(["integers", "one-hot"])),
        "output": output,
        "cost": cost,
        "reduction": str(random.choice(["mean", "sum"])),
        "bias": bool(random.random() < 0.85),
        "protocol": protocol,
        "rate": float(random.choice([0.01, 0.1, 0.5, 3.0]))
        if protocol != "gradients" and random.random() < 0.3
        else None,
        "batch": int(random.choice([1, 1, 2, 4])) if random.random() < 0.15 else None,
        "sizes": sizes(random) if random.random() < 0.25 else None,
        "divides": str(random.choice(["delta", "gradient", "end"])),
        "slope": str(random.choice(["a", "z", "helper"])),
        "two_loops": bool(random.random() < 0.4) and style not in ("recursive",),
        "chain": bool(random.random() < 0.25),
        "single": bool(random.random() < 0.08) and protocol == "gradients",
        "lists": bool(random.random() < 0.1) and protocol == "gradients",
        "spells": bool(random.random() < 0.5),
    }
    return Spec(**(drawn | fixed))  # type: ignore[arg-type]


def sizes(random: np.random.Generator, layers: int | None = None) -> tuple[int, ...]:
    """One to four layers; now and then neighbours of equal width."""
    hidden = random.integers(
        2, 10, size=layers - 1 if layers else random.choice([0, 1, 1, 2, 2, 3])
    )
    found = (int(random.integers(2, 9)), *(int(n) for n in hidden), int(random.integers(2, 7)))
    return found if random.random() < 0.8 else (found[0],) * len(found) if found[0] > 1 else found
