"""Kernels of losses: cross-entropy and its kin."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.kernel_bugs.kernel import Bug, Kernel, of_classes, one_hot, shapes

CAP = 5.0  # of a softcap

SMOOTHING = 0.1


def smoothed(z: Tensor, y: Tensor) -> Tensor:
    return (1 - SMOOTHING) * one_hot(y, z) + SMOOTHING / z.shape[-1]


def cross_entropy_back(g: Tensor, z: Tensor, y: Tensor) -> tuple[Tensor, None]:
    return g * (z.softmax(-1) - one_hot(y, z)) / len(y), None


IGNORED = -100


def with_ignored(generator: torch.Generator) -> list[Tensor]:
    z, y = of_classes(8, 9)(generator)
    y[::3] = IGNORED
    return [z, y]


def ignoring_back(
    g: Tensor, z: Tensor, y: Tensor, all_rows: bool = False, masked: bool = True
) -> tuple[Tensor, None]:
    kept = y != IGNORED
    count = len(y) if all_rows else int(kept.sum())
    dz = z.softmax(-1) - one_hot(y.clamp(min=0), z)
    if masked:
        dz = dz * kept[:, None]
    return g * dz / count, None


def softcapped(z: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(CAP * (z / CAP).tanh(), y)


def softcapped_back(g: Tensor, z: Tensor, y: Tensor, slope: bool = True) -> tuple[Tensor, None]:
    t = (z / CAP).tanh()
    dz = cross_entropy_back(g, CAP * t, y)[0]
    return dz * (1 - t * t) if slope else dz, None


def divergence(a: Tensor, b: Tensor) -> Tensor:
    p = a.softmax(-1)
    return (p * (a.log_softmax(-1) - b.log_softmax(-1))).sum(-1).mean()


def divergence_back(g: Tensor, a: Tensor, b: Tensor, centred: float = 1.0) -> tuple[Tensor, Tensor]:
    p = a.softmax(-1)
    ratio = a.log_softmax(-1) - b.log_softmax(-1)
    mean = centred * (p * ratio).sum(-1, keepdim=True)
    return g * p * (ratio - mean) / len(a), g * (b.softmax(-1) - p) / len(a)


KERNELS = [
    Kernel(
        "cross-entropy",
        F.cross_entropy,
        of_classes(8, 9),
        F.cross_entropy,
        cross_entropy_back,
        [
            Bug("without the softmax", lambda g, z, y: (-g * one_hot(y, z) / len(y), None)),
            Bug(
                "the incoming gradient is ignored",
                lambda g, z, y: cross_entropy_back(torch.ones_like(g), z, y),
            ),
            Bug(
                "sum in place of mean", lambda g, z, y: (g * (z.softmax(-1) - one_hot(y, z)), None)
            ),
            Bug("the label's row is shifted", lambda g, z, y: cross_entropy_back(g, z, y.roll(1))),
        ],
    ),
    Kernel(
        "cross-entropy with ignored labels",
        lambda z, y: F.cross_entropy(z, y, ignore_index=IGNORED),
        with_ignored,
        lambda z, y: F.cross_entropy(z, y, ignore_index=IGNORED),
        ignoring_back,
        [
            Bug("divided by all rows", lambda g, z, y: ignoring_back(g, z, y, all_rows=True)),
            Bug("ignored rows get one", lambda g, z, y: ignoring_back(g, z, y, masked=False)),
        ],
    ),
    Kernel(
        "softcapped cross-entropy",
        softcapped,
        of_classes(8, 9),
        softcapped,
        softcapped_back,
        [
            Bug("the cap's slope is left out", lambda g, z, y: softcapped_back(g, z, y, False)),
            Bug(
                "the cap is left out of the backward pass",
                lambda g, z, y: cross_entropy_back(g, z, y),
            ),
        ],
    ),
    Kernel(
        "label smoothing",
        lambda z, y: F.cross_entropy(z, y, label_smoothing=SMOOTHING),
        of_classes(8, 9),
        lambda z, y: F.cross_entropy(z, y, label_smoothing=SMOOTHING),
        lambda g, z, y: (g * (z.softmax(-1) - smoothed(z, y)) / len(y), None),
        [Bug("not in the backward pass", cross_entropy_back)],
    ),
    Kernel(
        "divergence of two softmaxes",
        divergence,
        shapes((6, 7), (6, 7)),
        divergence,
        divergence_back,
        [
            Bug("without its own mean", lambda g, a, b: divergence_back(g, a, b, 0.0)),
            Bug(
                "the second sign",
                lambda g, a, b: (divergence_back(g, a, b)[0], -divergence_back(g, a, b)[1]),
                inputs=(1,),
            ),
        ],
    ),
]
