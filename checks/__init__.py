"""Proof that gradients are right: this project's (`python -m checks`), a learner's, and yours.

In a checkout `python -m checks` and `from checks import assert_gradients` work as well as their
other names, `backproof check` and `from backproof import assert_gradients`. No other module of this
folder is ever loaded as `checks.`: all are `backproof.checks.`
"""

from __future__ import annotations

from typing import Any

__all__ = ["assert_function", "assert_gradients", "check_function", "check_gradients"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import backproof

    return getattr(backproof, name)
