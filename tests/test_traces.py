"""A check of gradients leaves no trace, whatever happens in it; nor does importing it load more
than it needs."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from test_suite import leaf, network
from torch import Tensor, nn

from backproof import check_gradients


def state(parameters):
    return [
        [p.detach().clone() for p in parameters],
        [None if p.grad is None else p.grad.clone() for p in parameters],
        [(p.data_ptr(), p.requires_grad, p.dtype, p._version) for p in parameters],
        torch.get_rng_state(),
        np.random.get_state()[1].copy(),
        (
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(),
        ),
    ]


def equal(a, b):
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return bool((a == b).all())
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return a == b


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("grad_mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_nothing_global_is_changed(dtype, grad_mode):
    module = nn.Sequential(network((4, 5), dtype), nn.Dropout(0.3), network((5, 2), dtype))
    parameters, x = list(module.parameters()), torch.ones(3, 4, dtype=dtype)
    parameters[0].grad = torch.full_like(parameters[0], 7.0)
    parameters[1].requires_grad_(False)
    before = state(parameters)
    with grad_mode():
        inside = torch.is_grad_enabled()
        check_gradients(lambda: module(x).square().mean(), module.named_parameters())
        assert torch.is_grad_enabled() == inside
    assert [equal(a, b) for a, b in zip(state(parameters), before, strict=True)] == [True] * 6


def test_parameters_are_put_back_when_the_loss_raises_half_way():
    w, calls = leaf(3), []
    before = state([w])

    def loss():
        calls.append(1)
        if len(calls) == 9:
            raise torch.OutOfMemoryError("out of memory")
        return w.square().sum()

    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        check_gradients(loss, {"w": w})
    assert equal(state([w]), before)


def test_loss_that_raises_one_step_away_has_left_its_domain_and_is_put_back():
    w = leaf(3)
    before = state([w])

    def loss():
        if float((w.detach() - before[0][0]).abs().max()) > 1e-3:
            raise ValueError("outside")
        return w.square().sum()

    report = check_gradients(loss, {"w": w})
    assert report.outcome == "pass"
    assert "which raised ValueError: outside" in report.notes[-1]
    assert equal(state([w]), before)


CODE = "import sys; import {what}; print('torch' in sys.modules)"


@pytest.mark.parametrize(
    ("what", "imported"),
    [
        ("checks", False),
        ("backproof.checks.by_hand", False),
        ("backproof.checks.black_box.suite", False),
        ("backproof.checks.black_box.box", True),
    ],
)
def test_importing_checks_or_by_hand_does_not_import_torch(what, imported):
    """The last case is the meta-test: the same question does find torch where it is imported."""
    answer = subprocess.run(
        [sys.executable, "-c", CODE.format(what=what)], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == str(imported)


def test_checks_offers_three_names_and_no_others():
    import checks

    assert all(callable(getattr(checks, name)) for name in checks.__all__)
    with pytest.raises(AttributeError, match="no attribute 'gradcheck'"):
        checks.gradcheck  # noqa: B018
