"""Every form of a quantity that has an array's shape, held against it at once, as one by one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from backproof.checks.quantities import Quantity
from backproof.checks.recording.forms import Form, FormsOfShape
from backproof.checks.recording.page import ratio

CLOSE = 1e-9
FORMS = 12


def forms(shape: tuple[int, ...]) -> list[Form]:
    """Of that shape or its transpose, one all zeros, one a multiple of another, one not finite."""
    rng = np.random.default_rng(0)
    values = [rng.normal(size=rng.permutation(shape)) for _ in range(FORMS)]
    values += [np.zeros(shape), -3 * values[0], np.where(values[1] > 0, np.nan, values[1])]
    return [Form(Quantity("dz", 1), value, sample) for sample, value in enumerate(values)]


def one_by_one(array: np.ndarray, among: list[Form]) -> Iterator[tuple[int | None, bool, float]]:
    """The simple way, which the fast one stands for."""
    for form in among:
        for transposed, value in form.lying(array.shape):
            factor = ratio(array, value, CLOSE)
            if factor is not None:
                yield form.sample, transposed, factor


def close_to_a_form(among: list[Form], shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Multiples of each, as they are and one entry off by more and by less than rounding."""
    for form in among[:FORMS]:
        for _, value in form.lying(shape):
            for off in (0.0, 1e-12, 1e-6):
                array = 0.3 * value
                array.flat[-1] += off * np.abs(array).max()
                yield array


@pytest.mark.parametrize("shape", [(), (3,), (4, 4), (2, 5)], ids=str)
def test_at_once_as_one_by_one(shape: tuple[int, ...]) -> None:
    among = forms(shape)
    together = FormsOfShape(shape, among)
    counts = []
    for array in close_to_a_form(among, shape):
        found = [(one.sample, turned, by) for one, turned, by in together.multiples(array, CLOSE)]
        assert found == list(one_by_one(array, among))
        counts.append(len(found))
    assert max(counts) > 1
    if shape:  # a single number is a multiple of any other
        assert 0 in counts


def test_no_form_of_a_shape_is_no_match() -> None:
    assert list(FormsOfShape((3,), []).multiples(np.ones(3), CLOSE)) == []
