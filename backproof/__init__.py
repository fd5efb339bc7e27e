"""Backproof: a network written by hand, proof that its gradients are right, and a checker for
gradients of your own.

    from backproof import assert_gradients, check_gradients, assert_function, check_function

Importing the package imports nothing else; each public name comes from its home when it is first
asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backproof.checks.black_box.function import assert_function, check_function
    from backproof.checks.black_box.suite import assert_gradients, check_gradients
    from backproof.checks.grading.door import check, watch
    from backproof.checks.learning.why import assert_learns, why
    from backproof.checks.training.fitting import fit, load

__version__ = "0.2.0.dev0"
__all__ = [
    "assert_function",
    "assert_gradients",
    "assert_learns",
    "check",
    "check_function",
    "check_gradients",
    "fit",
    "load",
    "watch",
    "why",
]

_HOMES = {  # where each public name is defined
    "assert_gradients": "backproof.checks.black_box.suite",
    "check_gradients": "backproof.checks.black_box.suite",
    "assert_function": "backproof.checks.black_box.function",
    "check_function": "backproof.checks.black_box.function",
    "fit": "backproof.checks.training.fitting",
    "load": "backproof.checks.training.fitting",
    "check": "backproof.checks.grading.door",
    "watch": "backproof.checks.grading.door",
    "assert_learns": "backproof.checks.learning.why",
    "why": "backproof.checks.learning.why",
}

_here = Path(__file__).resolve().parent
# in a checkout model, checks, train.py and label.py stand beside this folder, not in it
if not (_here / "checks").is_dir():
    __path__.append(str(_here.parent))


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
