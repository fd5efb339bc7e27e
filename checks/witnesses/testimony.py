"""A testimony: what one witness says of a problem, how far off each number may be, and where it
broke off, why."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from backproof.checks import by_hand
from backproof.checks.quantities import Quantities
from backproof.checks.witnesses.unfinished import unfinished

FULL_WITNESSES = ("by_hand", "by_hand_float32", "by_autograd")
GRADIENTS = ("dz", "da", "dW", "db")
# how the names of what a witness is asked for begin; full witnesses are asked for everything, any
# other for gradients
COVERED = {
    "fast_backward": ("p", "a[", "dz", "dW", "db"),  # it keeps what it needs
    "fast_step": ("dW", "db"),
    "random_directions": ("slopes",),
}


@dataclass(frozen=True)
class Testimony:
    """What one witness says: values, how far off each may be, and where it broke off, why."""

    witness: str
    values: Quantities = field(default_factory=dict)
    errors: Quantities = field(default_factory=dict)
    failure: str | None = None

    def covers(self, quantity: str) -> bool:
        """Whether this witness is asked for a quantity."""
        return self.witness in FULL_WITNESSES or quantity.startswith(
            COVERED.get(self.witness, GRADIENTS)
        )


def hear(
    witness: str,
    speak: Callable[[], tuple[Quantities, Quantities]],
    kept: Mapping[str, np.ndarray] | None = None,
) -> Testimony:
    """Call a witness; one that raises is left with what it had computed until then.

    Args:
        witness: its name.
        speak: returns its values, and how far off each may be.
        kept: what it had computed as a whole before a part of it raised.
    """
    try:
        return Testimony(witness, *speak())
    # a witness is code under test: whatever it raises is its finding, never our crash
    except Exception as error:
        line = _line(error, by_hand.__file__)
        place = f" on line {line} of checks/by_hand.py" if line else ""
        reason = f"{type(error).__name__}{place}: {' '.join(str(error).split())}"
        return Testimony(witness, {**(kept or {}), **unfinished(error)}, failure=reason)


def _line(error: Exception, filename: str) -> int | None:
    """The deepest line of a file that an exception passed through."""
    lines = [
        number
        for frame, number in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == filename
    ]
    if lines:
        return lines[-1]
    return None
