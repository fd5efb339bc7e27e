"""A call of a function with gradients sent back through it: its arguments, and how it is called.

The function that is checked and its reference are called with the same numbers, each in a precision
of its own; the gradients that are sent back are the same, too (sent_back.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from backproof.checks.black_box.differentiate import dense, differentiate
from backproof.checks.black_box.pytrees import (
    Leaf,
    converted,
    differentiable,
    name_inputs,
    name_outputs,
    rebuilt,
    wider,
)
from backproof.checks.black_box.sent_back import SentBack
from backproof.checks.black_box.untouched import Generators

Function = Callable[..., Any]
Layout = Callable[[Tensor], Tensor]
LARGE = 1 << 20  # entries of all inputs; with fewer, neither memory nor time matters


class Call:
    """Arguments of a function, of which some are differentiated by.

    Args:
        inputs, keywords: what it is called with.
        dtype: that of all real inputs, and of the parts of complex ones; None leaves each its own.
        seed: of what is sent back.
    """

    def __init__(
        self,
        inputs: Sequence[Any],
        keywords: Mapping[str, Any],
        dtype: torch.dtype | None,
        seed: int,
    ) -> None:
        self.inputs = inputs
        self.keywords = keywords
        self.sent_back = SentBack(seed)
        self.rows: tuple[int, int, int] | None = None
        self.leaves = [
            Leaf(leaf.name, self._prepared(leaf.value, dtype))
            for leaf in name_inputs(inputs, keywords)
        ]
        self.names = [leaf.name for leaf in self.leaves if differentiable(leaf.value)]
        self.wanted = list(self.names)
        self.draws: Generators | None = None

    @property
    def dtypes(self) -> list[torch.dtype]:
        """Of the inputs that are numbers with digits; of the parts of complex ones."""
        return [leaf.value.dtype.to_real() for leaf in self.leaves if differentiable(leaf.value)]

    @property
    def entries(self) -> int:
        """Numbers in all inputs that are differentiable."""
        return sum(leaf.value.numel() for leaf in self.leaves if differentiable(leaf.value))

    @property
    def largest(self) -> Leaf:
        """The input that has the most numbers."""
        leaves = [leaf for leaf in self.leaves if differentiable(leaf.value)]
        return max(leaves, key=lambda leaf: leaf.value.numel())

    @property
    def is_large(self) -> bool:
        """Whether memory and time matter."""
        return self.entries >= LARGE

    def dtype_of(self, name: str) -> torch.dtype:
        """Of one input."""
        return next(leaf.value.dtype for leaf in self.leaves if leaf.name == name)

    def of_rows(self, begin: int, end: int, count: int, cut: frozenset[str]) -> Call:
        """The same call with some rows alone of some inputs, which have `count` of them."""
        block = copy(self)
        block.rows = (begin, end, count)
        block.leaves = [
            Leaf(leaf.name, leaf.value[begin:end]) if leaf.name in cut else leaf
            for leaf in self.leaves
        ]
        return block

    def exact(
        self, reference: Function, mode: Any, through: str | None = None, wide: bool = True
    ) -> dict[str, Tensor | None]:
        """Outputs, and gradients by "gradient of" the name of the input, within a mode: in float64,
        or in the precision under test where `wide` is False."""
        inputs = self.fresh(wide=wide)
        with mode or nullcontext(), torch.enable_grad():
            returned = self.called(reference, inputs)
            kept = self.sent_through(returned, through)
            sent = [self.gradient_for(leaf.name, leaf.value, None) for leaf in kept]
            wanted = [value for name, value in self.tensors_among(inputs) if name in self.wanted]
            gradients = differentiate([leaf.value for leaf in kept], wanted, sent)
        found: dict[str, Tensor | None] = {
            leaf.name: leaf.value.detach().clone() for leaf in name_outputs(returned)
        }
        for name, gradient in zip(self.wanted, gradients, strict=True):
            found[gradient_of(name)] = dense(gradient)
        return found

    def called(self, function: Function, inputs: list[Any]) -> Any:
        """What a function returns for fresh leaves; its sparse tensors are dense.

        Raises: TypeError if there is no tensor in it.
        """
        if self.draws:
            self.draws.restore()
        positional, keywords = rebuilt(self.inputs, self.keywords, inputs)
        returned = function(*positional, **keywords)
        returned = tree_map(_dense_output, returned)
        if not name_outputs(returned):
            name = getattr(function, "__name__", type(function).__name__)
            raise TypeError(
                f"{name}: expected it to return a tensor, or tensors in tuples, lists or dicts, "
                f"got {type(returned).__name__}. Return its result."
            )
        return returned

    def sent_through(self, returned: Any, through: str | None) -> list[Leaf]:
        """The results that gradients are sent back through: all that have a graph, or one of
        them."""
        return [
            leaf
            for leaf in name_outputs(returned)
            if differentiable(leaf.value)
            and leaf.value.requires_grad
            and through in (None, leaf.name)
        ]

    def fresh(self, wide: bool = False, layout: Layout | None = None) -> list[Any]:
        """The leaves anew, in the precision under test or in float64."""
        made = []
        for leaf in self.leaves:
            value = leaf.value
            if differentiable(value):
                value = value.detach()
                value = value.to(wider(value.dtype)) if wide else value
                value = layout(value) if layout else value.clone()
                value = value.detach().requires_grad_(leaf.name in self.wanted)
            elif isinstance(value, Tensor):
                value = value.clone()
            made.append(value)
        return made

    def tensors_among(self, inputs: list[Any]) -> list[tuple[str, Tensor]]:
        """Those of fresh leaves that have digits, with their names."""
        return [
            (leaf.name, value)
            for leaf, value in zip(self.leaves, inputs, strict=True)
            if differentiable(value)
        ]

    def _prepared(self, value: Any, dtype: torch.dtype | None) -> Any:
        if not differentiable(value) or dtype is None:
            return value
        return converted(value.detach(), dtype)

    def gradient_for(self, name: str, output: Tensor, layout: Layout | None) -> Tensor:
        """Numbers that depend on the seed and the output's name alone."""
        sent = self.sent_back.through(name, output, self.rows)
        return layout(sent) if layout else sent


@dataclass(frozen=True)
class Compared:
    """What is compared.

    Attributes:
        function: what is checked.
        reference: the same as it should be.
        call: the arguments of both.
    """

    function: Function
    reference: Function
    call: Call


def has_rows(value: Any, count: int) -> bool:
    """Whether it is a tensor of so many rows."""
    return isinstance(value, Tensor) and value.dim() > 0 and len(value) == count


def gradient_of(name: str) -> str:
    """How a gradient is called in the report."""
    return f"gradient of {name}"


def first_line(error: BaseException) -> str:
    """Of what an exception says."""
    lines = str(error).splitlines()
    return lines[0] if lines else ""


def _dense_output(value: Any) -> Any:
    """A sparse result with all its zeros, still in the graph."""
    if isinstance(value, Tensor) and value.layout != torch.strided:
        return value.to_dense()
    return value
