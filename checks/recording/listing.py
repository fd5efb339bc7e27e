"""A file line by line, with what each line was seen to compute.

A line is labelled when it holds the numbers of a quantity of checks/EQUATIONS.md, however they lie
or are scaled; where nothing was recognised nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from backproof.checks.findings import Line, Listed
from backproof.checks.quantities import Quantity
from backproof.checks.recording.labels import Label, Labels
from backproof.checks.recording.source import Source

LAST_INDEX = re.compile(r"(\[(\d+|\.\.\.)\])+$")
BESIDE = {"a": "its 1", "x": "its 1", "dW": "db beside", "W": "b beside", "da": "the bias's"}
MOST_QUANTITIES = 6  # of one name on one line; more are counted


def listing(source: Source, labels: Labels, wrong: Line | None) -> list[Listed]:
    """Every line of a file with its remark.

    Args:
        source: the file, or the cell of a notebook.
        labels: what was recognised.
        wrong: the first line that makes a wrong number, if it is known.
    """
    here = wrong is not None and (wrong.file, wrong.cell) == (source.file, source.cell)
    found = []
    for number, text in enumerate(source.lines, start=1):
        remark = remark_on(labels.on_line(source.path, number))
        outcome = "pass" if remark else ""
        if here and wrong is not None and wrong.number == number:
            due = f"<- here: {wrong.quantity} was due; yours is another"
            remark = "; ".join(part for part in (due, remark) if part)
            outcome = "fail"
        found.append(Listed(number, text, remark, outcome, source.cell))
    return found


def cell_by_cell(listed: Sequence[Listed], cells: Sequence[str]) -> list[Listed]:
    """A listing of a notebook as the notebook has it: every code cell in its order, each line as it
    was written; then what belongs to other files.

    Args:
        listed: of the cells that ran, with their remarks.
        cells: all code cells, as they stand in the notebook.
    """
    told = {(line.cell, line.number): line for line in listed}
    found = []
    for cell, text in enumerate(cells, start=1):
        for number, written in enumerate(text.splitlines(), start=1):
            line = told.get((cell, number), Listed(number, written, cell=cell))
            found.append(replace(line, text=written))
    return found + [line for line in listed if line.cell is None]


def remark_on(found: Sequence[Label]) -> str:
    """ "delta = dz[3], dz[2]; returns a[1]", of one line."""
    groups: dict[str, list[str]] = {}
    told: set[Quantity] = set()
    in_order = sorted(
        found, key=lambda one: (one.site.kind == "argument", "[...]" in one.site.name)
    )
    for one in in_order:
        if one.site.kind == "argument" and one.quantity in told:
            continue  # said already of the name that it is handed on by
        if one.site.name.endswith("[...]") and one.quantity in told:
            continue  # its elements one by one, and all of them together
        told.add(one.quantity)
        said = groups.setdefault(_head(one), [])
        if (words := written(one)) not in said:
            said.append(words)
    return "; ".join(f"{head} {_shortened(said)}" for head, said in groups.items())


def written(label: Label) -> str:
    """A quantity with its factor, such as "-dz[3]" or "N dz[3]"."""
    match = label.match
    factor = label.factor
    if factor == "":
        said = str(match.quantity)
    elif factor == "-":
        said = f"-{match.quantity}"
    else:
        said = f"{factor} {match.quantity}"
    if match.form.with_bias:
        said += f" with {BESIDE[match.quantity.kind]}"
    return said


def _head(label: Label) -> str:
    site = label.site
    if site.kind == "return":
        return "returns"
    if site.kind == "argument":
        return f"gives {site.callee.rpartition('.')[2]}"
    name = LAST_INDEX.sub("", site.name) if label.is_of_layers else site.name
    return f"{name} ="


def _shortened(said: Sequence[str]) -> str:
    if len(said) <= MOST_QUANTITIES:
        return ", ".join(said)
    return f"{', '.join(said[:MOST_QUANTITIES])} and {len(said) - MOST_QUANTITIES} more"
