"""Which lines update what they change: they mention it on both sides."""

from __future__ import annotations

from backproof.checks.candidates.inside.recording import Made
from backproof.checks.recording.script.variables import Variable
from backproof.checks.recording.source import Sources


def updates_itself(one: Variable, sources: Sources) -> bool:
    """Whether its first change is an update, where it was made or where it came to be held."""
    return any(is_updated(made, sources) for made in (one.bound[1], one.versions[1]))


def is_updated(made: Made, sources: Sources) -> bool:
    """Whether the line that changes it mentions it on both sides, as an update does."""
    return sources.of(made.site.file).updates(made.site.line, made.site.name)
