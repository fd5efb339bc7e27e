"""One sample through a network: every equation with its symbols, its line of code and its numbers,
beside what a nudge of a weight does to the loss."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from backproof.checks.activations import named
from backproof.checks.heads import Head, usual_cost
from backproof.checks.problem import Problem, draw, of_the_project
from backproof.model.atomic import write_output
from backproof.model.command_line import (
    BAD_INPUT,
    GOOD,
    INTERRUPTED,
    BadInput,
    Parser,
    complain,
    importing,
    one_of,
    unwritable,
    whole_number,
)

PROGRAM = "backproof explain"
USUAL_SIZES = [2, 3, 2]
CHOOSING = ("sizes", "activation", "output", "cost")  # what a run has chosen already

EPILOG = """\
exit code: 0 good, 2 bad usage or bad input, 130 interrupted

examples:
  backproof explain
  backproof explain --sizes 2 3 3 --notation 3blue1brown
  backproof explain --sizes 4 5 3 --activation relu --output sigmoid --cost quadratic
  backproof explain --run runs/digits-1 --seed 7
  backproof explain --html sample.html
"""


def main(argv: list[str] | None = None, *, program: str = PROGRAM) -> int:
    """Flags -> one problem -> its page -> exit code; `program` is what it is called as."""
    args = parse_args(argv, program)
    try:
        lines = page_of(args)
        if args.html is None:
            print("\n".join(lines))
        else:
            write_output(args.html, as_html(lines).encode())
    except BadInput as error:
        complain(program, error)
        return BAD_INPUT
    except KeyboardInterrupt:
        complain(program, "interrupted.")
        return INTERRUPTED
    except OSError as error:
        return unwritable(program, error)
    return GOOD


def parse_args(argv: list[str] | None, program: str = PROGRAM) -> Namespace:
    """The contract of the command line."""
    parser = Parser(prog=program, description=__doc__, epilog=EPILOG)
    parser.add_argument(
        "--run", type=Path, metavar="DIR", help="a sample of this run's data, with its weights"
    )
    parser.add_argument(
        "--sizes",
        type=whole_number(1),
        nargs="+",
        metavar="N",
        help="units of the input and of each layer (default: 2 3 2)",
    )
    parser.add_argument(
        "--activation",
        nargs="+",
        metavar="NAME",
        help="of the hidden layers, one for all or one each (default: sigmoid)",
    )
    parser.add_argument(
        "--output", metavar="NAME", help="softmax, sigmoid, linear, ... (default: softmax)"
    )
    parser.add_argument(
        "--cost",
        metavar="NAME",
        help="cross-entropy, quadratic, ... (default: what goes with the output)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="of the weights and the sample; of a run, which sample (default: 0)",
    )
    parser.add_argument(
        "--notation",
        type=one_of("backproof", "3blue1brown", "nielsen"),
        default="backproof",
        metavar="backproof|3blue1brown|nielsen",
        help="whose symbols (default: backproof)",
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page of one file, and print nothing"
    )
    args = parser.parse_args(argv)
    why_not = too_small(args.sizes)
    if why_not:
        parser.error(why_not)
    if args.run and any(getattr(args, name) for name in CHOOSING):
        parser.error(
            "--run: expected no --sizes, --activation, --output or --cost beside it, got one. A "
            "run has its own: leave one of the two out."
        )
    args.dtype = "float64"
    return args


def too_small(sizes: list[int] | None) -> str | None:
    """Why --sizes is no network, in one line; None if it is one, or is not given."""
    if not sizes or (len(sizes) > 1 and sizes[-1] > 1):
        return None
    return (
        "--sizes: expected an input size and at least one layer, the last of 2 classes or more, "
        f"got {' '.join(map(str, sizes))}."
    )


def page_of(args: Namespace) -> list[str]:
    """The lines of the page that the flags ask for."""
    with importing():  # here, so that --help and bad usage answer without waiting for it
        from backproof.checks.walkthrough.notation import NOTATIONS
        from backproof.checks.walkthrough.text import walkthrough

    if args.run:
        problem = _of_run(args)
    elif args.activation or args.output or args.cost:
        problem = _chosen(args)
    else:
        problem = of_the_project(1, args.seed, args.sizes or USUAL_SIZES, 1)[0]
    return walkthrough(problem.rounded_to(args.dtype), NOTATIONS[args.notation])


def as_html(lines: list[str]) -> str:
    """The same lines as a page of one file."""
    from backproof.checks.report.html import document
    from backproof.checks.walkthrough.page import parts

    return document(lines[0], parts(lines))


def _of_run(args: Namespace) -> Problem:
    from backproof.checks.training.of_run import problems_of_run

    return problems_of_run(args.run, count=1, batch=1, seed=args.seed)[0]


def _chosen(args: Namespace) -> Problem:
    """A problem whose activations, output and cost were given; numbers in place of a class where
    the output tells none."""
    sizes = args.sizes or USUAL_SIZES
    try:
        output = args.output or "softmax"
        head = Head(output, args.cost or usual_cost(output))
        names = args.activation or ["sigmoid"]
        hidden = [named(name) for name in names] * (len(sizes) - 2 if len(names) == 1 else 1)
        labels = "any" if head.tells_classes else "values"
        return draw(sizes, 1, args.seed, labels=labels, head=head, hidden=hidden)
    except ValueError as error:
        raise BadInput(f"--activation, --output, --cost: {error}. Choose one of them.") from error
