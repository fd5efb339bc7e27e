"""Gradients of a loss of NumPy arrays, judged: what check_gradients does for them, without torch.

Nobody knows the operations of a plain function, so its noise is what its values along a line show.
"""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from backproof.checks.black_box.along_directions import Claim, along_directions
from backproof.checks.black_box.array_box import ArrayBox
from backproof.checks.verdict import Verdict, missing

WHO = ("given", "differences")
FORMATS = ("float64", "float32")


def are_arrays(named_parameters: Any) -> bool:
    """Whether these are names with NumPy arrays."""
    if not isinstance(named_parameters, Mapping) or not named_parameters:
        return False
    return any(isinstance(value, np.ndarray) for value in named_parameters.values())


def judge_arrays(
    loss: Any,
    arrays: Mapping[str, Any],
    gradients: Any,
    chosen: Sequence[str],
    directions: int,
    seed: int,
) -> tuple[list[Verdict], list[str], int]:
    """Verdicts, notes, and how often the loss was computed.

    Args:
        loss: a function of no arguments that reads the arrays; or of the arrays by their names, by
            their order, or of a dict of them.
        arrays: by name; each is moved in place and put back to the last bit.
        gradients: what is claimed, by name.
        chosen: names of those that are checked.
        directions: how many.
        seed: of the directions.
    Raises: TypeError or ValueError for arguments of another kind, in one line.
    """
    for name, array in arrays.items():
        _check_array(name, array)
    if not isinstance(gradients, Mapping):
        raise TypeError(
            f"gradients: expected a dict of names and arrays, got {type(gradients).__name__}. "
            'Pass what your backward pass computed: gradients={"W1": dW1}.'
        )
    unknown = [name for name in gradients if name not in arrays]
    if unknown:
        raise ValueError(
            f"gradients: expected names of parameters, got {unknown[0]!r}. The names are "
            f"{', '.join(map(repr, arrays))}."
        )
    called = _of_no_arguments(loss, arrays)
    found: list[Verdict] = []
    claims: list[Claim] = []
    for name in chosen:
        claim = _claim(name, arrays[name], gradients.get(name))
        if isinstance(claim, Verdict):
            found.append(claim)
        else:
            claims.append(claim)
    tensors = [arrays[claim.name] for claim in claims]
    state = (np.random.get_state(), random.getstate())
    box = ArrayBox(called, tensors)
    try:
        more, notes = _differences(box, claims, directions, seed)
    finally:
        box.put_back()
        np.random.set_state(state[0])
        random.setstate(state[1])
    return found + more, notes, box.evaluations


def _differences(
    box: ArrayBox, claims: Sequence[Claim], directions: int, seed: int
) -> tuple[list[Verdict], list[str]]:
    first = box.value()
    changed = [
        claim.name
        for claim, array, before in zip(claims, box.arrays, box.at_0, strict=True)
        if not np.array_equal(array, before, equal_nan=True)
    ]
    if changed:
        reason = "the loss changes it in place; a loss must only read its parameters"
        return [missing("", name, "", WHO, reason) for name in changed], []
    if not math.isfinite(first):
        reason = f"the loss itself is {float(first)}"
        return [missing("", claim.name, "", WHO, reason) for claim in claims], []
    again = box.value()
    notes = []
    box.measure_noise(float(np.finfo(first.dtype).eps), seed, float(first), None)
    if float(again) != float(first):
        varies = abs(float(again) - float(first))
        box.noise = max(box.noise, varies)
        notes.append(
            f"the loss differs from run to run, by {varies:.1e} between two; seed what it draws"
        )
    verdicts = along_directions(box, claims, WHO, directions, seed)
    notes.append(f"noise of the loss: {box.noise:.1e}")
    if box.left_domain:
        notes.append(f"some steps left the domain of the loss, which raised {box.left_domain}")
    return verdicts, notes


def _claim(name: str, array: np.ndarray, gradient: Any) -> Claim | Verdict:
    """What is claimed about one array, or the verdict that settles it already."""
    if gradient is None:
        zeros = np.zeros(array.shape)
        return Claim(name, zeros, missing=True, constant="" if array.size else "it has no entries")
    values = np.asarray(gradient)
    if values.dtype.kind not in "fiu":
        raise TypeError(
            f"gradients[{name!r}]: expected an array of real numbers, got one of {values.dtype}."
        )
    if values.shape != array.shape:
        reason = f"the gradient has shape {values.shape}, its parameter {array.shape}"
        if values.T.shape == array.shape and values.ndim == 2:
            reason += ": it is transposed"
        return missing("", name, "", WHO, reason)
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        reason = f"{count} of {values.size} entries of the gradient are not finite"
        return missing("", name, "", WHO, reason)
    return Claim(name, values, constant="" if array.size else "it has no entries")


def _check_array(name: Any, array: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"named_parameters: expected a name, got {type(name).__name__}.")
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"{name}: expected an array, got {type(array).__name__}. Pass np.array({array!r}), "
            "and let the loss read it."
        )
    if array.dtype.name not in FORMATS:
        raise TypeError(
            f"{name}: expected float64 or float32, got {array.dtype}. Convert it with "
            ".astype(float), before the loss reads it."
        )
    if not array.flags.writeable:
        raise ValueError(f"{name}: expected an array that can be moved, got a read-only one.")


def _of_no_arguments(loss: Any, arrays: Mapping[str, np.ndarray]) -> Callable[[], Any]:
    """The loss as a function of nothing: it is given the arrays in the way that its signature
    takes them."""
    if not callable(loss):
        raise TypeError(
            f"loss: expected a function, got {type(loss).__name__}. Pass one that computes it: "
            "lambda: loss(W1, b1)."
        )
    try:
        signature = inspect.signature(loss)
    except (TypeError, ValueError):  # a builtin may have none; calling it will tell
        return lambda: loss()
    if _binds(signature):
        return lambda: loss()
    if _binds(signature, **arrays):
        return lambda: loss(**arrays)
    if _binds(signature, *arrays.values()):
        return lambda: loss(*arrays.values())
    if _binds(signature, arrays):
        return lambda: loss(dict(arrays))
    name = getattr(loss, "__name__", type(loss).__name__)
    raise TypeError(
        f"loss: expected a function of no arguments, or of {', '.join(arrays)}, got "
        f"{name}{signature}. Pass lambda: {name}(...)."
    )


def _binds(signature: inspect.Signature, *positional: Any, **named: Any) -> bool:
    try:
        signature.bind(*positional, **named)
    except TypeError:
        return False
    return True
