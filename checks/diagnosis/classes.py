"""Labels made one-hot by counting the classes of the batch: right where the last class is in it, or
every one, and nowhere else.

`np.zeros((N, y.max() + 1))` is published more often than any bug of the catalogue, and whoever
trains on everything at once never sees it. A batch without the last class makes it crash, or
broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.choice import Explanation, Search
from backproof.checks.diagnosis.evidence import Evidence


@dataclass(frozen=True)
class Counted:
    """One way to count classes: when it finds all of them, and how it is written.

    Attributes:
        complete: (labels of a call, K) -> whether it comes to K.
        where: the same in words.
        width: the code.
    """

    complete: Callable[[np.ndarray, int], bool]
    where: str
    width: str


COUNTED = (
    Counted(
        lambda y, K: bool(y.max() == K - 1),
        "where the last class is among the labels of a call",
        "y.max() + 1",
    ),
    Counted(
        lambda y, K: len(np.unique(y)) == K,
        "where every class is among the labels of a call",
        "len(np.unique(y))",
    ),
)


@dataclass(frozen=True)
class WhereComplete:
    """What a candidate answers where all classes are counted, and what is to be said of the rest.

    Attributes:
        evidence: the questions that have the classes which the code counts.
        explanations: of these; none, if they are right.
        sentence: on the others.
    """

    evidence: list[Evidence]
    explanations: list[Explanation]
    sentence: str


def where_classes_occur(
    conventions: Conventions, evidence: list[Evidence], *, beside_bugs: bool
) -> WhereComplete | None:
    """What can be told apart from the way in which labels are made one-hot.

    Args:
        conventions: those under which it was asked.
        evidence: all answers, of which nothing simpler explains the whole.
        beside_bugs: whether to look for bugs where the classes occur, too, if the answers there are
            not right.
    Returns: what the questions say that have the classes; None if there is no such difference
        between them and the others.
    """
    if conventions.labels != "integers" or evidence[0].setting.K == 1:
        return None
    for counted in COUNTED:
        kept = [item for item in evidence if _complete(counted, item)]
        left = [item for item in evidence if not _complete(counted, item)]
        if not _only_there(kept, left):
            continue
        right = not any(item.is_wrong for item in kept)
        found: list[Explanation] = []
        if not right and beside_bugs:
            search = Search(kept)
            found = search.simplest()
            # two bugs at once are looked for where something else speaks for the one-hot
            if not found and any(item.answer.complaint for item in left):
                found = search.combined()
        # nothing known explains the rest, but that the code stops is explained
        stops = beside_bugs and _stops(kept, left)
        if right or found or stops:
            return WhereComplete(kept, found, _sentence(counted, right, left))
    return None


def _complete(counted: Counted, item: Evidence) -> bool:
    """Whether every call that a question made has the classes that are counted."""
    calls = np.split(item.setting.problem.y, item.setting.calls)
    return all(counted.complete(y, item.setting.K) for y in calls)


def _only_there(kept: list[Evidence], left: list[Evidence]) -> bool:
    """Whether such a one-hot can be what makes the difference: the code stops without the classes,
    or dz[L] is wrong."""
    if not left or not any(item.setting.N > 1 for item in kept):
        return False
    if any(item.answer.complaint for item in kept):
        return False
    return all(
        item.answer.complaint or item.is_wrong_at_output for item in left if item.is_of_gradients
    )


def _stops(kept: list[Evidence], left: list[Evidence]) -> bool:
    """Whether the code stops without the classes, or, where a one-hot of one column is broadcast,
    goes wrong at an output that is right with them."""
    stopped = [bool(item.answer.complaint) for item in left]
    if all(stopped):
        return True
    return any(stopped) and not any(item.is_wrong_at_output for item in kept)


def _divides_by_zero(item: Evidence) -> bool:
    """Whether gradients of a single sample came, and are no numbers: a one-hot that is too narrow
    stops the code instead."""
    if item.setting.in_call > 1 or not item.gradients:
        return False
    return not all(np.isfinite(array).all() for array in item.gradients.values())


def _sentence(counted: Counted, right: bool, left: list[Evidence]) -> str:
    what = "its gradients are right" if right else "its gradients are as below"
    if all(map(_divides_by_zero, left)):
        return (
            f"{what} only for several samples; a single one gives NaN or infinity: it divides by 0 "
            "there, as by N - 1, where N is due."
        )
    crash = ""
    if any(item.answer.complaint for item in left):
        crash = "; without it, it stops"
    return (
        f"{what} only {counted.where}{crash}. A one-hot with {counted.width} columns does that: "
        "give it one for every class."
    )
