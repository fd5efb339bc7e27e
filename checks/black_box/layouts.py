"""The same numbers, lying otherwise in memory: transposed, with gaps, behind others, channels
last."""

from __future__ import annotations

import torch
from torch import Tensor


def transposed(value: Tensor) -> Tensor:
    """The last two dimensions exchanged in memory; with a gap after each number where there is one
    dimension alone."""
    if value.dim() >= 2:
        return value.transpose(-1, -2).contiguous().transpose(-1, -2)
    return with_gaps(value)


def with_gaps(value: Tensor) -> Tensor:
    """Another number after each: every second one of twice as many."""
    if not value.dim():
        return value.clone()
    doubled = torch.stack([value, torch.zeros_like(value) + 3], dim=-1)
    return doubled.flatten(-2)[..., ::2]


def behind_others(value: Tensor) -> Tensor:
    """In order, but not at the beginning of what is allocated: as a part of a batch lies."""
    if not value.numel():
        return value.clone()
    flat = value.flatten()
    doubled = torch.cat([flat + 3, flat])
    return doubled[flat.numel() :].view(value.shape)


def channels_last(value: Tensor) -> Tensor:
    """As convolutions like it; where there are not four dimensions, as it was."""
    if value.dim() == 4:
        return value.contiguous(memory_format=torch.channels_last)
    return value.clone()


def repeated(value: Tensor) -> Tensor:
    """One number for all entries, without a copy of it for each: as .sum().backward() sends it."""
    one = value.flatten()[:1].reshape([1] * value.dim())
    return one.expand(value.shape)


def repeated_in_full(value: Tensor) -> Tensor:
    """The same numbers as `repeated`, each in its own place."""
    return repeated(value).contiguous().clone()


LAYOUTS = {
    "transposed": transposed,
    "with gaps": with_gaps,
    "behind others": behind_others,
    "channels last": channels_last,
}
