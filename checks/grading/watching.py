"""A script on the command line: run as it is, watched, and judged by what its lines compute."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from backproof.checks.candidates.inside.frames import Arrays, Header
from backproof.checks.candidates.inside.recording import Recording, unpack
from backproof.checks.candidates.isolation import imported
from backproof.checks.candidates.live import recorded
from backproof.checks.candidates.sandbox import Ended, Limits, Sandbox
from backproof.checks.candidates.scratch import Scratch
from backproof.checks.candidates.source import Source
from backproof.checks.findings import Diagnosis
from backproof.checks.grading.adapter import adapter
from backproof.checks.grading.conclude import Settings, as_given
from backproof.checks.grading.feedback import Feedback
from backproof.checks.grading.known_bugs import Explained, explained
from backproof.checks.grading.overflow import overflow
from backproof.checks.grading.own_script import why_watched
from backproof.checks.grading.script_diagnosis import diagnosis_of
from backproof.checks.grading.scripts import library, trainer
from backproof.checks.grading.side_effects import beside
from backproof.checks.grading.trying_script import with_tried_line
from backproof.checks.learning.answer import Answer
from backproof.checks.learning.finding import Symptom
from backproof.checks.recording.script.judge import judged
from backproof.checks.recording.script.recognise import seen
from backproof.checks.recording.script.recognised import NotRecognised, Recognised
from backproof.checks.recording.script.watched import Watched

WRITE = "Write gradients(W, b, x, y) or step(W, b, x, y, learning_rate) around it."
BY_LIBRARY = "its gradients are {}'s, so there is nothing by hand"
BROKEN = "{} makes numbers that are not finite, and its weights become NaN"
LOOKED_S = 2.0  # at a right script, for what keeps it from learning
TRIED_S = 4.0  # a script that takes longer is not run anew with another line
TO_WRITE = "the adapter to write, in this file or in one that imports from it:"


def watch(path: Path, source: Source, settings: Settings) -> Feedback:
    """Run a script until a few of its updates were seen, and say what it computes."""
    start = time.perf_counter()
    notes: list[str] = []
    broken: Symptom | None = None
    if settings.data is not None:
        notes.append("it is judged on its own data: --data was not read, and needs an adapter.")
    manner: list[str] = []
    if name := library(source.text):
        return _not_recognised(path, BY_LIBRARY.format(name), 0.0, notes, manner)
    try:
        header, arrays = _run(source, settings, notes, manner)
        recording = unpack(header.get("recorded"), arrays)
        try:
            found, known = _judged(recording, settings, str(header.get("complaint", "")))
        except NotRecognised as error:
            broken = overflow(recording)
            said = _how_it_ended(header)
            name = trainer(source.text)
            if name and not said:
                raise NotRecognised(BY_LIBRARY.format(name)) from error
            reason = BROKEN.format(broken.where) if broken else str(error)
            raise NotRecognised(f"{reason}; it {said}" if said else reason, error.names) from error
    except (NotRecognised, Ended) as error:
        elapsed_s = time.perf_counter() - start
        names = error.names if isinstance(error, NotRecognised) else []
        notes.append(f"{TO_WRITE}\n{adapter(source.text, names)}")
        found_none = _not_recognised(path, str(error), elapsed_s, notes, manner)
        return replace(found_none, symptoms=[broken] if broken else [])
    if header.get("asked"):
        notes.append(f"it {header['asked']}, and was told that there is none.")
    if header.get("complaint"):
        notes.append(f"it {header['complaint']}.")
    diagnosis = diagnosis_of(found, known.diagnosis if known else None, settings.listing)
    if not settings.no_fix and time.perf_counter() - start < TRIED_S:
        diagnosis = with_tried_line(diagnosis, found, source, lambda way: _seen(way, settings))
    diagnosis = as_given(diagnosis, str(path), source.path)
    elapsed_s = time.perf_counter() - start
    learning = _learning(found, diagnosis, settings)
    return Feedback(
        str(path),
        elapsed_s,
        found.sentence,
        diagnosis,
        learning=learning,
        notes=notes,
        manner=manner,
        watched=found.as_json(),
    )


def _seen(source: Source, settings: Settings) -> Watched | None:
    """What is seen of another script, run in the same manner; None where that is no network."""
    try:
        header, arrays = _run(source, settings, [], [])
        recording = unpack(header.get("recorded"), arrays)
        found, _ = _judged(recording, settings, str(header.get("complaint", "")))
    except (NotRecognised, Ended):
        return None
    return found


def watch_live(function: Callable[[], object], settings: Settings) -> Feedback:
    """Let a function of this process train, and say what its lines compute."""
    start = time.perf_counter()
    recording, complaint = recorded(function)
    name = getattr(function, "__name__", type(function).__name__)
    try:
        found, known = _judged(recording, settings, complaint)
    except NotRecognised as error:
        elapsed_s = time.perf_counter() - start
        broken = overflow(recording)
        reason = BROKEN.format(broken.where) if broken else str(error)
        reason = f"{reason}; it {complaint}" if complaint else reason
        found_none = _not_recognised(Path(name), reason, elapsed_s, [], [])
        return replace(found_none, symptoms=[broken] if broken else [])
    notes = [f"it {complaint}."] if complaint else []
    diagnosis = diagnosis_of(found, known.diagnosis if known else None, settings.listing)
    elapsed_s = time.perf_counter() - start
    learning = _learning(found, diagnosis, settings)
    return Feedback(
        name,
        elapsed_s,
        found.sentence,
        diagnosis,
        learning=learning,
        notes=notes,
        watched=found.as_json(),
    )


def _judged(
    recording: Recording, settings: Settings, complaint: str
) -> tuple[Watched, Explained | None]:
    """The judgement on a script, and which known bug explains it.

    Args:
        recording: of it.
        settings: of the check.
        complaint: of the error that ended it, or "".
    Raises: NotRecognised where none may be given.
    """
    network, recording = seen(recording)
    _refuse_stopped(network, complaint)
    found = judged(network, recording, _cost(settings))
    known = explained(found)
    if found.doubt and not (known and known.diagnosis.bugs):
        raise NotRecognised(found.doubt, found.network.names)
    return known.found if known else found, known


def _refuse_stopped(network: Recognised, complaint: str) -> None:
    """Raise NotRecognised where an error may have ended the only step that was seen before it was
    over."""
    if complaint and len(network.steps) < 2:
        raise NotRecognised("the end of its first step was not seen", network.names)


def _learning(found: Watched, diagnosis: Diagnosis, settings: Settings) -> Answer | None:
    """Why a script does not learn whose gradients are right, or do not show."""
    if diagnosis.outcome == "fail" or found.reading.loss is not None:
        return None
    limit_s = min(settings.call_s, LOOKED_S)
    return why_watched(found, tries=settings.tries, limit_s=limit_s)


def _run(
    source: Source, settings: Settings, notes: list[str], manner: list[str]
) -> tuple[Header, Arrays]:
    """What its lines made, run in a copy of its folder; adds what is worth knowing about that."""
    alone = settings.manner.alone
    modules = tuple(imported(source)) if alone else ()
    with Scratch(source, alone, modules) as scratch:
        how = replace(settings.manner, watch=True, scratch=scratch)
        notes += [scratch.note] * bool(scratch.note)
        with Sandbox(source, Limits(call_s=settings.call_s), how) as sandbox:
            manner += [sandbox.isolation.note] * bool(sandbox.isolation.note)
            header, arrays = sandbox.watched()
            notes += beside(sandbox)
            if header.get("exited") == "":
                lines = sandbox.err.tail.decode(errors="replace").strip().splitlines()
                header["exited"] = lines[-1][:200] if lines else ""
            return header, arrays


def _cost(settings: Settings) -> str | None:
    """The cost that is meant, by the name that every output has it under."""
    halved = {"half-quadratic": "quadratic"}
    return halved.get(settings.cost or "", settings.cost)


def _how_it_ended(header: Header) -> str:
    """A clause on what kept a script from going on; "" where nothing did."""
    said = []
    if header.get("asked"):
        said.append(f"{header['asked']}, and there is nobody to answer")
    if header.get("complaint"):
        said.append(str(header["complaint"]))
    if header.get("exited"):
        said.append(f"says {header['exited']!r}, where what stands behind -- is its sys.argv")
    return "; it ".join(said)


def _not_recognised(
    path: Path, reason: str, elapsed_s: float, notes: list[str], manner: list[str]
) -> Feedback:
    why = reason.rstrip(".")
    complaint = f"{path.name}: it was run and watched, and no network was recognised: {why}."
    return Feedback(
        str(path),
        elapsed_s,
        complaint=f"{complaint} {WRITE}",
        unchecked=True,
        notes=notes,
        manner=manner,
    )
