"""Kernels of activations, and what is computed entry by entry."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.kernel_bugs.kernel import Bug, Kernel, shapes


def sigmoid_slope(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


def gelu_slope(x: Tensor) -> Tensor:
    density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * density


def gelu_tanh_slope(x: Tensor) -> Tensor:
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    t = inner.tanh()
    slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope


KERNELS = [
    Kernel(
        "SwiGLU",
        lambda e, u: F.silu(e) * u,
        shapes((6, 8), (6, 8)),
        lambda e, u: F.silu(e) * u,
        lambda g, e, u: (g * u * sigmoid_slope(e), g * F.silu(e)),
        [
            Bug(
                "sigmoid in place of silu's slope",
                lambda g, e, u: (g * u * e.sigmoid(), g * F.silu(e)),
            ),
            Bug(
                "the gate is left out",
                lambda g, e, u: (g * u * sigmoid_slope(e), g * e.sigmoid()),
                inputs=(1,),
            ),
            Bug(
                "both exchanged",
                lambda g, e, u: (g * F.silu(e), g * u * sigmoid_slope(e)),
                inputs=(0, 1),
            ),
        ],
    ),
    Kernel(
        "GeGLU, exact",
        lambda e, u: F.gelu(e) * u,
        shapes((6, 8), (6, 8)),
        lambda e, u: F.gelu(e) * u,
        lambda g, e, u: (g * u * gelu_slope(e), g * F.gelu(e)),
        [
            Bug(
                "the slope of the tanh form",
                lambda g, e, u: (g * u * gelu_tanh_slope(e), g * F.gelu(e)),
                dtypes=("float64", "float32"),
            ),
            Bug(
                "the slope's second term left out",
                lambda g, e, u: (
                    g * u * 0.5 * (1 + torch.erf(e / math.sqrt(2))),
                    g * F.gelu(e),
                ),
            ),
        ],
    ),
    Kernel(
        "GELU, tanh form",
        lambda x: F.gelu(x, approximate="tanh"),
        shapes((6, 8)),
        lambda x: F.gelu(x, approximate="tanh"),
        lambda g, x: (g * gelu_tanh_slope(x),),
        [
            Bug(
                "a coefficient of 0.04 in its slope",
                lambda g, x: (g * gelu_tanh_slope(x) * (1 + 0.01 * x.tanh()),),
                dtypes=("float64", "float32", "float16"),
            )
        ],
    ),
    Kernel(
        "expm1 of small numbers",
        torch.expm1,
        lambda generator: [1e-4 * torch.rand((6, 8), generator=generator, dtype=torch.float64)],
        torch.expm1,
        lambda g, x: (g * x.exp(),),
        [
            Bug(
                "exp(x) - 1, which loses its digits in float32",
                forward=lambda x: x.exp() - 1,
                dtypes=("float32",),
                needs_reference=True,
            )
        ],
    ),
]
