"""The exact results of a large call some rows at a time, where rows do not depend on each other.

A block of rows fits into a processor's cache, and so do all its random roundings. Whether rows are
independent nobody knows beforehand; the reference says so itself: called once for all rows, in the
precision under test, it must agree with its blocks, entry by entry, as far as rounding explains. A
gradient by what all rows share, a weight, is the sum over the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backproof.checks.black_box.arithmetic import arithmetic
from backproof.checks.black_box.free_memory import give_back
from backproof.checks.black_box.function_call import (
    Call,
    Function,
    gradient_of,
    has_rows,
)
from backproof.checks.black_box.function_verdicts import Right, all_results
from backproof.checks.black_box.observed_call import Outcome
from backproof.checks.black_box.parts import parts
from backproof.checks.black_box.pytrees import differentiable
from backproof.checks.black_box.random_table import RandomTable
from backproof.checks.black_box.rounding import (
    RUNS,
    Allowance,
    Sums,
    allowance_of,
    sums_of,
)
from backproof.checks.black_box.shadow import Shadow

if TYPE_CHECKING:
    from backproof.checks.black_box.exact_results import ExactResults

BLOCK = 3 << 15  # entries of the largest input in a block of rows
BETWEEN = 4  # blocks, after which free memory is given back
# bounds are kept in bfloat16, which holds as small numbers as float32 does: half a spacing more
ROUNDED_UP = 1 + 2.0**-8
# times what is allowed that a sum over all rows may be off: torch's own adds up in bfloat16, say,
# and what is added up was found to agree row by row
RESERVE = 4.0


class NotByRows(Exception):
    """The results are not made of rows, or these depend on each other."""


@dataclass
class _Shared:
    """A gradient by what all rows share: its sum over blocks, and what each run changes of it."""

    value: Tensor
    changes: list[Tensor]


@dataclass(frozen=True)
class AsAWhole:
    """A call that was made for all rows at once.

    Attributes:
        exact: how the reference is computed.
        call: the arguments.
        reference: what is called with them.
        native: what it gives for all rows in the precision under test.
        first: what the function under test gives.
    """

    exact: ExactResults
    call: Call
    reference: Function
    native: Outcome
    first: Outcome


def right_by_rows(whole: AsAWhole) -> Right | None:
    """What a function should give, a block of rows at a time; None where that cannot be told from
    blocks."""
    call = whole.call
    if not call.is_large or call.draws or not _made_of_rows(call, whole.native):
        return None
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)  # blocks are so small that several would wait for each other
        for cut in _cuts(call):
            found = _tried(whole, cut)
            if found is not None:
                return found
    finally:
        torch.set_num_threads(threads)
    return None


def _tried(whole: AsAWhole, cut: frozenset[str]) -> Right | None:
    """The same with some inputs cut into rows; None where the results say that they may not be."""
    try:
        return Blocks(whole, cut).right()
    except Exception:  # somebody's code may raise anything for fewer rows
        return None


def _cuts(call: Call) -> list[frozenset[str]]:
    """Which inputs may be made of rows, most first: all of so many rows; those of them that have as
    many dimensions as the largest, for a weight may be as long as there are rows; the largest."""
    largest = call.largest
    every = [leaf for leaf in call.leaves if has_rows(leaf.value, _rows_of(call))]
    alike = [leaf for leaf in every if leaf.value.dim() == largest.value.dim()]
    found = [frozenset(leaf.name for leaf in some) for some in (every, alike, [largest])]
    return list(dict.fromkeys(found))


def _made_of_rows(call: Call, native: Outcome) -> bool:
    """Whether every output has as many rows as the largest input."""
    count = _rows_of(call)
    outputs = native.outputs.values()
    return count > 1 and all(differentiable(v) and has_rows(v, count) for v in outputs)


def _rows_of(call: Call) -> int:
    largest = call.largest.value
    return len(largest) if largest.dim() else 0


class Blocks:
    """A call in blocks of rows.

    Args:
        whole: the same for all rows at once.
        cut: names of the inputs that are made of rows.
    """

    def __init__(self, whole: AsAWhole, cut: frozenset[str]) -> None:
        exact = whole.exact
        call = whole.call
        self.exact = exact
        self.cut = cut
        self.call = call
        self.reference = whole.reference
        self.native = all_results(whole.native)
        self.count = _rows_of(call)
        largest = call.largest.value
        self.size = _prime(max(2, min(self.count, BLOCK * self.count // largest.numel())))
        self.imitated = arithmetic(exact.low, largest.device, exact.accumulate)
        self.names = [name for name, value in self.native.items() if value is not None]
        self.formats = {name: exact.format(call, name, whole.first) for name in self.names}
        self.values: dict[str, Tensor] = {}
        self.bounds: dict[str, Tensor] = {}
        self.norms = dict.fromkeys(self.names, 0.0)
        self.stretched = {name: [0.0] * RUNS for name in self.names}
        self.shared: dict[str, _Shared] = {}

    def right(self) -> Right:
        """All blocks, one after the other.

        Raises: NotByRows where the reference does not agree with them.
        """
        for number, begin in enumerate(range(0, self.count, self.size)):
            self._add(begin, min(begin + self.size, self.count))
            if number % BETWEEN == 0:
                give_back()
        values: dict[str, Tensor | None] = dict.fromkeys(self.native)
        allowances = {}
        for name in self.names:
            value, allowances[name] = self._whole(name)
            values[name] = value
            if name in self.shared:
                _agree(self.native[name], value, RESERVE * allowances[name].entries)
        return Right(values, allowances, kinds=dict(self.formats))

    def _add(self, begin: int, end: int) -> None:
        """One block: exact, and with random roundings."""
        block = self.call.of_rows(begin, end, self.count, self.cut)
        exact = block.exact(self.reference, self.exact.shadow())
        rows = {}
        for name in self.names:
            value = exact[name]
            native = self.native[name]
            if value is None or native is None:
                raise NotByRows(name)
            if self._has_rows(name):
                if value.shape != (end - begin, *native.shape[1:]):
                    raise NotByRows(name)
                rows[name] = sums_of(value)
            else:
                self._add_shared(name, value)
        for run in range(RUNS):
            mode = self._mode(begin, end, run)
            rounded = block.exact(self.reference, mode)
            for name in self.names:
                now = rounded[name]
                before = exact[name]
                assert now is not None
                assert before is not None
                if name in rows:
                    rows[name].add(now)
                else:
                    self.shared[name].changes[run] += now - before
        for name, total in rows.items():
            self._keep(name, total, begin, end)

    def _mode(self, begin: int, end: int, run: int) -> Shadow:
        number = (self.exact.seed * self.count + begin) * RUNS + run
        mode = Shadow(self.exact.low, self.imitated, number, self.exact.also)
        mode.rows = (end - begin, self.count)
        return mode

    def _add_shared(self, name: str, value: Tensor) -> None:
        if name not in self.shared:
            zero = torch.zeros_like(value)
            self.shared[name] = _Shared(zero, [zero.clone() for _ in range(RUNS)])
        self.shared[name].value += value

    def _keep(self, name: str, total: Sums, begin: int, end: int) -> None:
        """The rows of a result, and what is summed over all of it."""
        if name not in self.values:
            shape = (self.count, *total.exact.shape[1:])
            self.values[name] = total.exact.new_empty(shape)
            kind = torch.float64 if self.exact.low == torch.float64 else torch.bfloat16
            self.bounds[name] = total.squares.new_empty(shape, dtype=kind)
        allowance = allowance_of(total, self.imitated, self.exact.low, self.formats[name], RUNS)
        native = self.native[name]
        assert native is not None
        _agree(native[begin:end], total.exact, allowance.entries)
        self.values[name][begin:end] = total.exact
        self.bounds[name][begin:end] = allowance.entries * ROUNDED_UP
        self.norms[name] += total.norm
        for run, stretched in enumerate(total.stretched):
            self.stretched[name][run] += stretched * total.norm

    def _whole(self, name: str) -> tuple[Tensor, Allowance]:
        """A result of all blocks, and what is allowed to it."""
        if name in self.shared:
            shared = self.shared[name]
            total = sums_of(shared.value)
            # what a block returns is stored, and so is the sum
            stored = max(self.imitated.within, self.imitated.stored / 2)
            for run, change in enumerate(shared.changes):
                total.add(RandomTable(run).moved(shared.value, stored) + change)
            return shared.value, self._allowance(name, total)
        value = self.values[name]
        norm = self.norms[name]
        total = Sums(value[:0], value[:0].abs(), norm)
        if norm:
            total.stretched = [stretched / norm for stretched in self.stretched[name]]
        factor = self._allowance(name, total).factor
        return value, Allowance(self.bounds[name], factor)

    def _allowance(self, name: str, total: Sums) -> Allowance:
        return allowance_of(total, self.imitated, self.exact.low, self.formats[name], RUNS)

    def _has_rows(self, name: str) -> bool:
        """Whether a result is cut with the inputs."""
        shared = [leaf.name for leaf in self.call.leaves if leaf.name not in self.cut]
        return name not in map(gradient_of, shared)


def _prime(most: int) -> int:
    """The largest prime number up to a number that is 2 at least: what is summed over the rows of a
    block is a multiple of it, and hardly what is summed within one."""
    found = most
    while any(found % divisor == 0 for divisor in range(2, int(found**0.5) + 1)):
        found -= 1
    return found


def _agree(native: Tensor | None, value: Tensor, entries: Tensor) -> None:
    """Raise NotByRows unless the reference's result for all rows at once is that of the blocks, up
    to rounding."""
    if native is None or native.shape != value.shape:
        raise NotByRows("another shape")
    for whole, block, allowed in parts(native, value, entries):
        off = (whole.to(block.dtype) - block).abs()
        if not bool((off <= allowed).all()):
            raise NotByRows("rows that depend on each other")
