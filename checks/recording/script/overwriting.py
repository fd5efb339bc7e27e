"""The line of a loop that keeps the gradients of one sample where it should add up those of all:
they are right on every line until the update takes them off, which is right, too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from backproof.checks.recording.own import Found
from backproof.checks.recording.script.readings import Reading
from backproof.checks.recording.source import Source, Sources


def keeps_one(best: Reading, found: Found, sources: Sources) -> Found | None:
    """The same, or in place of the update of what one sample alone has made the line above it that
    overwrites the others; None where that cannot be told.

    Args:
        best: how the step is read.
        found: where a wrong gradient was seen first.
        sources: the files.
    """
    if not best.is_of_one(found.quantity) or not _is_update(best, found):
        return found
    lines = set(_overwriting(sources.of(found.file), found.line))
    if len(lines) != 1:
        return None
    return replace(found, line=lines.pop(), name="", is_taken=True)


def _is_update(best: Reading, found: Found) -> bool:
    """Whether a line makes what a parameter becomes."""
    layer = best.found.layers[(found.quantity.layer or best.L) - 1]
    for variable in (layer.W, layer.b):
        made = None if variable is None else variable.made_at(best.step.after)
        if made is not None and (made.site.file, made.site.line) == (found.file, found.line):
            return True
    return False


def _overwriting(source: Source, number: int) -> Iterator[int]:
    """The lines in loops of the same function, before a statement, that bind what it reads to
    something that is not made of it."""
    update = source.statement(number)
    around = source.around(number)
    if update is None or around is None:
        return
    read = {ast.unparse(node) for node in ast.walk(update) if _is_read(node)}
    for loop in ast.walk(around):
        if not isinstance(loop, ast.For | ast.While) or (loop.end_lineno or 0) >= update.lineno:
            continue
        for statement in ast.walk(loop):
            if isinstance(statement, ast.Assign) and _overwrites(statement, read):
                yield statement.lineno


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)


def _overwrites(statement: ast.Assign, read: set[str]) -> bool:
    bound = {
        ast.unparse(node)
        for target in statement.targets
        for node in ast.walk(target)
        if isinstance(node, ast.Name | ast.Attribute)
    }
    made_of = {ast.unparse(node) for node in ast.walk(statement.value) if _is_read(node)}
    return bool(bound & read) and not bound & read & made_of
