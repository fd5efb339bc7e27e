"""Large tensors a part at a time give what they give as a whole, which is the simple version."""

import numpy as np
import pytest
import torch

from backproof import check_gradients
from backproof.checks.black_box import parts as module
from backproof.checks.black_box.box import BlackBox
from backproof.checks.black_box.claimed_slope import ClaimedSlope
from backproof.checks.black_box.entries import entry_by_entry
from backproof.checks.black_box.parts import (
    all_finite,
    norm_of_products,
    parts,
    scalar_product,
)
from backproof.checks.black_box.random_table import SIZE, RandomTable
from backproof.checks.verdict import judge
from benchmarks.networks import Wrong

PAIR = ("first", "second")
EPS = 2.0**-52


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of 7 entries, so that small tensors have several."""
    monkeypatch.setattr(module, "PART", 7)


def some(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def test_parts_are_all_entries_in_order(small_parts):
    values = some(5, 6)
    taken = [part for (part,) in parts(values)]
    assert [len(part) for part in taken] == [7, 7, 7, 7, 2]
    assert torch.equal(torch.cat(taken), values.flatten())
    assert [part.shape for (part,) in parts(values.T)] == [(6, 5)]


def test_sums_over_parts_are_those_of_the_whole(small_parts):
    first = some(5, 6)
    second = some(5, 6, seed=1)
    assert scalar_product(first, second) == pytest.approx(float((first * second).sum()), 1e-14)
    assert norm_of_products(first, second) == pytest.approx(float((first * second).norm()), 1e-14)
    huge = 1e300 * first
    assert norm_of_products(huge, 1e-300 * second) == pytest.approx(
        norm_of_products(first, second), 1e-14
    )


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_one_entry_that_is_not_finite_is_seen(value):
    values = some(5, 6)
    assert all_finite(values)
    assert all_finite(torch.empty(0))
    values[3, 4] = value
    assert not all_finite(values)


@pytest.mark.parametrize("planted", [0.0, 0.9, 1.1, torch.nan])
@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_verdict_on_parts_is_that_on_the_whole(planted, scale, small_parts):
    """Right, nearly wrong, wrong, no number; visible, and too small to be seen."""
    second = scale * some(5, 6)
    first = second.clone()
    first[3, 1] += planted * 1e-6
    allowed = torch.full((5, 6), 1e-6, dtype=torch.float64)
    whole = judge("", "w", "", PAIR, first.numpy(), second.numpy(), allowed.numpy())
    verdict = entry_by_entry("w", PAIR, first, second, allowed)
    assert verdict.outcome == whole.outcome
    assert verdict.ratio == pytest.approx(whole.ratio, nan_ok=True)
    if planted:
        assert verdict.worst_index == (3, 1)
        assert np.array_equal(verdict.values, whole.values, equal_nan=True)


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_gradients_are_judged_alike_in_parts_and_as_a_whole(factor, monkeypatch):
    """One entry, 1 percent wrong, is named in both."""
    w = some(6, 9).requires_grad_()
    x = some(9, 4, seed=1)

    def change(g: torch.Tensor) -> torch.Tensor:
        changed = g.clone()
        changed[4, 2] *= factor
        return changed

    found = []
    for part in (1 << 15, 7):
        monkeypatch.setattr(module, "PART", part)
        report = check_gradients(lambda: (Wrong.apply(w, change) @ x).tanh().sum(), {"w": w})
        found.append([(v.outcome, v.worst_index, v.reason) for v in report.verdicts])
    assert found[0] == found[1]
    outcome, index, _ = found[0][0]
    assert outcome == ("pass" if factor == 1.0 else "fail")
    assert factor == 1.0 or index == (4, 2)


def test_transposed_matrix_is_moved_like_one_in_order():
    """A layer's weights come to its product transposed; in parts they need no copy."""
    values = torch.ones(1024, SIZE // 2048 + 1, dtype=torch.float64)
    moved = RandomTable(3).moved(values.T, 1e-3)
    assert moved.shape == values.T.shape
    assert 0 < float((moved - 1).abs().max()) <= 1e-3
    assert torch.equal(moved.T, RandomTable(3).moved(values, 1e-3))


def test_distance_is_asked_for_only_where_rounding_of_what_is_moved_matters():
    """Whichever way the change is told, it is the same up to the noise of the loss; the wrong
    version believes the slope of a loss that has next to no noise."""
    w = some(40_000).requires_grad_()
    gradient = some(40_000, seed=1)
    box = BlackBox(lambda: (w * gradient).sum(), [w])
    box.measure_noise(EPS, 0, float(box.value()), None)
    for noise, enough in ((1e-12, True), (1e-16, False)):
        box.noise = noise
        said = ClaimedSlope(box, 0, box.direction(0, np.random.default_rng(2)), gradient)
        assert said.is_enough is enough
        for step in (1e-6, -1e-3):
            value, change = box.moved(said, step)
            told = scalar_product(w.detach() - box.at_0[0], gradient)
            assert change == pytest.approx(told, rel=1e-9, abs=noise / 3)
            assert value - float(box.f_0) == pytest.approx(told, abs=1e-10)
    small = BlackBox(lambda: w[:5].sum(), [some(5)])
    small.noise = 1.0
    assert not ClaimedSlope(small, 0, some(5, seed=1), some(5, seed=2)).is_enough
