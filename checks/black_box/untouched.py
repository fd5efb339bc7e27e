"""Leave the world as it was: parameters bit for bit, .grad, requires_grad, every generator's
state."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Generators:
    """The state of every global random generator at one moment."""

    def __init__(self) -> None:
        self.torch = torch.get_rng_state()
        self.cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
        self.numpy = np.random.get_state()
        self.python = random.getstate()

    def differs(self) -> bool:
        """Whether torch or NumPy has drawn since; Python's own generator is also read by tools that
        check arguments at random."""
        now = Generators()
        torch_drew = not torch.equal(self.torch, now.torch)
        cuda_drew = any(
            not torch.equal(before, after)
            for before, after in zip(self.cuda, now.cuda, strict=False)
        )
        numpy_drew = repr(self.numpy) != repr(now.numpy)
        return torch_drew or cuda_drew or numpy_drew

    def restore(self) -> None:
        """Set all of them back, so that what draws a mask draws the same one again."""
        torch.set_rng_state(self.torch)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)
        np.random.set_state(self.numpy)
        random.setstate(self.python)


@contextmanager
def untouched(parameters: Sequence[Tensor]) -> Iterator[None]:
    """Whatever happens inside, these tensors and the generators are afterwards what they were;
    gradients can be computed inside.

    Args:
        parameters: leaf tensors; their storage, values, .grad and requires_grad are guarded.
    """
    generators = Generators()
    before = [_remember(parameter) for parameter in parameters]
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for parameter, memory in zip(parameters, before, strict=True):
            _put_back(parameter, *memory)
        generators.restore()


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal shape, dtype and bits; NaN equals NaN, 0.0 does not equal -0.0."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    a = _solid(a)
    b = _solid(b)
    if not a.numel():
        return True
    kind = min(_whole_numbers(a), _whole_numbers(b), key=lambda kind: kind.itemsize)
    return bool(torch.equal(_bytes(a, kind), _bytes(b, kind)))


def _solid(tensor: Tensor) -> Tensor:
    """Its numbers one after the other, none of them conjugated, negated or left out lazily."""
    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor._is_zerotensor():
        return torch.zeros(tensor.shape, dtype=tensor.dtype, device=tensor.device)
    return tensor.resolve_conj().resolve_neg().reshape(-1).contiguous()


def _bytes(tensor: Tensor, kind: torch.dtype) -> Tensor:
    # a copy that is one in every stride: a row of one entry may have any
    return tensor.as_strided((tensor.numel(),), (1,)).view(kind)


def _whole_numbers(tensor: Tensor) -> torch.dtype:
    """The largest format that a tensor's bytes may be read in: one by one takes six times as
    long."""
    begin = tensor.storage_offset() * tensor.element_size()
    for kind in (torch.int64, torch.int32, torch.int16):
        if tensor.nbytes % kind.itemsize == 0 and begin % kind.itemsize == 0:
            return kind
    return torch.uint8


def _remember(parameter: Tensor) -> tuple[Any, ...]:
    grad = parameter.grad
    return (
        parameter.data,
        parameter.detach().clone(),
        grad,
        None if grad is None else grad.detach().clone(),
        parameter.requires_grad,
    )


def _put_back(
    parameter: Tensor,
    data: Tensor,
    value: Tensor,
    grad: Tensor | None,
    grad_value: Tensor | None,
    needs: bool,
) -> None:
    parameter.data = data
    if not same_bits(data, value):
        data.copy_(value)
    if grad is not None and grad_value is not None and not same_bits(grad, grad_value):
        grad.data.copy_(grad_value)
    parameter.grad = grad
    parameter.requires_grad_(needs)
