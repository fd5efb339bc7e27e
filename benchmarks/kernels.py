"""Kernels as they have been got wrong, each beside its right twin: which checker tells them apart?

    python benchmarks/kernels.py [--dtypes float64 float32 bfloat16 float16] [--only NAME ...]
        [--rivals] [--twins] [--seeds 1] [--first-seed 0] [--json]

Every kernel is a forward and a backward pass in plain tensor operations, computed in float32 where
its inputs are shorter, as fused kernels do; its bugs are kinds that public trackers of kernel
libraries tell of again and again, written anew. A bug counts as caught if the report fails under
the name of what is wrong and no other gradient; a right twin counts as refused if anything fails.
With --twins only the right ones are asked, which is how many of them are counted.
With --rivals, torch.autograd.gradcheck (float64) and torch.testing.assert_close against the
reference in the same precision are asked the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor

from backproof import check_function, check_gradients
from benchmarks.kernel_bugs import KERNELS, Bug, Kernel

DTYPES = ("float64", "float32", "bfloat16", "float16")


class Fused(torch.autograd.Function):
    """A kernel: computes in float32 at least, and returns what it was given."""

    @staticmethod
    def forward(ctx: Any, forward: Any, backward: Any, *inputs: Any) -> Tensor:
        ctx.backward_pass = backward
        ctx.save_for_backward(*inputs)
        found = forward(*[_wide(value) for value in inputs])
        return found.to(inputs[0].dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        inputs = ctx.saved_tensors
        found = ctx.backward_pass(_wide(g), *[_wide(value) for value in inputs])
        narrow = [
            None if gradient is None else gradient.to(value.dtype)
            for gradient, value in zip(found, inputs, strict=True)
        ]
        return (None, None, *narrow)


def _wide(value: Tensor) -> Tensor:
    if value.dtype in (torch.bfloat16, torch.float16):
        return value.float()
    return value


def kernel(forward: Callable[..., Tensor], backward: Callable[..., Any]) -> Callable[..., Tensor]:
    """A function of tensors that goes forward and back as it is told."""
    return lambda *inputs: Fused.apply(forward, backward, *inputs)


@dataclass
class Count:
    """How one checker did in one dtype."""

    caught: int = 0
    bugs: int = 0
    refused: int = 0
    twins: int = 0


Told = tuple[bool, set[str]]  # whether it failed, and which inputs it blames


def by_function(function: Any, case: Kernel, inputs: Sequence[Tensor], seed: int) -> Told:
    """check_function against the reference."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        report = check_function(function, case.reference, inputs, seed=seed, layouts=False)
    return report.outcome != "pass", {verdict.quantity for verdict in report.failures}


def by_gradients(function: Any, case: Kernel, inputs: Sequence[Tensor], seed: int) -> Told:
    """check_gradients of a weighted sum of the outputs: no reference is needed."""
    leaves = [value.detach().clone().requires_grad_(value.is_floating_point()) for value in inputs]
    named = {
        f"gradient of input {k}": value
        for k, value in enumerate(leaves)
        if value.is_floating_point()
    }
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        shape = case.reference(
            *[value.double() if value.is_floating_point() else value for value in inputs]
        ).shape
    weights = torch.randint(32, 97, shape, generator=generator) / 64

    def loss() -> Tensor:
        return (function(*leaves) * weights.to(inputs[0].dtype)).sum()

    report = check_gradients(loss, named, seed=seed)
    return report.outcome != "pass", {verdict.quantity for verdict in report.failures}


def by_gradcheck(function: Any, case: Kernel, inputs: Sequence[Tensor], seed: int) -> Told:
    """torch.autograd.gradcheck, slow; it names an input by its number, which is not asked here."""
    leaves = [value.detach().clone().requires_grad_(value.is_floating_point()) for value in inputs]
    right = torch.autograd.gradcheck(function, tuple(leaves), raise_exception=False)
    return not right, set()


def by_assert_close(function: Any, case: Kernel, inputs: Sequence[Tensor], seed: int) -> Told:
    """torch.testing.assert_close of outputs and gradients, reference in the same precision."""
    results = []
    for candidate in (function, case.reference):
        leaves = [
            value.detach().clone().requires_grad_(value.is_floating_point()) for value in inputs
        ]
        output = candidate(*leaves)
        wanted = [value for value in leaves if value.requires_grad]
        generator = torch.Generator().manual_seed(seed)
        sent = torch.rand(output.shape, generator=generator).to(output.dtype) + 0.5
        results.append((output, torch.autograd.grad(output, wanted, sent)))
    try:
        torch.testing.assert_close(*results)
    except AssertionError:
        return True, set()
    return False, set()


