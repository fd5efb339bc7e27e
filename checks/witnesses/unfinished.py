"""What the hand-written passes had computed when one of their lines raised an error.

A wrong line often makes an array of the wrong shape, and a later one stumbles over it: the report
names the first. The passes stay plain equations and keep no record, so what they had is read where
Python leaves it: in their own frames. Each of their functions calls its variables as the fields of
what it returns are called, and only those fields are read; a test holds them to it.
"""

from __future__ import annotations

import traceback
from dataclasses import fields

import numpy as np

from backproof.checks import by_hand
from backproof.checks.quantities import Quantities, by_name

FIELDS = tuple(field.name for kind in (by_hand.Forward, by_hand.Backward) for field in fields(kind))


def unfinished(error: BaseException) -> Quantities:
    """The quantities that the pass of by_hand had, through which an error came; none where it came
    from elsewhere."""
    found: dict[str, object] = {}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename != by_hand.__file__:
            continue
        held = frame.f_locals
        found |= {name: held[name] for name in FIELDS if name in held}
    quantities: Quantities = {}
    for name, value in found.items():
        if isinstance(value, dict):
            quantities |= by_name(name, value)
        elif isinstance(value, np.ndarray):
            quantities[name] = value
    return quantities
