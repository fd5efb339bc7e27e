"""What a gradient says about moving one array of a black box along a direction."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backproof.checks.black_box.box_base import Box


class ClaimedSlope:
    """A gradient along a direction; sums over its entries are made once.

    Args:
        box: the loss.
        i: which of its arrays is moved.
        u: the direction.
        gradient: what is claimed, float64, in the array's shape.
    """

    def __init__(self, box: Box, i: int, u: Any, gradient: Any) -> None:
        self.box = box
        self.i = i
        self.u = u
        self.gradient = gradient

    @cached_property
    def value(self) -> float:
        """The slope."""
        return self.box.dot(self.gradient, self.u)

    @cached_property
    def norm(self) -> float:
        """That of the products that are summed."""
        return self.box.norm(self.gradient, self.u)

    @cached_property
    def is_enough(self) -> bool:
        """Whether the slope tells what the loss changes by, although an array is not moved by just
        what it should be: moved values are rounded."""
        return self.box.moves_as_told(self)
