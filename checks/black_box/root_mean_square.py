"""The root mean square of a few numbers of any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def root_mean_square(values: Sequence[float]) -> float:
    """Without squaring what is too large or too small for it; 0 of nothing."""
    largest = max((abs(value) for value in values), default=0.0)
    if not largest:
        return 0.0
    return largest * float(np.sqrt(np.mean([(value / largest) ** 2 for value in values])))
