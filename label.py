"""Label inputs with a trained network, through the NumPy forward pass that `python -m checks`
verifies.

Nothing here waits for torch, so that an answer takes a fraction of the time that importing it
would.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# on busy cores NumPy's threads wait longer for each other than they compute
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from backproof.model.command_line import (
    BAD_INPUT,
    GOOD,
    INTERRUPTED,
    BadInput,
    Parser,
    complain,
    folder,
    importing,
    unwritable,
    whole_number,
)
from backproof.model.program import as_program, begin

PROGRAM = "label.py"
if __name__ == "__main__":
    begin(PROGRAM)

try:
    with importing():
        import numpy as np

        from backproof.checks.training.labelling import Overflow, probabilities
        from backproof.model.checkpoint import load_model
        from backproof.model.drawing import as_text
        from backproof.model.folders import newest_run
        from backproof.model.inputs import changed_samples, read_inputs
        from backproof.model.rows import Rows
        from backproof.model.saved_model import SavedModel
except BadInput as error:  # NumPy or safetensors is not installed
    if __name__ != "__main__":
        raise
    complain(PROGRAM, error)
    raise SystemExit(BAD_INPUT) from None

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    pass

RUNS = Path("runs")

EPILOG = """\
inputs
  1 1 0 0      as many numbers as the network takes, raw as in the data that it was trained on
  rows.csv     one input a row, with a header, whose columns may stand in any order, or without
               one; or .npy
  digit.png    a drawing of any size, dark on light or light on dark, put in place as the
               network's data set was made; or .jpg, .bmp, .gif, .webp; for a network that was
               trained on pictures
  drawings/    every picture and table in a folder, or a pattern in quotes: 'drawings/*.png'
  -            rows on standard input

exit code: 0 good, 2 bad usage or bad input (the other files are labelled), 130 interrupted

examples
  python label.py 1 1 0 0
  python label.py --run runs/digits-1 --top-k 3 runs/digits-1/samples.csv
  python label.py --run runs/mnist-1 --show my_seven.png
  head -1 runs/digits-1/samples.csv | python label.py --run runs/digits-1 --json -
"""


def main(argv: list[str] | None = None, *, program: str = PROGRAM) -> int:
    """Flags -> weights and rows -> answers -> exit code; `program` is what it is called as."""
    args = parse_args(sys.argv[1:] if argv is None else argv, program)
    try:
        run = args.run or newest_run(RUNS)
        model = load_model(run)
        for remark in model.remarks:
            complain(program, remark)
        rows = read_inputs(args.inputs, model, run)
        if remark := changed_samples(args.inputs, model, run):
            complain(program, remark)
        if args.show and model.picture is None:
            raise BadInput(
                "--show: expected a network that was trained on pictures, got one of "
                f"{model.data}. Leave --show out."
            )
        print("\n".join(answers(model, rows, args)), flush=True)
        for refusal in rows.refusals:
            complain(program, refusal)
    except BadInput as error:
        complain(program, error)
        return BAD_INPUT
    except OSError as error:
        return unwritable(program, error)
    except KeyboardInterrupt:
        complain(program, "interrupted.")
        return INTERRUPTED
    return BAD_INPUT if rows.refusals else GOOD


def parse_args(argv: list[str], program: str = PROGRAM) -> Namespace:
    """The contract of the command line."""
    parser = Parser(prog=program, description=__doc__, epilog=EPILOG)
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="numbers, files, folders, or - for rows on standard input",
    )
    parser.add_argument(
        "--run",
        type=folder,
        metavar="DIR",
        help="folder of the run to use (default: the newest in runs/)",
    )
    parser.add_argument(
        "--top-k",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="labels to show for each (default: 1)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument(
        "--show", action="store_true", help="draw what the network sees, for a network of pictures"
    )
    args = parser.parse_args([_positional(word) for word in argv])
    if args.show and args.json:
        parser.error(
            "--show: expected no --json beside it, got both. Leave one out: each line of --json "
            "is an object."
        )
    return args


def answers(model: SavedModel, rows: Rows, args: Namespace) -> Iterator[str]:
    """One line for each row."""
    try:
        p = probabilities(model, rows.x)
    except Overflow as error:
        raise BadInput(
            f"{rows.names[error.row]}: expected numbers like those of {model.data}, got ones that "
            "overflow. Correct them."
        ) from None
    if model.answers is not None:
        yield from values(rows, p[:, 0].tolist(), args)
        return
    order = np.argsort(-p, axis=1, kind="stable")[:, : args.top_k]
    for index, (name, chances, best) in enumerate(
        zip(rows.names, p.tolist(), order.tolist(), strict=True)
    ):
        if args.show and model.picture:
            yield from as_text(rows.x[index], model.picture, sys.stdout.encoding or "ascii")
        if args.json:
            yield json.dumps(as_json(name, model.classes, chances, best[0]))
        else:
            named = "  ".join(f"{model.classes[k]} {chances[k]:.4f}" for k in best)
            yield named if len(rows.names) == 1 else f"{named}  {name}"


def values(rows: Rows, found: list[float], args: Namespace) -> Iterator[str]:
    """One line for each row of a network that predicts a number."""
    for name, value in zip(rows.names, found, strict=True):
        if args.json:
            yield json.dumps({"input": name, "value": value})
        else:
            yield f"{value:g}" if len(rows.names) == 1 else f"{value:g}  {name}"


def as_json(name: str, classes: tuple[str, ...], chances: list[float], best: int) -> dict[str, Any]:
    """The object of --json."""
    return {
        "input": name,
        "label": classes[best],
        "probability": chances[best],
        "probabilities": dict(zip(classes, chances, strict=True)),
    }


def _positional(word: str) -> str:
    """A negative number with an exponent looks like a flag to argparse, unless a space stands
    before it."""
    try:
        float(word)
    except ValueError:
        return word
    if word.startswith("-"):
        return f" {word}"
    return word


if __name__ == "__main__":
    sys.exit(as_program(main, PROGRAM))