OURS = {"check_function": by_function, "check_gradients": by_gradients}
RIVALS = {"gradcheck": by_gradcheck, "assert_close": by_assert_close}


def ask(checker: Any, case: Kernel, bug: Bug | None, dtype: torch.dtype, seed: int) -> Told:
    """What a checker says of a kernel, right or with one of its bugs."""
    generator = torch.Generator().manual_seed(seed)
    inputs = [
        value.to(dtype) if value.is_floating_point() else value for value in case.inputs(generator)
    ]
    forward = case.forward
    backward = case.backward
    if bug is not None:
        forward = bug.forward or forward
        backward = bug.backward or backward
    try:
        return checker(kernel(forward, backward), case, inputs, seed)
    except (RuntimeError, NotImplementedError) as error:
        return True, {f"raised {type(error).__name__}"}


def count(
    checkers: dict[str, Any],
    dtypes: Sequence[str],
    only: Sequence[str],
    seeds: Sequence[int],
    bugs: bool = True,
) -> tuple[dict[str, dict[str, Count]], list[str]]:
    """Counts by checker and dtype, and what went wrong, in words."""
    counts = {name: {dtype: Count() for dtype in dtypes} for name in checkers}
    said = []
    for case in KERNELS:
        if only and case.name not in only:
            continue
        for name, checker in checkers.items():
            for dtype in dtypes:
                if name == "gradcheck" and dtype != "float64":
                    continue
                tally = counts[name][dtype]
                for seed in seeds:
                    said += _judge(checker, name, case, dtype, seed, tally, bugs)
    return counts, said


def _judge(
    checker: Any, name: str, case: Kernel, dtype: str, seed: int, tally: Count, bugs: bool
) -> list[str]:
    said = []
    kind = getattr(torch, dtype)
    refused, blamed = ask(checker, case, None, kind, seed)
    tally.twins += 1
    tally.refused += refused
    if refused:
        said.append(f"{name} {dtype}: refuses the right {case.name} {sorted(blamed)}, seed {seed}")
    for bug in case.bugs if bugs else []:
        if bug.dtypes and dtype not in bug.dtypes:
            continue
        if bug.needs_reference and name not in ("check_function", "assert_close"):
            continue
        tally.bugs += 1
        failed, blamed = ask(checker, case, bug, kind, seed)
        named = not blamed or {f"gradient of input {k}" for k in bug.inputs} == {
            quantity for quantity in blamed if quantity.startswith("gradient of input")
        }
        if bug.forward is not None:
            named = True
        tally.caught += failed and named
        if not (failed and named):
            word = "blames " + ", ".join(sorted(blamed)) if failed else "accepts"
            said.append(f"{name} {dtype}: {word}: {case.name}, {bug.name}")
    return said


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtypes", nargs="+", default=list(DTYPES), choices=DTYPES)
    parser.add_argument("--only", nargs="+", default=[], help="kernels by name")
    parser.add_argument("--rivals", action="store_true", help="ask the other checkers, too")
    parser.add_argument("--twins", action="store_true", help="ask about right kernels alone")
    parser.add_argument("--first-seed", type=int, default=0, help="of the inputs (default: 0)")
    parser.add_argument("--seeds", type=int, default=1, help="draws of the inputs (default: 1)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    checkers = OURS | (RIVALS if arguments.rivals else {})
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    bugs = not arguments.twins
    counts, said = count(checkers, arguments.dtypes, arguments.only, seeds, bugs)
    if arguments.json:
        table = {
            name: {dtype: vars(tally) for dtype, tally in row.items()}
            for name, row in counts.items()
        }
        print(json.dumps({"counts": table, "said": said}))
    else:
        total = sum(len(case.bugs) for case in KERNELS)
        print(f"torch {torch.__version__}, {len(KERNELS)} kernels, {total} bugs in them")
        print("|  | " + " | ".join(arguments.dtypes) + " |")
        print("| --- |" + " --- |" * len(arguments.dtypes))
        for name, row in counts.items():
            cells = []
            for tally in row.values():
                text = f"{tally.caught} of {tally.bugs}, {tally.refused} of {tally.twins} refused"
                cells.append(text if tally.twins else "")
            print(f"| {name} | " + " | ".join(cells) + " |")
        print("\n".join(said))
    ours = [tally for name in OURS for tally in counts[name].values()]
    return 1 if any(tally.caught < tally.bugs or tally.refused for tally in ours) else 0


if __name__ == "__main__":
    raise SystemExit(main())
