"""Numbers that are not finite, in a script of which no network was recognised for their sake."""

from __future__ import annotations

import ast

import numpy as np

from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.learning.finding import Symptom
from backproof.checks.recording.script.updates import updates_itself
from backproof.checks.recording.script.variables import Variable, variables
from backproof.checks.recording.source import Source, Sources

LARGEST_EXP = 709  # exp of more is no number of eight bytes


def overflow(recording: Recording) -> Symptom | None:
    """The line that makes the first numbers that are not finite, where weights become such; None
    where none do."""
    sources = Sources(recording.sources)
    held = variables(recording.made)
    broken = [one for one in held if _breaks(one) and updates_itself(one, sources)]
    first = next((made for made in recording.made if not _is_finite(made)), None)
    if not broken or first is None:
        return None
    source = sources.of(first.site.file)
    count = int((~np.isfinite(first.value)).sum())
    largest, name = _largest(recording, first, source)
    before = f", where {name} goes up to {largest:.4g}" if name else ""
    weights = ", ".join(dict.fromkeys(one.name for one in broken[:4]))
    return Symptom(
        "overflow",
        f"line {first.site.line}",
        f"{count:,} of the {first.value.size:,} numbers of {first.site.name or 'what it returns'} "
        f"are not{before}; exp overflows above {LARGEST_EXP}. {weights} became NaN",
        "makes the first numbers that are not finite",
        "Scale the inputs, draw smaller weights, take a smaller learning rate, and subtract the "
        "row's maximum before a softmax.",
        {"largest": largest, "not_finite": float(count)},
        hopeless=True,
    )


def _is_finite(made: Made) -> bool:
    return bool(np.isfinite(made.value).all())


def _breaks(one: Variable) -> bool:
    """Whether a matrix that was updated is finite at first, and not later."""
    first, *later = one.versions
    is_matrix = first.value.ndim == 2 and one.stays
    return is_matrix and _is_finite(first) and any(not _is_finite(made) for made in later)


def _largest(recording: Recording, broken: Made, source: Source) -> tuple[float, str]:
    """The largest number, without its sign, of what a line takes, and its name; "" where nothing of
    that was seen."""
    taken = set()
    for statement in source.statements(broken.site.line):
        nodes = (ast.unparse(node) for node in ast.walk(statement) if isinstance(node, ast.expr))
        taken |= set(nodes)
    held: dict[str, Made] = {}
    for made in recording.made:
        if made is broken:
            break
        if made.site.name in taken and made.site.name != broken.site.name and made.value.size:
            held[made.site.name] = made
    sizes = {name: float(np.abs(made.value).max()) for name, made in held.items()}
    name = max(sizes, key=lambda one: sizes[one], default="")
    return sizes.get(name, float("nan")), name
