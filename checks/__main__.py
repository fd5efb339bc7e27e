"""python -m checks: verify somebody's own backprop, or without a file the project itself, every
witness against every other."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import Namespace

# NumPy's, before it is imported: the problems are small, as below for torch
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from backproof.model.command_line import (
    BAD_INPUT,
    GOOD,
    INTERRUPTED,
    WRONG,
    BadInput,
    complain,
    importing,
    unwritable,
)
from backproof.model.program import as_program, begin

PROGRAM = "python -m checks"
if __name__ == "__main__":
    begin(PROGRAM)

try:
    with importing():
        from backproof.checks.flags import parse_args
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
