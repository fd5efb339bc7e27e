"""assert_gradients and check_gradients: what they accept, and what they must reject."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from backproof import assert_gradients, check_gradients
from backproof.checks.black_box.gradient_report import GradientReport
from benchmarks.networks import Wrong


def network(sizes, dtype=torch.float64, activation=nn.Sigmoid, seed=0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        modules = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), activation())]
        return nn.Sequential(*modules[:-1]).to(dtype)


def report_on(
    sizes=(5, 7, 4),
    dtype=torch.float64,
    activation=nn.Sigmoid,
    seed=0,
    wrong: str | None = None,
    change: Callable[[Tensor], Tensor] = torch.neg,
    **settings,
) -> tuple[GradientReport, int]:
    """The report on a network's cross-entropy, one gradient of which may be changed, and how often
    the loss was called."""
    module, generator, calls = (
        network(sizes, dtype, activation, seed),
        torch.Generator().manual_seed(seed),
        [],
    )
    x = torch.randn(6, sizes[0], dtype=dtype, generator=generator)
    y = torch.randint(sizes[-1], (6,), generator=generator)
    parameters = dict(module.named_parameters())

    def loss() -> Tensor:
        calls.append(1)
        used = parameters | ({wrong: Wrong.apply(parameters[wrong], change)} if wrong else {})
        return functional.cross_entropy(torch.func.functional_call(module, used, (x,)), y)

    return check_gradients(loss, parameters, **settings), len(calls)


def one_entry(index: tuple[int, ...], factor: float) -> Callable[[Tensor], Tensor]:
    def change(gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        gradient[index] *= factor
        return gradient

    return change


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_correct_gradients_pass_in_every_network(dtype, activation):
    for seed in range(3):
        report, _ = report_on((5, 9, 6, 4), dtype, activation, seed)
        assert report.outcome == "pass", str(report)


WRONG = {
    "sign": torch.neg,
    "1.001 times": lambda g: 1.001 * g,
    "1e-7 relative": lambda g: (1 + 1e-7) * g,
    "zero": torch.zeros_like,
    "one entry by 1e-6": one_entry((1, 2), 1 + 1e-6),
    "one sign": one_entry((0, 3), -1),
    "columns swapped": lambda g: g[:, [1, 0, *range(2, g.shape[1])]],
    "row missing": lambda g: torch.cat([torch.zeros_like(g[:1]), g[1:]]),
    "float16": lambda g: g.half().to(g.dtype),
    "not a number": lambda g: g * float("nan"),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_gradient_fails_under_its_own_name_alone(kind, dtype):
    if dtype == torch.float32 and kind == "1e-7 relative":
        pytest.skip("less than the eps of float32: the numbers cannot show it")
    report, _ = report_on(dtype=dtype, wrong="0.weight", change=WRONG[kind])
    assert {verdict.quantity for verdict in report.failures} == {"0.weight"}, str(report)


def test_reason_says_what_the_error_looks_like():
    said = {
        kind: report_on(wrong="0.weight", change=WRONG[kind])[0].failures[0].reason
        for kind in WRONG
    }
    assert said["sign"] == "the sign is reversed"
    assert said["1.001 times"] == "the gradient is 1.001 times what it should be"
    assert said["zero"] == "the gradient is zero, but the loss depends on it"
    assert said["one sign"] == "one entry alone, [0, 3]"
    assert "not finite" in said["not a number"]


def test_wrong_entry_is_named_with_both_values():
    report, _ = report_on(wrong="0.weight", change=one_entry((4, 1), 1.25))
    (failure,) = report.failures
    assert failure.worst_index == (4, 1)
    claimed, true = failure.values
    # the differences' own error is 1e-11 of an entry of 1e-2
    assert claimed / true == pytest.approx(1.25, rel=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_sign_flipped_first_layer_of_a_wide_network_costs_at_most_twenty_evaluations_a_tensor(seed):
    report, calls = report_on((784, 256, 128, 10), seed=seed, wrong="0.weight")
    assert {verdict.quantity for verdict in report.failures} == {"0.weight"}
    assert report.failures[0].reason == "the sign is reversed"
    assert calls == report.evaluations <= 20 * 6


@pytest.mark.parametrize("seed", range(3))
def test_index_of_one_wrong_entry_of_24790_costs_at_most_2_log2_P_evaluations_more(seed):
    index = tuple(np.random.default_rng(seed).integers((30, 784)))
    right, _ = report_on((784, 30, 30, 10), seed=seed)
    wrong, _ = report_on(
        (784, 30, 30, 10), seed=seed, wrong="0.weight", change=one_entry(index, 0.5)
    )
    assert right.outcome == "pass"
    assert wrong.failures[0].worst_index == index
    assert wrong.evaluations - right.evaluations <= 2 * np.log2(24790)


def test_several_wrong_entries_are_all_named():
    def change(gradient):
        return one_entry((3, 0), -1)(one_entry((1, 4), 2.0)(gradient))

    report, _ = report_on((9, 12, 5), wrong="0.weight", change=change)
    assert report.failures[0].reason.startswith("2 entries alone")
    assert "[1, 4]" in report.failures[0].reason
    assert "[3, 0]" in report.failures[0].reason


def test_table_has_every_name_index_both_values_and_the_reason():
    report, _ = report_on(wrong="2.bias", change=one_entry((3,), 2.0))
    text = str(report)
    assert text.startswith("FAIL: 1 of 4 gradients: 2.bias (float64 on cpu, ")
    assert all(name in text for name in ("0.weight", "0.bias", "2.weight", "2.bias"))
    assert "[3]" in text
    assert "2.bias: one entry alone, [3]" in text
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)
    with pytest.raises(AssertionError, match="FAIL: 1 of 1 gradients: w"):
        assert_gradients(lambda: Wrong.apply(w, torch.neg).square().sum(), {"w": w})


def test_assert_gradients_returns_the_report_when_it_passes():
    used, unused = (
        torch.ones(3, dtype=torch.float64, requires_grad=True),
        torch.ones(2, requires_grad=True),
    )
    report = assert_gradients(
        lambda: used.sin().sum() + 0 * unused.sum(), {"used": used, "unused": unused}
    )
    assert [v.quantity for v in report.verdicts if v.outcome == "untested"] == ["unused", "unused"]


def autocast(module: nn.Module, x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return module(x).float().square().mean()


IN_ITS_OWN_PRECISION = {
    "autocast": (lambda: nn.Linear(5, 4), autocast),
    "LSTM": (lambda: nn.LSTM(5, 4), lambda module, x: module(x)[0].sin().sum()),
    "GRU": (lambda: nn.GRU(5, 4), lambda module, x: module(x)[0].sin().sum()),
    "mixed": (
        lambda: nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3).bfloat16()),
        lambda m, x: m[1](m[0](x).bfloat16()).float().sum(),
    ),
}


@pytest.mark.parametrize("kind", IN_ITS_OWN_PRECISION)
def test_note_says_that_the_loss_was_not_computed_in_float64(kind):
    make, loss = IN_ITS_OWN_PRECISION[kind]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module, x = make(), torch.randn(2, 3, 5)  # as data, which no operation has lifted yet
    report = check_gradients(lambda: loss(module, x), module.named_parameters())
    assert not report.failures, str(report)
    said = (
        "not computed in float64, because parameters are bfloat16 and float32"
        if kind == "mixed"
        else "could not be computed in float64 ("
    )
    assert said in report.notes[0]
    assert not [verdict for verdict in report.verdicts if "float64" in verdict.pair[0]]


def leaf(*shape: int, dtype=torch.float64, seed=0) -> Tensor:
    return torch.randn(
        shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)
    ).requires_grad_()


def outcomes(report: GradientReport) -> dict[str, str]:
    return {verdict.quantity: verdict.outcome for verdict in report.verdicts}


def test_gradient_of_none_is_untested_where_the_loss_does_not_need_it_and_wrong_where_it_does():
    used, unused, hidden = leaf(3), leaf(2), leaf(4)
    report = check_gradients(
        lambda: used.square().sum() + hidden.detach().sin().sum(),
        {"used": used, "unused": unused, "hidden": hidden},
    )
    assert outcomes(report) == {"used": "pass", "unused": "untested", "hidden": "fail"}
    assert report.failures[0].reason == "there is no gradient (None), but the loss depends on it"


def test_loss_without_any_gradient_fails():
    w = leaf(3)
    assert check_gradients(lambda: w.detach().square().sum(), {"w": w}).outcome == "fail"


def test_nothing_tested_is_no_pass():
    w = leaf(3)
    report = check_gradients(lambda: (0.0 * w).sum(), {"w": w})
    assert outcomes(report) == {"w": "untested"}
    assert report.outcome == "fail"
    assert "nothing could be tested" in str(report)


def test_strange_tensors_pass():
    base = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    strided, empty, scalar = base.t()[::2].requires_grad_(), leaf(0, 3), leaf()
    frozen, module = torch.ones(2, dtype=torch.float64), network((4, 4))
    assert not strided.is_contiguous()

    def loss():
        return (strided.sin().sum() + empty.sum() + scalar.exp()) * frozen.sum() + module(
            strided.T[:, :2].T @ torch.eye(6, 4).double()
        ).sum()

    named = {
        "strided": strided,
        "empty": empty,
        "scalar": scalar,
        "frozen": frozen,
        **dict(module.named_parameters()),
    }
    found = outcomes(check_gradients(loss, named))
    assert found.pop("empty") == found.pop("frozen") == "untested"
    assert set(found.values()) == {"pass"}


def test_tensor_with_two_names_is_checked_once_under_both():
    w = leaf(3, 3)
    report = check_gradients(lambda: (w @ w).sin().sum(), [("encoder", w), ("decoder", w)])
    assert outcomes(report) == {"encoder = decoder": "pass"}


def test_gradients_of_ones_own_are_checked_in_place_of_autograd():
    w = leaf(4)
    assert (
        check_gradients(lambda: w.square().sum(), {"w": w}, gradients={"w": 2 * w.detach()}).outcome
        == "pass"
    )
    report = check_gradients(lambda: w.square().sum(), {"w": w}, gradients={"w": w.detach()})
    assert report.failures[0].reason == "the gradient is 0.5 times what it should be"
    with pytest.raises(ValueError, match=r"w: expected a gradient of shape \(4,\), got \(2,\)"):
        check_gradients(lambda: w.square().sum(), {"w": w}, gradients={"w": torch.ones(2)})


def test_loss_of_any_dtype_and_mixed_parameters_pass():
    low, high = leaf(3, dtype=torch.float32), leaf(3)
    assert (
        check_gradients(
            lambda: (low.double() * high).sin().sum(), {"low": low, "high": high}
        ).outcome
        == "pass"
    )
    assert check_gradients(lambda: high.square().sum().float(), {"high": high}).outcome == "pass"
    half = leaf(3, dtype=torch.bfloat16)
    assert check_gradients(lambda: half.square().sum(), {"half": half}).outcome == "pass"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_loss_that_is_not_finite_fails(bad):
    w = leaf(3)
    report = check_gradients(lambda: w.sum() * bad, {"w": w})
    assert "the loss itself is" in report.failures[0].reason


def test_loss_that_overwrites_a_parameter_fails_and_the_parameter_is_put_back():
    w = leaf(3)
    before = w.detach().clone()

    def loss():
        with torch.no_grad():
            w.mul_(0.5)
        return w.square().sum()

    report = check_gradients(loss, {"w": w})
    assert "changes it in place" in report.failures[0].reason
    assert torch.equal(w, before)


def test_kink_at_the_point_is_untested_not_wrong():
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    report = check_gradients(lambda: functional.relu(w).sum(), {"w": w})
    assert outcomes(report) == {"w": "untested"}
    assert "kink" in report.verdicts[0].reason


def test_gradient_with_noise_of_1e_6_is_different_on_every_run_and_may_be_allowed():
    w = leaf(8)

    def loss():
        return Wrong.apply(w, lambda g: g * (1 + 1e-6 * torch.randn_like(g))).sin().sum()

    report = check_gradients(loss, {"w": w})
    assert "different on every run" in report.failures[0].reason
    assert check_gradients(loss, {"w": w}, may_vary=True).outcome == "pass"


def test_loss_that_draws_random_numbers_gets_the_same_ones_each_time():
    module = nn.Sequential(network((5, 8)), nn.Dropout(0.5), network((8, 3)))
    x = torch.ones(4, 5, dtype=torch.float64)
    report = check_gradients(lambda: module(x).square().mean(), module.named_parameters())
    assert report.outcome == "pass", str(report)
    assert "the loss draws random numbers; every evaluation was given the same ones" in report.notes


def test_loss_that_differs_from_run_to_run_says_so_and_is_judged_by_its_own_noise():
    w, own = leaf(5), torch.Generator().manual_seed(0)

    def loss(sign=1):
        return (Wrong.apply(w, lambda g: sign * g).square().sum()) * (
            1 + 1e-6 * torch.randn((), generator=own).double()
        )

    right, wrong = check_gradients(loss, {"w": w}), check_gradients(lambda: loss(-1), {"w": w})
    assert right.outcome == "pass", str(right)
    assert any("differs from run to run" in note for note in right.notes)
    assert any("a generator of its own" in note for note in right.notes)
    assert wrong.outcome == "fail"


def test_generator_of_the_losss_own_that_is_seeded_inside_makes_no_noise():
    w, own = leaf(5), torch.Generator()
    report = check_gradients(
        lambda: (w * torch.rand(5, generator=own.manual_seed(0))).sin().sum(), {"w": w}
    )
    assert report.outcome == "pass", str(report)
    assert not [note for note in report.notes if "differs" in note]


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_network_on_cuda_passes_and_its_flipped_sign_fails(dtype):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    module, x = network((5, 6, 3), dtype).cuda(), torch.ones(4, 5, dtype=dtype, device="cuda")
    assert (
        check_gradients(lambda: module(x).square().mean(), module.named_parameters()).outcome
        == "pass"
    )
    w = module[0].weight

    def wrong():
        return functional.linear(x, Wrong.apply(w, torch.neg)).square().mean()

    assert check_gradients(wrong, {"w": w}).outcome == "fail"
