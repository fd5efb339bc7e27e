"""Train a network by hand-checked gradients, and say what to look at next.

With no flag it trains on 1,797 handwritten digits that come with the project. Before the first
step, and again after every epoch, every parameter's gradient is computed three ways (by hand in
NumPy, by autograd, by the complex step) and compared.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from backproof.model import pasted
from backproof.model.command_line import (
    BAD_INPUT,
    GOOD,
    INTERRUPTED,
    WRONG,
    BadInput,
    Parser,
    complain,
    finite,
    folder,
    importing,
    one_of,
    unwritable,
    whole_number,
)
from backproof.model.program import as_program

if TYPE_CHECKING:
    from backproof.model.run import Run

# How threads share the cores; NumPy and torch read it when they are imported, which nothing above
# does. The matrices that NumPy checks are small: its threads would wait longer than they compute.
# And GNU OpenMP, torch's on Linux, lets a thread that waits for another turn round 300,000 times
# before it sleeps. On a core that another program wants, too, two threads are then far slower than
# one. 3,000 turns are about as long as a step leaves between two parallel loops.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

PROGRAM = "train.py"
RUNS = Path("runs")

EPILOG = """\
data sets
  digits     1,797 handwritten digits of 8x8 pixels, embedded (the default)
  bars       four pictures of 2x2 pixels: the question that started the project
  mnist      70,000 digits of 28x28 pixels, from --data-dir, or fetched with --download
  FILE.csv   one sample a row, the last column its label
  FILE.npz   arrays x (samples) and y (labels)

exit code: 0 good, 1 a gradient is wrong or training diverged, 2 bad usage or bad input, 130
           interrupted (and saved)

examples
  python train.py
  python train.py --data mnist --download --hidden 100 --epochs 10
  python train.py --data bars --hidden 50 50 --init row-constant \
    --output sigmoid --cost quadratic --lr 0.01 --epochs 100
  python train.py --activation relu
  python train.py --data houses.csv --output linear
  python train.py --resume runs/digits-1 --epochs 80
