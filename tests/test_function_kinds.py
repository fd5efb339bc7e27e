"""check_function: each kind of wrong kernel, under its name, and its right twin."""

import pytest
import torch
from made_functions import failing, made, normal, report_on, saved
from torch.nn import functional

from backproof import assert_function, check_function


def ignores_the_incoming_gradient(ctx, g):
    return ctx.saved_tensors[0].exp() / ctx.saved_tensors[0].numel()


def uses_the_incoming_gradient(ctx, g):
    return g * ctx.saved_tensors[0].exp() / ctx.saved_tensors[0].numel()


def overwrites_its_input(ctx, x):
    result = x.exp()
    ctx.save_for_backward(result)
    x.data.zero_()
    return result


def overwrites_the_gradient(ctx, g):
    g.mul_(ctx.saved_tensors[0].exp())
    return g.clone()


def overwrites_what_it_saved(ctx, g):
    (x,) = ctx.saved_tensors
    result = g * x.exp()
    x.data.add_(1.0)
    return result


def reads_strides_wrong(ctx, g):
    (x,) = ctx.saved_tensors
    flat = torch.as_strided(g, (g.numel(),), (1,)) if g.is_contiguous() or g.dim() == 2 else g
    return flat.reshape(x.shape) * x.exp()


def forgets_where_a_gradient_begins(ctx, g):
    return g.as_strided(g.shape, g.stride(), 0) * ctx.saved_tensors[0].exp()


def right(ctx, g):
    return g * ctx.saved_tensors[0].exp()


def mean_of_exp(x):
    return x.exp().mean()


