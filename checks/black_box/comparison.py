"""A function against a reference, in the order in which somebody would ask: as it is called, what
it overwrites, in other layouts, to the second order, in forward mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from backproof.checks.black_box.derived_comparison import DerivedComparison
from backproof.checks.black_box.difference_quotients import NOISE_BAR
from backproof.checks.black_box.exact_results import ExactResults
from backproof.checks.black_box.free_memory import give_back
from backproof.checks.black_box.function_call import Compared, gradient_of
from backproof.checks.black_box.function_options import Options
from backproof.checks.black_box.function_verdicts import all_results, differences
from backproof.checks.black_box.hearing import Hearing
from backproof.checks.black_box.observed_call import Outcome, observed
from backproof.checks.black_box.probes import Probes
from backproof.checks.black_box.untouched import Generators, same_bits
from backproof.checks.verdict import Verdict, missing

SIDES = ("function", "reference")
REFERENCE_RUNS = 8  # at most, to see whether a reference differs from call to call, too


class Comparison:
    """A comparison as it is asked for.

    Args:
        compared: one function, one reference, one set of arguments.
        options: of check_function.
        overwritable: names of inputs that the function may overwrite.
    """

    def __init__(self, compared: Compared, options: Options, overwritable: Sequence[str]) -> None:
        self.compared = compared
        self.function = compared.function
        self.reference = compared.reference
        self.call = compared.call
        self.options = options
        self.overwritable = overwritable
        self.low = _lowest(self.call.dtypes)
        self.calls = 0
        self.notes: list[str] = []
        self.exact_results = ExactResults(self.low, options.accumulate, options.seed, self.notes)
        self.hearing = Hearing(self.exact_results)

    def run(self) -> list[Verdict]:
        """Every verdict, in the order in which somebody would ask."""
        native = self._reference_as_it_is()
        first = self.observe()
        results = [all_results(first)]
        for _ in range(self.options.runs - 1):
            results.append(self._repeated(results[0]))
        right = self.exact_results.right(self.call, self.reference, native, first)
        vary = self._varies(results, native)
        right, found = self.hearing.heard(self.call, self.function, results, right, vary)
        found += self._side_effects(first, native, bool(vary))
        found += self._shared_notes(native)
        if not any(verdict.outcome == "fail" for verdict in found):
            probes = Probes(self, right, first)
            found += self._probed(probes)
        found += self._derivatives(first, native)
        return found

    def _derivatives(self, first: Outcome, native: Outcome | None) -> list[Verdict]:
        """Second derivatives and forward mode, where they are asked for."""
        derived = DerivedComparison(self.compared, self.hearing)
        found: list[Verdict] = []
        if self.options.order == 2:
            found += derived.second_order(first, native)
        if "forward" in self.options.modes:
            found += derived.forward_mode()
        self.calls += derived.calls
        return found

    def observe(self, **how: Any) -> Outcome:
        """One more call, counted."""
        self.calls += 1
        outcome = observed(self.call, self.function, **how)
        if self.call.is_large:
            give_back()
        return outcome

    def _repeated(self, before: Mapping[str, Tensor | None]) -> dict[str, Tensor | None]:
        """The results of one more call, those of a call before in place of what equals them to the
        last bit: large ones are kept once."""
        found = all_results(self.observe(twice=False))
        for name, value in list(found.items()):
            first = before.get(name)
            if value is not None and first is not None and same_bits(value, first):
                found[name] = first
        return found

    def exact(self, through: str | None) -> dict[str, Tensor | None]:
        """What the reference gives in float64 where one output alone is used."""
        return self.call.exact(self.reference, self.exact_results.shadow(), through)

    def _probed(self, probes: Probes) -> list[Verdict]:
        """What other calls say; what fails is judged by the function's own roundings, too."""
        found = probes.run()
        if found:
            wider = self.hearing.widened(self.call, self.function, probes.right)
            probes = Probes(self, wider, probes.first)
            found = probes.run()
        self.notes += probes.notes
        return found

    def _reference_as_it_is(self) -> Outcome | None:
        """The reference called like the function; None where it cannot be, in this precision."""
        before = Generators()
        try:
            native = observed(self.call, self.reference)
        except Exception:  # a reference that runs in float64 alone is good enough
            before.restore()
            return None
        if self.call.is_large:
            give_back()
        if before.differs():
            self.call.draws = before
            self.notes.append(
                "the reference draws random numbers; every call was given the same ones"
            )
        return native

    def _varies(
        self, results: list[dict[str, Tensor | None]], native: Outcome | None
    ) -> dict[str, float] | None:
        """By how much each result may differ from call to call; None for not at all."""
        same = all(run.get(name) is value for run in results for name, value in results[0].items())
        if same and not self.options.may_vary:  # nor are differences as large as results made
            return None
        vary = differences(results)
        if not self.options.may_vary and not self._reference_varies(vary, native):
            return None
        self.notes += [
            f"{name} differs from call to call, by {size:.1e} at most"
            for name, size in vary.items()
            if size
        ]
        return vary

    def _reference_varies(self, vary: Mapping[str, float], native: Outcome | None) -> bool:
        """Whether the reference differs from call to call by about as much, as a solver does that
        begins with what lies in memory: a function need not be better."""
        if native is None or not any(vary.values()) or self.call.draws:
            return False
        said = "the reference differs from call to call, too"
        if self.function is self.reference:
            self.notes.append(said)
            return True
        runs = [all_results(native)]
        for _ in range(REFERENCE_RUNS):
            runs.append(all_results(observed(self.call, self.reference, twice=False)))
            also = differences(runs)
            if all(size <= NOISE_BAR * also.get(name, 0.0) for name, size in vary.items()):
                self.notes.append(said)
                return True
        return False

    def _side_effects(
        self, outcome: Outcome, native: Outcome | None, may_vary: bool
    ) -> list[Verdict]:
        """What was overwritten, unless the reference overwrites it, too, or it is allowed."""
        found = []
        allowed = {*self.overwritable, *(native.overwritten if native else ())}
        again_too = native is not None and bool(native.again)
        for name in outcome.overwritten:
            if name in allowed:
                continue
            found.append(
                missing("", name, "", SIDES, "the function overwrites it; name it in overwrites=")
            )
        for name in outcome.again:
            if may_vary or found or again_too:
                continue
            reason = (
                "going back through one graph a second time gives another gradient: the backward "
                "pass overwrites what it saved, or keeps a state"
            )
            found.append(missing("", gradient_of(name), "", SIDES, reason))
        if outcome.refused:
            self.notes.append(
                f"the graph can be gone through once only ({outcome.refused}), so a second time "
                "is untested"
            )
        return found

    def _shared_notes(self, native: Outcome | None) -> list[Verdict]:
        if native is None:
            self.notes.append(
                "the reference does not run in this precision, so the formats of outputs were not "
                "compared"
            )
        return []


def _lowest(dtypes: Sequence[torch.dtype]) -> torch.dtype:
    """The one with the fewest digits."""
    return max(dtypes, key=lambda dtype: torch.finfo(dtype).eps)
