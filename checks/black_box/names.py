"""Which of several names are meant: `only` these, all `except_` those."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

SHOWN = 8  # names in an error


def chosen(
    names: Sequence[str], only: Sequence[str | int] | None, except_: Sequence[str | int]
) -> list[str]:
    """The names that are left when some are picked, and some left out.

    Args:
        names: all of them.
        only: those that stay, or None for all; a number stands for "input" and that number.
        except_: those that go.
    Raises: ValueError for a name that is not among them, or where none is left.
    """
    stay = names if only is None else _known("only", only, names)
    go = _known("except_", except_, names)
    left = [name for name in names if name in stay and name not in go]
    if not left:
        raise ValueError(
            "only, except_: expected at least one name to be left, got none. The names are "
            f"{_listed(names)}."
        )
    return left


def _known(option: str, given: Any, names: Sequence[str]) -> list[str]:
    """All names that are meant by what was given; a name stands for everything inside of it,
    too."""
    if isinstance(given, (str, int)):
        given = (given,)
    if not isinstance(given, Iterable):
        raise TypeError(f"{option}: expected a tuple of names, got {type(given).__name__}.")
    found = []
    for name in given:
        wanted = f"input {name}" if isinstance(name, int) else str(name)
        matching = [known for known in names if _is_meant(wanted, known)]
        if not matching:
            raise ValueError(
                f"{option}: expected names of what is checked, got {name!r}. The names are "
                f"{_listed(names)}."
            )
        found += matching
    return found


def _is_meant(wanted: str, known: str) -> bool:
    return wanted in (known, *known.split(" = ")) or known.startswith(f"{wanted}[")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
