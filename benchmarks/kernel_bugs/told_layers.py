"""Layers whose bugs a public tracker tells of; what is written here is written anew.

Sources: unsloth issues 3314 (SwiGLU) and 4533, pull request 4550 (RMS norm); flash-attention issue
1973 (sinks). The others are kinds without one source.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.kernel_bugs.by_autograd import backward_of, changed
from benchmarks.kernel_bugs.kernel import Bug, Kernel, shapes


def rms(x: Tensor, w: Tensor) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * w


def rms_back(g: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    r = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
    gw = g * w
    return r * (gw - x * r.square() * (gw * x).mean(-1, keepdim=True)), (g * x * r).sum(0)


def rms_overwritten(g: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    dx, _ = rms_back(g, x, w)
    return dx, rms_back(dx, x, w)[1]


def gated(e: Tensor, g: Tensor) -> Tensor:
    return F.silu(e) * g


def gated_back(d: Tensor, e: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    s = e.sigmoid()
    return d * g * s * (1 + e * (1 - s)), d * e * s


def group_norm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return F.group_norm(x, 2, w, b)


def group_norm_back(g: Tensor, x: Tensor, w: Tensor, b: Tensor, by_channel: bool = False):
    n, c, s = x.shape
    grouped = x.reshape(n, 2, -1)
    r = (grouped.var(-1, unbiased=False, keepdim=True) + 1e-5).rsqrt()
    h = ((grouped - grouped.mean(-1, keepdim=True)) * r).reshape(n, c, s)
    gw = g * w[:, None]
    shape = (n, c, -1) if by_channel else (n, 2, -1)
    gh = gw.reshape(shape)
    normalized = h.reshape(shape)
    centred = gh - gh.mean(-1, keepdim=True)
    centred = centred - normalized * (gh * normalized).mean(-1, keepdim=True)
    dx = centred.reshape(n, 2, -1) * r
    return dx.reshape(n, c, s), (g * h).sum((0, 2)), g.sum((0, 2))


def batch_norm(x: Tensor, w: Tensor, still: bool = False) -> Tensor:
    mean = x.mean(0)
    variance = x.var(0, unbiased=False)
    if still:
        mean = mean.detach()
        variance = variance.detach()
    return (x - mean) * (variance + 1e-5).rsqrt() * w


def adapted(x: Tensor, w: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return x @ w.mT + 0.5 * (x @ a.mT) @ b.mT


def adapted_back(g: Tensor, x: Tensor, w: Tensor, a: Tensor, b: Tensor):
    gb = 0.5 * (g @ b)
    return g @ w + gb @ a, g.mT @ x, gb.mT @ x, 0.5 * g.mT @ (x @ a.mT)


def sinks(q: Tensor, k: Tensor, v: Tensor, sink: Tensor) -> Tensor:
    scores = torch.cat([q @ k.mT / q.shape[-1] ** 0.5, sink.expand(*q.shape[:-1], 1)], -1)
    return scores.softmax(-1)[..., :-1] @ v


def capped(q: Tensor, k: Tensor, v: Tensor, still: bool = False) -> Tensor:
    scores = q @ k.mT / q.shape[-1] ** 0.5
    bent = 2 * (scores / 2).tanh()
    if still:
        bent = scores + (bent - scores).detach()
    return bent.softmax(-1) @ v


def shared_heads(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    groups = q.shape[0] // k.shape[0]
    keys = k.repeat_interleave(groups, 0)
    values = v.repeat_interleave(groups, 0)
    return F.scaled_dot_product_attention(q, keys, values)


def last_head_alone(g: Tensor, q: Tensor, k: Tensor, v: Tensor):
    found = backward_of(shared_heads)(g, q, k, v)
    last = backward_of(shared_heads)(g[1::2], q[1::2], k, v)
    return [found[0], last[1], last[2]]


def causal(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    padded = F.pad(x, (w.shape[-1] - 1, 0))
    return F.conv1d(padded, w[:, None], b, groups=x.shape[1])


def weight_normed(v: Tensor, g: Tensor, still: bool = False) -> Tensor:
    size = v.norm(dim=1, keepdim=True)
    return g * v / (size.detach() if still else size)


def routed(z: Tensor, x: Tensor, still: bool = False) -> Tensor:
    kept, places = z.softmax(-1).topk(2, -1)
    total = kept.sum(-1, keepdim=True)
    share = kept / (total.detach() if still else total)
    return (share[..., None] * x[places]).sum(1)


def pooled(x: Tensor) -> Tensor:
    return F.max_pool1d(x, 3, 1)


def pooled_overwriting(g: Tensor, x: Tensor) -> tuple[Tensor]:
    _, places = F.max_pool1d(x, 3, 1, return_indices=True)
    return (torch.zeros_like(x).scatter(-1, places, g),)


def quick_gelu(x: Tensor) -> Tensor:
    return x * (1.702 * x).sigmoid()


def quick_gelu_back(g: Tensor, x: Tensor, factor: float = 1.702) -> tuple[Tensor]:
    s = (1.702 * x).sigmoid()
    return (g * s * (1 + factor * x * (1 - s)),)


def delta_scan(x: Tensor, delta: Tensor, a: Tensor) -> Tensor:
    step = F.softplus(delta)
    state = torch.zeros_like(x[0])
    states = []
    for t in range(len(x)):
        state = (-step[t] * a.exp()).exp() * state + step[t] * x[t]
        states.append(state)
    return torch.stack(states)


def resized(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="linear", align_corners=False)


def resized_by_corners(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="linear", align_corners=True)


KERNELS = [
    Kernel(
        "RMS norm of rows",
        rms,
        shapes((6, 64), (64,)),
        rms,
        rms_back,
        [
            Bug(
                "no gradient for the weight (unsloth 4533)",
                lambda g, x, w: (rms_back(g, x, w)[0], None),
                inputs=(1,),
            ),
            Bug(
                "the weight's of what was sent back after it is overwritten (unsloth 4550)",
                rms_overwritten,
                inputs=(1,),
            ),
        ],
    ),
    Kernel(
        "gated silu",
        gated,
        shapes((4, 32), (4, 32)),
        gated,
        gated_back,
        [
            Bug(
                "the result in place of its gradient (unsloth 3314)",
                lambda d, e, g: (d * F.silu(e), gated_back(d, e, g)[0]),
                inputs=(0, 1),
            )
        ],
    ),
    Kernel(
        "group norm",
        group_norm,
        shapes((3, 4, 10), (4,), (4,)),
        group_norm,
        group_norm_back,
        [Bug("means over a channel", lambda *a: group_norm_back(*a, by_channel=True))],
    ),
    Kernel(
        "batch norm of a batch",
        batch_norm,
        shapes((12, 5), (5,)),
        batch_norm,
        backward_of(batch_norm),
        [Bug("its statistics are held still", backward_of(lambda x, w: batch_norm(x, w, True)))],
    ),
    Kernel(
        "adapted linear layer",
        adapted,
        shapes((8, 16), (12, 16), (2, 16), (12, 2)),
        adapted,
        adapted_back,
        [
            Bug(
                "the scale is left out of one factor",
                changed(adapted_back, 2, lambda found, *given: 2 * found),
                inputs=(2,),
            ),
            Bug(
                "no path through the adapter",
                changed(adapted_back, 0, lambda found, g, x, w, a, b: g @ w),
            ),
        ],
    ),
    Kernel(
        "attention with a sink",
        sinks,
        shapes((2, 6, 8), (2, 6, 8), (2, 6, 8), (1,)),
        sinks,
        backward_of(sinks),
        [
            Bug(
                "zero for the sink (flash-attention 1973)",
                changed(backward_of(sinks), 3, lambda found, *given: 0 * found),
                inputs=(3,),
            )
        ],
    ),
    Kernel(
        "attention with a cap",
        capped,
        shapes((2, 6, 8), (2, 6, 8), (2, 6, 8)),
        capped,
        backward_of(capped),
        [
            Bug(
                "no slope of the cap",
                backward_of(lambda q, k, v: capped(q, k, v, True)),
                inputs=(0, 1),
            )
        ],
    ),
    Kernel(
        "attention with shared heads",
        shared_heads,
        shapes((4, 6, 8), (2, 6, 8), (2, 6, 8)),
        shared_heads,
        backward_of(shared_heads),
        [Bug("the last head of each group alone", last_head_alone, inputs=(1, 2))],
    ),
    Kernel(
        "causal convolution of channels",
        causal,
        shapes((3, 5, 14), (5, 4), (5,)),
        causal,
        backward_of(causal),
        [
            Bug(
                "the weight is reversed",
                changed(backward_of(causal), 1, lambda found, *given: found.flip(-1)),
                inputs=(1,),
            ),
            Bug(
                "the bias of the first sample",
                changed(backward_of(causal), 2, lambda found, g, *given: g[0].sum(-1)),
                inputs=(2,),
            ),
        ],
    ),
    Kernel(
        "weight norm",
        weight_normed,
        shapes((6, 10), (6, 1)),
        weight_normed,
        backward_of(weight_normed),
        [Bug("the length is held still", backward_of(lambda v, g: weight_normed(v, g, True)))],
    ),
    Kernel(
        "routing to two experts",
        routed,
        shapes((8, 5), (5, 6)),
        routed,
        backward_of(routed),
        [Bug("the total is held still", backward_of(lambda z, x: routed(z, x, True)))],
    ),
    Kernel(
        "pooling of windows that overlap",
        pooled,
        shapes((2, 3, 20)),
        pooled,
        backward_of(pooled),
        [Bug("entries that win twice are overwritten", pooled_overwriting)],
    ),
    Kernel(
        "quick gelu",
        quick_gelu,
        shapes((40,)),
        quick_gelu,
        quick_gelu_back,
        [Bug("1.702 is left out of the slope", lambda g, x: quick_gelu_back(g, x, 1.0))],
    ),
    Kernel(
        "scan with softplus steps",
        delta_scan,
        shapes((7, 4), (7, 4), (4,)),
        delta_scan,
        backward_of(delta_scan),
        [
            Bug(
                "the slope of softplus is left out",
                changed(
                    backward_of(delta_scan),
                    1,
                    lambda found, g, x, delta, a: found / delta.sigmoid(),
                ),
                inputs=(1,),
            )
        ],
    ),
    Kernel(
        "resizing between pixels",
        resized,
        shapes((2, 3, 9)),
        resized,
        backward_of(resized),
        [Bug("by corners on the way back", backward_of(resized_by_corners))],
    ),
]