"""


def main(argv: list[str] | None = None, *, program: str = PROGRAM) -> int:
    """Flags -> model/ and checks/ -> exit code; `program` is what it is called as."""
    start = time.perf_counter()
    given = parse_args(argv, program)
    try:
        run = prepare(given)
        if run.training.processes.leads:
            return train(run, given, start, program)
        return follow(run, program)
    except BadInput as error:
        complain(program, error)
        return BAD_INPUT
    except OSError as error:
        return unwritable(program, error)
    except KeyboardInterrupt:
        complain(program, "interrupted before training began; there is nothing to resume.")
        return INTERRUPTED


def parse_args(argv: list[str] | None, program: str = PROGRAM) -> Namespace:
    """The contract of the command line. A flag that is not given is absent, so that a resumed run
    knows what was said."""
    parser = Parser(prog=program, description=__doc__, epilog=EPILOG, argument_default=None)
    data = parser.add_argument_group("data and network")
    data.add_argument(
        "--data", metavar="NAME", help="digits, bars, mnist, FILE.csv or FILE.npz (default: digits)"
    )
    data.add_argument(
        "--data-dir",
        type=folder,
        metavar="DIR",
        help="folder of the MNIST files (default: data/mnist)",
    )
    data.add_argument(
        "--download", action="store_true", help="fetch the MNIST files that are missing from it"
    )
    data.add_argument(
        "--hidden",
        type=whole_number(1),
        nargs="*",
        metavar="N",
        help="units of each hidden layer (digits: 64 32)",
    )
    data.add_argument(
        "--activation",
        nargs="+",
        metavar="NAME",
        help="of the hidden layers, one for all or one each: sigmoid, tanh, relu, leaky-relu, elu, "
        "softplus, silu, gelu, gelu-tanh, bipolar-sigmoid, identity (default: sigmoid)",
    )
    inits = ("pytorch", "xavier", "he", "normal", "row-constant", "constant", "zeros")
    data.add_argument(
        "--init",
        type=one_of(*inits),
        metavar="NAME",
        help=f"first weights: {', '.join(inits)} (default: pytorch, or he for what is steep)",
    )
    data.add_argument(
        "--output",
        metavar="NAME",
        help="softmax, sigmoid, linear for numbers in place of classes, or any activation "
        "(default: softmax)",
    )
    data.add_argument(
        "--cost",
        metavar="NAME",
        help="cross-entropy, binary-cross-entropy, quadratic or half-quadratic (default: the first "
        "of them that goes with the output)",
    )
    how = parser.add_argument_group("training")
    how.add_argument(
        "--epochs",
        type=whole_number(0),
        metavar="N",
        help="passes over the training data, in all (digits: 40)",
    )
    how.add_argument(
        "--batch-size", type=whole_number(1), metavar="N", help="samples a step (digits: 32)"
    )
    how.add_argument(
        "--lr",
        type=finite(above=0.0),
        metavar="F",
        help="learning rate, per unit of gradient (digits: 0.005)",
    )
    how.add_argument(
        "--optimizer", type=one_of("sgd", "adam"), metavar="sgd|adam", help="(digits: adam)"
    )
    how.add_argument(
        "--momentum", type=finite(at_least=0.0), metavar="F", help="of sgd (default: 0)"
    )
    how.add_argument(
        "--weight-decay",
        type=finite(at_least=0.0),
        metavar="F",
        help="added to the gradient, times W (default: 0)",
    )
    how.add_argument(
        "--backward",
        type=one_of("autograd", "by-hand"),
        metavar="autograd|by-hand",
        help="the gradients' source (default: by-hand)",
    )
    how.add_argument(
        "--seed",
        type=whole_number(0),
        metavar="N",
        help="of the first weights and the shuffles (default: 0)",
    )
    how.add_argument(
        "--dtype",
        type=one_of("float32", "float64"),
        metavar="float32|float64",
        help="(default: float32)",
    )
    how.add_argument(
        "--device",
        type=one_of("auto", "cpu", "cuda"),
        metavar="auto|cpu|cuda",
        help="(default: auto)",
    )
    out = parser.add_argument_group("checks and output")
    out.add_argument(
        "--check-every",
        type=whole_number(1),
        metavar="N",
        help="epochs between gradient checks (default: 1)",
    )
    out.add_argument("--no-check", action="store_true", help="train without checking any gradient")
    out.add_argument(
        "--run-dir",
        type=folder,
        metavar="DIR",
        help="folder of this run (default: the next runs/NAME-k)",
    )
    out.add_argument(
        "--resume",
        type=folder,
        metavar="DIR",
        help="go on with a run; every setting but --epochs is the run's",
    )
    out.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser.parse_args(argv)


def prepare(given: Namespace) -> Run:
    """A new run, or the one that --resume names."""
    with importing():  # these wait here, so that --help, bad usage and Ctrl-C answer at once
        from backproof.model.configuration import resolve
        from backproof.model.device import usable
        from backproof.model.distributed import join
        from backproof.model.run import resume_run, start_run

    device = usable(given.device or "auto")
    if given.resume:
        if given.run_dir and given.run_dir != given.resume:
            raise BadInput(
                f"--run-dir: expected nothing beside --resume, got {given.run_dir}. A resumed run "
                "goes on in its folder."
            )
        return resume_run(vars(given), given.resume, device=device, processes=join(device))
    configuration = resolve(vars(given))
    processes = join(device)
    if given.data_dir and configuration.data != "mnist":
        raise BadInput(
            f"--data-dir: expected --data mnist beside it, got --data {configuration.data}. Leave "
            "--data-dir out."
        )
    return start_run(
        configuration,
        given.run_dir,
        runs=RUNS,
        device=device,
        download=given.download,
        processes=processes,
    )


def train(run: Run, given: Namespace, start: float, program: str) -> int:
    """Check, show and save, epoch by epoch; then the summary. The screen gets a few epochs,
    TensorBoard all of them."""
    with importing():
        from backproof.checks.report.text import as_text
        from backproof.checks.training import summary
        from backproof.checks.training.session import Session
        from backproof.model.distributed import LostProcess
        from backproof.model.screen import introduction, progress

    print("\n".join(introduction(run)), flush=True)
    session = Session(run, every=0 if given.no_check else given.check_every or 1)
    code = GOOD
    try:
        with closing(session.epochs(progress(run))) as epochs:
            for epoch in epochs:
                for remark in epoch.remarks:
                    complain(program, remark)
                for symptom in epoch.symptoms:
                    print(f"warning: {symptom.line}", flush=True)
                if epoch.record.diverged:
                    complain(
                        program,
                        f"expected a finite loss, got {epoch.record.train.loss} in epoch "
                        f"{epoch.record.epoch}. Try a smaller --lr.",
                    )
                if epoch.report and epoch.report.outcome == "fail":
                    print("\n".join(as_text(epoch.report)))
    except KeyboardInterrupt:
        if run.last:
            saved = f"everything up to epoch {run.last.epoch} is saved"
        else:
            saved = "nothing was saved yet"
        complain(program, f"interrupted; {saved}.")
        code = INTERRUPTED
    except LostProcess as error:
        complain(program, f"{lost(run, error)} Go on with --resume {shlex.quote(str(run.folder))}.")
        code = WRONG
    except BadInput:  # a card that cannot do it
        run.discard()
        raise
    finally:
        run.end()
    run.training.leave()
    seconds = time.perf_counter() - start
    symptoms = session.conclude(ended=code == GOOD)
    if code == GOOD and session.wrong:
        code = WRONG
    label = pasted.script("label") if program == PROGRAM else pasted.command("label")
    print("\n".join(summary.as_text(session, symptoms, seconds, runs=RUNS, label=label)))
    if given.json:
        print(json.dumps(summary.as_json(run, session.checker, symptoms, seconds)))
    return code


def follow(run: Run, program: str) -> int:
    """Do this process's part of a run that another one leads: its rows of every batch, and not a
    word."""
    from backproof.model.device import full_precision
    from backproof.model.distributed import LostProcess

    code = GOOD
    try:
        with full_precision():
            for record in run.training.fit(run.configuration.epochs):
                if record.diverged or run.training.processes.any(False):
                    break
    except LostProcess as error:
        complain(program, lost(run, error))
        code = WRONG
    except KeyboardInterrupt:
        code = INTERRUPTED
    run.training.leave()
    return code


def lost(run: Run, error: Exception) -> str:
    """What is known when another process is gone."""
    processes = run.training.processes
    epoch = run.training.epoch
    return (
        f"expected {processes.world} processes until the end, process {processes.rank} lost one "
        f"after epoch {epoch}: "
        f"{error}. Everything up to the last epoch that was saved is there."
    )


if __name__ == "__main__":
    sys.exit(as_program(main, PROGRAM))
