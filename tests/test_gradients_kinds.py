"""check_gradients: what a loss may be, each kind of error with its right twin, torch or NumPy."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from test_suite import leaf
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from backproof import assert_function, assert_gradients, check_gradients
from benchmarks.networks import Wrong


class SumOfSquares(torch.autograd.Function):
    """A loss whose backward pass may ignore what is sent back."""

    @staticmethod
    def forward(ctx, x: Tensor, obeys: bool) -> Tensor:
        ctx.save_for_backward(2 * x)
        ctx.obeys = obeys
        return x.square().sum()

    @staticmethod
    def backward(ctx, g: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * (g if ctx.obeys else 1), None


def test_loss_that_ignores_what_is_sent_back_is_caught():
    w = leaf(4)
    assert_gradients(lambda: SumOfSquares.apply(w, True), {"w": w})
    report = check_gradients(lambda: SumOfSquares.apply(w, False), {"w": w})
    assert "does not grow with the one that is sent back" in report["w"].reason


@pytest.mark.parametrize("dtype", [torch.complex128, torch.complex64])
def test_complex_parameters_are_checked_by_both_parts(dtype):
    z = torch.complex(leaf(3).detach(), leaf(3, seed=1).detach()).to(dtype).requires_grad_()

    def loss(z):
        return (z * z.conj()).real.sin().sum() + z.imag.cos().sum()

    assert_gradients(lambda: loss(z), {"z": z})

    class Real(torch.autograd.Function):
        """Forgets the imaginary part of what is sent back."""

        @staticmethod
        def forward(ctx, z):
            return z * 1

        @staticmethod
        def backward(ctx, g):
            return torch.complex(g.real, 0 * g.imag)

    assert check_gradients(lambda: loss(Real.apply(z)), {"z": z}).failures


@pytest.mark.parametrize("order", [1, 2])
def test_wrong_second_derivative_is_caught_by_order_2_alone(order):
    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.exp()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x.detach().exp()

    w = leaf(3)
    report = check_gradients(lambda: Slope.apply(w).sum(), {"w": w}, order=order)
    assert {v.quantity for v in report.failures} == (
        set() if order == 1 else {"second derivative by w"}
    )
    assert_gradients(lambda: w.exp().sum(), {"w": w}, order=order)


def test_forward_mode_of_a_loss_is_checked():
    w = leaf(3)
    both = ("reverse", "forward")
    report = assert_gradients(lambda: w.exp().sum(), {"w": w}, modes=both)
    assert report["forward mode of w"].outcome == "pass"
    report = check_gradients(lambda: Wrong.apply(w, lambda g: g).exp().sum(), {"w": w}, modes=both)
    assert "cannot be computed" in report["forward mode of w"].reason


def test_straight_through_is_right_where_it_is_declared():
    w = leaf(4)

    def loss():
        return (w + (w.round() - w).detach()).square().sum()

    assert check_gradients(loss, {"w": w}).outcome == "fail"
    assert_gradients(loss, {"w": w}, stop_gradients=True)
    wrong = check_gradients(
        lambda: loss() + Wrong.apply(w, torch.neg).sum(), {"w": w}, stop_gradients=True
    )
    assert wrong.failures


def test_only_and_except_choose_and_the_report_says_so():
    w, v = leaf(3), leaf(3, seed=1)

    def loss():
        return w.square().sum() + Wrong.apply(v, torch.neg).sum()

    named = {"w": w, "v": v}
    assert check_gradients(loss, named).failures
    for choice in ({"only": ["w"]}, {"except_": ["v"]}):
        report = assert_gradients(loss, named, **choice)
        assert report.excluded == ("v",)
    with pytest.raises(ValueError, match=r"got 'u'\. The names are 'w', 'v'"):
        check_gradients(loss, named, only=["u"])


DOMAIN = {
    "log": ([1e-4, 1.0], lambda w: w.log().sum()),
    "cholesky": ([[1.0, 0.93], [0.93, 1.0]], lambda w: torch.linalg.cholesky((w + w.T) / 2).sum()),
    "Bernoulli": (
        [0.001, 0.5],
        lambda w: -torch.distributions.Bernoulli(w).log_prob(torch.ones(2)).sum(),
    ),
    "gradient penalty": ([0.5, -1.0], lambda w: penalty(w)),
}


def penalty(w: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad((w * w.abs()).sum(), w, create_graph=True)
    return gradient.square().sum()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", DOMAIN)
def test_loss_with_an_edge_nearby_is_judged_on_this_side_of_it(name, dtype):
    values, loss = DOMAIN[name]
    w = torch.tensor(values, dtype=dtype, requires_grad=True)
    assert_gradients(lambda: loss(w), {"w": w})
    wrong = check_gradients(lambda: loss(Wrong.apply(w, lambda g: 1.01 * g)), {"w": w})
    assert wrong.failures


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_reentrant_checkpoints_and_scripts_pass():
    w = leaf(3)

    @torch.jit.script
    def scripted(x: Tensor) -> Tensor:
        return (x * x).tanh().sum()

    assert_gradients(lambda: checkpoint(torch.sin, w, use_reentrant=True).sum(), {"w": w})
    assert_gradients(lambda: scripted(w), {"w": w})


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_what_is_used_inside_of_a_reentrant_checkpoint_alone_has_a_gradient(factor):
    """autograd.grad does not see that the weights are used; .grad of x stays what it was."""
    w = leaf(3)
    x = leaf(2)
    x.grad = torch.ones(2, dtype=torch.float64)

    def step(x: Tensor) -> Tensor:
        return (Wrong.apply(w, lambda g: factor * g) * x[0]).sin()

    report = check_gradients(lambda: checkpoint(step, x, use_reentrant=True).sum(), {"w": w})
    assert report.outcome == ("pass" if factor == 1.0 else "fail")
    assert x.grad.tolist() == [1.0, 1.0]
    assert w.grad is None


def test_gradient_of_what_is_no_parameter_is_refused():
    w = leaf(3)
    with pytest.raises(ValueError, match=r"^gradients: expected names of parameters, got 'v'"):
        check_gradients(lambda: w.sum(), {"w": w}, gradients={"v": w})


def test_strange_leaves_are_judged_or_refused_in_one_line():
    expanded = torch.ones(1, 3, dtype=torch.float64).expand(4, 3).requires_grad_()
    weights = torch.arange(12).reshape(4, 3)
    assert_gradients(lambda: (expanded * weights).sin().sum(), {"w": expanded})
    sparse = torch.eye(3).to_sparse().requires_grad_()
    with pytest.raises(TypeError, match="w: expected a dense tensor"):
        check_gradients(lambda: sparse.to_dense().sum(), {"w": sparse})


def test_gradient_that_is_a_parameter_itself_is_not_moved_along():
    w, v = leaf(3), leaf(3, seed=1)

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, w, v):
            ctx.save_for_backward(w, v)
            return (w * v).sum()

        @staticmethod
        def backward(ctx, g):
            w, v = ctx.saved_tensors
            return v if g == 1 else g * v, w if g == 1 else g * w

    assert_gradients(lambda: Product.apply(w, v), {"w": w, "v": v})


def test_report_can_be_asked_stored_and_shown():
    w, v = leaf(3), leaf(2, seed=1)
    report = check_gradients(
        lambda: w.square().sum() + Wrong.apply(v, torch.neg).sin().sum(), {"layer.w": w, "v": v}
    )
    assert report["layer.w"].outcome == "pass"
    assert report["v"].reason == "the sign is reversed"
    with pytest.raises(KeyError, match=r"'u' is not in this report, which has layer\.w, v"):
        report["u"]
    stored = json.loads(report.as_json())
    assert stored["results"]["v"]["outcome"] == "fail"
    assert stored["outcome"] == report.outcome == "fail"
    assert "<td>v</td>" in report._repr_html_()


def test_failing_test_prints_fifteen_lines_at_most(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "import torch\n"
        "from backproof import assert_gradients\n"
        "def test_gradients():\n"
        "    ws = {f'layer {k}': torch.ones(30, 30, requires_grad=True) for k in range(20)}\n"
        "    zeros = {name: torch.zeros(30, 30) for name in ws}\n"
        "    assert_gradients(lambda: sum(w.sin().sum() for w in ws.values()), ws,"
        " gradients=zeros)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("E ", "> "))]
    assert "FAIL: 20 of 20 gradients" in done.stdout
    assert len(lines) <= 15
    assert "tensor(" not in done.stdout
    assert "black_box" not in done.stdout


NETWORK = """
import sys
import numpy as np
from backproof import assert_gradients, check_gradients
random = np.random.default_rng(0)
x, y = random.normal(size=(6, 4)), random.normal(size=(6, 3))
P = {"W1": random.normal(size=(4, 5)), "b1": random.normal(size=5)}
P["W2"] = random.normal(size=(5, 3))
def passes(P):
    z = x @ P["W1"] + P["b1"]
    a = np.maximum(z, 0)
    error = a @ P["W2"] - y
    dp = 2 * error / error.size
    dz = (dp @ P["W2"].T) * (z > 0)
    return (error ** 2).mean(), {"W1": x.T @ dz, "b1": dz.sum(axis=0), "W2": a.T @ dp}
