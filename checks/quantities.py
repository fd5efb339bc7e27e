"""What is compared, by name: `z[1]`, `a[1]`, `p`, `losses`, `dz[2]`, `dW[2]` ..., in the order in
which it is computed.

The order is what makes "the first wrong step" a meaningful phrase, and the equation of each name is
where to look.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from backproof.checks.by_hand import Backward, Forward
from backproof.checks.heads import Head

# by printed name, which is what reports, JSON and bounds have in common
Quantities = dict[str, np.ndarray]

# "dW[1]" in reports, "W1" among a candidate's arguments, "z 1" among its intermediates, and "p"
_NAME = re.compile(r"([A-Za-z]+)(?:\[(\d+)\]| ?(\d+))?")


@dataclass(frozen=True)
class Quantity:
    """One thing that is computed: what it is, and in which layer.

    Attributes:
        kind: "z", "a", "p", "losses", "dp", "J", "dz", "da", "dW", "db"; "W", "b", "x" and "y" of
            what is given.
        layer: 1..L; None for what there is one of, such as p.
    """

    kind: str
    layer: int | None = None

    @staticmethod
    def parse(name: str) -> Quantity:
        """From any way in which a name is written: "dW[1]", "W1", "z 1", "p".

        Raises: ValueError for what is no name of a quantity.
        """
        return _parsed(name)

    def __str__(self) -> str:
        """As reports print it: "dW[1]", "p"."""
        if self.layer is None:
            return self.kind
        return f"{self.kind}[{self.layer}]"

    @property
    def argument(self) -> str:
        """As a candidate's arguments are called on the way to its process: "W1", "x"."""
        return f"{self.kind}{'' if self.layer is None else self.layer}"

    @property
    def gradient(self) -> Quantity:
        """What the loss's gradient with respect to this is called: dW[1] of W[1]."""
        return Quantity(f"d{self.kind}", self.layer)

    @property
    def is_backward(self) -> bool:
        """Whether it is computed going back, so that it is as large as the loss's weight."""
        return self.kind not in ("z", "a", "p", "losses")

    @property
    def is_parameter_gradient(self) -> bool:
        """Whether it is dW or db."""
        return self.kind in ("dW", "db")

    def beside(self, kind: str) -> str:
        """The name of another kind of quantity in the same layer: "dW[2]" beside "db[2]"."""
        return str(Quantity(kind, self.layer))


@lru_cache(maxsize=4096)
def _parsed(name: str) -> Quantity:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f'expected the name of a quantity such as "dW[1]", got {name!r}')
    number = found[2] or found[3]
    return Quantity(found[1], int(number) if number else None)


def kind_of(name: str) -> str:
    """ "dW", of "dW[2]"."""
    return _parsed(name).kind


def layer_of(name: str) -> int:
    """2, of "dW[2]".

    Raises: ValueError for a quantity that no layer has.
    """
    layer = _parsed(name).layer
    if layer is None:
        raise ValueError(f"expected a quantity of a layer, got {name!r}")
    return layer


def names(L: int, head: Head) -> list[str]:
    """Every quantity of a network of L layers, each after all that it is computed from."""
    forward = [f"{kind}[{layer}]" for layer, kind in product(range(1, L), ("z", "a"))]
    kinds = ("da", "dz", "dW", "db")
    backward = [f"{kind}[{layer}]" for layer, kind in product(range(L, 0, -1), kinds)]
    return [*forward, f"z[{L}]", "p", "losses", *head.between, *backward[1:]]


def of_parameters(L: int, kinds: tuple[str, ...] = ("dW", "db")) -> list[str]:
    """The gradients of all parameters, or of the weights alone, those of the last layer first."""
    return [f"{kind}[{layer}]" for layer, kind in product(range(L, 0, -1), kinds)]


def equation(quantity: str, L: int, head: Head) -> str:
    """The tag of the equation that computes a quantity, such as "(B4)" for "da[1]"."""
    if quantity in (f"dz[{L}]", "dp"):
        return head.equation
    fixed = {"z": "(F1)", "a": "(F2)", "p": "(F3)", "losses": "(F4)", "J": "(B6)"}
    in_a_layer = {"dz": "(B5)", "dW": "(B2)", "db": "(B3)", "da": "(B4)"}
    return (fixed | in_a_layer)[kind_of(quantity)]


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
