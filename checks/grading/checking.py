"""One candidate on the command line: read, run, diagnosed, and told, whatever it is or does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backproof.checks.candidates.candidate_file import Unusable, load
from backproof.checks.candidates.sandbox import Limits, Sandbox
from backproof.checks.candidates.source import Source, Unreadable, read
from backproof.checks.grading import feedback
from backproof.checks.grading.conclude import Settings, conclude
from backproof.checks.grading.feedback import Feedback
from backproof.checks.grading.own_data import why_not
from backproof.checks.grading.scripts import is_script
from backproof.checks.grading.side_effects import beside, by_libraries
from backproof.checks.grading.trying import with_tried_fix
from backproof.checks.grading.watching import watch
from backproof.checks.recording.listing import cell_by_cell
from backproof.model.command_line import BadInput

# of an import, after which somebody may be told how to leave the training out
LONG_IMPORT_S = 2.0
WATCHED_S = 5.0  # of a training on its own data


@dataclass(frozen=True)
class Checked:
    """One candidate's feedback as plain data, which crosses from process to process.

    Attributes:
        found: its JSON object.
        lines: of text.
        manner: what is said once below all of them.
        unreadable: why the path is no candidate at all, or "".
        unusable: why its gradients were checked, and the data that came with it could not be used,
            or "".
        course: the training that was watched, as a picture and in a line of markup, or "".
    """

    found: dict[str, Any]
    lines: list[str]
    manner: Sequence[str] = ()
    unreadable: str = ""
    unusable: str = ""
    course: str = ""


def check_file(path: Path, settings: Settings) -> Checked:
    """Ask one candidate, and say what is wrong with it; never raises for anything that it is or
    does."""
    start = time.perf_counter()
    try:
        source = read(path)
    except Unreadable as error:
        reason = str(error)
        return told(Feedback(str(path), 0.0, complaint=reason, unchecked=True), settings, reason)
    try:
        if not settings.manner.definitions_only and is_script(source):
            watched = _cell_by_cell(watch(path, source, settings), source)
            return told(watched, settings)
        with Sandbox(source, Limits(call_s=settings.call_s), settings.manner) as sandbox:
            found = _cell_by_cell(_ask(path, sandbox, settings, start), source)
    except Exception as error:  # a fault of ours must not cost the other files their verdict
        fault = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        reason = (
            f"{path.name}: the checker itself failed on this file ({fault}); that is not "
            "the file's fault, please report it."
        )
        elapsed_s = time.perf_counter() - start
        found = Feedback(str(path), elapsed_s, complaint=reason, unchecked=True)
    return told(found, settings)


def _cell_by_cell(found: Feedback, source: Source) -> Feedback:
    """The listing of a notebook with every cell of it, as it was written."""
    diagnosis = found.diagnosis
    if diagnosis is None or not diagnosis.listing or not source.is_notebook:
        return found
    listing = cell_by_cell(diagnosis.listing, source.cells)
    return replace(found, diagnosis=replace(diagnosis, listing=listing))


def told(found: Feedback, settings: Settings, unreadable: str = "") -> Checked:
    """As an object and as lines, without the repair where it is to be kept back."""
    return Checked(
        feedback.as_json(found, no_fix=settings.no_fix),
        feedback.as_text(found, no_fix=settings.no_fix, page=settings.page),
        found.manner,
        unreadable,
        found.unusable,
        found.learning.drawn if found.learning else "",
    )


def _ask(path: Path, sandbox: Sandbox, settings: Settings, start: float) -> Feedback:
    """Import, diagnose, and look at what it did beside answering."""
    # while the candidate is being imported in its own process
    from backproof.checks.diagnosis.diagnose import diagnose

    manner = [sandbox.isolation.note] if sandbox.isolation.note else []
    began = time.perf_counter()
    try:
        candidate = load(sandbox)
    except Unusable as error:
        elapsed_s = time.perf_counter() - start
        remarks = [*beside(sandbox), *_leaving_out(sandbox), *_walled(sandbox)]
        return Feedback(str(path), elapsed_s, complaint=str(error), notes=remarks, manner=manner)
    import_s = time.perf_counter() - began
    imported = sandbox.out.count
    found = diagnose(
        candidate,
        sizes=settings.sizes,
        seed=settings.seed,
        batch=settings.batch,
        listing=settings.listing,
    )
    if found.ways and not settings.no_fix:
        found = with_tried_fix(found, candidate, sandbox)
    elapsed_s = time.perf_counter() - start
    told_beside = beside(sandbox, forbidden=settings.forbid_libraries)
    if import_s > LONG_IMPORT_S and not sandbox.noted.get("imported"):
        told_beside += _leaving_out(sandbox)
    wrong = []
    if settings.forbid_libraries:
        wrong = by_libraries(sandbox)
    all_of_it = conclude(
        str(path), candidate, found, settings, elapsed_s, printed_by_import=imported
    )
    learning = None
    unusable = ""
    if settings.data is not None:
        try:
            limit_s = min(settings.call_s, WATCHED_S)
            learning = why_not(candidate, settings.data, tries=settings.tries, limit_s=limit_s)
        except BadInput as error:
            unusable = str(error)
            told_beside.append(unusable)
        except ValueError as error:  # it does not answer there
            told_beside.append(str(error))
    elif settings.tries:
        unusable = (
            f"--try: expected --data beside it for {path.name}, which is asked and does not train "
            "by itself. Add it."
        )
        told_beside.append(unusable)
    return replace(
        all_of_it,
        learning=learning,
        unusable=unusable,
        faults=[*all_of_it.faults, *wrong],
        notes=[*all_of_it.notes, *told_beside],
        manner=manner,
    )


def _leaving_out(sandbox: Sandbox) -> list[str]:
    """How to keep out of the way what a file does beside defining something."""
    if sandbox.manner.definitions_only or not sandbox.source.does_more_than_define:
        return []
    return [
        "with --definitions-only its imports, definitions and constants are run, and nothing else "
        "of the file."
    ]


def _walled(sandbox: Sandbox) -> list[str]:
    """What it could not see, where that may be why it failed."""
    if not sandbox.isolation.program:
        return []
    return [
        "it saw Python, its packages and its own folder, and no network; --isolate never lifts "
        "that."
    ]