right = passes(P)[1]
assert_gradients(lambda: passes(P)[0], P, gradients=right)
wrong = {"W1": right["W1"].copy(), "b1": -right["b1"], "W2": 2 * right["W2"]}
wrong["W1"][2] = 0
report = check_gradients(lambda: passes(P)[0], P, gradients=wrong)
for name in P:
    print(name, report[name].reason)
print("torch" in sys.modules)
"""


def test_numpy_network_is_judged_without_torch():
    done = subprocess.run(
        [sys.executable, "-c", NETWORK], capture_output=True, text=True, check=True
    )
    first, sign, factor, imported = done.stdout.splitlines()
    assert "[2, " in first or first == "W1 only in row 2"
    assert sign == "b1 the sign is reversed"
    assert factor == "W2 the gradient is 2 times what it should be"
    assert imported == "False"


def test_numpy_loss_may_take_its_arrays_in_any_way():
    W = np.random.default_rng(0).normal(size=(3, 3))
    right = {"W": 2 * W}
    for loss in (
        lambda: (W**2).sum(),
        lambda W: (W**2).sum(),
        lambda weights: (weights**2).sum(),
    ):
        assert assert_gradients(loss, {"W": W}, gradients=right).outcome == "pass"
    before = W.copy()
    transposed = check_gradients(lambda: (W**3).sum(), {"W": W}, gradients={"W": (3 * W**2).T})
    assert transposed["W"].reason == "the gradient is the transpose of what it should be"
    assert (before == W).all()


BAD = [
    ({"W": np.ones(3)}, None, TypeError, "gradients: expected a dict of names and arrays"),
    ({"W": np.ones(3)}, {"V": np.ones(3)}, ValueError, "gradients: expected names of parameters"),
    ({"W": np.arange(3)}, {"W": np.ones(3)}, TypeError, "W: expected float64 or float32"),
    ({"W": np.ones(3), "b": 2.0}, {}, TypeError, "b: expected an array, got float"),
]


@pytest.mark.parametrize(("arrays", "gradients", "error", "message"), BAD)
def test_what_is_no_array_is_refused_in_one_line(arrays, gradients, error, message):
    with pytest.raises(error) as raised:
        check_gradients(lambda: 1.0, arrays, gradients=gradients)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_precision_of_products_is_measured_each_time():
    before = torch.backends.cuda.matmul.fp32_precision
    w = leaf(3, 3, dtype=torch.float32)
    try:
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        assert_gradients(lambda: (w @ w).sin().sum(), {"w": w})
        assert_function(torch.sin, torch.sin, (w,))
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


def test_half_precision_parameters_are_judged():
    w = leaf(8, 8, dtype=torch.bfloat16)
    assert_gradients(lambda: functional.softmax(w, 1).square().sum(), {"w": w})
    report = check_gradients(
        lambda: functional.softmax(Wrong.apply(w, lambda g: g * 1.1), 1).square().sum(), {"w": w}
    )
    assert report.failures
