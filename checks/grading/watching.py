"""A script on the command line: run as it is, watched, and judged by what its lines compute."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from backproof.checks.bugs.factors import NO_BIAS, SIGN
from backproof.checks.candidates.inside.frames import Arrays, Header
from backproof.checks.candidates.inside.recording import unpack
from backproof.checks.candidates.isolation import imported
from backproof.checks.candidates.live import recorded
from backproof.checks.candidates.sandbox import Ended, Limits, Sandbox
from backproof.checks.candidates.scratch import Scratch
from backproof.checks.candidates.source import Source
from backproof.checks.findings import Bug, Diagnosis, Fix, Line, Listed, Place, Step
from backproof.checks.grading.adapter import adapter
from backproof.checks.grading.conclude import Settings, as_given
from backproof.checks.grading.feedback import Feedback
from backproof.checks.grading.known_bugs import explained
from backproof.checks.grading.seen_conventions import conventions_of
from backproof.checks.quantities import Quantity, equation
from backproof.checks.recording.labels import label
from backproof.checks.recording.listing import listing
from backproof.checks.recording.script.recognise import recognise
from backproof.checks.recording.script.recognised import NotRecognised
from backproof.checks.recording.script.watched import Watched, judged
from backproof.checks.recording.source import Sources

# of arguments, where somebody means the checker's function and not one of their own
PROTOCOLS = {"gradients": 4, "step": 5, "make": 2}
LIBRARIES = ("sklearn", "tensorflow", "keras", "jax", "autograd", "tinygrad", "mxnet")
WRITE = "Write gradients(W, b, x, y) or step(W, b, x, y, learning_rate) around it."
TO_WRITE = "the adapter to write, in this file or in one that imports from it:"


def is_script(source: Source) -> bool:
    """Whether a file defines none of the functions that are asked for, and does something when it
    is run."""
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return source.does_more_than_define and not any(_is_meant(node) for node in tree.body)


def _is_meant(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef) and node.name in PROTOCOLS:
        taken = node.args
        return bool(taken.vararg) or len(taken.args) >= PROTOCOLS[node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.ImportFrom):
        names = {alias.asname or alias.name for alias in node.names}
    return bool(names & set(PROTOCOLS))


def watch(path: Path, source: Source, settings: Settings) -> Feedback:
    """Run a script until a few of its updates were seen, and say what it computes."""
    start = time.perf_counter()
    notes: list[str] = []
    if settings.data is not None:
        notes.append("it is judged on its own data: --data was not read, and needs an adapter.")
    manner: list[str] = []
    if library := next(_libraries(source.text), ""):
        reason = f"its gradients are {library}'s, so there is nothing by hand"
        return _not_recognised(path, reason, 0.0, notes, manner)
    try:
        header, arrays = _run(source, settings, notes, manner)
        recording = unpack(header.get("recorded"), arrays)
        try:
            found = judged(recognise(recording), recording, _cost(settings))
        except NotRecognised as error:
            said = _how_it_ended(header)
            reason = f"{error}; it {said}" if said else str(error)
            raise NotRecognised(reason, error.names) from error
    except (NotRecognised, Ended) as error:
        names = error.names if isinstance(error, NotRecognised) else []
        notes.append(f"{TO_WRITE}\n{adapter(source.text, names)}")
        return _not_recognised(path, str(error), time.perf_counter() - start, notes, manner)
    if header.get("asked"):
        notes.append(f"it {header['asked']}, and was told that there is none.")
    known = explained(found)
    found = known.found if known else found
    diagnosis = _diagnosis(found, settings, known.diagnosis if known else None)
    diagnosis = as_given(diagnosis, str(path), source.path)
    return Feedback(
        str(path),
        time.perf_counter() - start,
        found.sentence,
        diagnosis,
        notes=notes,
        manner=manner,
        watched=found.as_json(),
    )


def watch_live(function: Callable[[], object], settings: Settings) -> Feedback:
    """Let a function of this process train, and say what its lines compute."""
    start = time.perf_counter()
    recording, complaint = recorded(function)
    name = getattr(function, "__name__", type(function).__name__)
    try:
        found = judged(recognise(recording), recording, _cost(settings))
    except NotRecognised as error:
        reason = f"{error}; it {complaint}" if complaint else str(error)
        return _not_recognised(Path(name), reason, time.perf_counter() - start, [], [])
    known = explained(found)
    found = known.found if known else found
    notes = [f"it {complaint}."] if complaint else []
    return Feedback(
        name,
        time.perf_counter() - start,
        found.sentence,
        _diagnosis(found, settings, known.diagnosis if known else None),
        notes=notes,
        watched=found.as_json(),
    )


def _run(
    source: Source, settings: Settings, notes: list[str], manner: list[str]
) -> tuple[Header, Arrays]:
    """What its lines made, run in a copy of its folder; adds what is worth knowing about that."""
    alone = settings.manner.alone
    beside = tuple(imported(source)) if alone else ()
    with Scratch(source, alone, beside) as scratch:
        how = replace(settings.manner, watch=True, scratch=scratch)
        notes += [scratch.note] * bool(scratch.note)
        with Sandbox(source, Limits(call_s=settings.call_s), how) as sandbox:
            manner += [sandbox.isolation.note] * bool(sandbox.isolation.note)
            header, arrays = sandbox.watched()
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


def _libraries(text: str) -> Iterator[str]:
    """The libraries that train or take derivatives, as far as a script says so."""
    tree = ast.parse(text)
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    methods = {
        node.func.attr
        for node in calls
        if isinstance(node.func, ast.Attribute) and not node.args and not node.keywords
    }
    if "sklearn" in imported:
        fits = any(isinstance(c.func, ast.Attribute) and c.func.attr == "fit" for c in calls)
        yield from ["sklearn"] * fits
    yield from sorted((imported & set(LIBRARIES)) - {"sklearn"})
    if "torch" in imported and "backward" in methods:
        yield "torch"


def _diagnosis(found: Watched, settings: Settings, known: Diagnosis | None) -> Diagnosis:
    """In the terms of a report."""
    problem = found.page.problem
    outcome = "fail" if found.wrong else "pass"
    step = None
    first = found.first_wrong
    if found.found is not None and found.found.quantity in found.page.values:
        first = found.found.quantity
    if first is not None:
        step = Step(equation(str(first), problem.L, problem.head), first)
    line = _line(found)
    reason = None
    if found.wrong and line is None:
        reason = f"No line was seen to hold {found.first_wrong} by itself."
    lines: list[Listed] = []
    if settings.listing:
        labels = label(found.recording, found.page).without(found.variables)
        sources = Sources(found.recording.sources)
        for path in found.recording.sources:
            lines += listing(sources.of(path), labels, line)
    bugs = known.bugs if known else []
    if found.reading.climbing and not bugs:
        bugs = [_climbing(found)]
        known = None  # what is taken off is no gradient that an entry could be held against
    elif found.reading.still and found.wrong and not bugs:
        bugs = [_still(found)]
    statement = "Every gradient of the first step is right."
    if found.reading.before is not None:
        statement = f"{', '.join(found.wrong)} are wrong from the second step on."
    elif found.wrong:
        statement = f"{', '.join(found.wrong)} are wrong; the first wrong step is {step}."
    gradients = [*problem.W.values(), *problem.b.values()]
    return Diagnosis(
        outcome,
        f"{found.sentence} {statement}",
        correct=list(found.right),
        wrong=list(found.wrong),
        first_step=step,
        line=line,
        line_reason=reason,
        listing=lines,
        asked=conventions_of(found.reading),
        bugs=bugs,
        verdicts=known.verdicts if known else [],
        problems=1,
        gradients=sum(array.size for array in gradients),
    )


def _climbing(found: Watched) -> Bug:
    """The bug of a step that goes up the loss and is no multiple of the gradient."""
    up = found.reading.climbing
    problem = found.page.problem
    kinds = tuple(sorted({quantity.kind for quantity in up}))
    layers = {quantity.layer or problem.L for quantity in up}
    of_all = len(kinds) > 1
    place = Place.of(layers, problem.L, kinds=() if of_all else kinds, everywhere=of_all)
    parameter = "b" if kinds == ("db",) else "W"
    names = ", ".join(name for name in found.wrong if Quantity.parse(name) in up)
    return Bug(
        SIGN.id,
        place,
        f"{SIGN.statement}; here: what the first step takes off goes up the loss",
        f"nearly every entry of {names} moves its parameter the way that raises the loss",
        0.0,
        Fix(f"{parameter}[l] -= learning_rate * d{parameter}[l]", "the gradient is p - Y, p first"),
        equation(f"dz[{problem.L}]", problem.L, problem.head),
    )


def _still(found: Watched) -> Bug:
    """The bug of biases that are added, and that nothing ever changes."""
    L = found.page.problem.L
    layers = [quantity.layer or L for quantity in found.reading.still]
    variables = [found.network.layers[layer - 1].b for layer in sorted(layers)]
    names = ", ".join(variable.name for variable in variables if variable is not None)
    return Bug(
        NO_BIAS.id,
        Place.of(layers, L),
        NO_BIAS.statement,
        f"{names}: added in the forward pass, and the same after every step that was seen",
        0.0,
        Fix("b[l] -= learning_rate * db[l]"),
        NO_BIAS.see,
    )


def _line(found: Watched) -> Line | None:
    if found.found is None:
        return None
    where = found.found
    source = Sources(found.recording.sources).of(where.file)
    return Line(
        source.file,
        source.cell,
        where.line,
        source.line(where.line),
        where.function,
        str(where.quantity),
        where.name,
    )
