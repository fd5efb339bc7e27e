"""Which entries are wrong, from sums along directions alone."""

import numpy as np
import pytest

from backproof.checks.black_box.locate import FEWEST, MOST_NAMED, Off, Search

P, BAR = 24_790, 1e-10


def search(
    wrong: dict[int, float], seed: int, bar: float = BAR, size: int = P
) -> tuple[Search, dict[int, float], bool]:
    random = np.random.default_rng(seed)
    weights = random.choice([-1.0, 1.0], size=(2, size)) * random.uniform(0.5, 1.5, size=(2, size))
    errors = np.zeros(size)
    errors[list(wrong)] = list(wrong.values())

    def measure(entries: np.ndarray, chosen: np.ndarray, enough: float) -> tuple[float, float, int]:
        return float(chosen @ errors[entries]) + random.uniform(-0.5, 0.5) * bar, bar, 2

    off = tuple(float(weights[k] @ errors) + random.uniform(-0.5, 0.5) * bar for k in (0, 1))
    found = Search(weights, measure)
    result = found.run(Off(off, (bar, bar)))
    return found, result.errors, result.complete


@pytest.mark.parametrize("bar", [1e-12, 1e-9, 1e-7])
def test_one_wrong_entry_is_named_within_2_log2_P_evaluations(bar):
    for seed in range(40):
        index = int(np.random.default_rng([seed, 1]).integers(P))
        done, errors, complete = search({index: 1e-4}, seed, bar)
        assert list(errors) == [index]
        # the bar of a sum over a weight of 0.5 at least
        assert errors[index] == pytest.approx(1e-4, abs=4 * bar)
        assert complete
        assert done.evaluations <= 2 * np.log2(P)


@pytest.mark.parametrize("count", [2, 3, MOST_NAMED])
def test_several_wrong_entries_are_named_within_2_log2_P_evaluations_each(count):
    for seed in range(20):
        indices = np.random.default_rng([seed, 2]).choice(P, count, replace=False)
        done, errors, complete = search(
            {int(index): 1e-3 * (k + 1) for k, index in enumerate(indices)}, seed, 1e-13
        )
        assert set(errors) == set(indices)
        assert complete
        assert done.evaluations <= 2 * np.log2(P) * count


def test_too_many_wrong_entries_are_not_claimed_to_be_all():
    _, errors, complete = search(dict.fromkeys(range(0, P, 7), 1e-3), 0)
    assert not complete
    assert len(errors) <= MOST_NAMED


def test_nothing_off_names_nothing():
    done, errors, complete = search({}, 0)
    assert (errors, complete, done.evaluations) == ({}, True, 0)


def test_too_noisy_to_tell_names_nothing_rather_than_the_wrong_entry():
    """What is off is two error bars: whatever is named must be right."""
    for seed in range(40):
        index = int(np.random.default_rng([seed, 3]).integers(P))
        _, errors, complete = search({index: 4e-4}, seed, 1e-4)
        assert set(errors) <= {index} or not complete


def test_smallest_tensors_are_searched_too():
    for seed in range(20):
        done, errors, _ = search({seed % 4: 1e-3}, seed, size=4)
        assert list(errors) == [seed % 4]
        assert done.evaluations <= FEWEST
