"""check_function: a kernel against a reference, wrong or rounding or different on every run."""

import warnings
from collections.abc import Callable

import jaxtyping
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from backproof import assert_function, assert_gradients, check_function
from backproof.checks.black_box.gradient_report import GradientReport


def report_on(*arguments, **options) -> GradientReport:
    """What check_function returns, with its warning that a report which fails does not raise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return check_function(*arguments, **options)


def cross_entropy(change: Callable[[Tensor], Tensor] = lambda delta: delta):
    """Softmax and cross-entropy with a hand-written backward, whose delta may be tampered with."""

    class Fused(torch.autograd.Function):
        @staticmethod
        def forward(ctx, logits, y):
            e = (logits - logits.max(dim=1, keepdim=True)[0]).exp()
            p = e / e.sum(dim=1, keepdim=True)
            ctx.save_for_backward(p, y)
            return (torch.logsumexp(logits, dim=1) - logits[torch.arange(len(y)), y]).mean()

        @staticmethod
        def backward(ctx, gradient):
            p, y = ctx.saved_tensors
            delta = p.clone()
            delta[torch.arange(len(y)), y] -= 1
            return gradient * change(delta / len(y)), None

    return Fused.apply


def steep(seed: int) -> tuple[Tensor, Tensor]:
    """Logits up to 80 in magnitude, in which most probabilities are 0 or 1, and labels."""
    generator = torch.Generator().manual_seed(seed)
    N, K = ((32, 10), (8, 5), (16, 3))[seed % 3]
    return 160 * torch.rand(N, K, generator=generator) - 80, torch.randint(
        K, (N,), generator=generator
    )


CHANGES = {
    "through float16": lambda delta: delta.half().to(delta.dtype),
    "through bfloat16": lambda delta: delta.bfloat16().to(delta.dtype),
    "sign": torch.neg,
    "1e-5 too large": lambda delta: delta * (1 + 1e-5),
}


@pytest.mark.parametrize("seed", range(4))
def test_correct_float32_kernel_is_accepted_in_both_ways(seed):
    logits, y = steep(seed)
    assert (
        assert_function(
            cross_entropy(), functional.cross_entropy, (logits, y), dtype=torch.float32
        ).outcome
        == "pass"
    )
    logits.requires_grad_()
    assert_gradients(lambda: cross_entropy()(logits, y), {"logits": logits})


@pytest.mark.parametrize("kind", CHANGES)
def test_wrong_float32_kernel_is_rejected_in_both_ways(kind):
    logits, y = steep(0)
    kernel = cross_entropy(CHANGES[kind])
    with pytest.raises(AssertionError, match="wrong, not rounding"):
        assert_function(kernel, functional.cross_entropy, (logits, y), dtype=torch.float32)
    logits.requires_grad_()
    with pytest.raises(AssertionError, match="FAIL: 1 of 1 gradients: logits"):
        assert_gradients(lambda: kernel(logits, y), {"logits": logits})


def test_reason_names_the_precision_that_the_numbers_passed_through():
    report = report_on(
        cross_entropy(CHANGES["through float16"]),
        functional.cross_entropy,
        steep(0),
        dtype=torch.float32,
    )
    assert report.failures[0].quantity == "gradient of input 0"
    assert "every value fits float16" in report.failures[0].reason


def test_noise_of_1e_6_from_run_to_run_is_called_different_on_every_run():
    kernel = cross_entropy(lambda delta: delta * (1 + 1e-6 * torch.randn_like(delta)))
    with pytest.raises(AssertionError, match="different on every run: 2 of 2 repetitions"):
        assert_function(kernel, functional.cross_entropy, steep(0), dtype=torch.float32)


def test_noise_from_run_to_run_may_be_allowed_and_a_wrong_sign_still_fails():
    """As in check_gradients: what the calls differ by is measured and added to what is allowed."""
    noisy = cross_entropy(lambda delta: delta * (1 + 1e-6 * torch.randn_like(delta)))
    report = assert_function(
        noisy, functional.cross_entropy, steep(0), dtype=torch.float32, may_vary=True
    )
    assert any(
        note.startswith("gradient of input 0 differs from call to call, by ")
        for note in report.notes
    )
    assert [verdict.outcome for verdict in report.verdicts] == ["pass", "pass"]
    wrong = cross_entropy(lambda delta: -delta * (1 + 1e-6 * torch.randn_like(delta)))
    with pytest.raises(AssertionError, match="wrong, not rounding: "):
        assert_function(
            wrong, functional.cross_entropy, steep(0), dtype=torch.float32, may_vary=True
        )


def test_may_vary_allows_nothing_more_to_what_does_not():
    for may_vary in (False, True):
        report = report_on(
            cross_entropy(CHANGES["1e-5 too large"]),
            functional.cross_entropy,
            steep(0),
            may_vary=may_vary,
        )
        assert [verdict.quantity for verdict in report.failures] == ["gradient of input 0"]
    assert not report.notes


def layer_norm(x, weight, bias):
    return functional.layer_norm(x, x.shape[-1:], weight, bias)


def layer_norm_by_hand(x, weight, bias):
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred * (centred.square().mean(dim=-1, keepdim=True) + 1e-5).rsqrt() * weight + bias


FUNCTIONS = {
    "layer norm": (layer_norm_by_hand, layer_norm, ((7, 33), (33,), (33,))),
    "linear": (
        lambda x, W, b: (x[:, None] * W).sum(dim=2) + b,
        functional.linear,
        ((5, 200), (8, 200), (8,)),
    ),
    "gelu": (lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)), functional.gelu, ((9, 9),)),
    "softmax": (
        lambda x: x.exp() / x.exp().sum(dim=-1, keepdim=True),
        lambda x: functional.softmax(x, dim=-1),
        ((6, 20),),
    ),
    "two results": (
        lambda x: (x.sin(), x.square().sum()),
        lambda x: (torch.sin(x), (x * x).sum()),
        ((4, 5),),
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_another_order_of_the_same_operations_is_rounding(name, dtype):
    function, reference, shapes = FUNCTIONS[name]
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        inputs = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
        # these kernels round every step of theirs to the format, sums of bfloat16 included
        report = report_on(function, reference, inputs, dtype=dtype, accumulate=dtype, seed=seed)
        assert report.outcome == "pass", f"{name}, seed {seed}\n{report}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_output_that_is_1e_4_too_large_is_wrong(name):
    function, reference, shapes = FUNCTIONS[name]
    inputs = [torch.randn(shape, generator=torch.Generator().manual_seed(0)) for shape in shapes]

    def off(*given):
        found = function(*given)
        return (
            tuple(value * (1 + 1e-4) for value in found)
            if isinstance(found, tuple)
            else found * (1 + 1e-4)
        )

    failed = {verdict.quantity for verdict in report_on(off, reference, inputs).failures}
    assert {"gradient of input 0"} < failed


def test_a_gradient_that_only_the_reference_has_fails():
    report = report_on(
        lambda x: x.detach().square().sum() + 0 * x.sum(),
        lambda x: x.square().sum(),
        [torch.ones(3)],
    )
    assert report.failures[0].quantity == "gradient of input 0"
    assert "the first is zero everywhere" in report.failures[0].reason


BELOW = torch.ones(5, 5, dtype=torch.bool).tril()


def masked(x: Tensor) -> Tensor:
    return x.masked_fill(~BELOW, -torch.inf)


def attention(x: Tensor) -> Tensor:
    return masked(x @ x.mT / 2).softmax(-1) @ x


def causal_attention(x: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(x, x, x, attn_mask=BELOW)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("function", "reference"),
    [(masked, masked), (masked, lambda x: masked(x) * 1), (causal_attention, attention)],
)
def test_infinities_of_a_mask_agree_and_round_nothing(function, reference, dtype):
    x = torch.randn(5, 5 if function is masked else 4, generator=torch.Generator().manual_seed(0))
    assert report_on(function, reference, [x], dtype=dtype).outcome == "pass"
    report = report_on(lambda x: function(x) * (1 + 1e-4), reference, [x], dtype=dtype)
    assert [verdict.reason[:19] for verdict in report.failures] == ["wrong, not rounding"] * 2


def test_first_line_counts_results_and_calls():
    report = report_on(lambda x: 2 * x.exp(), torch.exp, [torch.ones(3)])
    assert str(report).startswith(
        "FAIL: 2 of 2 results: output, gradient of input 0 (float32 on cpu, 3 calls, "
    )
    assert str(report_on(torch.exp, torch.exp, [torch.ones(3)])).startswith(
        "pass: 2 results (float32 on cpu, 11 calls, "
    )


def test_infinity_in_another_place_is_wrong():
    report = report_on(lambda x: masked(x).mT, masked, [torch.randn(5, 5)])
    assert report.failures[0].reason.startswith("wrong, not rounding: ")


def test_where_both_are_no_number_nothing_is_tested_and_one_alone_is_wrong():
    x = torch.tensor([1.0, -2.0, 3.0])
    report = report_on(torch.log, torch.log, [x])
    assert report.outcome == "pass"
    assert report["output"].reason == "untested in part: both are NaN at 1 of 3 entries"
    report = report_on(lambda x: torch.log(x).nan_to_num(), torch.log, [x])
    assert report.failures[0].reason.startswith("the reference itself is NaN there: ")


def test_where_no_bound_is_known_nothing_is_tested_and_twice_as_much_is_wrong():
    """Rounded at random, 1 has an arc cosine only half of the time."""

    def angle(x: Tensor) -> Tensor:
        return (x.detach() * 1).acos() + x

    report = report_on(angle, angle, [torch.tensor([0.5, 1.0])])
    said = "untested in part: what rounding may do could not be measured at 1 of 2 entries"
    assert report.outcome == "pass"
    assert report["output"].reason == said
    report = report_on(lambda x: 2 * angle(x), angle, [torch.tensor([0.5, 1.0])])
    assert report.failures[0].reason.startswith("wrong, not rounding: ")


def test_inputs_are_left_as_they_were_and_integers_are_passed_on():
    logits, y = steep(1)
    before = logits.clone()
    report_on(cross_entropy(), functional.cross_entropy, (logits, y))
    assert torch.equal(logits, before)
    assert not logits.requires_grad
    assert logits.grad is None


def test_no_real_input_is_refused():
    with pytest.raises(
        TypeError,
        match="expected at least one tensor of real numbers among the inputs, got \\['Tensor', "
        "'int'\\]",
    ):
        assert_function(torch.add, torch.add, (torch.arange(3), 1))


def test_arguments_of_the_wrong_kind_are_refused_in_one_line(monkeypatch):
    # its own checks come first, but not at a reader's
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    x = torch.ones(3)
    cases = [
        (
            (torch.exp, torch.exp, x),
            {},
            TypeError,
            "inputs: expected a tuple of what the function is called with, got a tensor",
        ),
        (
            (torch.exp, torch.exp, iter([x])),
            {},
            TypeError,
            "inputs: expected a tuple of what the function is called with, got list",
        ),
        (
            (torch.exp, x, (x,)),
            {},
            TypeError,
            "reference: expected a function of the inputs, got a tensor of shape (3,). Pass",
        ),
        (
            (3, torch.exp, (x,)),
            {},
            TypeError,
            "function: expected a function of the inputs, got int. Pass MyFunction.apply",
        ),
        (
            (torch.exp, torch.exp, (x,)),
            {"dtype": "float32"},
            TypeError,
            "dtype: expected a torch.dtype, got 'float32'. Pass torch",
        ),
        (
            (torch.exp, torch.exp, (x,)),
            {"dtype": torch.int32},
            ValueError,
            "dtype: expected one of real numbers, got torch.int32",
        ),
        ((torch.exp, torch.exp, (x,)), {"runs": 0}, ValueError, "expected at least 1 runs, got 0."),
        (
            (torch.exp, torch.exp, (x,)),
            {"runs": 1, "may_vary": True},
            ValueError,
            "expected at least 2 runs, got 1.",
        ),
        (
            (lambda x: 3.0, torch.exp, (x,)),
            {},
            TypeError,
            "<lambda>: expected it to return a tensor, or tensors in tuples, lists or "
            "dicts, got float",
        ),
        (
            (torch.exp, lambda x: (), (x,)),
            {},
            TypeError,
            "<lambda>: expected it to return a tensor, or tensors in tuples, lists or "
            "dicts, got tuple",
        ),
    ]
    for arguments, settings, error, message in cases:
        with pytest.raises(error) as raised:
            assert_function(*arguments, **settings)
        assert str(raised.value).startswith(message)
        assert "\n" not in str(raised.value)
