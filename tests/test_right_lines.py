"""The lines that a repair shows are right: each is run as it stands, in every convention, against
the hand-written pass."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from backproof.checks import by_hand
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.candidates.own_form import arguments
from backproof.checks.candidates.right_lines import lines, of_step
from backproof.checks.findings import Step
from backproof.checks.problem import draw
from backproof.checks.quantities import Quantity

HEADS = [
    ("softmax", "cross-entropy"),
    ("softmax", "quadratic"),
    ("softmax", "half-quadratic"),
    ("sigmoid", "quadratic"),
]
HEADS += [("sigmoid", "half-quadratic"), ("sigmoid", "binary-cross-entropy")]
EVERY = [
    Conventions(
        layout=layout,
        examples=examples,
        labels=labels,
        output=output,
        cost=cost,
        reduction=reduction,
    )
    for layout, examples, labels, (output, cost), reduction in itertools.product(
        ("out,in", "in,out"), ("rows", "columns"), ("integers", "one-hot"), HEADS, ("mean", "sum")
    )
]


@pytest.mark.parametrize(
    "conventions",
    EVERY,
    ids=lambda c: f"{c.layout},{c.examples},{c.labels},{c.output},{c.cost},{c.reduction}",
)
def test_the_lines_of_every_convention_compute_the_right_gradients(
    conventions: Conventions,
) -> None:
    problem = draw((4, 6, 5, 3), 7, seed=1, head=conventions.head)
    given, line, L = arguments(problem, conventions), lines(conventions), problem.L
    names = {
        "np": np,
        "sigmoid": by_hand.sigmoid,
        "y": given["y"],
        "N": 7,
        "K": 3,
        "L": L,
        "a": {0: given["x"]},
    }
    names |= {
        "W": {n: given[f"W{n}"] for n in range(1, L + 1)},
        "b": {n: given[f"b{n}"] for n in range(1, L + 1)},
    }
    names |= {name: {} for name in ("z", "da", "dz", "dW", "db")}
    for layer in range(1, L + 1):
        run(names, layer, line["z"], line["a"] if layer < L else "")
    run(names, L, line["p"], line["Y"], line["dzL"])
    for layer in range(L, 0, -1):
        run(names, layer, line["dW"], line["db"], line["da"] if layer > 1 else "")
        run(names, layer - 1, line["dz"] if layer > 1 else "")
    right = by_hand.backward(
        by_hand.forward(problem.x, problem.W, problem.b, head=conventions.head),
        problem.W,
        problem.y,
        head=conventions.head,
    )
    weight = (7 if conventions.reduction == "sum" else 1) * (
        0.5 if conventions.cost == "half-quadratic" else 1
    )
    for layer in range(1, L + 1):
        dW = names["dW"][layer].T if conventions.layout == "in,out" else names["dW"][layer]
        # sums of seven terms: 1e-15
        np.testing.assert_allclose(dW, weight * right.dW[layer], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(
            names["db"][layer], weight * right.db[layer], rtol=1e-10, atol=1e-14
        )


def run(names: dict[str, Any], layer: int, *statements: str) -> None:
    """Execute lines for one layer."""
    for statement in statements:
        names["l"] = layer
        exec(statement, names)


STEPS = {
    "(B4) da[1]": "da[1] = W[2] @ dz[2]",
    "(B5) dz[2]": "dz[2] = da[2] * a[2] * (1 - a[2])",
    "(B2) dW[3]": "dW[3] = a[2] @ dz[3].T",
    "(B1) dz[3]": "dz[3] = p - Y",
    "(F1) z[2]": "z[2] = W[2].T @ a[1] + b[2][:, None]",
    "(F4) losses": "",
}


@pytest.mark.parametrize(("step", "line"), STEPS.items())
def test_the_first_wrong_step_is_shown_with_its_layers(step: str, line: str) -> None:
    tag, _, name = step.partition(" ")
    asked = Conventions(layout="in,out", examples="columns", reduction="sum")
    assert of_step(Step(tag, Quantity.parse(name)), asked) == line
