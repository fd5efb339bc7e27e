"""Every operator that torch's own tests know, compared with itself: no crash, no false alarm.

    python benchmarks/operators.py [--share 1.0] [--samples 2] [--checks function gradients]
        [--dtypes float32 float64] [--only NAME ...] [--json FILE]

A process of its own computes, and writes a line after every operator; where it dies or takes longer
than a minute, the operator is counted as a crash and the next process goes on with the one behind
it. The list is torch.testing._internal.common_methods_invocations.op_db, whose samples are small
tensors with the shapes and options that torch tests.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor

from backproof import check_function, check_gradients
from backproof.checks.black_box.pytrees import differentiable, name_inputs, name_outputs, rebuilt

LIMIT_S = 120  # for one operator; more counts as a crash
SEED = 0
# refused by check_gradients although torch says that they are right
SAMPLES = "with the same draws a sample moves with its mean and width, but torch sends 0 back"
EXPLAINED = {"normal": SAMPLES, "normal.number_mean": SAMPLES}


def operators() -> list[Any]:
    """All that have a derivative in float64, in torch's order."""
    from torch.testing._internal.common_methods_invocations import op_db

    return [op for op in op_db if op.supports_autograd and torch.float64 in op.dtypes]


def name_of(op: Any) -> str:
    variant = op.variant_test_name
    return f"{op.name}.{variant}" if variant else str(op.name)


# what torch's own tests do with a result that is unique up to a sign, say
Finish = Callable[[Any], Any]
Sample = tuple[list[Any], dict[str, Any], Finish]


def samples(op: Any, dtype: torch.dtype, most: int) -> Iterator[Sample]:
    """The first samples that have something to differentiate by, and are not empty."""
    torch.manual_seed(SEED)
    found = 0
    for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
        inputs = [sample.input, *sample.args]
        leaves = [leaf.value for leaf in name_inputs(inputs, sample.kwargs)]
        tensors = [value for value in leaves if differentiable(value)]
        strided = all(value.layout == torch.strided for value in tensors)
        asked = strided and any(value.numel() and value.requires_grad for value in tensors)
        if asked and _has_a_value(op, inputs, dict(sample.kwargs)):
            found += 1
            yield inputs, dict(sample.kwargs), sample.output_process_fn_grad
        if found == most:
            return


def _has_a_value(op: Any, inputs: list[Any], keywords: dict[str, Any]) -> bool:
    """Whether its results are numbers: a negative number to the power of a fraction is none, and an
    operator that reads what lies behind its input in memory has none for a copy."""
    state = torch.get_rng_state()
    copies = [_copied(value) for value in inputs]
    try:
        results = [leaf.value for leaf in name_outputs(called(op, copies, keywords))]
    except RuntimeError:
        return False
    finally:
        torch.set_rng_state(state)
    return not any(bool(value.isnan().any()) for value in results if differentiable(value))


def _copied(value: Any) -> Any:
    """A tensor that an operator may overwrite; lists of them, too."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, (list, tuple)):
        return type(value)([_copied(item) for item in value])
    return value


def disowned(op: Any) -> bool:
    """Whether torch's own tests skip the gradient of an operator on a CPU, or expect it to be
    wrong: where entries of max_unpool are written twice, say."""
    for decorator in op.decorators or ():
        here = getattr(decorator, "cls_name", None) == "TestBwdGradients"
        if not here or decorator.test_name != "test_fn_grad":
            continue
        if decorator.device_type not in (None, "cpu"):
            continue
        # torch tests gradients in double precision alone; what is wrong there is so in any
        if not decorator.dtypes or torch.float64 in decorator.dtypes:
            return True
    return False


def called(op: Any, positional: Any, keywords: dict[str, Any]) -> Any:
    """As torch's own tests of gradients call it: a matrix that must be symmetric is made so."""
    wrapped = op.gradcheck_wrapper
    return wrapped(op.get_op(), *positional, **keywords)


def by_function(op: Any, inputs: list[Any], keywords: dict[str, Any], finish: Finish) -> Any:
    """check_function of an operator against itself; what torch does not differentiate by is
    excluded."""

    def function(*given: Any, **named: Any) -> Any:
        return finish(called(op, given, named))

    leaves = [leaf for leaf in name_inputs(inputs, keywords) if differentiable(leaf.value)]
    constant = [leaf.name for leaf in leaves if not leaf.value.requires_grad]
    return check_function(
        function, function, inputs, keywords, except_=constant, layouts=False, seed=SEED
    )


def by_gradients(op: Any, inputs: list[Any], keywords: dict[str, Any], finish: Finish) -> Any:
    """check_gradients of a random weighted sum of an operator's results, as far as they are
    differentiable: batch norm returns the mean, too, and torch does not go back through that."""
    leaves = name_inputs(inputs, keywords)
    named = {}
    values = []
    for leaf in leaves:
        value = leaf.value
        if differentiable(value):
            needs = value.requires_grad
            value = value.detach().clone().requires_grad_(needs)
            if needs:
                named[leaf.name] = value
        values.append(value)
    weights: dict[str, Tensor] = {}

    def loss() -> Tensor:
        positional, keyword = rebuilt(inputs, keywords, values)
        # not a leaf, so that operators that overwrite their input can be asked, too
        positional = [_no_leaf(value) for value in positional]
        total = torch.zeros((), dtype=torch.float64)
        for leaf in name_outputs(finish(called(op, positional, keyword))):
            value = leaf.value
            if not differentiable(value) or not value.numel() or not value.requires_grad:
                continue
            if value.is_complex():
                value = torch.view_as_real(value.resolve_conj())
            if leaf.name not in weights:
                generator = torch.Generator().manual_seed(SEED)
                weights[leaf.name] = torch.rand(value.shape, generator=generator).double() + 0.5
            total = total + (value * weights[leaf.name].to(value.dtype)).sum()
        return total

    return check_gradients(loss, named, seed=SEED)


