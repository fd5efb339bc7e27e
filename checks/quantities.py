"""What is compared, by name: `z[1]`, `a[1]`, `p`, `losses`, `dz[2]`, `dW[2]` ..., in the order in
which it is computed.

The order is what makes "the first wrong step" a meaningful phrase, and the equation of each name is
where to look.
"""

from __future__ import annotations

import numpy as np

from backproof.checks.by_hand import Backward, Forward

Quantities = dict[str, np.ndarray]


def names(L: int, output: str, cost: str) -> list[str]:
    """Every quantity of a network of L layers, each after all that it is computed from."""
    forward = [name for layer in range(1, L) for name in (f"z[{layer}]", f"a[{layer}]")]
    if (output, cost) == ("softmax", "quadratic"):
        head = ["dp", "J"]
    elif cost == "quadratic":
        head = ["dp"]
    else:
        head = []
    backward = [
        f"{name}[{layer}]" for layer in range(L, 0, -1) for name in ("da", "dz", "dW", "db")
    ]
    return [*forward, f"z[{L}]", "p", "losses", *head, *backward[1:]]


def of_parameters(L: int) -> list[str]:
    """The gradients of all parameters, those of the last layer first."""
    return [f"{name}[{layer}]" for layer in range(L, 0, -1) for name in ("dW", "db")]


def equation(quantity: str, L: int, output: str, cost: str) -> str:
    """The tag of the equation that computes a quantity, such as "(B4)" for "da[1]"."""
    if quantity == f"dz[{L}]":
        return {
            ("softmax", "cross-entropy"): "(B1)",
            ("softmax", "quadratic"): "(B7)",
            ("sigmoid", "quadratic"): "(B8)",
            ("sigmoid", "cross-entropy"): "(B9)",
        }[output, cost]
    if quantity == "dp":
        if output == "softmax":
            return "(B7)"
        return "(B8)"
    fixed = {"z": "(F1)", "a": "(F2)", "p": "(F3)", "losses": "(F4)", "J": "(B6)"}
    return (fixed | {"dz": "(B5)", "dW": "(B2)", "db": "(B3)", "da": "(B4)"})[
        quantity.split("[")[0]
    ]


def collect(passed: Forward, losses: np.ndarray, gone_back: Backward) -> Quantities:
    """All that one forward and one backward pass computed, by name; the input a[0] is given, not
    computed."""
    found: Quantities = {"p": passed.p, "losses": losses}
    found |= by_name("z", passed.z) | by_name(
        "a", {layer: a for layer, a in passed.a.items() if layer > 0}
    )
    for name in ("dz", "da", "dW", "db"):
        found |= by_name(name, getattr(gone_back, name))
    found |= {
        name: value for name in ("dp", "J") if (value := getattr(gone_back, name)) is not None
    }
    return found


def by_name(name: str, layers: dict[int, np.ndarray]) -> Quantities:
    """{1: array} -> {"dW[1]": array}."""
    return {f"{name}[{layer}]": array for layer, array in layers.items()}
