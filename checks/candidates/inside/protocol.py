"""Which of a file's functions are meant for the checker: by their names, and by what they can be
called with."""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType

PROTOCOLS = ("gradients", "step", "make")
ARGUMENTS = {
    "gradients": "W, b, x, y",
    "step": "W, b, x, y, learning_rate",
    "make": "W, b",
    "forward": "W, b, x",
    "intermediates": "W, b, x, y",
    "loss": "W, b, x, y",
}
VARIADIC = 0x04  # of the flags of a code object: *args


def meant(functions: Mapping[str, object]) -> list[str]:
    """The names of those that are to be called, the one that is checked first.

    `forward` is what half of the world calls a function of its own, such as forward(x): it is meant
    only if it takes W, b and x, whatever it calls them. The same holds for a `step` or `gradients`
    beside the other one.

    Args:
        functions: all names of a module.
    """
    found = [name for name in ARGUMENTS if callable(functions.get(name))]
    asked = [name for name in found if name in PROTOCOLS]
    asked = [name for name in asked if _takes(functions[name], _count(name))] or asked
    return asked + [
        name
        for name in found
        if name not in PROTOCOLS and _takes_weights_first(functions[name], _count(name))
    ]


def _count(name: str) -> int:
    return ARGUMENTS[name].count(",") + 1


def _takes(function: object, count: int) -> bool:
    """Whether it can be called with so many positional arguments, as far as that can be seen."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return True
    optional = len(getattr(function, "__defaults__", None) or ())
    return code.co_argcount - optional <= count and (
        code.co_argcount >= count or bool(code.co_flags & VARIADIC)
    )


def _takes_weights_first(function: object, count: int) -> bool:
    """Whether, beyond that, the first two arguments are called something like W and b."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or not _takes(function, count):
        return False
    first = [name.lower().lstrip("_")[:1] for name in code.co_varnames[:2]]
    return first == ["w", "b"]