def _no_leaf(value: Any) -> Any:
    if differentiable(value) and value.requires_grad:
        return value.view_as(value)
    return value


CHECKS: dict[str, Callable[..., Any]] = {"function": by_function, "gradients": by_gradients}


def judge(op: Any, check: str, dtype: torch.dtype, most: int) -> dict[str, Any]:
    """What is said of one operator: "pass", "fail", "untested", "raises", "no sample", or
    "disowned" in place of "fail" where torch's own tests do not vouch for its gradient either."""
    found: dict[str, Any] = {"outcome": "no sample", "samples": 0, "why": ""}
    try:
        for inputs, keywords, finish in samples(op, dtype, most):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                report = CHECKS[check](op, inputs, keywords, finish)
            found["samples"] += 1
            if report.failures:
                first = report.failures[0]
                outcome = "disowned" if check == "gradients" and disowned(op) else "fail"
                found |= {"outcome": outcome, "why": report.short()[:600], "ratio": first.ratio}
                return found
            if report.outcome == "pass":
                found["outcome"] = "pass"
            elif found["outcome"] != "pass":
                found["outcome"] = "untested"
    except Exception as error:
        found |= {"outcome": "raises", "why": f"{type(error).__name__}: {str(error)[:400]}"}
    return found


def work(arguments: argparse.Namespace) -> int:
    """Write one JSON line for every operator from a given one on."""
    torch.set_num_threads(1)
    for number, op in enumerate(operators()):
        if number < arguments.work_from or not _picked(number, op, arguments):
            continue
        for check in arguments.checks:
            for kind in arguments.dtypes:
                line: dict[str, Any] = {"number": number, "name": name_of(op)}
                line |= {"check": check, "dtype": kind}
                print(json.dumps(line | {"outcome": "begun"}), flush=True)
                start = time.perf_counter()
                line |= judge(op, check, getattr(torch, kind), arguments.samples)
                line["seconds"] = round(time.perf_counter() - start, 3)
                print(json.dumps(line), flush=True)
    return 0


def _picked(number: int, op: Any, arguments: argparse.Namespace) -> bool:
    if arguments.only:
        return name_of(op) in arguments.only
    return int(number * arguments.share) != int((number + 1) * arguments.share)


def worker(start: int) -> list[str]:
    """The command of the process that begins at an operator."""
    return [sys.executable, __file__, *sys.argv[1:], "--work-from", str(start)]


def run() -> list[dict[str, Any]]:
    """All lines; a process that died gives the operator that it had begun, as a crash.

    Raises: RuntimeError where a process died, or said nothing, before it began one.
    """
    found: list[dict[str, Any]] = []
    start = 0
    while True:
        lines, begun, code = _one_process(start)
        found += lines
        if begun is None and code == 0:
            return found
        if begun is None:
            raise RuntimeError(f"the process from operator {start} on ended with {code}")
        found.append(begun | {"outcome": "crash", "why": f"the process ended with {code}"})
        start = begun["number"] + 1


def _one_process(start: int) -> tuple[list[dict[str, Any]], dict[str, Any] | None, int]:
    """The lines of the process that begins at an operator, the one that it had begun at its end if
    there is one, and its exit code."""
    process = subprocess.Popen(
        worker(start), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    )
    assert process.stdout is not None
    found: list[dict[str, Any]] = []
    begun: dict[str, Any] | None = None
    while True:
        ready, _, _ = select.select([process.stdout], [], [], LIMIT_S)
        if not ready:
            process.kill()
            break
        text = process.stdout.readline().decode()
        if not text:
            break
        if not text.startswith("{"):
            continue
        line = json.loads(text)
        if line["outcome"] == "begun":
            begun = line
        else:
            begun = None
            found.append(line)
    code = process.wait()
    process.stdout.close()
    return found, begun, code


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the operators")
    parser.add_argument("--samples", type=int, default=2, help="of each operator")
    parser.add_argument("--checks", nargs="+", default=list(CHECKS), choices=list(CHECKS))
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    parser.add_argument("--only", nargs="+", default=[], help="operators by name")
    parser.add_argument("--json", type=Path, help="file for all lines")
    parser.add_argument("--work-from", type=int, default=-1, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.work_from >= 0:
        return work(arguments)
    os.environ["PYTHONWARNINGS"] = "ignore"
    print(f"torch {torch.__version__}, {len(operators())} operators, share {arguments.share}")
    found = run()
    if arguments.json:
        arguments.json.write_text("\n".join(json.dumps(line) for line in found) + "\n")
    for check in arguments.checks:
        for kind in arguments.dtypes:
            mine = [line for line in found if (line["check"], line["dtype"]) == (check, kind)]
            counts = Counter(line["outcome"] for line in mine)
            print(f"check_{check} {kind}: {len(mine)} operators, {dict(counts)}")
    unexplained = 0
    for line in found:
        outcome = line["outcome"]
        if outcome not in ("fail", "crash", "raises", "disowned"):
            continue
        first = line["why"].splitlines()[0] if line["why"] else ""
        if outcome == "fail" and line["check"] == "gradients" and line["name"] in EXPLAINED:
            first = f"{EXPLAINED[line['name']]}. {first}"
        elif outcome != "disowned":
            unexplained += 1
        print(f"{outcome} {line['name']} ({line['check']}, {line['dtype']}): {first}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    raise SystemExit(main())
