"""A small, fixed part of benchmarks/black_box.py, and what keeps it right: each piece with the
wrong version that it replaces."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from backproof import check_gradients
from backproof.checks.black_box import (
    box,
    box_base,
    imitation,
    lifting,
    of_loss,
    operations,
    shadow,
)
from benchmarks import black_box, one_entry
from benchmarks import cross_entropy_kernels as kernels
from benchmarks.networks import Wrong, draw, mlp
from benchmarks.populations import count


def leaf(*values: float, dtype=torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


@pytest.mark.parametrize(("dtype", "networks"), [(torch.float64, 9), (torch.float32, 4)])
def test_correct_networks_pass_and_what_is_planted_in_them_is_caught_by_name(dtype, networks):
    found = count(networks, dtype, seed=3000)
    assert not found.alarms
    assert not found.missed
    assert all(caught == visible >= networks / 2 for caught, visible in found.planted.values())
    assert found.untested < 0.1 * found.gradients


@pytest.mark.parametrize(("dtype", "shared"), [(torch.float64, 5), (torch.float32, 14)])
def test_check_takes_sixteen_evaluations_a_tensor_and_a_few_for_the_loss_as_a_whole(dtype, shared):
    for seed in range(9):
        case, calls = draw(seed, dtype), []
        report = check_gradients(
            lambda case=case, calls=calls: (calls.append(1), case())[1], case.parameters
        )
        assert len(calls) == report.evaluations <= 16 * len(case.parameters) + shared, case.name


def test_reversed_layer_that_gradcheck_in_fast_mode_accepts_is_rejected_by_name():
    found = black_box.fast_mode(1)
    assert found["accepted_by_gradcheck_fast"] == found["caught_by_name"] == 1
    assert found["evaluations_a_tensor"] <= 20


def test_entry_that_is_wrong_by_a_ten_thousandth_is_named_among_24790():
    found = one_entry.count(3)
    assert not [line for named in found.values() for line in named.missed]
    assert all(named.visible == 3 for named in found.values())
    assert max(max(named.beyond) for named in found.values()) <= 2 * np.log2(24_790)


def test_float32_kernels_are_told_apart():
    for kernel, outcomes in kernels.count(len(kernels.SHAPES)).items():
        assert all(kernels.EXPECTED[kernel](outcome) for outcome in outcomes), (kernel, outcomes)


def test_loss_of_a_confident_network_rounds_to_nothing_and_its_gradient_is_not_called_wrong(
    monkeypatch,
):
    """All values are 0, and so is the noise that they show: the wrong version then rejects a
    gradient of 1e-17."""
    w = leaf(40.0, 0.0)
    report = check_gradients(lambda: functional.cross_entropy(w[None], torch.tensor([0])), {"w": w})
    assert [verdict.outcome for verdict in report.verdicts] == ["untested"]
    monkeypatch.setattr(of_loss, "Imitation", lambda *args: None)
    report = check_gradients(lambda: functional.cross_entropy(w[None], torch.tensor([0])), {"w": w})
    assert [verdict.outcome for verdict in report.verdicts] == ["fail"]


def through(dtype: torch.dtype, w: Tensor) -> Tensor:
    """A float64 loss that computes in a lower precision."""
    return (3 * w.to(dtype)).sin().double().sum()


def test_float32_within_float64_is_as_noisy_as_float32(monkeypatch):
    """The wrong version takes the noise for that of float64, which random roundings in float64 have
    shown, and so sees less."""
    w = torch.linspace(-1, 2, 7, dtype=torch.float64).requires_grad_()
    report = check_gradients(lambda: through(torch.float32, w), {"w": w})
    assert report.outcome == "pass"
    monkeypatch.setattr(box_base.Box, "measure_by_values", lambda self, seed: None)
    wrong = check_gradients(lambda: through(torch.float32, w), {"w": w})
    assert wrong.verdicts[0].allowed > 100 * report.verdicts[0].allowed


def test_values_that_stand_still_are_no_evidence(monkeypatch):
    """Small steps do not get through a cast to bfloat16. The wrong version concludes that the slope
    is 0."""
    w = torch.linspace(0.5, 2, 7, dtype=torch.float64).requires_grad_()
    assert not check_gradients(lambda: through(torch.bfloat16, w), {"w": w}).failures
    monkeypatch.setattr(box_base, "COARSEST", 0.0)
    assert check_gradients(lambda: through(torch.bfloat16, w), {"w": w}).failures


def test_loss_that_does_not_change_at_all_still_refutes_a_gradient():
    w = leaf(1.0, 2.0)
    report = check_gradients(lambda: (0 * w).sum() + 5, {"w": w}, gradients={"w": torch.ones(2)})
    assert (
        report.failures[0].reason
        == "the loss does not depend on it, but the gradient says that it does"
    )


def picture(channels: int, size: int) -> tuple[nn.Sequential, Tensor, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = (
            nn.Conv2d(3, channels, 3, padding=1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        module = nn.Sequential(
            first,
            nn.ReLU(),
            second,
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(channels * size**2 // 4, 5),
        )
        return module, torch.rand(8, 3, size, size), torch.randint(5, (8,))


def test_convolutions_are_lifted_to_float64(monkeypatch):
    """The wrong version leaves float32 pictures beside float64 weights, which a convolution
    refuses."""
    module, x, y = picture(4, 8)
    report = check_gradients(
        lambda: functional.cross_entropy(module(x), y), module.named_parameters()
    )
    assert report.outcome == "pass"
    assert report.notes[-1].startswith("noise of the loss, computed in float64")
    monkeypatch.setattr(
        lifting.LiftedConvolutions,
        "__torch_function__",
        lambda self, func, types, args=(), kwargs=None: func(*args, **kwargs or {}),
    )
    report = check_gradients(
        lambda: functional.cross_entropy(module(x), y), module.named_parameters()
    )
    assert "could not be computed in float64" in report.notes[0]


def test_float32_rounding_of_a_convolution_grows_with_what_it_sums(monkeypatch):
    """The wrong version takes it for one operation, and rejects float32 gradients that sum 4,600
    products."""
    module, x, y = picture(32, 24)
    assert (
        check_gradients(
            lambda: functional.cross_entropy(module(x), y), module.named_parameters()
        ).outcome
        == "pass"
    )
    monkeypatch.setattr(
        shadow,
        "summed_numbers",
        lambda func, args: (
            1
            if operations.name_of(func).startswith("conv")
            else operations.summed_numbers(func, args)
        ),
    )
    assert (
        check_gradients(
            lambda: functional.cross_entropy(module(x), y), module.named_parameters()
        ).outcome
        == "fail"
    )


CAUSAL = torch.ones(5, 5, dtype=torch.bool).triu(1)
TARGETS = torch.tensor([[1, 2, 2], [3, 1, 4]])
MASKED = {
    "masked softmax": (
        (5, 5),
        lambda w: (w.masked_fill(CAUSAL, -torch.inf).softmax(-1) * torch.arange(5)).sum(),
    ),
    "causal attention": (
        (1, 2, 6, 4),
        lambda w: functional.scaled_dot_product_attention(w, w, w, is_causal=True).sin().sum(),
    ),
    "ctc": (
        (8, 2, 5),
        lambda w: functional.ctc_loss(
            w.log_softmax(-1), TARGETS, torch.tensor([8, 8]), torch.tensor([3, 2])
        ),
    ),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", MASKED)
def test_infinity_of_a_mask_is_exact(kind, dtype):
    """It is not rounded: -inf + r * inf is no number, and then nothing is known of the noise or of
    the bound."""
    shape, loss = MASKED[kind]
    for seed in range(3):
        w = torch.randn(
            shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)
        ).requires_grad_()
        report = check_gradients(lambda w=w: loss(w), {"w": w}, seed=seed)
        assert report.outcome == "pass", str(report)
        assert not [note for note in report.notes if "could not be computed" in note]


@pytest.mark.parametrize("kind", MASKED)
def test_wrong_gradient_behind_a_mask_is_rejected(kind):
    shape, loss = MASKED[kind]
    w = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    report = check_gradients(lambda: loss(Wrong.apply(w, lambda g: g * (1 + 1e-4))), {"w": w})
    assert report.failures


def test_bound_that_is_no_number_is_not_called_a_loss_in_float64_that_differs():
    """Rounded at random, 1 has an arc cosine only half of the time. The loss is then judged as it
    is, and the note says why."""
    w, ones = leaf(0.3, 1.0, dtype=torch.float32), torch.ones(8)
    report = check_gradients(lambda: (ones * 1).acos().sum() + w.sin().sum(), {"w": w})
    assert report.outcome == "pass", str(report)
    (note,) = [note for note in report.notes if "could not be computed" in note]
    assert "there, or rounded at random, it gives numbers that are not finite" in note


def test_delta_through_float16_is_seen_where_no_difference_sees_it(monkeypatch):
    """Its entries below 1e-13 become 0. The wrong version computes the reference through float16,
    too."""
    seed, touch = 65, kernels.TOUCHES["through float16"]
    assert "float32" in kernels.report(touch, seed).failures[0].pair[0]
    monkeypatch.setattr(of_loss, "LIFTED_TOO", {})
    assert kernels.report(touch, seed).outcome == "pass"


def test_loss_that_passes_through_bfloat16_is_judged_as_it_is():
    w = torch.linspace(-1, 2, 8).requires_grad_()
    report = check_gradients(lambda: (3 * w.bfloat16()).float().sin().sum(), {"w": w})
    assert not report.failures


def test_fast_erf_within_gelu_is_within_the_bound(monkeypatch):
    """On a CPU with AVX it is several eps off. The wrong version takes it for as good as erf
    itself."""
    w, x = torch.ones(4001, requires_grad=True), torch.linspace(-5, -1, 4001)
    assert check_gradients(lambda: (w * functional.gelu(x)).sum(), {"w": w}).outcome == "pass"
    error = (functional.gelu(x).double() - functional.gelu(x.double())).abs() / (
        torch.finfo(torch.float32).eps * x.abs().double()
    )
    if float(error.max()) < 1:
        pytest.skip("the gelu of this machine is as good as its erf")
    monkeypatch.setattr(shadow, "LIBRARY", {})
    assert check_gradients(lambda: (w * functional.gelu(x)).sum(), {"w": w}).outcome == "fail"


def test_gradient_that_is_itself_rounded_is_not_called_wrong(monkeypatch):
    """p - 1 has no correct digit where p is 1 in float32; the loss there rounds to 0. Not lifted,
    that is all that is known."""
    monkeypatch.setattr(
        of_loss,
        "_lift",
        lambda loss, tensors, *rest: of_loss.Lifted(box.BlackBox(loss, tensors), why="told not to"),
    )
    case = draw(2, torch.float32)
    assert "converged" in case.name
    assert not check_gradients(case, case.parameters).failures
    monkeypatch.setattr(imitation, "RUNS", 0)
    assert check_gradients(case, case.parameters).failures


def test_benchmark_prints_its_counts_and_fails_if_anything_is_wrong(monkeypatch, capsys):
    fast = {
        "seeds": 1,
        "accepted_by_gradcheck_fast": 1,
        "caught_by_name": 1,
        "evaluations_a_tensor": 18,
    }
    monkeypatch.setattr(black_box, "fast_mode", lambda seeds: fast)
    monkeypatch.setattr(black_box, "count", lambda *args: count(1, torch.float64, 0))
    monkeypatch.setattr(one_entry, "SIZES", (9, 5, 4))
    monkeypatch.setattr(kernels, "SHAPES", ((8, 4),))
    assert black_box.main(["--quick", "--kernels", "100", "--entries", "50", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wrong"] == 0
    monkeypatch.setattr(
        kernels, "TOUCHES", dict.fromkeys(kernels.TOUCHES, kernels.TOUCHES["right"])
    )
    fast["caught_by_name"] = 0
    assert black_box.main(["--quick", "--kernels", "100", "--entries", "50"]) == 1
    printed = capsys.readouterr().out
    assert "kernel through float16: pass" in printed
    assert "the sign of the first layer" in printed


def test_networks_are_a_function_of_their_seed():
    with torch.no_grad():
        first, again, other = (float(draw(seed, torch.float64)()) for seed in (5, 5, 6))
    assert first == again != other
    assert list(mlp((3, 4, 2), 5, 0).parameters) == ["0.weight", "0.bias", "3.weight", "3.bias"]


ENFORCED = """
import numpy as np
import torch
from jaxtyping import install_import_hook
install_import_hook(["backproof.checks.black_box"], "beartype.beartype")
from backproof import check_function, check_gradients
from backproof.checks.black_box import noise
from benchmarks.networks import draw
for dtype in (torch.float64, torch.float32):
    case = draw(0, dtype)
    assert not check_gradients(case, case.parameters).failures
right = check_function(torch.tanh, torch.tanh, (torch.randn(3, 4),), dtype=torch.bfloat16)
assert right.outcome == "pass"
try:
    noise.estimate(np.zeros((3, 4)))
except Exception as error:
    print(type(error).__name__)
"""


def test_types_and_shapes_are_enforced_in_a_process_of_its_own():
    """conftest.py does not enforce them in this folder, whose functions are small and many. The
    wrong version hands over a matrix where a vector is meant."""
    done = subprocess.run([sys.executable, "-c", ENFORCED], capture_output=True, text=True)
    assert done.stdout.split() == ["TypeCheckError"], done.stderr
