"""A loss that detaches something on purpose: what it detached is held while its parameters move.

`x + (x.round() - x).detach()` has the slope of x as far as autograd is concerned. Its values do not
say so; but with the detached part held at what it was, they do, and everything else can be checked.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode


class Held(TorchFunctionMode):
    """Within it the first run remembers what is detached, in order, and later ones are given
    that."""

    def __init__(self) -> None:
        super().__init__()
        self.remembered: list[Tensor] = []
        self.recording = True
        self.next = 0

    def restart(self, recording: bool) -> None:
        """Begin a run of the loss: one that remembers, or one that is given what was
        remembered."""
        self.recording = recording
        self.next = 0
        if recording:
            self.remembered = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One call of a torch function; detach() and .data are the ones that matter."""
        result = func(*args, **(kwargs or {}))
        if func not in (Tensor.detach, Tensor.data.__get__):  # type: ignore[attr-defined]
            return result
        if self.recording:
            self.remembered.append(result.clone())
            return result
        if self.next >= len(self.remembered):
            return result
        self.next += 1
        return self.remembered[self.next - 1].to(result.dtype)
