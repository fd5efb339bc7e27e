"""Proof that gradients are right: this project's (`python -m checks`), a learner's, and yours.

    from checks import assert_gradients, check_gradients, check_function

Importing the package itself imports nothing; these three come with torch when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checks.black_box.function import check_function
    from checks.black_box.suite import assert_gradients, check_gradients

__all__ = ["assert_gradients", "check_function", "check_gradients"]

HOMES = {
    "assert_gradients": "checks.black_box.suite",
    "check_gradients": "checks.black_box.suite",
    "check_function": "checks.black_box.function",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
