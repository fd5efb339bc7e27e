"""python -m checks: verify somebody's own backprop, or without a file the project itself, every
witness against every other."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import Namespace
from pathlib import Path

# NumPy's, before it is imported: the problems are small, as below for torch
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from backproof.model.command_line import (
    BAD_INPUT,
    GOOD,
    INTERRUPTED,
    WRONG,
    BadInput,
    Parser,
    complain,
    importing,
    one_of,
    unwritable,
    whole_number,
)
from backproof.model.program import as_program, begin

PROGRAM = "python -m checks"
if __name__ == "__main__":
    begin(PROGRAM)

try:
    with importing():
        from backproof.checks.grading.flags import add_flags, refused
        from backproof.checks.grading.places import refuse_overlaps
        from backproof.checks.learning.finding import Symptom
        from backproof.checks.problem import Problem, of_the_project
        from backproof.checks.report import junit
        from backproof.checks.report.text import Report, as_json, as_text
        from backproof.checks.walkthrough.command import page_of
except BadInput as error:  # NumPy is not installed
    if __name__ != "__main__":
        raise
    complain(PROGRAM, error)
    raise SystemExit(BAD_INPUT) from None


def main(argv: list[str] | None = None, *, program: str = PROGRAM) -> int:
    """Flags -> problems -> verdicts -> report -> exit code; `program` is what it is called as."""
    args = parse_args(argv, program)
    try:
        if args.explain:
            print("\n".join(page_of(args)))
            return GOOD
        if args.candidates:
            from backproof.checks.grading.submissions import check_all

            return check_all(args, program)
        refuse_overlaps(args, [])
        report = verify_project(args)
        if args.junit:
            junit.write(args.junit, junit.suites_of_report(as_json(report)))
    except BadInput as error:
        complain(program, error)
        return BAD_INPUT
    except KeyboardInterrupt:
        complain(
            program, "interrupted before the verification was complete; nothing was concluded."
        )
        return INTERRUPTED
    except OSError as error:
        return unwritable(program, error)
    symptoms = _symptoms(args)
    if args.json:
        print(
            json.dumps(as_json(report) | {"symptoms": [symptom.as_json() for symptom in symptoms]})
        )
    else:
        print("\n".join([*(f"symptom {symptom.line}" for symptom in symptoms), *as_text(report)]))
    if report.outcome == "pass":
        return GOOD
    return WRONG


def _with_arguments(parser: Parser, argv: list[str]) -> Namespace:
    """What stands before -- are ours, and what stands behind it are the candidate's own."""
    ours = argv[: argv.index("--")] if "--" in argv else argv
    args = parser.parse_intermixed_args(ours)
    theirs = argv[len(ours) + 1 :]
    if theirs and not args.candidates:
        parser.error(f"--: expected a script before it, got {' '.join(theirs)} alone. Name one.")
    args.arguments = theirs
    return args


def parse_args(argv: list[str] | None, program: str = PROGRAM) -> Namespace:
    """The contract of the command line."""
    parser = Parser(prog=program, description=__doc__, epilog=EPILOG)
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
        "--run", type=Path, metavar="DIR", help="verify the weights of this run on its own data"
    )
    parser.add_argument(
        "--sizes", type=whole_number(1), nargs="+", metavar="N", help="units, such as 784 16 16 10"
    )
    parser.add_argument(
        "--batch", type=whole_number(1), metavar="N", help="samples in a problem (default: varies)"
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="of the first problem (default: 0)",
    )
    parser.add_argument(
        "--problems",
        type=whole_number(1),
        metavar="N",
        help="how many (default: one of each hard kind, then one of each output and cost)",
    )
    parser.add_argument(
        "--device",
        type=one_of("cpu", "cuda"),
        default="cpu",
        metavar="cpu|cuda",
        help="(default: cpu)",
    )
    parser.add_argument(
        "--dtype",
        type=one_of("float64", "float32"),
        default="float64",
        metavar="float64|float32",
        help="precision of the torch witnesses (default: float64)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object (a line for each candidate)"
    )
    parser.add_argument(
        "--junit", type=Path, metavar="FILE", help="write the verdicts as JUnit XML, too"
    )
    add_flags(parser)
    parser.add_argument(
        "--explain",
        action="store_true",
        help="walk through one sample with its numbers, by default of 2 3 2",
    )
    parser.add_argument(
        "--activation",
        nargs="+",
        metavar="NAME",
        help="of the hidden layers that --explain walks through, one for all or one each",
    )
    parser.add_argument("--output", metavar="NAME", help="softmax, linear, ... of --explain")
    parser.add_argument(
        "--cost",
        metavar="NAME",
        help="cross-entropy, quadratic, ... of --explain, or of a script that is watched",
    )
    parser.add_argument(
        "--notation",
        type=one_of("backproof", "3blue1brown", "nielsen"),
        metavar="backproof|3blue1brown|nielsen",
        help="whose symbols --explain uses (default: backproof)",
    )
    args = _with_arguments(parser, sys.argv[1:] if argv is None else list(argv))
    if args.sizes and (len(args.sizes) < 2 or args.sizes[-1] < 2):
        given = " ".join(map(str, args.sizes))
        parser.error(
            "--sizes: expected an input size and at least one layer, the last of 2 classes or "
            f"more, got {given}."
        )
    if args.candidates and (
        args.run or args.problems or (args.device, args.dtype) != ("cpu", "float64")
    ):
        parser.error(
            "--run, --problems, --device and --dtype: expected no candidate beside them, got one. "
            "Leave one of the two out."
        )
    if args.explain and (args.candidates or args.json or args.junit or args.problems or args.batch):
        parser.error(
            "--explain: expected no candidate, --json, --junit, --problems or --batch beside it. "
            "It explains one sample."
        )
    if args.notation and not args.explain:
        parser.error(
            "--notation: expected --explain beside it, whose symbols it chooses. Add --explain."
        )
    chosen = args.activation or args.output or (args.cost and not args.candidates)
    if chosen and (not args.explain or args.run):
        parser.error(
            "--activation, --output and --cost: expected --explain beside them, and no --run. They "
            "choose what it walks through."
        )
    why_not = refused(args)
    if why_not:
        parser.error(why_not)
    args.notation = args.notation or "backproof"
    return args


