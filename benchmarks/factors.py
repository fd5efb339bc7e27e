"""What is the smallest constant factor that check_function refuses?

    python benchmarks/factors.py [--dtypes float32 bfloat16 float16]

Kernels that compute in float32 and round once, with their output, or the gradient of their first
input, too large by a few eps of the format. The first factor that is refused is printed, and
whether the kernel without one passes.
"""

from __future__ import annotations

import argparse
import math
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor
from torch.nn import functional as F

from backproof import check_function

DTYPES = ("float32", "bfloat16", "float16")
EPS = {  # that the factor is above 1, in the format's own
    "float32": (2.0, 4.0, 8.0, 16.0, 24.0, 32.0),
    "bfloat16": (0.75, 1.0, 1.5, 2.0, 3.0, 4.0),
    "float16": (0.75, 1.0, 1.5, 2.0, 3.0, 4.0),
}


@dataclass(frozen=True)
class Right:
    """A function, and the shapes of its inputs."""

    function: Callable[..., Tensor]
    shapes: Sequence[tuple[int, ...]]


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v


def layer_norm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], w, b)


FUNCTIONS = {
    "matmul, 128 terms": Right(torch.matmul, [(32, 128), (128, 32)]),
    "softmax, 128 terms": Right(lambda x: x.softmax(-1), [(16, 128)]),
    "layer_norm, 128 terms": Right(layer_norm, [(16, 128), (128,), (128,)]),
    "gelu": Right(F.gelu, [(16, 64)]),
    "attention, 64 places of 32": Right(attention, [(64, 32)] * 3),
}


class Scaled(torch.autograd.Function):
    """Its input, with a factor in its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * ctx.factor, None


def kernel(right: Right, factor: float, backward: bool) -> Callable[..., Tensor]:
    """A function in float32 that rounds once, with a factor in its output or in a gradient."""

    def run(*inputs: Tensor) -> Tensor:
        wide = [value.float() for value in inputs]
        if backward:
            wide[0] = Scaled.apply(wide[0], factor)
        output = right.function(*wide)
        if not backward:
            output = output * factor
        return output.to(inputs[0].dtype)

    return run


def smallest(right: Right, kind: str, backward: bool) -> float:
    """The first factor that is refused, in eps above 1; infinity if none is, 0 if 1 is."""
    dtype = getattr(torch, kind)
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(shape, generator=generator).to(dtype) for shape in right.shapes]
    for eps in (0.0, *EPS[kind]):
        factor = 1 + eps * torch.finfo(dtype).eps
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            report = check_function(
                kernel(right, factor, backward), right.function, inputs, layouts=False, runs=1
            )
        if report.failures:
            return eps
    return math.inf


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtypes", nargs="+", default=list(DTYPES), choices=DTYPES)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}; eps above 1: output, gradient of the first input")
    print("|  | " + " | ".join(arguments.dtypes) + " |")
    print("| --- |" + " --- |" * len(arguments.dtypes))
    out = 0
    for name, right in FUNCTIONS.items():
        cells = []
        for kind in arguments.dtypes:
            pair = [smallest(right, kind, backward) for backward in (False, True)]
            out += sum(eps in (0.0, math.inf) for eps in pair)
            cells.append(f"{pair[0]:g}, {pair[1]:g}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    return 1 if out else 0


if __name__ == "__main__":
    raise SystemExit(main())
