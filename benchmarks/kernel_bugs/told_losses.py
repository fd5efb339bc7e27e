"""Losses whose bugs a public tracker tells of; what is written here is written anew.

Sources: Liger-Kernel issues 678 and 968, pull request 1298 (`reduction="none"`); NeMo Automodel
pull request 2428 (targets that do not sum to one). The others are kinds without one source.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.kernel_bugs.by_autograd import backward_of, changed
from benchmarks.kernel_bugs.kernel import Bug, Kernel, of_classes, one_hot, shapes


def by_row(z: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(z, y, reduction="none")


def by_row_back(g: Tensor, z: Tensor, y: Tensor) -> tuple[Tensor, None]:
    return g[:, None] * (z.softmax(-1) - one_hot(y, z)), None


def soft(z: Tensor, p: Tensor) -> Tensor:
    return -(p * z.log_softmax(-1)).sum(-1)


def soft_back(g: Tensor, z: Tensor, p: Tensor, total: bool = True) -> tuple[Tensor, Tensor]:
    sums = p.sum(-1, keepdim=True) if total else 1.0
    return g[:, None] * (sums * z.softmax(-1) - p), -g[:, None] * z.log_softmax(-1)


def of_targets(generator: torch.Generator) -> list[Tensor]:
    z = torch.randn((6, 20), generator=generator, dtype=torch.float64)
    return [z, torch.rand((6, 20), generator=generator, dtype=torch.float64) / 4]


def focal(z: Tensor, y: Tensor, still: bool = False) -> Tensor:
    q = (z * (2 * y - 1)).sigmoid()
    weight = (1 - q) ** 2
    return -((weight.detach() if still else weight) * q.log()).mean()


def of_bits(generator: torch.Generator) -> list[Tensor]:
    z = torch.randn((5, 12), generator=generator, dtype=torch.float64)
    return [z, torch.randint(2, (5, 12), generator=generator)]


def overlap(z: Tensor, y: Tensor, still: bool = False) -> Tensor:
    p = z.sigmoid()
    size = p.sum(-1) + y.sum(-1) + 1
    return 1 - ((2 * (p * y).sum(-1) + 1) / (size.detach() if still else size)).mean()


def smooth_l1(a: Tensor, b: Tensor) -> Tensor:
    return F.smooth_l1_loss(a, b, beta=0.25)


def smooth_l1_back(g: Tensor, a: Tensor, b: Tensor, beta: float = 0.25) -> tuple[Tensor, Tensor]:
    d = a - b
    slope = torch.where(d.abs() < 0.25, d / beta, d.sign()) * g / d.numel()
    return slope, -slope


def divergence(z: Tensor, t: Tensor) -> Tensor:
    return F.kl_div(z.log_softmax(-1), t.log_softmax(-1), reduction="batchmean", log_target=True)


def cosine(a: Tensor, b: Tensor, still: bool = False) -> Tensor:
    size = a.norm(dim=-1) * b.norm(dim=-1)
    return (a * b).sum(-1) / (size.detach() if still else size)


def contrastive(a: Tensor, b: Tensor, temperature: float = 0.1) -> Tensor:
    scores = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).mT / temperature
    return F.cross_entropy(scores, torch.arange(len(a)))


KERNELS = [
    Kernel(
        "cross-entropy of each row",
        by_row,
        of_classes(8, 30),
        by_row,
        by_row_back,
        [
            Bug(
                "all rows get the first one's gradient (Liger-Kernel 968)",
                lambda g, z, y: by_row_back(g[:1].expand_as(g), z, y),
            ),
            Bug(
                "the mean of what is sent back",
                lambda g, z, y: by_row_back(g.mean().expand_as(g), z, y),
            ),
        ],
    ),
    Kernel(
        "cross-entropy of soft targets",
        soft,
        of_targets,
        soft,
        soft_back,
        [
            Bug(
                "targets are taken to sum to one (NeMo Automodel 2428)",
                lambda g, z, p: soft_back(g, z, p, total=False),
            ),
            Bug(
                "the sign of the targets' gradient",
                changed(soft_back, 1, lambda found, *given: -found),
                inputs=(1,),
            ),
        ],
    ),
    Kernel(
        "focal loss",
        focal,
        of_bits,
        focal,
        backward_of(focal),
        [Bug("the weight is held still", backward_of(lambda z, y: focal(z, y, True)))],
    ),
    Kernel(
        "overlap of masks",
        overlap,
        of_bits,
        overlap,
        backward_of(overlap),
        [Bug("the size is held still", backward_of(lambda z, y: overlap(z, y, True)))],
    ),
    Kernel(
        "smooth absolute error",
        smooth_l1,
        shapes((40,), (40,)),
        smooth_l1,
        smooth_l1_back,
        [Bug("beta is left out", lambda g, a, b: smooth_l1_back(g, a, b, 1.0), inputs=(0, 1))],
    ),
    Kernel(
        "divergence of log targets",
        divergence,
        shapes((6, 11), (6, 11)),
        divergence,
        backward_of(divergence),
        [
            Bug(
                "mean over all entries",
                lambda g, z, t: [found / 11 for found in backward_of(divergence)(g, z, t)],
                inputs=(0, 1),
            ),
            Bug(
                "the targets are held still",
                changed(backward_of(divergence), 1, lambda found, *given: 0 * found),
                inputs=(1,),
            ),
        ],
    ),
    Kernel(
        "cosine similarity",
        cosine,
        shapes((7, 16), (7, 16)),
        cosine,
        backward_of(cosine),
        [
            Bug(
                "the lengths are held still",
                backward_of(lambda a, b: cosine(a, b, True)),
                inputs=(0, 1),
            )
        ],
    ),
    Kernel(
        "contrastive loss",
        contrastive,
        shapes((9, 12), (9, 12)),
        contrastive,
        backward_of(contrastive),
        [
            Bug(
                "no temperature on the way back",
                lambda g, a, b: [found / 10 for found in backward_of(contrastive)(g, a, b)],
                inputs=(0, 1),
            ),
            Bug(
                "one side alone",
                changed(backward_of(contrastive), 1, lambda found, *given: None),
                inputs=(1,),
            ),
        ],
    ),
]
