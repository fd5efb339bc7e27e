"""Kernels of other layers: look-up, product, sampling."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.kernel_bugs.kernel import Bug, Kernel, shapes


def embedding_inputs(generator: torch.Generator) -> list[Tensor]:
    """A table, and indices that come more than once."""
    table = torch.randn((7, 5), generator=generator, dtype=torch.float64)
    return [table, torch.tensor([1, 3, 3, 0, 6, 3])]


def written(g: Tensor, table: Tensor, index: Tensor) -> Tensor:
    found = torch.zeros_like(table)
    found[index] = g
    return found


def bilinear(image: Tensor, at: Tensor) -> Tensor:
    """Values of an image between its pixels, at positions from 0 to 1 within each."""
    a, b = at[:, 0], at[:, 1]
    n = torch.arange(len(at))
    corners = (image[n, n], image[n, n + 1], image[n + 1, n], image[n + 1, n + 1])
    weights = ((1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b)
    return sum(c * w for c, w in zip(corners, weights, strict=True))


def bilinear_back(
    g: Tensor, image: Tensor, at: Tensor, swapped: bool = False
) -> tuple[Tensor, Tensor]:
    a, b = at[:, 0], at[:, 1]
    n = torch.arange(len(at))
    places = ((n, n), (n, n + 1), (n + 1, n), (n + 1, n + 1))
    weights = [(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b]
    if swapped:
        weights[1], weights[2] = weights[2], weights[1]
    di = torch.zeros_like(image)
    for place, weight in zip(places, weights, strict=True):
        di = di.index_put(place, g * weight, accumulate=True)
    c = [image[place] for place in places]
    da = (c[2] - c[0]) * (1 - b) + (c[3] - c[1]) * b
    db = (c[1] - c[0]) * (1 - a) + (c[3] - c[2]) * a
    return di, torch.stack([g * da, g * db], dim=1)


def positions(generator: torch.Generator) -> list[Tensor]:
    image = torch.randn((7, 7), generator=generator, dtype=torch.float64)
    at = 0.2 + 0.6 * torch.rand((6, 2), generator=generator, dtype=torch.float64)
    return [image, at]


def scaled_linear(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return x @ w.T + b


KERNELS = [
    Kernel(
        "embedding",
        lambda table, index: table[index],
        embedding_inputs,
        lambda table, index: table[index],
        lambda g, table, index: (torch.zeros_like(table).index_add(0, index, g), None),
        [
            Bug(
                "rows that come twice are overwritten",
                lambda g, table, index: (written(g, table, index), None),
            )
        ],
    ),
    Kernel(
        "linear with bias",
        F.linear,
        shapes((6, 5), (4, 5), (4,)),
        scaled_linear,
        lambda g, x, w, b: (g @ w, g.T @ x, g.sum(0)),
        [
            Bug(
                "dx seven times too large",
                lambda g, x, w, b: (7 * g @ w, g.T @ x, g.sum(0)),
            ),
            Bug(
                "mean in place of sum for the bias",
                lambda g, x, w, b: (g @ w, g.T @ x, g.mean(0)),
                inputs=(2,),
            ),
            Bug(
                "one row of the weight is left out",
                lambda g, x, w, b: (g @ w, torch.cat([(g.T @ x)[:-1], 0 * w[-1:]]), g.sum(0)),
                inputs=(1,),
            ),
        ],
    ),
    Kernel(
        "bilinear sampling",
        bilinear,
        positions,
        bilinear,
        bilinear_back,
        [
            Bug(
                "two weights exchanged",
                lambda g, image, at: bilinear_back(g, image, at, swapped=True),
            )
        ],
    ),
]
