"""Candidates on the command line: one, or a whole folder of submissions in parallel; a verdict
each, whatever they do."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backproof.checks.candidates.file import Unusable, load
from backproof.checks.candidates.sandbox import Limits, Sandbox
from backproof.checks.grading import feedback
from backproof.checks.grading.conclude import Settings, conclude
from backproof.checks.grading.feedback import Feedback
from backproof.checks.report import junit
from backproof.model.command_line import BAD_INPUT, GOOD, WRONG, BadInput, complain


@dataclass(frozen=True)
class Checked:
    """One candidate's feedback as plain data, which crosses from process to process: its JSON
    object and its lines."""

    found: dict[str, Any]
    lines: list[str]


def check_all(args: Namespace, program: str) -> int:
    """Check every file that was named, in that order; print as results come; return the exit code.

    Raises: BadInput if the only file is none, or for a flag that goes with the project's own
    verification.
    """
    unreadable = {path: reason for path in args.candidates if (reason := why_not(path))}
    if unreadable and len(args.candidates) == 1:
        raise BadInput(*unreadable.values())
    for stream in (sys.stdout, sys.stderr):
        # names of files and messages of others may hold what a terminal cannot show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    settings = Settings(
        tuple(args.sizes) if args.sizes else None, args.seed, args.batch, args.time_limit
    )
    suites: list[junit.Suite] = []
    failed = 0
    for checked in _progress(check_all_of(args.candidates, settings), len(args.candidates)):
        between = "" if args.json or not suites else "\n"
        print(
            between + (json.dumps(checked.found) if args.json else "\n".join(checked.lines)),
            flush=True,
        )
        failed += checked.found["verdict"] != "pass"
        suites.append(junit.suite_of_candidate(checked.found))
    for reason in unreadable.values():
        complain(program, reason)
    if len(args.candidates) > 1 and not args.json:
        print(f"\n{len(suites)} candidates: {len(suites) - failed} pass, {failed} fail")
    if args.junit:
        junit.write(args.junit, suites)
    if unreadable:
        return BAD_INPUT
    if failed:
        return WRONG
    return GOOD


def why_not(path: Path) -> str:
    """Why a path cannot be a candidate, or "": everything else about a file is a finding on it."""
    if path.is_dir():
        return f"expected Python files, got the folder {path}. Name the files in it: {path}/*.py."
    if path.suffix != ".py" or not path.is_file():
        found = "something else" if path.exists() else "nothing there"
        return f"expected a Python file (.py), got {path}, {found}. Check the name."
    if not os.access(path, os.R_OK):
        return f"expected a file that can be read, got {path}. Change its permissions."
    return ""


def check_file(path: Path, settings: Settings) -> Checked:
    """Ask one candidate, and say what is wrong with it; never raises for anything that it is or
    does."""
    start = time.perf_counter()
    if reason := why_not(path):
        found = Feedback(str(path), 0.0, complaint=reason)
    else:
        try:
            with Sandbox(path, Limits(call_s=settings.call_s)) as sandbox:
                found = _ask(path, sandbox, settings, start)
        except Exception as error:  # a fault of ours must not cost the other files their verdict
            fault = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            reason = (
                f"{path.name}: the checker itself failed on this file ({fault}); that is not "
                "the file's fault, please report it."
            )
            found = Feedback(str(path), time.perf_counter() - start, complaint=reason)
    return Checked(feedback.as_json(found), feedback.as_text(found))


def _ask(path: Path, sandbox: Sandbox, settings: Settings, start: float) -> Feedback:
    """Import, diagnose, and look at what it did beside answering."""
    from backproof.checks.diagnosis.diagnose import (
        diagnose,  # while the candidate is being imported in its own process
    )

    try:
        candidate = load(sandbox)
    except Unusable as error:
        return Feedback(str(path), time.perf_counter() - start, complaint=str(error))
    imported = sandbox.out.count
    found = diagnose(candidate, sizes=settings.sizes, seed=settings.seed, batch=settings.batch)
    elapsed_s = time.perf_counter() - start
    return conclude(str(path), candidate, found, settings, elapsed_s, printed_by_import=imported)


def check_all_of(paths: Sequence[Path], settings: Settings) -> Iterator[Checked]:
    """Results in the order of the paths. A process of ours that dies costs one file at most: the
    rest is asked again."""
    workers = min(len(paths), os.cpu_count() or 1)
    if workers == 1:
        yield from (check_file(path, settings) for path in paths)
        return
    done = 0
    while done < len(paths):
        try:
            for checked in _pooled(paths[done:], settings, workers):
                done += 1
                yield checked
        except BrokenProcessPool:
            yield _alone(paths[done], settings)
            done += 1


def _pooled(paths: Sequence[Path], settings: Settings, workers: int) -> Iterator[Checked]:
    """Our own processes, one a core, each with its candidate's beside it; only plain data crosses
    between them."""
    context = multiprocessing.get_context("spawn")
    # we end them, not Ctrl-C
    with ProcessPoolExecutor(
        workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as pool:
        try:
            yield from pool.map(check_file, paths, [settings] * len(paths))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _alone(path: Path, settings: Settings) -> Checked:
    """One file in a process of ours for itself: this may be the one that ended the others."""
    try:
        return next(_pooled([path], settings, 1))
    except BrokenProcessPool:
        found = Feedback(
            str(path), 0.0, complaint=f"{path.name}: it ended the process of the checker itself."
        )
        return Checked(feedback.as_json(found), feedback.as_text(found))


def _progress(results: Iterator[Checked], total: int) -> Iterator[Checked]:
    """A bar on standard error where somebody watches and waits."""
    if total == 1 or not sys.stderr.isatty():
        return results
    from tqdm import tqdm

    return iter(tqdm(results, total=total, unit="file", file=sys.stderr))
