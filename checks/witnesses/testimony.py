"""A testimony: what one witness says of a problem, how far off each number may be, and where it
broke off, why."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backproof.checks import by_hand
from backproof.checks.quantities import Quantities, by_name

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


def hear(witness: str, speak: Callable[[], tuple[Quantities, Quantities]]) -> Testimony:
    """Call a witness; one that raises is left with what it had computed until then."""
    try:
        return Testimony(witness, *speak())
    except (
        Exception
    ) as error:  # a witness is code under test: whatever it raises is its finding, never our crash
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        line = _line(error, by_hand.__file__)
        place = f" on line {line} of checks/by_hand.py" if line else ""
        reason = f"{type(error).__name__}{place}: {' '.join(str(error).split())}"
        variables: dict[str, Any] = {}
        for frame in reversed(frames):
            variables |= frame.f_locals
        return Testimony(witness, _computed_in(variables) if line else {}, failure=reason)


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


def _computed_in(variables: Mapping[str, Any]) -> Quantities:
    """The quantities among the local variables of the passes when one broke off; backward already
    had a whole forward pass."""
    passed = variables.get("passed")
    layers = {name: variables.get(name, {}) for name in ("dz", "da", "dW", "db")}
    layers |= (
        {"z": passed.z, "a": passed.a}
        if passed
        else {name: variables.get(name, {}) for name in ("z", "a")}
    )
    found = {"p": passed.p} if passed else {}
    for name, arrays in layers.items():
        found |= by_name(name, arrays)
    return found | {
        name: variables[name]
        for name in ("p", "losses", "dp", "J")
        if variables.get(name) is not None
    }
