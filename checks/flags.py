"""The command line of `check`: what may be asked of a candidate, of the project itself, and of one
sample; and what cannot be asked together."""

from __future__ import annotations

import sys
import textwrap
from argparse import ArgumentParser, Namespace
from pathlib import Path

from backproof.checks.candidates.conventions import CONSTANTS
from backproof.checks.grading.flags import add_flags, refused
from backproof.checks.walkthrough.command import too_small
from backproof.model.command_line import Parser, one_of, whole_number

DESCRIPTION = """\
Verify somebody's own backprop: which gradient is wrong, by which bug, on which line. Without a
candidate, verify the project itself: every witness against every other."""

EPILOG = """\
A candidate runs in a process of its own, with limits; what it does there (crash, hang, print,
edit its arguments) is a finding. It says in constants where it differs from the defaults:
{constants}.
`backproof examples --copy DIR` hands out files that do; the project's docs/check-yours.md tells
more. A script that defines none of the functions declares nothing: it is run and watched as it is.

Columns of the report on the project itself: how many comparisons fail, the largest error in units
of what rounding explains (above 1 fails), the quantity where it is, how many comparisons, the
problem. Tags such as (B2) are equations of checks/EQUATIONS.md.

exit code: 0 everything is right (gradients that are right pass, too, where --data shows why the
           network does not learn), 1 something is wrong (a candidate that is no valid Python or
           defines none of the functions, too), 2 bad usage, or nothing wrong but something that
           could not be checked, such as a file that is not there, or data that do not fit, 130
           interrupted

examples:
  {program}
  {program} my_backprop.py
  {program} SUBMISSIONS/*.py --json --junit verdicts.xml
  {program} my_backprop.py --data mine.npz --try
  {program} SUBMISSIONS --html verdicts.html
  {program} ada.py --gradescope results.json --no-fix
  {program} --sizes 784 16 16 10 --batch 16 --problems 4
  {program} --run runs/digits-1 --dtype float32
"""


def parse_args(argv: list[str] | None, program: str) -> Namespace:
    """The contract of the command line.

    Args:
        argv: words; None for those of this process.
        program: what it is called as.
    """
    parser = Parser(
        prog=program,
        description=DESCRIPTION,
        epilog=EPILOG.format(
            program=program, constants=textwrap.fill(", ".join(CONSTANTS), width=100)
        ),
    )
    parser.add_argument(
        "candidates",
        type=Path,
        nargs="*",
        metavar="CANDIDATE.py",
        help="somebody's own gradients(W, b, x, y), step(W, b, x, y, learning_rate) or make(W, b), "
        "in a Python file or a notebook; several, or all in a folder, are checked in parallel; a "
        "script is run and watched, with what stands behind -- as its arguments",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object (a line for each candidate)"
    )
    parser.add_argument(
        "--junit", type=Path, metavar="FILE", help="write the verdicts as JUnit XML, too"
    )
    add_flags(parser)
    _of_the_project(parser)
    _of_one_sample(parser)
    args = _with_arguments(parser, sys.argv[1:] if argv is None else list(argv))
    why_not = too_small(args.sizes) or _refused(args) or refused(args)
    if why_not:
        parser.error(why_not)
    args.notation = args.notation or "backproof"
    return args


def _of_the_project(parser: ArgumentParser) -> None:
    """What may be asked of the project, or of a run."""
    group = parser.add_argument_group("the project itself, without a candidate")
    group.add_argument(
        "--run", type=Path, metavar="DIR", help="verify the weights of this run on its own data"
    )
    group.add_argument(
        "--sizes", type=whole_number(1), nargs="+", metavar="N", help="units, such as 784 16 16 10"
    )
    group.add_argument(
        "--batch", type=whole_number(1), metavar="N", help="samples in a problem (default: varies)"
    )
    group.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="of the first problem (default: 0)",
    )
    group.add_argument(
        "--problems",
        type=whole_number(1),
        metavar="N",
        help="how many (default: one of each hard kind, then one of each output and cost)",
    )
    group.add_argument(
        "--device",
        type=one_of("cpu", "cuda"),
        default="cpu",
        metavar="cpu|cuda",
        help="(default: cpu)",
    )
    group.add_argument(
        "--dtype",
        type=one_of("float64", "float32"),
        default="float64",
        metavar="float64|float32",
        help="precision of the torch witnesses (default: float64)",
    )


def _of_one_sample(parser: ArgumentParser) -> None:
    """What `backproof explain` takes, too, which has a command line of its own."""
    group = parser.add_argument_group("one sample, step by step")
    group.add_argument(
        "--explain",
        action="store_true",
        help="walk through one sample with its numbers, by default of 2 3 2",
    )
    group.add_argument(
        "--activation",
        nargs="+",
        metavar="NAME",
        help="of the hidden layers that --explain walks through, one for all or one each",
    )
    group.add_argument("--output", metavar="NAME", help="softmax, linear, ... of --explain")
    group.add_argument(
        "--cost",
        metavar="NAME",
        help="cross-entropy, quadratic, ... of --explain, or of a script that is watched",
    )
    group.add_argument(
        "--notation",
        type=one_of("backproof", "3blue1brown", "nielsen"),
        metavar="backproof|3blue1brown|nielsen",
        help="whose symbols --explain uses (default: backproof)",
    )


def _with_arguments(parser: Parser, argv: list[str]) -> Namespace:
    """What stands before -- are ours, and what stands behind it are the candidate's own."""
    ours = argv[: argv.index("--")] if "--" in argv else argv
    args = parser.parse_intermixed_args(ours)
    theirs = argv[len(ours) + 1 :]
    if theirs and not args.candidates:
        parser.error(f"--: expected a script before it, got {' '.join(theirs)} alone. Name one.")
    args.arguments = theirs
    return args


def _refused(args: Namespace) -> str | None:
    """Why the flags cannot be used together, in one line; None if they can."""
    of_project = args.run or args.problems or (args.device, args.dtype) != ("cpu", "float64")
    if args.candidates and of_project:
        return (
            "--run, --problems, --device and --dtype: expected no candidate beside them, got one. "
            "Leave one of the two out."
        )
    if args.explain and (args.candidates or args.json or args.junit or args.problems or args.batch):
        return (
            "--explain: expected no candidate, --json, --junit, --problems or --batch beside it. "
            "It explains one sample."
        )
    if args.notation and not args.explain:
        return "--notation: expected --explain beside it, whose symbols it chooses. Add --explain."
    chosen = args.activation or args.output or (args.cost and not args.candidates)
    if chosen and (not args.explain or args.run):
        return (
            "--activation, --output and --cost: expected --explain beside them, and no --run. They "
            "choose what it walks through."
        )
    return None
