"""Each known bug, as a small function from the correct pass to the wrong gradients that it
predicts.

Importing the package is what fills the register: each file enters its suspects there.
"""

from backproof.checks.bugs import (
    activation,
    backward,
    clipping,
    factors,
    forward,
    in_place,
    layers,
    operands,
    output,
    overwritten,
    slips,
    state,
    update,
)

__all__ = [
    "activation",
    "backward",
    "clipping",
    "factors",
    "forward",
    "in_place",
    "layers",
    "operands",
    "output",
    "overwritten",
    "slips",
    "state",
    "update",
]