EPILOG = """\
A candidate runs in a process of its own, with limits; what it does there (crash, hang, print,
edit its arguments) is a finding. It says in constants where it differs from the defaults: LAYOUT,
EXAMPLES, LABELS, OUTPUT, COST, REDUCTION, BIAS, SIZES, BATCH, LEARNING_RATE.
docs/check-yours.md shows how.

Columns of the report on the project itself: how many comparisons fail, the largest error in units
of what rounding explains (above 1 fails), the quantity where it is, how many comparisons, the
problem. Tags such as (B2) are equations of checks/EQUATIONS.md.

exit code: 0 everything is right (gradients that are right pass, too, where --data shows why the
           network does not learn), 1 something is wrong (a candidate that is no valid Python or
           defines none of the functions, too), 2 bad usage, or nothing wrong but something that
           could not be checked, such as a file that is not there, or data that do not fit, 130
           interrupted

examples:
  python -m checks
  python -m checks my_backprop.py
  python -m checks SUBMISSIONS/*.py --json --junit verdicts.xml
  python -m checks my_backprop.py --data mine.npz --try
  python -m checks SUBMISSIONS --html verdicts.html
  python -m checks ada.py --gradescope results.json --no-fix
  python -m checks --sizes 784 16 16 10 --batch 16 --problems 4
  python -m checks --run runs/digits-1 --dtype float32
"""


def verify_project(args: Namespace) -> Report:
    """Draw the problems that the flags ask for, and compare every pair of witnesses on each."""
    with importing():  # here, so that --help and bad usage answer without waiting for it
        import torch

        from backproof.checks.witnesses.verify import verify
        from backproof.model.device import usable

    # the problems are small: waking a second thread costs more than it computes
    torch.set_num_threads(1)

    device = usable(args.device)
    problems = list(_problems(args))
    start = time.perf_counter()
    verdicts = []
    for problem in problems:
        verdicts += verify(problem, device=device, dtype=args.dtype)
    parameters = sum(
        sum(array.size for array in (*problem.W.values(), *problem.b.values()))
        for problem in problems
    )
    return Report(
        verdicts, len(problems), parameters, device, args.dtype, time.perf_counter() - start
    )


def _symptoms(args: Namespace) -> list[Symptom]:
    """Why the network of --run does not learn, as far as its weights and data show it."""
    if not args.run:
        return []
    from backproof.checks.training.of_run import symptoms_of_run

    return symptoms_of_run(args.run)


def _problems(args: Namespace) -> list[Problem]:
    """From a run, or drawn."""
    if args.run:
        from backproof.checks.training.of_run import problems_of_run

        problems = problems_of_run(
            args.run, count=args.problems or 4, batch=args.batch or 16, seed=args.seed
        )
    else:
        problems = of_the_project(args.problems, args.seed, args.sizes, args.batch)
    return [problem.rounded_to(args.dtype) for problem in problems]


if __name__ == "__main__":
    sys.exit(as_program(main, PROGRAM))
