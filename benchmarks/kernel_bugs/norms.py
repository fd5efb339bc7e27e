"""Kernels that normalize."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from benchmarks.kernel_bugs.kernel import Bug, Kernel, shapes

EPS = 1e-5


def rms(x: Tensor) -> Tensor:
    return (x.square().mean(-1, keepdim=True) + EPS).rsqrt()


def rms_norm_back(g: Tensor, x: Tensor, w: Tensor, projected: float = 1.0) -> Tensor:
    r = rms(x)
    h = x * r
    gw = g * w
    return r * (gw - projected * h * (gw * h).mean(-1, keepdim=True))


def normalized(x: Tensor, eps: float = EPS) -> tuple[Tensor, Tensor]:
    r = (x.var(-1, unbiased=False, keepdim=True) + eps).rsqrt()
    return (x - x.mean(-1, keepdim=True)) * r, r


def layer_norm_back(
    g: Tensor, x: Tensor, w: Tensor, centred: float = 1.0, projected: float = 1.0
) -> Tensor:
    h, r = normalized(x)
    gw = g * w
    mean = centred * gw.mean(-1, keepdim=True)
    return r * (gw - mean - projected * h * (gw * h).mean(-1, keepdim=True))


def layer_norm_weights(g: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    return (g * normalized(x)[0]).sum(0), g.sum(0)


KERNELS = [
    Kernel(
        "RMS norm",
        lambda x, w: x * rms(x) * w,
        shapes((6, 16), (16,)),
        lambda x, w: x * rms(x) * w,
        lambda g, x, w: (rms_norm_back(g, x, w), (g * x * rms(x)).sum(0)),
        [
            Bug(
                "without the projection",
                lambda g, x, w: (rms_norm_back(g, x, w, 0.0), (g * x * rms(x)).sum(0)),
            ),
            Bug(
                "the weight's gradient of the last rows alone",
                lambda g, x, w: (rms_norm_back(g, x, w), (g * x * rms(x))[3:].sum(0)),
                inputs=(1,),
            ),
            Bug(
                "sum in place of mean",
                lambda g, x, w: (rms_norm_back(g, x, w, x.shape[-1]), (g * x * rms(x)).sum(0)),
            ),
        ],
    ),
    Kernel(
        "RMS norm with 1 + w",
        lambda x, w: x * rms(x) * (1 + w),
        shapes((6, 16), (16,)),
        lambda x, w: x * rms(x) * (1 + w),
        lambda g, x, w: (rms_norm_back(g, x, 1 + w), (g * x * rms(x)).sum(0)),
        [
            Bug(
                "the 1 is forgotten on the way back",
                lambda g, x, w: (rms_norm_back(g, x, w), (g * x * rms(x)).sum(0)),
            )
        ],
    ),
    Kernel(
        "layer norm",
        lambda x, w, b: F.layer_norm(x, (16,), w, b, EPS),
        shapes((6, 16), (16,), (16,)),
        lambda x, w, b: normalized(x)[0] * w + b,
        lambda g, x, w, b: (layer_norm_back(g, x, w), *layer_norm_weights(g, x)),
        [
            Bug(
                "without the mean",
                lambda g, x, w, b: (layer_norm_back(g, x, w, 0.0), *layer_norm_weights(g, x)),
            ),
            Bug(
                "without the projection",
                lambda g, x, w, b: (
                    layer_norm_back(g, x, w, 1.0, 0.0),
                    *layer_norm_weights(g, x),
                ),
            ),
            Bug(
                "eps of 0.05",
                forward=lambda x, w, b: normalized(x, 0.05)[0] * w + b,
            ),
            Bug(
                "the bias gets the weight's gradient",
                lambda g, x, w, b: (
                    layer_norm_back(g, x, w),
                    layer_norm_weights(g, x)[0],
                    layer_norm_weights(g, x)[0],
                ),
                inputs=(2,),
            ),
        ],
    ),
    Kernel(
        "standard deviation",
        lambda x: x.std(-1),
        shapes((6, 9)),
        lambda x: x.std(-1),
        lambda g, x: (
            (g / x.std(-1))[:, None] * (x - x.mean(-1, keepdim=True)) / (x.shape[-1] - 1),
        ),
        [
            Bug(
                "n in place of n - 1",
                lambda g, x: (
                    (g / x.std(-1))[:, None] * (x - x.mean(-1, keepdim=True)) / x.shape[-1],
                ),
            )
        ],
    ),
]
