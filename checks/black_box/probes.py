"""Calls that a suite seldom makes, and that users do: gradients with strides, inputs with strides,
one output of several unused.

What a layout changes is compared with the function's own results in the usual layout, so no
reference is needed; it may round otherwise, by a few times what rounding explains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backproof.checks.black_box.entries import entry_by_entry, where_both_agree
from backproof.checks.black_box.function_call import Layout, first_line, gradient_of
from backproof.checks.black_box.function_verdicts import Right, all_results
from backproof.checks.black_box.layouts import LAYOUTS, repeated, repeated_in_full
from backproof.checks.black_box.observed_call import Outcome
from backproof.checks.black_box.pytrees import differentiable
from backproof.checks.verdict import Verdict, missing

if TYPE_CHECKING:
    from backproof.checks.black_box.comparison import Comparison

RESERVE = 4.0  # two results, each rounded in a way of its own, and a bound that is for one
OF_THE_LARGEST = 1e-3  # what is read from the wrong place is off by much more than this
MOST_OUTPUTS = 8  # that are used one at a time
MOST_ENTRIES = 1 << 20  # of an input, beyond which other layouts are not tried


class Probes:
    """What else is asked of a function that is right so far.

    Args:
        comparison: which calls it.
        right: its results as they should be.
        first: what it gave in the usual layout.
    """

    def __init__(self, comparison: Comparison, right: Right, first: Outcome) -> None:
        self.comparison = comparison
        self.right = right
        self.first = first
        self.notes: list[str] = []

    def run(self) -> list[Verdict]:
        """The verdicts that fail; what passes goes without saying."""
        found = []
        if self.comparison.options.layouts and self._small and not self.comparison.call.draws:
            found += self._layouts()
        found += self._unused_outputs()
        return found

    @property
    def _small(self) -> bool:
        leaves = self.comparison.call.leaves
        sizes = [leaf.value.numel() for leaf in leaves if differentiable(leaf.value)]
        return sum(sizes) <= MOST_ENTRIES

    def _layouts(self) -> list[Verdict]:
        usual = all_results(self.first)
        for word, layout in LAYOUTS.items():
            if word == "channels last" and not self._images():
                continue
            for what in ("inputs", "gradients"):
                sides = (f"{what} {word}", "in order")
                failed = self._same(sides, usual, **_where(what, layout))
                if failed:
                    return failed
        try:
            full = all_results(self.comparison.observe(sent_layout=repeated_in_full))
        except Exception:  # it is told above where the usual call raises
            return []
        sides = ("one number for all gradients", "each in its own place")
        return self._same(sides, full, sent_layout=repeated)

    def _images(self) -> bool:
        leaves = self.comparison.call.leaves
        return any(isinstance(leaf.value, Tensor) and leaf.value.dim() == 4 for leaf in leaves)

    def _same(
        self,
        sides: tuple[str, str],
        usual: dict[str, Tensor | None],
        layout: Layout | None = None,
        sent_layout: Layout | None = None,
    ) -> list[Verdict]:
        """What is different in this layout."""
        try:
            outcome = self.comparison.observe(layout=layout, sent_layout=sent_layout)
        except Exception as error:  # refusing a layout is honest
            why = f"{type(error).__name__}: {first_line(error)}"
            self.notes.append(f"{sides[0]}: refused ({why}), so untested")
            return []
        found = []
        for name, value in all_results(outcome).items():
            before = usual.get(name)
            if value is None or before is None or not differentiable(value):
                continue
            allowed = self._allowed(name, before)
            verdict = entry_by_entry(name, sides, *where_both_agree(value, before, allowed)[:3])
            if verdict.outcome == "fail":
                found.append(verdict)
        return found

    def _allowed(self, name: str, value: Tensor) -> Tensor:
        allowance = self.right.allowances.get(name)
        largest = value.abs().nan_to_num(0.0, 0.0, 0.0).max() if value.numel() else 0.0
        floor = torch.full(value.shape, OF_THE_LARGEST, dtype=torch.float64) * float(largest)
        if allowance is None:
            return floor.to(value.device)
        return RESERVE * allowance.entries.abs().real + floor.to(value.device)

    def _unused_outputs(self) -> list[Verdict]:
        """Each output alone: gradients of the others are undefined then."""
        outputs = [name for name, value in self.first.outputs.items() if differentiable(value)]
        if len(outputs) < 2:
            return []
        found = []
        for output in outputs[:MOST_OUTPUTS]:
            found += self._through(output)
            if found:
                break
        return found

    def _through(self, output: str) -> list[Verdict]:
        others = f"when {output} alone is used"
        sides = (f"function {others}", "reference")
        exact = self.comparison.exact(output)
        try:
            outcome = self.comparison.observe(through=output)
        except Exception as error:  # such as None times a number, in somebody's backward
            reason = f"its backward pass raises {others}: {type(error).__name__}: " + first_line(
                error
            )
            return [
                missing("", gradient_of(name), "", sides, reason)
                for name in self.comparison.call.wanted
            ]
        found = []
        for name, gradient in outcome.gradients.items():
            key = gradient_of(name)
            right = exact[key]
            if gradient is None and (right is None or not bool(right.any())):
                continue
            if gradient is None:
                reason = f"there is no gradient (None) {others}, but the reference has one"
                found.append(missing("", key, "", sides, reason))
                continue
            if right is None:
                right = torch.zeros(gradient.shape, dtype=torch.float64, device=gradient.device)
            allowed = self._allowed(key, gradient)
            verdict = entry_by_entry(key, sides, gradient, right, allowed)
            if verdict.outcome == "fail":
                found.append(verdict)
        return found


def _where(what: str, layout: Callable[[Tensor], Tensor]) -> dict[str, Layout]:
    if what == "inputs":
        return {"layout": layout}
    return {"sent_layout": layout}
