"""One call of a function with a gradient sent back through it, and what happened on the way.

The function that is checked and its reference are called with the same numbers, each in a precision
of its own; the gradients that are sent back are the same, too (sent_back.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from backproof.checks.black_box.differentiate import dense, differentiate
from backproof.checks.black_box.free_memory import give_back
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
from backproof.checks.black_box.untouched import Generators, same_bits

Function = Callable[..., Any]
Layout = Callable[[Tensor], Tensor]
LARGE = 1 << 20  # entries of all inputs; with fewer, neither memory nor time matters


@dataclass
class Outcome:
    """What one call gave.

    Attributes:
        outputs: the tensors returned, by name.
        gradients: of what is differentiated by, by the name of the input; None where there is none.
        overwritten: names of what was changed although it should only be read.
        again: gradients that came out differently when the same graph was gone through once more.
        refused: what the second time raised, in a sentence; "" if nothing.
    """

    outputs: dict[str, Tensor] = field(default_factory=dict)
    gradients: dict[str, Tensor | None] = field(default_factory=dict)
    overwritten: list[str] = field(default_factory=list)
    again: dict[str, Tensor | None] = field(default_factory=dict)
    refused: str = ""


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

    def observed(
        self,
        function: Function,
        layout: Layout | None = None,
        sent_layout: Layout | None = None,
        through: str | None = None,
        twice: bool = True,
    ) -> Outcome:
        """Call it as it is, go back through it, and watch what it does to what it was given.

        Args:
            function: what is called.
            layout: how the inputs lie in memory; as they were given by default.
            sent_layout: how the gradients that are sent back do.
            through: the only output that a gradient is sent back through; all by default.
            twice: whether to go back through the same graph once more.
        """
        inputs = self._fresh(layout=layout)
        outcome = Outcome()
        returned = self._called(function, inputs)
        outcome.outputs = {
            leaf.name: leaf.value.detach().clone() for leaf in name_outputs(returned)
        }
        kept = self._sent_through(returned, through)
        sent = [self._sent_back(leaf.name, leaf.value, sent_layout) for leaf in kept]
        wanted = [value for name, value in self._named(inputs) if name in self.wanted]
        values = [leaf.value for leaf in kept]
        gradients = differentiate(values, wanted, sent)
        for name in self.wanted:
            gradient = dense(gradients.pop(0))
            outcome.gradients[name] = None if gradient is None else gradient.clone()
        outcome.overwritten = self._overwritten(inputs, kept, sent, sent_layout)
        for leaf in name_outputs(returned):
            if not same_bits(leaf.value.detach(), outcome.outputs[leaf.name]):
                outcome.overwritten.append(leaf.name)
        del sent
        if not twice:
            return outcome
        if self.is_large:
            give_back()
        self._go_back_again(outcome, kept, wanted, sent_layout)
        return outcome

    def _overwritten(
        self,
        inputs: list[Any],
        kept: Sequence[Leaf],
        sent: Sequence[Tensor],
        sent_layout: Layout | None,
    ) -> list[str]:
        """Names of what was given, and is no longer what it was."""
        found = []
        for leaf, value in zip(self.leaves, inputs, strict=True):
            if isinstance(value, Tensor) and not same_bits(value, leaf.value):
                found.append(leaf.name)
        for leaf, value in zip(kept, sent, strict=True):
            if not same_bits(value, self._sent_back(leaf.name, leaf.value, sent_layout)):
                found.append(f"the gradient sent back through {leaf.name}")
        return found

    def _go_back_again(
        self,
        outcome: Outcome,
        kept: Sequence[Leaf],
        wanted: list[Tensor],
        sent_layout: Layout | None,
    ) -> None:
        sent = [self._sent_back(leaf.name, leaf.value, sent_layout) for leaf in kept]
        try:
            again = differentiate([leaf.value for leaf in kept], wanted, sent)
        except Exception as error:  # somebody's backward may raise anything the second time
            outcome.refused = f"{type(error).__name__}: {first_line(error)}"
            return
        for name, second in zip(self.wanted, again, strict=True):
            first = outcome.gradients[name]
            second = dense(second)
            if first is None and second is None:
                continue
            if first is None or second is None or not same_bits(first, second):
                outcome.again[name] = second

    def exact(
        self, reference: Function, mode: Any, through: str | None = None, wide: bool = True
    ) -> dict[str, Tensor | None]:
        """Outputs, and gradients by "gradient of" the name of the input, within a mode: in float64,
        or in the precision under test where `wide` is False."""
        inputs = self._fresh(wide=wide)
        with mode or nullcontext(), torch.enable_grad():
            returned = self._called(reference, inputs)
            kept = self._sent_through(returned, through)
            sent = [self._sent_back(leaf.name, leaf.value, None) for leaf in kept]
            wanted = [value for name, value in self._named(inputs) if name in self.wanted]
            gradients = differentiate([leaf.value for leaf in kept], wanted, sent)
        found: dict[str, Tensor | None] = {
            leaf.name: leaf.value.detach().clone() for leaf in name_outputs(returned)
        }
        for name, gradient in zip(self.wanted, gradients, strict=True):
            found[gradient_of(name)] = dense(gradient)
        return found

    def _called(self, function: Function, inputs: list[Any]) -> Any:
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

    def _sent_through(self, returned: Any, through: str | None) -> list[Leaf]:
        return [
            leaf
            for leaf in name_outputs(returned)
            if differentiable(leaf.value)
            and leaf.value.requires_grad
            and through in (None, leaf.name)
        ]

    def _fresh(self, wide: bool = False, layout: Layout | None = None) -> list[Any]:
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

    def _named(self, inputs: list[Any]) -> list[tuple[str, Tensor]]:
        """The tensors among fresh leaves."""
        return [
            (leaf.name, value)
            for leaf, value in zip(self.leaves, inputs, strict=True)
            if differentiable(value)
        ]

    def _prepared(self, value: Any, dtype: torch.dtype | None) -> Any:
        if not differentiable(value) or dtype is None:
            return value
        return converted(value.detach(), dtype)

    def _sent_back(self, name: str, output: Tensor, layout: Layout | None) -> Tensor:
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
