"""Functions with a backward pass of their own, for tests."""

import warnings

import torch
from torch import Tensor

from backproof import check_function
from backproof.checks.black_box.gradient_report import GradientReport


def normal(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def made(forward, backward, jvp=None):
    """A torch.autograd.Function of one input, from plain functions of (ctx, ...)."""

    class Made(torch.autograd.Function):
        pass

    Made.forward = staticmethod(forward)
    Made.backward = staticmethod(backward)
    if jvp:
        Made.jvp = staticmethod(jvp)
    return Made.apply


def saved(forward):
    """A forward pass that saves its input."""

    def run(ctx, x):
        ctx.save_for_backward(x)
        return forward(x)

    return run


def report_on(*arguments, **options) -> GradientReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return check_function(*arguments, **options)


def failing(report: GradientReport) -> set[str]:
    return {verdict.quantity for verdict in report.failures}