WRONG = {
    "ignores the incoming gradient": (
        made(saved(mean_of_exp), ignores_the_incoming_gradient),
        made(saved(mean_of_exp), uses_the_incoming_gradient),
        mean_of_exp,
        {"gradient of input 0"},
    ),
    "complex output": (
        lambda x: torch.complex(x.cos(), 7 * x.sin()),
        lambda x: torch.complex(x.cos(), x.sin()),
        lambda x: torch.complex(x.cos(), x.sin()),
        {"output", "gradient of input 0"},
    ),
    "nested output": (
        lambda x: (x.exp(), (x.sin() * 5,)),
        lambda x: (x.exp(), (x.sin(),)),
        lambda x: (x.exp(), (x.sin(),)),
        {"output[1][0]", "gradient of input 0"},
    ),
    "overwrites its input": (
        made(overwrites_its_input, lambda ctx, g: g * ctx.saved_tensors[0]),
        made(saved(torch.exp), right),
        torch.exp,
        {"input 0"},
    ),
    "overwrites the incoming gradient": (
        made(saved(torch.exp), overwrites_the_gradient),
        made(saved(torch.exp), right),
        torch.exp,
        {"the gradient sent back through output"},
    ),
    "overwrites what it saved": (
        made(saved(torch.exp), overwrites_what_it_saved),
        made(saved(torch.exp), right),
        torch.exp,
        {"input 0", "gradient of input 0"},
    ),
    "reads strides wrong": (
        made(saved(torch.exp), reads_strides_wrong),
        made(saved(torch.exp), right),
        torch.exp,
        {"gradient of input 0"},
    ),
    "forgets where a gradient begins": (
        made(saved(torch.exp), forgets_where_a_gradient_begins),
        made(saved(torch.exp), right),
        torch.exp,
        {"gradient of input 0"},
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_kernel_is_caught_under_its_name_and_its_twin_passes(kind):
    wrong, twin, reference, names = WRONG[kind]
    x = normal(3, 5)
    report = report_on(wrong, reference, (x,))
    assert failing(report) <= names, str(report)
    assert report.failures
    assert_function(twin, reference, (x,))


def test_backward_that_drops_the_imaginary_part_is_caught():
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * z

    twin = made(forward, lambda ctx, g: g * 2 * ctx.saved_tensors[0].conj())
    wrong = made(forward, lambda ctx, g: g.real * 2 * ctx.saved_tensors[0].conj())
    z = torch.complex(normal(4), normal(4, seed=1))
    assert failing(report_on(wrong, lambda z: z * z, (z,))) == {"gradient of input 0"}
    assert_function(twin, lambda z: z * z, (z,))


def test_complex_input_beside_a_real_one_is_checked_too():
    z = torch.complex(normal(4), normal(4, seed=1))
    report = assert_function(lambda x, z: x * z, lambda x, z: x * z, (normal(4), z))
    assert report["gradient of input 1"].outcome == "pass"


class SevenTimes(torch.autograd.Function):
    """A linear layer whose gradient by x is seven times too large."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        return 7 * g @ weight, g.T @ x


def test_every_input_is_checked_unless_it_is_excluded_by_name():
    x, weight = normal(3, 4), normal(2, 4, seed=1).requires_grad_()
    inputs = (x, weight)
    assert failing(report_on(SevenTimes.apply, functional.linear, inputs)) == {
        "gradient of input 0"
    }
    for choice in ({"except_": [0]}, {"only": ["input 1"]}):
        report = assert_function(SevenTimes.apply, functional.linear, inputs, **choice)
        assert report.notes[-1] == "excluded, and so not differentiated by: input 0"
        assert not any(verdict.quantity == "gradient of input 0" for verdict in report.verdicts)
    with pytest.raises(ValueError, match="only: expected names of what is checked, got 'x'"):
        check_function(torch.exp, torch.exp, (x,), only=["x"])


def test_nested_inputs_and_keywords_are_named():
    report = assert_function(
        lambda pair, *, scale: pair["a"] * pair["b"] * scale,
        lambda pair, *, scale: pair["a"] * pair["b"] * scale,
        ({"a": normal(3), "b": normal(3, seed=1)},),
        {"scale": normal(1)},
    )
    assert {"gradient of input 0['a']", "gradient of scale"} < set(report.names)


class TwoOutputs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx, first, second):
        (x,) = ctx.saved_tensors
        return first * x.cos() - second * x.sin()


class TwoOutputsRight(TwoOutputs):
    @staticmethod
    def backward(ctx, first, second):
        (x,) = ctx.saved_tensors
        total = torch.zeros_like(x)
        if first is not None:
            total = total + first * x.cos()
        if second is not None:
            total = total - second * x.sin()
        return total


def test_backward_that_cannot_do_without_one_output_is_caught():
    def reference(x):
        return x.sin(), x.cos()

    report = report_on(TwoOutputs.apply, reference, (normal(4),))
    assert "raises when output[0] alone is used" in report["gradient of input 0"].reason
    assert_function(TwoOutputsRight.apply, reference, (normal(4),))


class SixOutputs(torch.autograd.Function):
    """Multiples, of which the fifth alone sends back twice too much if no other is used."""

    factor = 2.0

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return tuple(x * k for k in range(1, 7))

    @classmethod
    def backward(cls, ctx, *sent):
        total = sum(k * g for k, g in enumerate(sent, 1) if g is not None)
        alone = [k for k, g in enumerate(sent, 1) if g is not None] == [5]
        return total * SixOutputs.factor if alone else total


def test_output_that_is_wrong_where_it_alone_is_used_is_caught(monkeypatch):
    def reference(x):
        return tuple(x * k for k in range(1, 7))

    report = report_on(SixOutputs.apply, reference, (normal(4),))
    assert failing(report) == {"gradient of input 0"}
    assert "output[4] alone" in str(report)
    monkeypatch.setattr(SixOutputs, "factor", 1.0)
    assert_function(SixOutputs.apply, reference, (normal(4),))


@pytest.mark.parametrize("spoils", [True, False])
def test_labels_that_are_overwritten_are_told(spoils):
    labels = torch.tensor([2, 0, 1])

    def picked(x, y):
        result = functional.cross_entropy(x, y.clone())
        if spoils:
            y.zero_()
        return result

    report = report_on(picked, functional.cross_entropy, (normal(3, 4), labels))
    assert failing(report) == ({"input 1"} if spoils else set())
    assert labels.tolist() == [2, 0, 1]


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-4])
def test_function_may_differ_from_run_to_run_as_much_as_its_reference(noise):
    """The wrong versions: against a reference that does not differ, and by much more than it."""
    calls = iter(range(1000))

    def varying(x, size):
        return x.exp() * (1 + size * (next(calls) % 3))

    def reference(x):
        return varying(x.float(), 1e-7) if x.dtype == torch.float32 else x.exp()

    x = normal(5)
    assert bool(report_on(lambda x: varying(x, noise), torch.exp, (x,)).failures) == bool(noise)
    report = report_on(lambda x: varying(x, noise), reference, (x,))
    assert bool(report.failures) == (noise > 1e-6)
    assert any("the reference differs" in note for note in report.notes) == (noise == 1e-7)


def test_function_differs_from_run_to_run_as_much_as_it_does_itself():
    """What one call in seven changes, eight calls more may not show."""
    calls = iter(range(1000))

    def seldom(x):
        return x.exp() * (1 + 1e-7 * (next(calls) == 3))

    assert report_on(seldom, seldom, (normal(5),)).outcome == "pass"


CRASHES = {
    "sgn": (torch.sgn, (3, 4)),
    "t": (torch.t, (1, 3)),
    "topk": (lambda x: torch.topk(x, 2), (3, 4)),
    "max": (lambda x: x.max(dim=1), (3, 4)),
    "sort": (lambda x: x.sort(dim=1), (3, 4)),
    "solve": (lambda x: torch.linalg.solve(x @ x.mT + 3 * torch.eye(3), x[:, :1]), (3, 3)),
    "median": (lambda x: x.median(), (3, 5)),
    "aminmax": (lambda x: tuple(x.aminmax()), (3, 4)),
    "norm inf": (lambda x: torch.linalg.vector_norm(x, float("inf")), (3, 4)),
    "dropout": (functional.dropout, (6, 7)),
    "empty": (lambda x: (x[:0], x.sin()), (3, 4)),
    "writes into zeros": (lambda x: torch.zeros(4).index_add(0, torch.arange(4), x.sin()), (4,)),
}


def has_derivative(function, x):
    """Whether torch itself differentiates it; older versions do not all of them."""
    try:
        outputs = function(x.requires_grad_())
        torch.autograd.grad(sum(output.sum() for output in outputs), x)
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize("name", CRASHES)
def test_what_used_to_crash_or_be_refused_passes_against_itself(name):
    function, shape = CRASHES[name]
    if name == "aminmax" and not has_derivative(function, normal(*shape)):
        pytest.skip(f"torch {torch.__version__} has no derivative of {name}")
    assert not report_on(function, function, (normal(*shape),)).failures


def test_expanded_and_strided_inputs_pass_and_sparse_ones_are_refused():
    assert_function(torch.exp, torch.exp, (normal(1, 3).expand(4, 3),))
    assert_function(torch.exp, torch.exp, (normal(4, 6)[:, ::2],))
    with pytest.raises(TypeError, match=r"input 0: expected a dense tensor, got one of .*sparse"):
        check_function(torch.exp, torch.exp, (normal(2, 2).to_sparse(),))
    with pytest.raises(TypeError, match=r"input 0: expected float16 or wider, got .*float8"):
        check_function(torch.exp, torch.exp, (normal(2).to(torch.float8_e5m2),))


def test_check_function_warns_that_it_does_not_raise():
    with pytest.warns(FutureWarning, match="a test should call assert_function"):
        check_function(torch.sin, torch.cos, (normal(3),))
    with pytest.raises(AssertionError, match="FAIL: 2 of 2 results"):
        assert_function(torch.sin, torch.cos, (normal(3),))


def test_strict_makes_a_failure_of_what_is_untested():
    x = normal(3, 4)
    assert_function(torch.sgn, torch.sgn, (x,))
    with pytest.raises(AssertionError, match="gradient of input 0"):
        assert_function(torch.sgn, torch.sgn, (x,), strict=True)
