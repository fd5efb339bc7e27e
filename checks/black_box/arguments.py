"""Arguments of the wrong kind, refused in one line: where, what was expected, what came, what to
do."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from backproof.checks.black_box.pytrees import differentiable, name_inputs

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


def check_names_given(gradients: Mapping[str, Any] | None, names: Sequence[str]) -> None:
    """Raise ValueError for a gradient of what is no parameter."""
    known = [one for name in names for one in name.split(" = ")]
    unknown = [name for name in gradients or {} if name not in known]
    if unknown:
        raise ValueError(
            f"gradients: expected names of parameters, got {unknown[0]!r}. The names are "
            f"{', '.join(map(repr, known))}."
        )


def named(named_parameters: Any) -> tuple[list[str], list[Tensor]]:
    """Names and tensors; a tensor with two names once, as "first = second".

    Raises: TypeError for what is not names and real tensors; ValueError for none, or a tensor that
    is no leaf.
    """
    names: dict[int, list[str]] = {}
    tensors: dict[int, Tensor] = {}
    for name, tensor in _pairs(named_parameters):
        if not differentiable(tensor):
            if isinstance(tensor, Tensor):
                what = f"a tensor of {tensor.dtype}"
            else:
                what = type(tensor).__name__
            raise TypeError(f"{name}: expected a tensor of real numbers, got {what}.")
        check_numbers(name, tensor)
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


def check_call(function: Any, reference: Any, inputs: Any, keywords: Any) -> None:
    """Raise TypeError for what cannot be called, or called with nothing to differentiate by;
    ValueError for tensors that nobody can differentiate by."""
    for name, value in (("function", function), ("reference", reference)):
        if not callable(value):
            raise TypeError(
                f"{name}: expected a function of the inputs, got {_kind(value)}. Pass "
                "MyFunction.apply, for example."
            )
    if not isinstance(inputs, Sequence) or isinstance(inputs, str):
        raise TypeError(
            f"inputs: expected a tuple of what the function is called with, got {_kind(inputs)}. "
            "Pass (x,) for one."
        )
    if not isinstance(keywords, Mapping):
        raise TypeError(
            f"keywords: expected a dict of keyword arguments, got {_kind(keywords)}. Pass "
            '{"eps": 1e-5}, for example.'
        )
    leaves = name_inputs(inputs, keywords)
    if not any(differentiable(leaf.value) for leaf in leaves):
        raise TypeError(
            "expected at least one tensor of real numbers among the inputs, got "
            f"{[type(leaf.value).__name__ for leaf in leaves]}."
        )
    for leaf in leaves:
        if differentiable(leaf.value):
            check_numbers(leaf.name, leaf.value)


def check_numbers(name: str, tensor: Tensor) -> None:
    """Raise TypeError for a tensor whose entries cannot be moved one by one."""
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise TypeError(
            f"{name}: expected a dense tensor, got one of {tensor.layout}. Pass .to_dense() of it."
        )
    if tensor.dtype.itemsize == 1:
        raise TypeError(
            f"{name}: expected float16 or wider, got {tensor.dtype}. Pass what it is rounded from."
        )
    if tensor.is_meta:
        raise TypeError(f"{name}: expected a tensor with numbers, got one on the meta device.")


def check_options(dtype: Any, accumulate: Any, order: Any, modes: Any) -> None:
    """Raise for an option of another kind."""
    check_dtype("dtype", dtype)
    check_dtype("accumulate", accumulate)
    check_order(order)
    check_modes(modes)


def check_order(order: Any) -> None:
    """Raise ValueError for derivatives that are not checked."""
    if order not in (1, 2):
        raise ValueError(f"order: expected 1 or 2, got {order!r}. Pass 2 for second derivatives.")


def check_modes(modes: Any) -> None:
    """Raise ValueError for a mode that does not exist."""
    if isinstance(modes, str) or not set(modes) <= {"reverse", "forward"} or not list(modes):
        raise ValueError(
            f'modes: expected some of "reverse" and "forward", got {modes!r}. Pass ("reverse", '
            '"forward") for both.'
        )


def check_dtype(name: str, dtype: Any) -> None:
    """Raise TypeError for what is no dtype, ValueError for one that is not of real numbers."""
    if dtype is None:
        return
    if not isinstance(dtype, torch.dtype):
        raise TypeError(
            f"{name}: expected a torch.dtype, got {dtype!r}. Pass torch.float32, for example."
        )
    if not dtype.is_floating_point or dtype.itemsize == 1:
        raise ValueError(
            f"{name}: expected one of real numbers, got {dtype}. Pass torch.float32, for example."
        )


def _kind(value: Any) -> str:
    """What it is, for people."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, torch.nn.Module):
        return f"a module ({type(value).__name__})"
    return type(value).__name__
