"""What is made of a function, its gradients or its tangents, against the same made of its
reference."""

from __future__ import annotations

from dataclasses import replace

from backproof.checks.black_box.derived import (
    DerivedCall,
    gradients_of,
    tangents_by_reverse_mode,
    tangents_of,
)
from backproof.checks.black_box.derived import forward_mode as forward_mode_of
from backproof.checks.black_box.derived import second_order as second_order_of
from backproof.checks.black_box.function_call import Compared, Function, first_line
from backproof.checks.black_box.function_verdicts import all_results
from backproof.checks.black_box.hearing import Hearing
from backproof.checks.black_box.observed_call import Outcome, observed
from backproof.checks.verdict import Verdict, missing

SIDES = ("function", "reference")


class DerivedComparison:
    """Second derivatives, and forward mode.

    Args:
        compared: a function, its reference, and their arguments.
        hearing: which judges.
    """

    def __init__(self, compared: Compared, hearing: Hearing) -> None:
        self.function = compared.function
        self.reference = compared.reference
        self.call = compared.call
        self.hearing = hearing
        self.calls = 0

    def second_order(self, first: Outcome, native: Outcome | None) -> list[Verdict]:
        """Verdicts on second derivatives, through the outputs that function and reference have."""
        outputs = {
            name: value
            for name, value in first.outputs.items()
            if native is None or name in native.outputs
        }
        call = second_order_of(self.call, outputs)
        wanted = self.call.wanted
        return self._derived(
            call,
            gradients_of(self.function, wanted),
            [gradients_of(self.reference, wanted)],
            "second derivative by",
        )

    def forward_mode(self) -> list[Verdict]:
        """Verdicts on tangents, by the reference's forward mode, or, without one, its reverse
        mode."""
        call = forward_mode_of(self.call)
        wanted = self.call.wanted
        return self._derived(
            call,
            tangents_of(self.function, wanted),
            [
                tangents_of(self.reference, wanted),
                tangents_by_reverse_mode(self.reference, wanted),
            ],
            "forward mode of",
        )

    def _derived(
        self, call: DerivedCall, function: Function, references: list[Function], word: str
    ) -> list[Verdict]:
        """Compare what is made of the function with the same made of the reference."""
        try:
            self.calls += 1
            first = observed(call, function)
        except Exception as error:  # somebody's code in a mode that it was not written for
            reason = f"it cannot be computed: {type(error).__name__}: {first_line(error)}"
            return [missing("", f"{word} the function", "", SIDES, reason)]
        right = None
        for reference in references:
            try:
                right = self.hearing.exact.right(call, reference, None, first)
                break
            except Exception as error:  # nor may the reference have been
                why = f"{type(error).__name__}: {first_line(error)}"
        if right is None:
            reason = f"untested: the reference cannot do that ({why})"
            return [Verdict("", f"{word} the function", "", SIDES, "untested", reason=reason)]
        results = all_results(first)
        if not call.wanted:
            results = dict(first.outputs)
        _, found = self.hearing.heard(call, function, [results], right, None)
        return [_renamed(verdict, word) for verdict in found]


def _renamed(verdict: Verdict, word: str) -> Verdict:
    """Under a name that says of which derivative it speaks."""
    name = verdict.quantity.removeprefix("gradient of ")
    if name.startswith("output['"):
        name = name.removeprefix("output['").removesuffix("']")
        if word.startswith("second"):
            return replace(verdict, quantity=f"gradient of {name}, as it is differentiated")
    return replace(verdict, quantity=f"{word} {name}")
