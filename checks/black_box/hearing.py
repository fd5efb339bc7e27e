"""Verdicts on a function: by what its reference's roundings allow, and, where it fails by those, by
its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from backproof.checks.black_box.exact_results import ExactResults
from backproof.checks.black_box.function_call import Call, Function
from backproof.checks.black_box.function_verdicts import Right, verdicts
from backproof.checks.black_box.own_rounding import with_its_own
from backproof.checks.verdict import Verdict


class Hearing:
    """What is said about functions of one precision.

    Args:
        exact: how references are computed; its notes are added to.
    """

    def __init__(self, exact: ExactResults) -> None:
        self.exact = exact
        self.kind = str(exact.low).removeprefix("torch.")

    def heard(
        self,
        call: Call,
        function: Function,
        results: Sequence[Mapping[str, Tensor | None]],
        right: Right,
        vary: Mapping[str, float] | None,
    ) -> tuple[Right, list[Verdict]]:
        """Judge by the reference's roundings, and what fails by the function's own as well."""
        found = verdicts(results, right, self.kind, vary)
        if not any(verdict.outcome == "fail" for verdict in found):
            return right, found
        before = {verdict.quantity for verdict in found if verdict.outcome == "fail"}
        wider = self.widened(call, function, right, before)
        if wider is right:
            return right, found
        again = verdicts(results, wider, self.kind, vary)
        after = {verdict.quantity for verdict in again if verdict.outcome == "fail"}
        self.exact.notes += [
            f"{name} is judged by the roundings of the function's own operations: they lose more "
            "digits than the reference's"
            for name in sorted(before - after)
        ]
        return wider, again

    def widened(
        self, call: Call, function: Function, right: Right, names: Collection[str] | None = None
    ) -> Right:
        """With what the function's own operations explain where its formula is right; for all
        results, or for some by name. The same object where they explain no more."""
        known = right.allowances
        if names is not None:
            known = {name: known[name] for name in names if name in known}
        own = with_its_own(
            function,
            call,
            self.exact.low,
            right.values,
            known,
            right.kinds,
            self.exact.seed,
            self.exact.accumulate,
        )
        if not own:
            return right
        return replace(right, allowances={**right.allowances, **own})
