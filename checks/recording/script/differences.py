"""What a script never holds by itself, but takes its targets off in the line that makes it, as in
`error = h @ W2 + b2 - y`: the sum of a difference and of what may have been taken off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from backproof.checks.candidates.inside.recording import Made

FEWEST = 2  # numbers
MOST = 4_000  # sums
MOST_NUMBERS = 4_000_000  # of all of them
MOST_NAMES = 6  # that held an array of the same shape last


def sums(recorded: Sequence[Made]) -> Iterator[Made]:
    """Of each array, what it is the difference of, if another one was taken off, or it off another
    one; as if the line that made it had made that.

    Args:
        recorded: all arrays, in the order of time.
    """
    latest: dict[tuple[int, ...], dict[str, Made]] = {}
    count = 0
    numbers = 0
    for made in recorded:
        shape = np.squeeze(made.value).shape
        if made.value.size < FEWEST or not made.site.name:
            continue
        others = latest.setdefault(shape, {})
        for name, other in others.items():
            if name == made.site.name or other.value is made.value:
                continue
            count += 2
            numbers += 2 * made.value.size
            if count > MOST or numbers > MOST_NUMBERS:
                return
            taken_off = other.value.reshape(made.value.shape)
            eps = max(made.eps, other.eps)
            for value in (made.value + taken_off, taken_off - made.value):
                yield Made(made.time, made.site, value, eps, made.caller)
        others.pop(made.site.name, None)
        others[made.site.name] = made
        if len(others) > MOST_NAMES:
            del others[next(iter(others))]
