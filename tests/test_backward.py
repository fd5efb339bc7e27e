"""The backward pass that trains: the page's equations, in place, and every wrong line of it
caught."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from backproof.checks import by_hand
from backproof.checks.bound import rounding
from backproof.checks.heads import CLASSIC, Head
from backproof.checks.heads import HEADS as HEADS_ALL
from backproof.checks.problem import HARD_KINDS, draw, every_kind, standard
from backproof.checks.witnesses import by_fast_backward
from backproof.checks.witnesses import verify as witnesses
from backproof.checks.witnesses.verify import verify
from backproof.model import backward, products
from backproof.model.backward import Backward, gradients
from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.training import Settings, Training

HEADS = [(head.output, head.cost) for head in CLASSIC]

SOURCE = Path(backward.__file__).read_text()
EPS = float(np.finfo(np.float64).eps)
FAST = {"fast_backward", "fast_step"}


def small_training(output="softmax", cost="cross-entropy", dtype=torch.float64, N=50, **settings):
    random = np.random.default_rng(3)
    x, y = (
        torch.from_numpy(random.normal(size=(N, 6))).to(dtype),
        torch.from_numpy(random.integers(4, size=N)),
    )
    samples = Samples(x, y)
    how = Settings(
        **{"batch_size": 8, "learning_rate": 0.1, "output": output, "cost": cost, **settings}
    )
    return Training(MLP((6, 5, 7, 4), seed=1, dtype=dtype), samples, samples, how)


def fast_failure(problems=None):
    """The first comparison with either fast witness that fails, on problems that their wrong
    versions must not survive."""
    for problem in problems or [*standard(len(HARD_KINDS)), *every_kind(len(HEADS_ALL))]:
        for verdict in verify(problem, differences=False):
            if verdict.outcome == "fail" and FAST & set(verdict.pair):
                return verdict
    return None


@pytest.mark.parametrize(("output", "cost"), HEADS)
def test_the_readable_version_agrees_with_numpy_within_rounding(output, cost):
    for seed, sizes in enumerate([(5, 3), (4, 6, 3), (3, 5, 4, 2)]):
        problem = draw(sizes, 7, seed, head=Head(output, cost))
        found = gradients(
            MLP.from_arrays(problem.W, problem.b),
            torch.from_numpy(problem.x),
            torch.from_numpy(problem.y),
            output=output,
            cost=cost,
        )
        passed = by_hand.forward(problem.x, problem.W, problem.b, head=Head(output))
        expected = by_hand.backward(passed, problem.W, problem.y, head=Head(output, cost))
        allowed = rounding(passed, problem.W, problem.b, problem.y, head=Head(output, cost))
        for name in ("dz", "dW", "db"):
            for layer in problem.W:
                error = np.abs(getattr(found, name)[layer].numpy() - getattr(expected, name)[layer])
                # the bound of checks/bound.py, as derived
                assert (error <= allowed[f"{name}[{layer}]"]).all(), (
                    name,
                    layer,
                )


WAYS = {
    "": {},
    "oneDNN": {"WORTH_IT": 0, "WORTH_COPYING": 0, "WORTH_MOVING": 0},
    "in parts": {"WORTH_SHARING": 0},
    "alone": {"WORTH_SHARING": 2**62},
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("way", WAYS)
def test_the_fast_version_agrees_with_every_witness_in_every_regime(
    monkeypatch, with_threads, dtype, way
):
    with_threads({"in parts": 7, "alone": 2}.get(way, 1))
    taken, fastest = set(), products.fastest
    monkeypatch.setattr(
        products, "fastest", lambda *shape: [found := fastest(*shape), taken.add(found)][0]
    )
    for name, value in WAYS[way].items():
        monkeypatch.setattr(products, name, value)
    by_fast_backward._laid_out.cache_clear()
    problems = [problem.rounded_to(dtype) for problem in standard(len(HARD_KINDS))]
    compared = 0
    for problem in problems:
        verdicts = [
            verdict
            for verdict in verify(problem, dtype=dtype, differences=False)
            if FAST & set(verdict.pair)
        ]
        assert not [verdict for verdict in verdicts if verdict.outcome == "fail"]
        compared += len(
            {(name, verdict.quantity) for verdict in verdicts for name in FAST & set(verdict.pair)}
        )
    # p, and dz, dW, db of every layer at least; dW, db of the step
    assert compared >= sum(1 + 5 * problem.L for problem in problems)
    expected = {
        "oneDNN": products.by_onednn,
        "in parts": products.in_parts,
        "alone": products.alone,
    }
    if way != "oneDNN" or products.has_onednn(torch.empty(0, dtype=getattr(torch, dtype))):
        assert expected.get(way, products.whole) in taken


WRONG = [
    ("1, y, out=dz)", "1, y.flip(0), out=dz)"),
    ("-self._scale * _one_hots", "self._scale * _one_hots"),
    ("-self._scale * _one_hots", "-1 * _one_hots"),
    ("y.t(), -self._scale, out=dz", "y.t(), self._scale, out=dz"),
    ("y.t(), -self._scale, out=dz", "y.t(), -1, out=dz"),
    ("partial(torch.add, dz, p, alpha=self._scale, out=dz)", "partial(torch.add, dz, p, out=dz)"),
    (
        "partial(torch.add, dz, p, alpha=self._scale, out=dz)",
        "partial(torch.sub, dz, p, alpha=self._scale, out=dz)",
    ),
    ('(2 if cost == "quadratic" else 1)', "1"),
    ("(mean_over or N)", "1"),
    ("self._z[self._L], 0, out=self.p", "self._z[self._L], 1, out=self.p"),
    ("return self._activate(self._L, self.p)", "return partial(torch.tanh_, self.p)"),
    ("self._activate(layer, a[layer])", "partial(torch.tanh_, a[layer])"),
    (", self._slopes[layer])\n\n    def _times", ", 0.3)\n\n    def _times"),
    ("else a, self._slopes[layer])", "else a, 0.3)"),
    ("self._z[layer] if h.needs_z else a", "a"),
    ("partial(_minus_rest, dz, self._z[self._L])", "partial(_minus_rest, dz, self.p)"),
    ("p_minus_Y, partial(_minus_rest, dz, self._z[self._L])]", "p_minus_Y]"),
    ("product(W[layer], N, z[layer], b[layer][:, None])", "product(W[layer], N, z[layer])"),
    ("self._F1[layer](a[layer - 1])", "self._F1[layer](a[layer - 1].flip(0))"),
    ("self._F1[L](a[L - 1])", "self._F1[L](a[L - 1].flip(0))"),
    ("(a[layer - 1].t())", "(a[layer - 1].t().flip(1))"),
    (
        "product(W[layer].t(), N, self.dz[layer - 1])",
        "product(W[layer].t().flip(0), N, self.dz[layer - 1])",
    ),
    ("self._B4[layer](dz[layer])", "self._B4[layer](dz[layer].flip(0))"),
    ("parameter.grad = gradient", "parameter.grad = gradient + parameter.detach()"),
    ("parameter.grad = gradient", "parameter.grad = torch.zeros_like(gradient)"),
    (
        "parameter.grad = gradient",
        "parameter.grad = gradient if gradient.dim() == 2 else 2 * gradient",
    ),
    ("pairs if descend is None else []", "[]"),
    ("(_like(W), _like(b)) if descend is None else (W, b)", "(_like(W), _like(b))"),
    (
        "(_like(W), _like(b)) if descend is None else (W, b)",
        "(_like(W), _like(b)) if descend is None else (W, _like(b))",
    ),
    ("({}, {}, 1.0) if descend is None else (W, b, -descend)", "({}, {}, 1.0)"),
    (
        "({}, {}, 1.0) if descend is None else (W, b, -descend)",
        "({}, {}, 1.0) if descend is None else (W, b, descend)",
    ),
    (
        "({}, {}, 1.0) if descend is None else (W, b, -descend)",
        "({}, {}, 1.0) if descend is None else (W, b, -descend * (1 + 1e-9))",
    ),
    (
        "({}, {}, 1.0) if descend is None else (W, b, -descend)",
        "({}, {}, 1.0) if descend is None else (W, b, -descend / N)",
    ),
    ("W_start.get(layer), times)", "None)"),
    ("b_start.get(layer), times)", "None, times)"),
    ("partial(torch.mv, dz, ones, out=into)", "partial(torch.mean, dz, 1, out=into)"),
    ("partial(torch.mv, dz, ones, out=into)", "partial(torch.mv, dz.flip(0), ones, out=into)"),
    ("partial(torch.addmv, start, dz, ones,", "partial(torch.addmv, start, dz, 2 * ones,"),
    ("(layer - 1, da, a[layer - 1])", "(layer - 1, da, da)"),
    ("self._times_h_prime(layer - 1, da, a[layer - 1])", "partial(torch.add, da, 0, out=da)"),
    ("self._times_h_prime(self._L, dz, p)", "partial(torch.add, dz, 0, out=dz)"),
    ("[minus_Y, p_minus_Y, p_dp, dots, dp_minus_dots, times_p]", "[minus_Y, p_minus_Y, times_p]"),
    ("partial(torch.sub, dz, self._dots, out=dz)", "partial(torch.add, dz, self._dots, out=dz)"),
    ("p_dp, dots, dp_minus_dots, times_p]", "p_dp, dots, dp_minus_dots]"),
    ("for layer in range(L, 1, -1)", "for layer in range(L, 2, -1)"),
    ("(1, L + 1):\n            operations", "(2, L + 1):\n            operations"),
]


@pytest.mark.parametrize(
    ("right", "wrong"),
    WRONG,
    ids=[f"{i}:{wrong.strip()[:40]}" for i, (_, wrong) in enumerate(WRONG)],
)
def test_a_wrong_line_is_caught(monkeypatch, tmp_path, nothing_laid_out, right, wrong):
    rewrite(monkeypatch, tmp_path, right, wrong)
    failure = fast_failure()
    assert failure is not None
    assert "Error" not in failure.reason  # it computes, and what it computes is wrong
    assert set(failure.pair) - FAST <= {"by_hand", "by_autograd", "complex_step"}
    assert len(set(failure.pair) & FAST) == 1


def test_a_right_line_rewritten_is_not_caught(monkeypatch, tmp_path, nothing_laid_out):
    """Meta-test: it is for what is wrong in it that a wrong line is caught, not for having been
    rewritten."""
    rewrite(
        monkeypatch,
        tmp_path,
        "p_minus_Y = partial(torch.add, dz, p,",
        "p_minus_Y = partial(torch.add, dz, self.p,",
    )
    assert fast_failure() is None


@pytest.fixture
def nothing_laid_out():
    """No passes of other tests, and none for them."""
    by_fast_backward._laid_out.cache_clear()
    yield
    by_fast_backward._laid_out.cache_clear()


def rewrite(monkeypatch, tmp_path, right, wrong):
    """Give Backward the methods that it has in a module with one line changed."""
    assert SOURCE.count(right) == 1
    path = tmp_path / "backward.py"
    path.write_text(SOURCE.replace(right, wrong))
    spec = importlib.util.spec_from_file_location("wrong_backward", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "wrong_backward", module)
    spec.loader.exec_module(module)
    for name in (
        "__init__",
        "__call__",
        "at",
        "_activate",
        "_times_h_prime",
        "_probabilities",
        "_output_dz",
    ):
        monkeypatch.setattr(Backward, name, vars(module.Backward)[name])


def test_the_fast_version_as_it_is_has_no_failure():
    assert fast_failure() is None


def test_a_gradient_that_is_never_written_is_caught(monkeypatch):
    true = by_fast_backward.witness
    monkeypatch.setattr(
        witnesses.by_fast_backward,
        "witness",
        lambda *a, **k: true(*a, **k) | {"dW[1]": np.full((6, 4), np.nan)},
    )
    failure = fast_failure([draw((4, 6, 3), 5, 0)])
    assert failure is not None
    assert failure.quantity == "dW[1]"


# Both round differently, by a few eps a step; 7 steps of this smooth problem enlarge that by far
# less than 1e-10 / eps.
ROUNDED = 1e-10


def after_an_epoch_by_autograd(*head, **optimizer):
    training = small_training(*head, backward="autograd", **optimizer)
    training.run_epoch()
    return training


def farthest(one, other):
    """The largest difference of a parameter of two trainings, relative to it."""
    pairs = zip(one.network.parameters(), other.network.parameters(), strict=True)
    return max(
        float((mine - yours).detach().norm() / yours.detach().norm()) for mine, yours in pairs
    )


@pytest.mark.parametrize(("output", "cost"), HEADS)
@pytest.mark.parametrize(
    "optimizer",
    [
        {},
        {"momentum": 0.9},
        {"weight_decay": 0.01},
        {"optimizer": "adam"},
        {"optimizer": "adam", "weight_decay": 0.01},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())) or "sgd",
)
def test_weights_after_an_epoch_by_hand_and_by_autograd_agree(output, cost, optimizer):
    by_hand_ = small_training(output, cost, backward="by-hand", **optimizer)
    by_hand_.run_epoch()
    assert farthest(by_hand_, after_an_epoch_by_autograd(output, cost, **optimizer)) <= ROUNDED
    start = small_training(output, cost).network
    assert all(
        float((one - first).detach().norm()) > 1e-3
        for one, first in zip(by_hand_.network.parameters(), start.parameters(), strict=True)
    )


@pytest.mark.parametrize("times", [0.5, -0.1 * (1 + 1e-8)])
def test_a_step_of_another_length_is_seen_after_an_epoch(monkeypatch, times):
    """Meta-test: epochs that agree within ROUNDED could not have been trained with another step."""
    expected = after_an_epoch_by_autograd("softmax", "cross-entropy")
    monkeypatch.setattr("backproof.model.training._descend", lambda settings, processes: -times)
    training = small_training()
    training.run_epoch()
    assert farthest(training, expected) > ROUNDED


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_long_step_hides_nothing_of_the_gradients(monkeypatch, dtype):
    """Its allowance is hardly more than that of a gradient which was stored, and it sees what is
    off by little more than that."""
    problem = draw((4, 6, 3), 10, 0).rounded_to(dtype)
    bounds, (found, extra) = (
        witnesses.bounds_of(problem, dtype),
        by_fast_backward.step(problem, dtype=dtype),
    )
    assert set(found) == {f"{name}[{layer}]" for name in ("dW", "db") for layer in (1, 2)}
    for quantity, more in extra.items():
        assert (more <= 2 * np.finfo(dtype).eps * np.abs(found[quantity])).all()
        assert more.max() <= bounds[quantity].max()
    # Two witnesses may differ by the sum of their allowances: by a little more than two bounds, and
    # not by three.
    true, wrong = (
        by_fast_backward._array,
        1 + 3 * float(bounds["dW[1]"][2, 1] / abs(found["dW[1]"][2, 1])),
    )

    def off_by_a_little(tensor):
        array = true(tensor)
        if array.shape == (6, 4):
            array[2, 1] *= wrong
        return array

    monkeypatch.setattr(by_fast_backward, "_array", off_by_a_little)
    failed = [
        verdict
        for verdict in verify(problem, dtype=dtype, differences=False)
        if verdict.outcome == "fail"
    ]
    assert {verdict.worst_index for verdict in failed if "fast_step" in verdict.pair} == {(2, 1)}


def test_only_an_epochs_last_step_leaves_its_gradients_where_plain_descent_needs_none():
    training, bound = small_training(), Training.bound
    left = []

    def watched(*batch, **how):
        step = bound(training, *batch, **how)
        return lambda: [step(), left.append(training.network.W[1].grad is not None)]

    training.bound = watched
    training.run_epoch()
    assert left == [False] * 6 + [True]


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_step_writes_into_what_is_there_and_allocates_nothing(optimizer, seen):
    """Every operation of a step either writes into a tensor that it was given, or makes a view:
    oneDNN, in float32, does not."""

    class Watch(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.makes_new, self.count = [], 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.count += 1
            view = any(argument.alias_info is not None for argument in func._schema.arguments)
            if not (func._schema.is_mutable or view):
                self.makes_new.append(str(func))
            return func(*args, **(kwargs or {}))

    training = small_training("softmax", "quadratic", optimizer=optimizer)
    batch = training.next_batch()
    step = training.bound(batch.x, batch.y, seen=seen)  # lays out the memory, and makes views of it
    with Watch() as watch:
        step()
    assert watch.count >= 10
    assert watch.makes_new == []
    with Watch() as watch:
        training.network(batch.x)
    assert watch.makes_new  # Meta-test: the watch does see an ordinary forward pass allocate


def test_passes_bound_to_memory_are_of_the_batch_that_it_holds_now():
    problem = draw((4, 6, 3), 10, 0)
    x, y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
    network = MLP.from_arrays(problem.W, problem.b)
    passes, halves = (
        Backward(network, 5, "softmax", "cross-entropy"),
        [(x[:5], y[:5]), (x[5:], y[5:])],
    )

    def gradient():
        return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])

    expected = [[passes(*half), gradient()][1] for half in halves]
    assert not torch.equal(*expected)
    memory = torch.empty_like(x[:5]), torch.empty_like(y[:5])
    there, elsewhere = passes.at(*memory), passes.at(*halves[0])
    for half, right in zip(halves, expected, strict=True):
        for into, values in zip(memory, half, strict=True):
            into.copy_(values)
        there()
        assert torch.equal(gradient(), right)
        elsewhere()
        assert torch.equal(gradient(), expected[0])


def test_a_part_of_a_batch_is_scaled_by_the_whole():
    problem = draw((4, 6, 3), 10, 0)
    x, y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
    network = MLP.from_arrays(problem.W, problem.b)

    def gradient(x, y):
        Backward(network, len(y), "softmax", "cross-entropy", mean_over=10)(x, y)
        return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])

    whole = gradient(x, y)
    parts = sum(gradient(x[rows], y[rows]) for rows in (slice(0, 7), slice(7, 10), slice(10, 10)))
    # Both are sums of the same 10 products, which rounding tells apart by at most 10 eps of their
    # magnitudes, all below 1.
    assert float((whole - parts).abs().max()) <= 10 * EPS
    assert float(whole.abs().max()) > 1e-3
