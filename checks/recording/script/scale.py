"""Whether a script's own gradient is as large as its loss asks for, where its rate shows that.

A descent at a rate that stands nowhere in the script may be a factor of momentum, or of a schedule.
It is a wrong gradient where a line multiplies an array by a rate of the script, and that array is
another multiple of the gradient than any convention makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from backproof.checks.quantities import Quantity
from backproof.checks.recording.script.descent import are_alike
from backproof.checks.recording.script.readings import Reading
from backproof.checks.recording.script.written import conventional

NEAR = 1e-4


def divides_twice(best: Reading) -> float | None:
    """The rate of the script by which it takes off a gradient that was divided by the number of
    samples once too often; None where it does no such thing."""
    N = best.page.N
    if best.descent is None or best.has_rate or N < 3:
        return None
    quantities = [quantity for quantity in best.changes if quantity.layer == best.L]
    factors: list[float] = []
    for quantity in quantities:
        factors += [abs(factor) for factor in best.made(quantity)]
    usual = {1 / one for one in conventional(best.page)}
    if not factors or any(are_alike(*pair, NEAR) for pair in product(factors, usual)):
        return None
    for one in usual:
        rate = best.descent.rate * N / one
        if best.written.has(rate) and any(are_alike(f * N, one, NEAR) for f in factors):
            return rate
    return None


def wanders(best: Reading, later: Sequence[Sequence[Reading]]) -> bool:
    """Whether the rate of a single number's descent, which stands nowhere in the script, is another
    one at each step, so that its gradient is not proportional to the right one.

    Args:
        best: the reading of a step.
        later: of each step after it, the readings that may be the same.
    """
    quantity = Quantity("dW", best.L)
    rate = best.changes[quantity].ratio(best.page.values[quantity])
    if not best.is_single or best.has_rate or rate is None or not later:
        return False
    for some in later:
        rates = [one.changes[quantity].ratio(one.page.values[quantity]) for one in some]
        if not any(one is not None and are_alike(one, rate, NEAR) for one in rates):
            return True
    return False
