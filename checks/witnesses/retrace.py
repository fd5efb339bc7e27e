"""(B2) and (B3) on their own: a witness's dW and db against the sums of its own dz and a.

A bound on a whole pass grows with every layer, because that is what rounding does; the bound on one
sum is a few eps. So an error in one entry of dW[1] is seen here a hundred times sooner than by
another witness, whose dz may differ in its last digits, and both say the same: dz is right (the
others testify to that), and the sum over samples is not.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from backproof.checks.bound import SAFETY
from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantities
from backproof.checks.sums import copies_of, over_samples
from backproof.checks.witnesses.testimony import Testimony


def retraced(
    problem: Problem, testimony: Testimony, dtype: str
) -> tuple[Testimony, Testimony] | None:
    """A witness's sums, and the same sums of what it says, made in float64.

    Args:
        problem: on which it testified.
        testimony: of a witness that computes z, a and dz on its way.
        dtype: its precision.
    Returns: dW and db as it has them, and retraced, each with what rounding may do in one sum; None
    if it broke off.
    """
    values = testimony.values
    sums = {}
    units = {}
    alike = copies_of(problem.x)
    needed = {f"d{name}[{layer}]" for name, layer in product("zWb", problem.W)}
    if testimony.failure or not needed <= values.keys():
        return None
    for layer in problem.W:
        dz = values[f"dz[{layer}]"]
        a = values[f"a[{layer - 1}]"] if layer > 1 else problem.x
        in_eps = over_samples(dz, np.zeros_like(dz), np.abs(dz), alike, a, None, eps=1.0)
        for name, total, unit in zip(("dW", "db"), (dz.T @ a, dz.sum(axis=0)), in_eps, strict=True):
            sums[f"{name}[{layer}]"] = total
            units[f"{name}[{layer}]"] = unit
    said = {quantity: values[quantity] for quantity in sums}
    witness = testimony.witness
    return Testimony(witness, said, _errors(units, dtype)), Testimony(
        f"{witness}, retraced", sums, _errors(units, "float64")
    )


def _errors(units: Quantities, dtype: str) -> Quantities:
    """What a precision may be off, of what a precision of eps 1 may be off."""
    eps = float(np.finfo(dtype).eps)
    tiny = float(np.finfo(dtype).tiny)
    return {quantity: SAFETY * eps * unit + tiny for quantity, unit in units.items()}
