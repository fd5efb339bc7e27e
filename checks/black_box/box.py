"""A loss of torch tensors as a black box: asked for its value, its gradients, and moved.

The parameters are moved in place, so that whatever else looks at their storage moves along, or, to
compute in float64, their data is exchanged for a float64 copy while a Shadow lifts everything that
they meet. untouched.py puts all of it back. A complex tensor is moved by its real and imaginary
parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box.box_base import Box
from backproof.checks.black_box.claimed_slope import ClaimedSlope
from backproof.checks.black_box.differentiate import dense, differentiate
from backproof.checks.black_box.held import Held
from backproof.checks.black_box.lifting import CannotShadow
from backproof.checks.black_box.noise import RESOLUTION
from backproof.checks.black_box.parts import PART, norm_of_products, parts, scalar_product
from backproof.checks.black_box.shadow import Shadow
from backproof.checks.black_box.untouched import Generators

Loss = Callable[[], Tensor]
NEGLIGIBLE = 0.1  # of the noise of a loss: with that besides, it is 0.5% larger


class BlackBox(Box):
    """A scalar loss as a function of tensors that it reads by itself.

    Args:
        loss: computes it from the tensors' present values.
        tensors: what to differentiate by.
        lifted: the dtypes that are computed in float64 instead, the tensors' own first; empty for
            none.
        draws: the generators' state before each evaluation where the loss draws random numbers;
            None lets them run on.
        held: keeps what the loss detaches; None lets it move.
        copies: of the tensors' values, where somebody has them already.
    """

    def __init__(
        self,
        loss: Loss,
        tensors: Sequence[Tensor],
        lifted: Sequence[torch.dtype] = (),
        draws: Generators | None = None,
        held: Held | None = None,
        copies: Sequence[Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.tensors = tensors
        self.lifted = lifted
        self.draws = draws
        self.held = held
        self.at_0: list[Tensor] = []
        for number, tensor in enumerate(tensors):
            if tensor.dtype.to_real() in lifted:
                kind = torch.complex128 if tensor.is_complex() else torch.float64
                self.at_0.append(tensor.data)  # a copy moves, and this stays what it is
                tensor.data = tensor.data.to(kind)
                continue
            if _shares_entries(tensor):
                tensor.data = tensor.data.contiguous()
            self.at_0.append(copies[number] if copies else tensor.detach().clone())
        self.displaced: set[int] = set()
        self.mean_squares: dict[int, float] = {}

    def value(self, mode: Any = None) -> float:
        """The loss at the tensors' present values."""
        return float(self._evaluate(mode or self._mode(), recording=False).detach())

    def gradients(
        self, mode: Any = None, recording: bool = True
    ) -> tuple[Tensor, list[Tensor | None]]:
        """The loss and what autograd says about it; None for a tensor that it says nothing about.

        Args:
            mode: in which it is computed; that of every evaluation by default.
            recording: whether what the loss detaches is kept from now on.

        Raises: ValueError if the loss is not one number; TypeError if it is no tensor; CannotShadow
        if the lifted code lowers it.
        """
        value, graph = self.graph(mode, recording)
        return value.detach(), graph(1.0)

    def graph(
        self, mode: Any = None, recording: bool = True
    ) -> tuple[Tensor, Callable[[float], list[Tensor | None]]]:
        """The loss, and a function that gives its gradients when a number is sent back."""
        self.put_back()
        mode = mode or self._mode()
        value = self._evaluate(mode, recording)
        wanted = [tensor for tensor in self.tensors if tensor.requires_grad]

        def send(number: float) -> list[Tensor | None]:
            if not value.requires_grad or not wanted:
                return [None] * len(self.tensors)
            with mode:
                sent = value if number == 1 else value * number
                found = differentiate([sent], wanted, None)
            gradients = [found.pop(0) if t.requires_grad else None for t in self.tensors]
            if any(g is not None and g.dtype in self.lifted for g in gradients):
                raise CannotShadow("a gradient comes back in the low precision")
            return [self._of_its_own(dense(gradient)) for gradient in gradients]

        return value, send

    def count(self) -> int:
        """How many tensors there are."""
        return len(self.tensors)

    def shape(self, i: int) -> tuple[int, ...]:
        """Of a tensor; a complex one has two numbers in the place of each."""
        return tuple(real(self.at_0[i]).shape)

    def eps_of(self, i: int) -> float:
        """Of the numbers in a tensor."""
        return float(torch.finfo(self.tensors[i].dtype).eps)

    def mean_square(self, i: int) -> float:
        """Of its values."""
        if i not in self.mean_squares:
            value = real(self.at_0[i])
            norm = float(torch.linalg.vector_norm(value, dtype=torch.float64))
            self.mean_squares[i] = norm**2 / value.numel() if value.numel() else 1.0
        return self.mean_squares[i]

    def vector(self, i: int, values: np.ndarray) -> Tensor:
        """Numbers in a tensor's shape, on its device."""
        return torch.as_tensor(values, dtype=torch.float64).to(self.tensors[i].device)

    def numbers(self, vector: Tensor) -> np.ndarray:
        """A tensor's numbers, one after the other."""
        return vector.reshape(-1).cpu().numpy()

    def dot(self, first: Tensor, second: Tensor) -> float:
        """The sum of the products of two tensors."""
        return scalar_product(first, second)

    def norm(self, first: Tensor, second: Tensor) -> float:
        """The norm of the products of two tensors."""
        return norm_of_products(first, second)

    def moved(self, said: ClaimedSlope, t: float) -> tuple[float, float]:
        """The loss when one tensor is moved by t along a direction, and what is claimed that it
        changes by."""
        if self.displaced - {said.i}:
            self.put_back()
        if said.is_enough:
            self._displace(said.i, t, said.u, None)
            change = t * said.value
        else:
            change = self._displace(said.i, t, said.u, said.gradient)
        return self._value_there(), change

    def moves_as_told(self, said: ClaimedSlope) -> bool:
        """Whether the rounding of moved values is less than a tenth of the loss's noise: that of
        so many entries is independent, and RESOLUTION eps of each. Not asked of small tensors,
        which cost nothing."""
        start = real(self.at_0[said.i])
        if start.numel() <= PART:
            return False
        # no step is longer than the scale
        size = norm_of_products(said.gradient, start) + self.scale(said.i) * said.norm
        return RESOLUTION * self.eps_of(said.i) * size < NEGLIGIBLE * self.noise

    def moved_together(self, t: float, directions: Sequence[Tensor]) -> float:
        """The loss when all tensors are moved."""
        for i, u in enumerate(directions):
            self._displace(i, t, u, None)
        return self._value_there()

    def put_back(self) -> None:
        """Give every tensor its own values again."""
        for i in self.displaced:
            self.tensors[i].data.copy_(self.at_0[i])
        self.displaced.clear()

    def _of_its_own(self, gradient: Tensor | None) -> Tensor | None:
        """A gradient that does not move with a parameter, although a backward pass may return
        one."""
        if gradient is None:
            return None
        if gradient.data_ptr() in {tensor.data_ptr() for tensor in self.tensors}:
            return gradient.clone()
        return gradient

    def _displace(self, i: int, t: float, u: Tensor, claimed: Tensor | None) -> float:
        """Move a tensor by t u; what `claimed` says that the loss changes by over the distance
        really moved, which is rounded."""
        self.displaced.add(i)
        start = real(self.at_0[i])
        data = real(self.tensors[i].data)
        given = [start, data, u]
        if claimed is not None:
            given.append(claimed)
        change = 0.0
        for begin, end, step, *slope in parts(*given):
            wide = begin.to(torch.float64)
            if end.dtype == torch.float64:
                torch.add(wide, step, alpha=t, out=end)
            else:
                end.copy_(wide.add(step, alpha=t))
            if slope:
                distance = end.to(torch.float64) - wide
                change += float(distance.mul_(slope[0]).sum())
        return change

    def _value_there(self) -> float:
        """The loss at moved values; NaN where they are outside of its domain, and it raises."""
        try:
            return self.value()
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            lines = str(error).splitlines()
            self.left_domain = f"{type(error).__name__}: {lines[0] if lines else ''}"
            return math.nan

    def _mode(self) -> Any:
        if self.lifted:
            return Shadow(self.lifted[0], also=self.lifted[1:])
        return ExitStack()

    def _evaluate(self, mode: Any, recording: bool) -> Tensor:
        self.evaluations += 1
        if self.draws:
            self.draws.restore()
        with ExitStack() as stack:
            stack.enter_context(mode)
            if self.held:
                self.held.restart(recording)
                stack.enter_context(self.held)
            value: Any = self.loss()
        if not isinstance(value, Tensor):
            raise TypeError(
                f"expected a loss that returns a tensor, got {type(value).__name__}. Return the "
                "loss itself, not its .item()."
            )
        if value.numel() != 1:
            raise ValueError(
                f"expected a loss of one number, got shape {tuple(value.shape)}. Take its mean or "
                "sum."
            )
        if not value.is_floating_point():
            raise TypeError(f"expected a loss of real numbers, got {value.dtype}.")
        return value


def real(tensor: Tensor) -> Tensor:
    """A complex tensor as its real and imaginary parts, a real one as it is."""
    if tensor.is_complex():
        return torch.view_as_real(tensor.resolve_conj())
    return tensor


def _shares_entries(tensor: Tensor) -> bool:
    """Whether several of its entries lie in one place, so that none can be moved alone."""
    return any(
        stride == 0 and size > 1 for stride, size in zip(tensor.stride(), tensor.shape, strict=True)
    )
