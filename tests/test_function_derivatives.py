"""Forward mode, second derivatives and half precision of a function against its reference."""

import pytest
import torch
from made_functions import failing, made, normal, report_on, saved
from torch import Tensor
from torch.nn import functional

from backproof import assert_function


def test_output_of_another_format_is_caught_but_what_the_reference_returns_is_right():
    x = normal(3, 4, dtype=torch.bfloat16)
    report = report_on(lambda x: x.float().exp(), torch.exp, (x,))
    assert report["output"].reason == "it is float32, where the reference returns bfloat16"
    assert_function(lambda x: x.float().exp(), lambda x: x.float().exp(), (x,))
    assert_function(lambda x: x.float().exp().bfloat16(), lambda x: x.float().exp(), (x,))


def test_mixed_formats_are_run_as_they_are():
    formats = []

    def scale(x: Tensor, w: Tensor) -> Tensor:
        formats.append((x.dtype, w.dtype))
        return x * w

    assert_function(scale, lambda x, w: x * w, (normal(3).bfloat16(), normal(3)), runs=1)
    assert (torch.bfloat16, torch.float32) in formats


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_wrong_jvp_is_caught_in_forward_mode_alone(factor):
    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            result = x.exp()
            ctx.save_for_backward(result)
            ctx.save_for_forward(result)
            return result

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

        @staticmethod
        def jvp(ctx, tangent):
            return factor * tangent * ctx.saved_tensors[0]

    assert_function(Exp.apply, torch.exp, (normal(4),))
    report = report_on(Exp.apply, torch.exp, (normal(4),), modes=("reverse", "forward"))
    assert failing(report) == (set() if factor == 1 else {"forward mode of output"})


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_wrong_double_backward_is_caught_by_order_2_alone(factor):
    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(ctx, g, x):
            ctx.save_for_backward(g, x)
            return g * x.exp()

        @staticmethod
        def backward(ctx, h):
            g, x = ctx.saved_tensors
            return h * x.exp(), factor * h * g * x.exp()

    exp = made(saved(torch.exp), lambda ctx, g: Slope.apply(g, ctx.saved_tensors[0]))
    assert_function(exp, torch.exp, (normal(4),))
    report = report_on(exp, torch.exp, (normal(4),), order=2)
    assert failing(report) == (set() if factor == 1 else {"second derivative by input 0"})


HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def without_softmax(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy whose backward forgets the softmax."""
    kernel = made(
        lambda ctx, z: functional.cross_entropy(z, y),
        lambda ctx, g: -g * functional.one_hot(y, logits.shape[1]).to(logits.dtype) / len(y),
    )
    return kernel(logits)


@pytest.mark.parametrize("name", HALF)
def test_half_precision_is_judged_by_float32_sums(name):
    dtype = HALF[name]
    logits = normal(4, 8192, dtype=dtype)
    y = torch.arange(4)
    report = report_on(without_softmax, functional.cross_entropy, (logits, y))
    assert failing(report) == {"gradient of input 0"}
    assert_function(functional.cross_entropy, functional.cross_entropy, (logits, y))

    def norm(x, eps):
        return functional.layer_norm(x.float(), (32,), eps=eps).to(x.dtype)

    x = normal(8, 32, dtype=dtype)
    reference = (lambda x: functional.layer_norm(x, (32,), eps=1e-5), (x,))
    assert report_on(lambda x: norm(x, 0.05), *reference).failures
    assert_function(lambda x: norm(x, 1e-5), *reference)


@pytest.mark.parametrize("name", HALF)
def test_a_tenth_too_much_is_seen_in_half_precision(name):
    class Squared(torch.autograd.Function):
        @staticmethod
        def forward(ctx, w):
            ctx.save_for_backward(w)
            return w.tanh() ** 2

        @staticmethod
        def backward(ctx, g):
            (w,) = ctx.saved_tensors
            t = w.float().tanh()
            return (1.1 * g * 2 * t * (1 - t**2)).to(w.dtype)

    x = normal(16, dtype=HALF[name])
    report = report_on(Squared.apply, lambda w: w.tanh() ** 2, (x,))
    assert "gradient of input 0" in failing(report)
