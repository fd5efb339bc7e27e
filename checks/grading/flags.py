"""The flags of `check` that are about candidates: how they are run, and what is handed out."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from backproof.checks.candidates.isolation import MODES
from backproof.checks.heads import COSTS
from backproof.model.command_line import finite, one_of


def add_flags(parser: ArgumentParser) -> None:
    """What the command line of `check` takes beside a candidate."""
    _of_running(parser)
    _of_not_learning(parser)
    _of_reports(parser)


def _of_running(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("how a candidate is run")
    group.add_argument(
        "--time-limit",
        type=finite(above=0.0),
        metavar="S",
        help="seconds that a candidate has for one call; three times that for its import, six "
        "times for all calls (default: 10)",
    )
    group.add_argument(
        "--isolate",
        type=one_of(*MODES),
        metavar="|".join(MODES),
        help="run candidates behind bubblewrap, which shows them Python, its packages and their "
        "own folder, and no network: where it works (default: auto), or not at all without it",
    )
    group.add_argument(
        "--definitions-only",
        action="store_true",
        help="run a candidate's imports, definitions and constants, and nothing else of it",
    )
    group.add_argument(
        "--forbid-libraries",
        action="store_true",
        help="gradients that a library computes, or the complex step, are wrong",
    )


def _of_not_learning(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("why its network does not learn")
    group.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="say why it does not learn from these x and y (.npz, or .csv whose last column is y; "
        "W1, b1, ..., learning_rate in it are its own)",
    )
    group.add_argument(
        "--try",
        action="store_true",
        dest="tries",
        help="try what each finding asks for on that data, or on those of a script that is run "
        "and watched, and say what it did",
    )


def _of_reports(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("what is handed out")
    group.add_argument(
        "--listing",
        action="store_true",
        help="print the file with what each line computes, and the first that is wrong",
    )
    group.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write a page to hand out; of several candidates an index, with a page for each",
    )
    group.add_argument(
        "--gradescope", type=Path, metavar="FILE", help="write results.json as Gradescope reads it"
    )
    group.add_argument(
        "--points",
        type=Path,
        metavar="FILE",
        help='what its tests are worth: {"verdict": 2, "gradient": 1, "dW[1]": 3} (default: a '
        "point for each gradient)",
    )
    group.add_argument(
        "--no-fix", action="store_true", help="tell what is wrong, and not the line that repairs it"
    )


def refused(args: Namespace) -> str | None:
    """Why the flags cannot be used together, in one line; None if they can. Sets the defaults."""
    given = {
        "--time-limit": args.time_limit,
        "--isolate": args.isolate,
        "--definitions-only": args.definitions_only,
        "--forbid-libraries": args.forbid_libraries,
        "--data": args.data,
        "--try": args.tries,
        "--listing": args.listing,
        "--html": args.html,
        "--gradescope": args.gradescope,
        "--no-fix": args.no_fix,
    }
    for name, value in given.items():
        if value and not args.candidates:
            return f"{name}: expected a candidate beside it, got none. Name a file."
    if args.candidates and args.cost and args.cost not in COSTS:
        return f"--cost: expected one of {', '.join(COSTS)}, got {args.cost!r}."
    if args.points and not args.gradescope:
        return "--points: expected --gradescope beside it, whose tests they are for. Add it."
    args.time_limit = args.time_limit or 10.0
    args.isolate = args.isolate or "auto"
    return None
