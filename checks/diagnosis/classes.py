"""Labels made one-hot by counting the classes of the batch: right where the last class is in it, or
every one, and nowhere else.

`np.zeros((N, y.max() + 1))` is published more often than any bug of the catalogue, and whoever
trains on everything at once never sees it. A batch without the last class makes it crash, or
broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.choice import Explanation, Search
from backproof.checks.diagnosis.evidence import Evidence

COUNTED: tuple[tuple[Callable[[np.ndarray, int], bool], str, str], ...] = (
    (
        lambda y, K: bool(y.max() == K - 1),
        "where the last class is among the labels of a call",
        "y.max() + 1",
    ),
    (
        lambda y, K: len(np.unique(y)) == K,
        "where every class is among the labels of a call",
        "len(np.unique(y))",
    ),
)


def where_classes_occur(
    conventions: Conventions, evidence: list[Evidence], *, beside_bugs: bool
) -> tuple[list[Evidence], list[Explanation], str] | None:
    """What can be told apart from the way in which labels are made one-hot.

    Args:
        conventions: those under which it was asked.
        evidence: all answers, of which nothing simpler explains the whole.
        beside_bugs: whether to look for bugs where the classes occur, too, if the answers there are
            not right.
    Returns: the questions that have the classes which the code counts, with what explains these
        (nothing, if they are right), and the sentence on the others; None if there is no such
        difference between them.
    """
    if conventions.labels != "integers" or evidence[0].setting.K == 1:
        return None
    for occur, where, width in COUNTED:
        kept, left = (
            [
                item
                for item in evidence
                if all(occur(y, item.setting.K) for y in _calls(item)) is there
            ]
            for there in (True, False)
        )
        if (
            not any(item.setting.N > 1 for item in kept)
            or not left
            or any(item.answer.complaint for item in kept)
        ):
            continue
        if not all(
            item.answer.complaint or item.is_wrong_at_output
            for item in left
            if item.is_of_gradients
        ):
            continue  # such a one-hot makes dz[L] wrong, wherever it does not stop the code
        right = not any(item.is_wrong for item in kept)
        search = None if right or not beside_bugs else Search(kept)
        found = (search.simplest() or search.combined()) if search else []
        if right or found:
            what = "its gradients are right" if right else "its gradients are as below"
            crash = "; without it, it stops" if any(item.answer.complaint for item in left) else ""
            said = (
                f"{what} only {where}{crash}. A one-hot with {width} columns does that: give "
                "it one for every class."
            )
            return kept, found, said
    return None


def _calls(item: Evidence) -> Iterator[np.ndarray]:
    """The labels of each call that a question made."""
    yield from np.split(item.setting.problem.y, item.setting.calls)
