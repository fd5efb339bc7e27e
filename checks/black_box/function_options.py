"""How a function is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Options:
    """The options of check_function, with its names."""

    dtype: torch.dtype | None = None
    accumulate: torch.dtype | None = None
    only: Sequence[str | int] | None = None
    except_: Sequence[str | int] = ()
    order: int = 1
    modes: Sequence[str] = ("reverse",)
    strict: bool = False
    overwrites: Sequence[str | int] = ()
    layouts: bool = True
    may_vary: bool = False
    runs: int = 3
    seed: int = 0
