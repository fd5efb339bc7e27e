"""Candidates on the command line: one, or a whole folder of submissions in parallel; a verdict
each, whatever they do."""

from __future__ import annotations

import functools
import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from backproof.checks.candidates.isolation import isolation
from backproof.checks.candidates.sandbox import Manner
from backproof.checks.candidates.source import Unreadable, read
from backproof.checks.grading.checking import Checked, check_file, told
from backproof.checks.grading.conclude import Settings
from backproof.checks.grading.feedback import Feedback
from backproof.checks.grading.handed_out import Reports
from backproof.checks.grading.paths import expanded
from backproof.checks.grading.places import refuse_overlaps
from backproof.checks.grading.pool import Pool
from backproof.checks.learning.own_data import read_own_data
from backproof.checks.report.listed import Page
from backproof.model.command_line import BAD_INPUT, GOOD, WRONG, BadInput, complain


def check_all(args: Namespace, program: str) -> int:
    """Check every file that was named, in that order; print as results come; return the exit code.

    Raises: BadInput if the only file is none, for data that nobody could use, or for a report that
    cannot be written.
    """
    paths = expanded(args.candidates)
    if len(paths) == 1:
        try:
            read(paths[0])
        except Unreadable as error:
            raise BadInput(str(error)) from error
    refuse_overlaps(args, paths)
    if args.data is not None:
        read_own_data(args.data)
    reports = Reports(args, several=len(paths) > 1)
    settings = _settings(args, several=len(paths) > 1)
    outcomes: list[str] = []
    notes: dict[str, None] = {}
    unchecked = 0
    for checked in _progress(check_all_of(paths, settings), len(paths)):
        if args.json:
            print(json.dumps(checked.found), flush=True)
        else:
            between = [""] if outcomes else []
            print("\n".join([*between, *checked.lines]), flush=True)
        reports.add(checked.found, checked.course)
        outcomes.append(checked.found["verdict"])
        notes |= dict.fromkeys(checked.manner)
        unchecked += bool(checked.unreadable or checked.unusable)
        if checked.unreadable or checked.unusable:
            complain(program, checked.unreadable or checked.unusable)
    if len(paths) > 1 and not args.json:
        print("\n".join(["", _in_all(outcomes), *(f"note: {note}" for note in notes)]))
    reports.write()
    if "fail" in outcomes:
        return WRONG
    return BAD_INPUT if unchecked or "untested" in outcomes else GOOD


def _settings(args: Namespace, *, several: bool) -> Settings:
    """From the flags. Bubblewrap is tried once, here, for everybody."""
    manner = Manner(
        args.isolate,
        alone=several,
        definitions_only=args.definitions_only,
        arguments=tuple(args.arguments),
    )
    if not isolation(args.isolate).program:
        manner = replace(manner, why_not=isolation(args.isolate).why_not)
    return Settings(
        tuple(args.sizes) if args.sizes else None,
        args.seed,
        args.batch,
        args.time_limit,
        manner,
        args.forbid_libraries,
        args.no_fix,
        args.data,
        args.tries,
        # a page to hand out has the listing, too
        args.listing or bool(args.html),
        Page.of_terminal(),
        args.cost,
    )


def _in_all(outcomes: Sequence[str]) -> str:
    counts = f"{outcomes.count('pass')} pass, {outcomes.count('fail')} fail"
    if "untested" in outcomes:
        counts += f", {outcomes.count('untested')} untested"
    return f"{len(outcomes)} candidates: {counts}"


def check_all_of(paths: Sequence[Path], settings: Settings) -> Iterator[Checked]:
    """Results in the order of the paths. A process of ours that dies or hangs costs its own file
    alone."""
    workers = min(len(paths), os.cpu_count() or 1)
    if len(paths) == 1:
        yield check_file(paths[0], settings)
        return
    pool = Pool(
        functools.partial(check_file, settings=settings),
        functools.partial(_lost, settings=settings),
        settings.longest_s,
    )
    yield from pool.results(paths, workers)


def _lost(path: Path, end: str, settings: Settings) -> Checked:
    """A file that cost the process which checked it."""
    what = {
        "ended": "it ended the process of the checker itself",
        "took too long": f"checking it took longer than {settings.longest_s:g} s",
    }[end]
    unchecked = end != "ended"
    found = Feedback(str(path), 0.0, complaint=f"{path.name}: {what}.", unchecked=unchecked)
    return told(found, settings)


def _progress(results: Iterator[Checked], total: int) -> Iterator[Checked]:
    """A bar on standard error where somebody watches and waits."""
    if total == 1 or not sys.stderr.isatty():
        return results
    try:
        from tqdm import tqdm
    except ImportError:  # it comes with what training needs
        return results
    return iter(tqdm(results, total=total, unit="file", file=sys.stderr))
