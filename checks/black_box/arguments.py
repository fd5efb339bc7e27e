"""Arguments of the wrong kind, refused in one line: where, what was expected, what came, what to
do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

Named = Iterable[tuple[str, Tensor]] | Mapping[str, Tensor]


def check_loss(loss: Any) -> None:
    """Raise TypeError for what is no function, or one that wants arguments."""
    if not callable(loss):
        raise TypeError(
            f"loss: expected a function of no arguments, got {_kind(loss)}. Pass one that "
            "computes it: lambda: loss(model(x), y)."
        )
    try:
        signature = inspect.signature(loss)
    except (TypeError, ValueError):  # a builtin may have none; calling it will tell
        return
    try:
        signature.bind()
    except TypeError as error:
        name = getattr(loss, "__name__", type(loss).__name__)
        raise TypeError(
            f"loss: expected a function of no arguments, got {name}{signature} ({error}). Pass "
            f"lambda: {name}(...)."
        ) from None


def check_gradients_given(gradients: Any) -> None:
    """Raise TypeError for what is no dict of tensors; a gradient may be None."""
    if gradients is None:
        return
    if not isinstance(gradients, Mapping):
        raise TypeError(
            f"gradients: expected a dict of names and tensors, got {_kind(gradients)}. Pass "
            f"{{name: gradient, ...}}."
        )
    for name, gradient in gradients.items():
        if gradient is not None and not isinstance(gradient, Tensor):
            raise TypeError(
                f"gradients[{name!r}]: expected a tensor, got {_kind(gradient)}. Convert it with "
                "torch.as_tensor."
            )


def check_count(name: str, value: Any, least: int) -> None:
    """Raise TypeError for what is no whole number, ValueError for one that is too small."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}: expected a whole number, got {value!r}. Pass {least} or more.")
    if value < least:
        raise ValueError(f"expected at least {least} {name}, got {value}.")


def named(named_parameters: Any) -> tuple[list[str], list[Tensor]]:
    """Names and tensors; a tensor with two names once, as "first = second".

    Raises: TypeError for what is not names and real tensors; ValueError for none, or a tensor that
    is no leaf.
    """
    names: dict[int, list[str]] = {}
    tensors: dict[int, Tensor] = {}
    for name, tensor in _pairs(named_parameters):
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            if isinstance(tensor, Tensor):
                what = f"a tensor of {tensor.dtype}"
            else:
                what = type(tensor).__name__
            raise TypeError(f"{name}: expected a tensor of real numbers, got {what}.")
        if not tensor.is_leaf:
            raise ValueError(
                f"{name}: expected a leaf tensor, got the result of {tensor.grad_fn}. Pass what "
                "it was computed from."
            )
        names.setdefault(id(tensor), []).append(name)
        tensors[id(tensor)] = tensor
    return [" = ".join(names[key]) for key in tensors], list(tensors.values())


def _pairs(given: Any) -> list[tuple[str, Any]]:
    """What is given, if it is names with something."""
    if isinstance(given, (Tensor, torch.nn.Module)) or not isinstance(given, Iterable):
        if isinstance(given, torch.nn.Module):
            hint = ".named_parameters() of it"
        else:
            hint = 'a dict such as {"w": w}'
        raise TypeError(
            f"named_parameters: expected names and tensors, got {_kind(given)}. Pass {hint}."
        )
    pairs = list(given.items() if isinstance(given, Mapping) else given)
    if not pairs:
        raise ValueError(
            "expected at least one named parameter, got none. Pass module.named_parameters() or a "
            "dict of leaf tensors."
        )
    for pair in pairs:
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
            what = _kind(pair) if not isinstance(pair, (tuple, list)) else f"{len(pair)} things"
            raise TypeError(
                f"named_parameters: expected pairs of a name and a tensor, got {what}. Pass "
                "module.named_parameters(), which has "
                'the names, or a dict such as {"w": w}.'
            )
        if not isinstance(pair[0], str):
            raise TypeError(
                f"named_parameters: expected a name, got {_kind(pair[0])}. Pass pairs of a name "
                "and a tensor."
            )
    return pairs


def check_functions(function: Any, reference: Any) -> None:
    """Raise TypeError for what cannot be called."""
    for name, value in (("function", function), ("reference", reference)):
        if not callable(value):
            raise TypeError(
                f"{name}: expected a function of the inputs, got {_kind(value)}. Pass "
                "MyFunction.apply, for example."
            )


def real_inputs(inputs: Any) -> list[Tensor]:
    """The tensors of real numbers among the inputs; TypeError where there are none, or the inputs
    are no tuple or list."""
    if not isinstance(inputs, Sequence) or isinstance(inputs, str):
        raise TypeError(
            f"inputs: expected a tuple of what the function is called with, got {_kind(inputs)}. "
            "Pass (x,) for one."
        )
    real = [value for value in inputs if isinstance(value, Tensor) and value.is_floating_point()]
    if not real:
        raise TypeError(
            "expected at least one tensor of real numbers among the inputs, got "
            f"{[type(value).__name__ for value in inputs]}."
        )
    return real


def check_dtype(dtype: Any) -> None:
    """Raise TypeError for what is no dtype, ValueError for one that is not of real numbers."""
    if dtype is None:
        return
    if not isinstance(dtype, torch.dtype):
        raise TypeError(
            f"dtype: expected a torch.dtype, got {dtype!r}. Pass torch.float32, for example."
        )
    if not dtype.is_floating_point:
        raise ValueError(
            f"dtype: expected one of real numbers, got {dtype}. Pass torch.float32, for example."
        )


def outputs(who: Callable[..., Any], returned: Any) -> list[Tensor]:
    """The tensors that a function returned; TypeError for anything but a tensor, or a tuple with at
    least one."""
    found = [returned] if isinstance(returned, Tensor) else []
    if isinstance(returned, (tuple, list)):
        found = [value for value in returned if isinstance(value, Tensor)]
    if not found:
        name = getattr(who, "__name__", type(who).__name__)
        raise TypeError(
            f"{name}: expected it to return a tensor or a tuple of tensors, got "
            f"{_kind(returned)}. Return its result."
        )
    return found


def _kind(value: Any) -> str:
    """What a value is, in a word or two."""
    if isinstance(value, torch.nn.Module):
        return f"a module ({type(value).__name__})"
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return type(value).__name__
