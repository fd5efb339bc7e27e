"""Sentences on what a candidate does beside giving gradients: what fails it whatever its numbers
are, and what does not."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from backproof.checks.candidates.candidate_file import CandidateFile
from backproof.checks.candidates.sandbox import Sandbox
from backproof.checks.candidates.seeding import seeds
from backproof.checks.quantities import kind_of

if TYPE_CHECKING:
    from backproof.checks.findings import Diagnosis


def idle(candidate: CandidateFile) -> Iterator[str]:
    """A sentence for a step that never moves anything."""
    if (
        candidate.conventions.protocol == "step"
        and candidate.habits.calls
        and not candidate.habits.moves
    ):
        name = candidate.sandbox.path.name
        yield (
            f"{name}: step returns None and changes neither W nor b; update them in place (W[i] "
            "-= ...), or return (W, b)."
        )


def wrong_shapes(
    found: Diagnosis, name: str, kinds: Collection[str] = ("dW", "db")
) -> Iterator[str]:
    """A sentence for each gradient of some kinds that came in another shape, or not at all: each
    once, though every problem shows it."""
    first = {verdict.quantity: verdict for verdict in reversed(found.verdicts) if verdict.of == 0}
    for verdict in reversed(first.values()):
        if kind_of(verdict.quantity) not in kinds:
            continue
        said = verdict.reason
        if verdict.shapes:
            came, due = verdict.shapes
            said = f"{verdict.quantity} has the shape {came}; expected {due}"
        yield f"{name}: {said}."


def faults(candidate: CandidateFile) -> list[str]:
    """What fails a candidate whatever its numbers are: each of these breaks somebody else's
    code."""
    habits = candidate.habits
    name = candidate.sandbox.path.name
    found = []
    if habits.changed:
        what = " and ".join(habits.changed)
        function = next(iter(habits.changed.values()))
        found.append(
            f"{name}: {function} changes its arguments {what}, which belong to the caller; work "
            "on copies."
        )
    if habits.reseeds and not (where := _seeding(candidate)).building:
        found.append(
            f"{name}: every call seeds NumPy's global generator{where.place}, so that others' "
            "draws repeat; seed once, outside."
        )
    if habits.seterr:
        found.append(
            f"{name}: a call changes NumPy's error handling{_line(candidate, 'seterr(')} for "
            "everybody; use np.errstate."
        )
    if habits.taken:
        found.append(f"{name}: a call gives {habits.taken} another meaning for everybody.")
    if habits.folder:
        found.append(
            f"{name}: a call changes the working folder{_line(candidate, 'chdir(')} for everybody."
        )
    if habits.processes:
        found.append(
            f"{name}: a call starts a process on {habits.processes}; whatever it leaves running "
            "is ended."
        )
    return found


# packages that differentiate: what is left to do with them is not what the task was
DIFFERENTIATING = frozenset(
    "aesara algopy autograd backproof casadi checks jax keras mxnet numdifftools paddle pytensor "
    "sympy tensorflow theano tinygrad torch".split()
)


def by_libraries(sandbox: Sandbox) -> list[str]:
    """A sentence on gradients that were not computed by hand, as far as that can be seen."""
    name = sandbox.path.name
    engine = sandbox.noted.get("engine")
    if engine:
        return [f"{name}: its gradients came through {engine}; the task was to write them by hand."]
    known = [str(one) for one in sandbox.noted.get("imported", []) if one in DIFFERENTIATING]
    if known:
        return [f"{name}: it imports {' and '.join(known)}, which can compute gradients."]
    return []


def beside(sandbox: Sandbox, *, forbidden: bool = False) -> list[str]:
    """What its process told beside answers: libraries, modules that were replaced, lines that were
    left out; and what was left out of a notebook.

    Args:
        forbidden: whether the libraries that compute gradients are told elsewhere, as a fault.
    """
    noted = sandbox.noted
    found = list(sandbox.source.notes)
    imported = [str(name) for name in noted.get("imported", [])]
    if imported:
        found.append(f"it imports {' and '.join(imported)}.")
    if noted.get("engine") and not forbidden:
        found.append(f"its gradients came through {noted['engine']}.")
    replaced = [str(name) for name in noted.get("replaced", [])]
    if replaced:
        found.append(
            f"{' and '.join(replaced)} cannot be found here, and was replaced by something that "
            "does nothing."
        )
    left_out = [str(lines) for lines in noted.get("left_out", [])]
    if left_out:
        found.append(f"left out, because they define nothing: {', '.join(left_out)}.")
    return found


def notes(candidate: CandidateFile, printed_by_import: int, unsteady: bool) -> list[str]:
    """What is worth knowing and fails nothing; random draws only where the same call twice gave two
    answers."""
    habits = candidate.habits
    out = candidate.sandbox.out
    found = [f"{sentence}" for sentence in habits.unread]
    if out.count > printed_by_import:
        first = " ".join(out.head[printed_by_import:].decode(errors="replace").split())[:60]
        found.append(
            f'its calls print {out.count - printed_by_import} bytes, such as "{first}"; they were '
            "kept apart."
        )
    if habits.lists:
        found.append("it returns lists or numbers instead of arrays; they were read as arrays.")
    if habits.reseeds and (where := _seeding(candidate)).building:
        found.append(
            f"building its network seeds NumPy's global generator{where.place}, which every call "
            "does here."
        )
    if unsteady and habits.random_states and not habits.reseeds:
        found.append("its calls draw from NumPy's global generator; each began with another seed.")
    return found


class Seeding(NamedTuple):
    """Where a file seeds, " on line 12", and whether that only builds its network."""

    place: str
    building: bool


def _seeding(candidate: CandidateFile) -> Seeding:
    """The line that is to blame: one outside constructors, if there is one."""
    lines = sorted(
        seeds(candidate.sandbox.text, [candidate.conventions.protocol, "make"]),
        key=lambda found: found[1],
    )
    if lines:
        return Seeding(f" on line {lines[0][0]}", lines[0][1])
    return Seeding("", False)


def _line(candidate: CandidateFile, text: str) -> str:
    """ " on line 12", where the source has that text."""
    lines = enumerate(candidate.sandbox.text.splitlines(), start=1)
    return next((f" on line {number}" for number, line in lines if text in line), "")
