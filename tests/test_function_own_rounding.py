"""check_function: code in several torch operations against one fused operation: right to the
roundings of its own, and wrong twins of it."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from backproof import check_function
from backproof.checks.black_box.gradient_report import GradientReport

DTYPES = (torch.bfloat16, torch.float16, torch.float32)


def report_on(*arguments, **options) -> GradientReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return check_function(*arguments, **options)


class Scaled(torch.autograd.Function):
    """The same number, with a gradient that is 2 % too large."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return 1.02 * g


def layer_norm(eps: float) -> Callable[..., Tensor]:
    class LayerNorm(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight, bias):
            mean = x.mean(-1, keepdim=True)
            r = (x.var(-1, keepdim=True, unbiased=False) + eps).rsqrt()
            h = (x - mean) * r
            ctx.save_for_backward(h, r, weight)
            return h * weight + bias

        @staticmethod
        def backward(ctx, g):
            h, r, weight = ctx.saved_tensors
            gw = g * weight
            inner = gw - gw.mean(-1, keepdim=True) - h * (gw * h).mean(-1, keepdim=True)
            return inner * r, (g * h).sum(0), g.sum(0)

    return LayerNorm.apply


def gelu(factor: float) -> Callable[..., Tensor]:
    class Gelu(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return 0.5 * x * (1 + torch.erf(x / 2**0.5))

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            below = 0.5 * (1 + torch.erf(x / 2**0.5))
            density = torch.exp(-0.5 * x * x) / (2 * torch.pi) ** 0.5
            return factor * (g * (below + x * density))

    return Gelu.apply


def fused_layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], weight, bias)


def silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def softplus(x: Tensor) -> Tensor:
    return (1 + x.exp()).log()


def tanh(x: Tensor) -> Tensor:
    return 2 * torch.sigmoid(2 * x) - 1


def cross_entropy(term: float) -> Callable[..., Tensor]:
    class CrossEntropy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z, y):
            p = z.exp() / z.exp().sum(1, keepdim=True)
            ctx.save_for_backward(p, y)
            return -p[torch.arange(len(y)), y].log().mean()

        @staticmethod
        def backward(ctx, g):
            p, y = ctx.saved_tensors
            return g * (term * p - functional.one_hot(y, p.shape[1])) / len(y), None

    return CrossEntropy.apply


# right, wrong, reference, shapes
CASES = {
    "layer norm": (
        layer_norm(1e-5),
        layer_norm(0.05),
        fused_layer_norm,
        ((16, 64), (64,), (64,)),
    ),
    "gelu": (gelu(1.0), gelu(1.02), functional.gelu, ((64, 33),)),
    "silu": (silu, lambda x: silu(Scaled.apply(x)), functional.silu, ((64, 33),)),
    "softplus": (softplus, lambda x: softplus(Scaled.apply(x)), functional.softplus, ((64, 33),)),
    "tanh": (tanh, lambda x: tanh(Scaled.apply(x)), torch.tanh, ((64, 33),)),
    "cross-entropy": (
        cross_entropy(1.0),
        cross_entropy(0.0),
        functional.cross_entropy,
        ((16, 10),),
    ),
}


def inputs_of(name: str, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(shape, generator=generator) for shape in CASES[name][3]]
    if name == "cross-entropy":
        inputs.append(torch.randint(10, (16,), generator=generator))
    return inputs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_roundings_of_its_own_operations_are_no_mistake(name, dtype):
    right, _, reference, _ = CASES[name]
    for seed in range(2):
        report = report_on(right, reference, inputs_of(name, seed), dtype=dtype, seed=seed)
        assert report.outcome == "pass", f"seed {seed}\n{report}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_a_mistake_in_the_formula_is_no_rounding(name, dtype):
    _, wrong, reference, _ = CASES[name]
    report = report_on(wrong, reference, inputs_of(name, 0), dtype=dtype)
    failed = {verdict.quantity for verdict in report.failures}
    assert "gradient of input 0" in failed
    assert all(verdict.reason.startswith("wrong, not rounding") for verdict in report.failures)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("size", "excused"), [(0.1, True), (0.01, False)])
def test_digits_that_cancel_are_excused_up_to_what_the_cap_says(size, excused, dtype):
    """exp(x) - 1 loses 1 / x of its digits. On one side of the cap the report says what it
    excused, on the other the result is refused."""
    x = size * torch.randn(64, 33, generator=torch.Generator().manual_seed(0))
    report = report_on(lambda x: x.exp() - 1, torch.expm1, (x,), dtype=dtype)
    assert ("output" in {verdict.quantity for verdict in report.failures}) is not excused
    told = [note for note in report.notes if note.startswith("output is judged by the roundings")]
    assert bool(told) is excused
