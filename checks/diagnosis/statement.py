"""A diagnosis of wrong numbers in words, made of its fields."""

from __future__ import annotations

from backproof.checks.findings import Diagnosis


def statement_of(found: Diagnosis) -> str:
    """What is wrong, and where first, in a sentence or two; then what else the numbers show."""
    return " ".join([_what_is_wrong(found), *found.hints])


def _what_is_wrong(found: Diagnosis) -> str:
    """The bugs; where none is known, what is wrong and the first wrong step."""
    certain = [bug for bug in found.bugs if not bug.alternative]
    if certain:
        whole = "; and ".join(f"{bug.where}: {bug.statement} ({bug.id})" for bug in certain)
        if certain[0].place.kinds:  # dW and db are written as they are
            return f"{whole}."
        return f"{whole[0].upper()}{whole[1:]}."
    if not found.wrong and found.complaints:
        return found.complaints[0]
    return f"{_first_of(found)}. No known bug explains the numbers."


def _first_of(found: Diagnosis) -> str:
    """What is wrong, and the first wrong step of it."""
    verb = "is" if len(found.wrong) == 1 else "are"
    whole = f"{', '.join(found.wrong)} {verb} wrong"
    step = found.first_step
    if step is None:
        return whole
    whole += f"; the first wrong step is {step.or_instead}"
    if step.instead is not None:
        whole += ", which the numbers do not tell apart"
    return whole
