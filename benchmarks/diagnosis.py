"""How often the diagnosis is right: on candidates with one bug, two, none, an undeclared
convention, and a bug that nobody knows.

    python benchmarks/diagnosis.py [--seed N] [--share F] [--only KIND] [--misses]
        [--generator switches|files|activations]

Three generators, which share nothing with checks/bugs/ nor with each other: tests/switches.py, one
program in which every bug is a switch; tests/planting/, whole files in several styles whose bugs
are edited lines; and tests/activations.py, networks of other hidden layers and outputs, with
conventions undeclared beside a bug. Sizes, seed, head, layout, protocol and every other convention
are drawn anew for each case. Every generator is asked for the numbers of cases below, times
--share.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HERE), str(HERE / "tests")]

import activations  # noqa: E402
import switches  # noqa: E402
from planting import cases  # noqa: E402
from planting.case import Case  # noqa: E402

GENERATORS = {
    "switches": switches.STREAMS,
    "files": cases.STREAMS,
    "activations": activations.STREAMS,
}
COUNTS = {
    "single": 500,
    "pair": 200,
    "beside": 200,
    "correct": 300,
    "convention": 150,
    "unknown": 150,
}
WANTED = {  # what is counted of each kind
    "single": ("caught", "first", "named", "line", "another line"),
    "pair": ("caught", "both"),
    "beside": ("caught", "first", "conventions"),
    "correct": ("passed",),
    "convention": ("named",),
    "unknown": ("caught", "first step", "a wrong name"),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the usual number of cases (default: 1)"
    )
    parser.add_argument("--only", choices=tuple(COUNTS))
    parser.add_argument("--generator", choices=tuple(GENERATORS))
    parser.add_argument(
        "--misses", action="store_true", help="print each case that is not as it should be"
    )
    args = parser.parse_args(argv)
    for name, streams in GENERATORS.items():
        for kind in COUNTS:
            if kind in streams and args.only in (None, kind) and args.generator in (None, name):
                wanted = max(1, round(COUNTS[kind] * args.share))
                print(
                    f"{name:12}{line(kind, islice(streams[kind](args.seed), wanted), args.misses)}",
                    flush=True,
                )
    return 0


def line(kind: str, some: Iterable[Case], misses: bool) -> str:
    """Counts of one kind, and how long its diagnoses took; beneath, what bugs were taken for."""
    counts, taken_for, slowest, total_s = Counter[str](), Counter[str](), 0.0, 0.0
    for case in some:
        start = time.process_time()
        told = told_of(case)
        elapsed_s = time.process_time() - start
        counts.update(all=1, **told)
        slowest, total_s = max(slowest, elapsed_s), total_s + elapsed_s
        if not case.good:
            taken_for[
                f"{'+'.join(case.names) or 'right'} as "
                f"{'+'.join(case.named[:3]) or case.found.first_wrong or 'right'}"
            ] += 1
            if misses:
                print(
                    f"  MISS {case.names} {case.found.outcome} {case.named} "
                    f"{case.found.first_wrong} | {case.words}"
                )
    shares = ", ".join(
        f"{name} {counts[name]} ({counts[name] / max(counts['all'], 1):.1%})"
        for name in WANTED[kind]
    )
    timing = f"{total_s / max(counts['all'], 1):.2f} s each, at most {slowest:.2f} s"
    return "\n".join(
        [
            f"{kind:11}{counts['all']} cases: {shares}; {timing}",
            *(f"{'':20}{n} {text}" for text, n in taken_for.most_common()),
        ]
    )


def told_of(case: Case) -> dict[str, int]:
    """What is counted of one case."""
    truths = {
        "caught": case.caught,
        "first": case.good,
        "named": case.good,
        "both": case.good,
        "passed": case.good,
    }
    if case.kind == "single":
        # the switches are no files, so no line of theirs can be named
        lines = {"line": case.line_is_right, "another line": case.line_is_another}
        truths |= lines | {"first": case.first, "named": case.names[0] in case.named}
    if case.kind == "beside":
        truths |= {"first": case.first, "conventions": case.declared == set(case.constants)}
    if case.kind == "unknown":
        truths |= {"first step": case.step, "a wrong name": bool(case.named)}
    return {name: int(truths[name]) for name in WANTED[case.kind]}


if __name__ == "__main__":
    raise SystemExit(main())
