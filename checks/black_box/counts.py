"""A whole number that is large enough."""

from __future__ import annotations

from numbers import Integral
from typing import Any


def check_count(name: str, value: Any, least: int) -> None:
    """Raise TypeError for what is no whole number, ValueError for one that is too small."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}: expected a whole number, got {value!r}. Pass {least} or more.")
    if value < least:
        raise ValueError(f"expected at least {least} {name}, got {value}.")
