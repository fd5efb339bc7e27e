"""What a candidate's functions return, which may be anything, as arrays by name; or why not, in
words after "gradients".

This runs in the candidate's process: converting a value calls methods that are not ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.frames import Arrays

SHORTER = {"f2": "float16", "f4": "float32"}  # what is neither counts as float64
QUOTED = 160  # characters of somebody else's message that go into a sentence


class Refused(Exception):
    """What the candidate did or returned cannot be used; the text continues "gradients ..."."""


# What each function returns -> {"precisions": of every array, "lists": not all were arrays}, and
# the arrays: "W1", "p", "z 1".
Collected = tuple[dict[str, Any], Arrays]


def _collect_gradients(returned: object, W: list[Any], b: list[Any], biased: bool) -> Collected:
    return _two_lists(returned, biased, "(dW, db)", ("dW", "db"))


def _collect_step(returned: object, W: list[Any], b: list[Any], biased: bool) -> Collected:
    expected = "(W, b), or None after updating both in place"
    header, arrays = _two_lists(
        (W, b) if returned is None else returned, biased, expected, ("W", "b")
    )
    return header | {"in_place": returned is None}, arrays


def _two_lists(returned: object, biased: bool, expected: str, names: tuple[str, str]) -> Collected:
    """A pair of lists of arrays; without biases, the second may be anything or missing."""
    if not biased and not (isinstance(returned, tuple) and len(returned) == 2):
        returned = (returned, [])
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise Refused(f"returned {_kind(returned)}; expected {expected}")
    weights = _layers(returned[0], names[0])
    biases = _layers(returned[1], names[1]) if biased and returned[1] is not None else {}
    found = {f"W{layer}": value for layer, value in weights.items()} | {
        f"b{layer}": value for layer, value in biases.items()
    }
    return _arrays(found, {key: f"{names[key[0] == 'b']}[{key[1:]}]" for key in found})


def _collect_forward(returned: object, W: list[Any], b: list[Any], biased: bool) -> Collected:
    return _arrays({"p": returned}, {"p": "p"})


def _collect_intermediates(returned: object, W: list[Any], b: list[Any], biased: bool) -> Collected:
    """{"z": {1: ..., 2: ...}, "p": ...}; a list instead of a dictionary by layer begins with layer
    1, or with a[0]."""
    if not isinstance(returned, dict):
        raise Refused(
            f'returned {_kind(returned)}; expected a dictionary such as {{"z": {{1: ...}}, "p": '
            f"...}}"
        )
    found: dict[str, object] = {}
    for name in set(returned) & {"z", "a", "dz", "da"}:
        layers = returned[name]
        if isinstance(layers, list | tuple) and len(layers) == len(W) + 1:
            layers = dict(enumerate(layers))
        found |= {
            f"{name} {layer}": value
            for layer, value in _layers(layers, name).items()
            if value is not None and layer > 0
        }
    found |= {"p": returned["p"]} if returned.get("p") is not None else {}
    return _arrays(found, {key: key.replace(" ", "[") + "]" * (" " in key) for key in found})


COLLECT: dict[str, Callable[[object, list[Any], list[Any], bool], Collected]] = {
    "gradients": _collect_gradients,
    "step": _collect_step,
    "forward": _collect_forward,
    "intermediates": _collect_intermediates,
}


def _layers(value: object, name: str) -> dict[int, object]:
    """A list of arrays, layer 1 first, or a dictionary by layer -> by layer, Nones left out."""
    if isinstance(value, dict):
        if not all(isinstance(layer, int) for layer in value):
            raise Refused(
                f"returned {name} as a dictionary of {list(value)[:4]}; expected a list, layer 1 "
                "first"
            )
        return {layer: array for layer, array in value.items() if array is not None}
    if (
        name in ("W", "dW")
        and isinstance(value, np.ndarray)
        and value.dtype.kind != "O"
        and value.ndim < 3
    ):
        raise Refused(
            f"returned {_kind(value)} for {name}; expected a list of arrays, layer 1 first"
        )
    if (
        isinstance(value, str | bytes)
        or not isinstance(value, Iterable)
        or getattr(value, "ndim", 1) == 0
    ):
        raise Refused(
            f"returned {_kind(value)} for {name}; expected a list of arrays, layer 1 first"
        )
    return {layer: array for layer, array in enumerate(value, start=1) if array is not None}


def _arrays(found: dict[str, object], names: dict[str, str]) -> Collected:
    """Every value as float64; and the precision in which it came."""
    arrays = {key: _array(value, names[key]) for key, value in found.items()}
    kinds = {key: _precision(array, hasattr(found[key], "dtype")) for key, array in arrays.items()}
    lists = not all(hasattr(value, "dtype") for value in found.values())
    return {"precisions": kinds, "lists": lists}, {
        key: np.ascontiguousarray(array, dtype=np.float64).reshape(array.shape)
        for key, array in arrays.items()
    }


def _precision(array: np.ndarray, typed: bool) -> str:
    """Of an array, its type. A list says nothing of it, but numbers that all are float32 (and not
    all whole) have been float32."""
    if typed or array.dtype.kind != "f" or (array == np.round(array)).all():
        return SHORTER.get(array.dtype.str[1:], "float64")
    with np.errstate(over="ignore"):
        if (array == array.astype(np.float32)).all():
            return "float32"
        return "float64"


def _array(value: Any, name: str) -> np.ndarray:
    """An array of numbers out of an array, a nested list, a number, or a tensor that knows how to
    leave its graph."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise Refused(
            f"returned {name} as {_kind(value)} that makes no array ({short(error)})"
        ) from error
    if (
        array.dtype.kind == "O"
        and array.size
        and all(isinstance(entry, int | float) for entry in array.flat)
    ):
        array = array.astype(np.float64)
    if array.dtype.kind in "iu" and hasattr(value, "dtype"):
        raise Refused(
            f"returned {name} as integers ({array.dtype}); expected floating-point numbers"
        )
    if array.dtype.kind not in "fiu":
        if array.dtype.kind == "c":
            kind = "complex numbers"
        elif isinstance(value, np.ndarray):
            kind = f"{array.dtype}"
        else:
            kind = _kind(value)
        raise Refused(f"returned {name} as {kind}; expected an array of real numbers")
    return array


def one_number(value: Any, *, complex_too: bool = False) -> Any:
    """The number that a loss is, whatever holds it.

    Raises: Refused for what is none, or several.
    """
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu().numpy()
    kinds = "fiuc" if complex_too else "fiu"
    is_number = isinstance(value, int | float | complex | np.generic | np.ndarray)
    if isinstance(value, bool) or not is_number:
        raise Refused(f"returned {_kind(value)}; expected one number")
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in kinds:
        raise Refused(f"returned {_kind(value)}; expected one real number")
    number = array.reshape(-1)[0]
    if complex_too:
        return complex(number)
    return float(number)


def _kind(value: object) -> str:
    """What something is, in two or three words."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, tuple | list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def plain(value: object) -> object:
    """A constant as JSON has it; what no convention can be, as a word."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | float | np.integer | np.floating):
        if isinstance(value, np.generic):
            return value.item()
        return value
    if isinstance(value, list | tuple | np.ndarray) and len(value) <= 64:
        return [plain(entry) for entry in value]
    return _kind(value)


def short(error: BaseException) -> str:
    """An exception's text in one line; whatever goes wrong in making it is its own fault."""
    try:
        text = " ".join(str(error).split()).encode(errors="backslashreplace").decode()
    except BaseException:
        return ""
    if len(text) <= QUOTED:
        return text
    return text[: QUOTED - 3] + "..."
