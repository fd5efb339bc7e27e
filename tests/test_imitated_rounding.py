"""What random roundings are imitated in: writes in place, operations of somebody's own, masks that
want to be exact; and what is said where they cannot be."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from backproof import check_gradients
from backproof.checks.black_box import asked_again, random_table, shadow
from backproof.checks.black_box.arithmetic import Arithmetic
from backproof.checks.black_box.shadow import Shadow
from benchmarks.networks import Wrong
from tests.test_function_kinds import report_on

EPS = torch.finfo(torch.float32).eps


def spread(function, *given: Tensor, runs: int = 20) -> float:
    """The root mean square of what random roundings change, over all entries, in eps."""
    exact = function(*given)
    squares = 0.0
    for seed in range(runs):
        with Shadow(torch.float32, Arithmetic(EPS), seed):
            rounded = function(*given)
        squares += float(((rounded - exact.double()) / exact.double()).square().mean())
    return (squares / runs) ** 0.5 / EPS


def in_place(x: Tensor, y: Tensor) -> Tensor:
    return x.clone().mul_(y).mul_(y).mul_(y)


def out_of_place(x: Tensor, y: Tensor) -> Tensor:
    return x * y * y * y


def test_what_is_written_in_place_is_rounded_like_what_is_returned():
    """The wrong version rounds results alone, and so a chain of writes not at all."""
    x = torch.linspace(1, 2, 64, dtype=torch.float64)
    y = torch.linspace(2, 3, 64, dtype=torch.float64)
    assert spread(in_place, x, y) == pytest.approx(spread(out_of_place, x, y), rel=0.1)
    assert spread(in_place, x, y) == pytest.approx(3**-0.5 * 3**0.5, rel=0.1)


@torch.library.custom_op("backproof_tests::long_product", mutates_args=())
def long_product(x: Tensor, y: Tensor) -> Tensor:
    return x * y * y * y


@long_product.register_fake
def _(x: Tensor, y: Tensor) -> Tensor:
    return torch.empty_like(x)


def test_operations_within_a_custom_one_are_rounded(monkeypatch):
    """The wrong version takes it for one operation."""
    x = torch.linspace(1, 2, 64, dtype=torch.float64)
    y = torch.linspace(2, 3, 64, dtype=torch.float64)
    assert spread(long_product, x, y) == pytest.approx(spread(out_of_place, x, y), rel=0.1)
    monkeypatch.setattr(shadow, "python_kernel", lambda func, device: None)
    assert spread(long_product, x, y) != pytest.approx(spread(out_of_place, x, y), rel=0.1)


def test_custom_operation_with_a_float32_buffer_is_lifted():
    """Its own zeros are float32 by name; lifted, they are not."""
    name = "backproof_tests::with_a_buffer"

    @torch.library.custom_op(name, mutates_args=())
    def with_a_buffer(x: Tensor) -> Tensor:
        buffer = torch.zeros(x.shape, dtype=torch.float32)
        buffer += x.sin()
        return buffer

    with Shadow(torch.float32):
        lifted = with_a_buffer(torch.ones(3))
    assert torch.equal(lifted, torch.ones(3, dtype=torch.float64).sin())


def of_large_numbers(w: Tensor) -> Tensor:
    weights = torch.linspace(0.5, 1.5, w.numel()).reshape(w.shape).to(w.dtype)
    return (torch.logcumsumexp(w, 0) * weights).sum()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_that_loses_digits_to_large_numbers_grows_with_what_is_sent_back(
    dtype, monkeypatch
):
    """The logarithm of what is sent back is added to 10,000 there. The wrong version allows 64 eps
    of the largest entry, whatever the operations; the wrong gradient does not grow at all."""
    w = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    w[0] = 10_000
    w = w.to(dtype).requires_grad_()
    assert not check_gradients(lambda: of_large_numbers(w), {"w": w}).failures
    stuck = check_gradients(lambda: of_large_numbers(Wrong.apply(w, torch.ones_like)), {"w": w})
    assert stuck.failures
    monkeypatch.setattr(asked_again, "imitate", lambda *arguments, **named: [])
    report = check_gradients(lambda: of_large_numbers(w), {"w": w})
    assert "does not grow with the one that is sent back" in report.failures[0].reason


def test_mask_of_zeros_and_ones_is_left_as_it_is():
    """Its backward pass gets the classes that are meant as 0.0 and 1.0, and refuses others."""
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([[3, 0, -1, 1, 2]] * 4)

    def loss(x: Tensor) -> Tensor:
        return functional.multilabel_margin_loss(x, y)

    assert report_on(loss, loss, (x,)).outcome == "pass"
    wrong = report_on(lambda x: loss(Wrong.apply(x, lambda g: 1.01 * g)), loss, (x,))
    assert [verdict.quantity for verdict in wrong.failures] == ["gradient of input 0"]


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_reference_that_cannot_be_rounded_at_random_is_compared_to_three_digits(factor):
    def of_integers(x: Tensor) -> Tensor:
        doubled = 2 * x.detach()
        if bool((doubled != doubled.round()).any()):
            raise RuntimeError("expected integers")
        return x.square().sum()

    x = torch.arange(1.0, 6.0)
    report = report_on(lambda x: factor * x.square().sum(), of_integers, (x,))
    assert bool(report.failures) == (factor != 1.0)
    assert "cannot be repeated with random roundings (RuntimeError: expected integers)" in str(
        report
    )


def test_compiler_and_symbolic_shapes_are_not_loaded():
    """torch loads them, in seconds, for a mode that it wraps and a gradient that it is handed."""
    script = (
        "import sys, torch\n"
        "from backproof import check_gradients\n"
        "w = torch.ones(3, requires_grad=True)\n"
        "check_gradients(lambda: w.exp().sum(), {'w': w})\n"
        "print('torch._dynamo' in sys.modules, 'sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr


BEFORE_A_MASK = {
    "a product": lambda x: 2 * x,
    "a transposed product": lambda x: x @ torch.ones(5, 3, dtype=x.dtype),
    "batch norm": lambda x: functional.batch_norm(x, None, None, training=True),
    "layer norm": lambda x: functional.layer_norm(x, (5,)),
    "log sigmoid": functional.logsigmoid,
    "gelu": functional.gelu,
}


@pytest.mark.parametrize("name", BEFORE_A_MASK)
def test_random_roundings_leave_a_mask_as_it_is(name):
    """A mask is drawn in the order in which the tensor lies in memory that it is drawn for."""
    x = some_transposed()

    def masked() -> float:
        torch.manual_seed(3)
        return float(functional.dropout(BEFORE_A_MASK[name](x), 0.5).sum())

    expected = masked()
    with Shadow(torch.float64, Arithmetic(1e-15), lift=False):
        assert masked() == pytest.approx(expected, rel=1e-10)


def some_transposed() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((4, 5, 3), generator=generator, dtype=torch.float64).transpose(1, 2)


@pytest.mark.parametrize("wrong", [False, True])
def test_transformer_with_dropout_is_judged_in_float64(monkeypatch, wrong):
    """The wrong version rounds in the order of counting, and so changes the masks: its loss looks
    so noisy that nothing can be tested."""
    if wrong:
        monkeypatch.setattr(random_table, "_lying_like", lambda few, like: few.view(like.shape))
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).double()
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    weights = dict(layer.named_parameters())
    asked = {name: weights[name] for name in ("linear1.weight", "norm1.weight")}
    report = check_gradients(lambda: layer(x).sin().sum(), asked)
    assert report.outcome == ("fail" if wrong else "pass")
