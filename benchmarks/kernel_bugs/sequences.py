"""Kernels over sequences: positions, attention, scans, a recurrent cell."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmarks.kernel_bugs.kernel import Bug, Kernel, shapes


def rotated(x: Tensor, sign: float = 1.0) -> Tensor:
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[0], dtype=x.dtype)[:, None] / torch.arange(1, half + 1)
    cos = angle.cos().to(x.dtype)
    sin = sign * angle.sin().to(x.dtype)
    a = x[:, :half]
    b = x[:, half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def softmax_back(g: Tensor, p: Tensor) -> Tensor:
    return p * (g - (g * p).sum(-1, keepdim=True))


def causal(scores: Tensor, above: int = 1) -> Tensor:
    mask = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(above)
    return scores.masked_fill(mask, -torch.inf)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return causal(q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v


def attention_back(
    g: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale_q: float = 1.0,
    scale_k: float = 1.0,
    above: int = 1,
    summed: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(q.shape[-1])
    p = causal(q @ k.mT * scale, above).softmax(-1)
    dp = g @ v.mT
    ds = p * (dp - summed * (dp * p).sum(-1, keepdim=True))
    return scale_q * scale * ds @ k, scale_k * scale * ds.mT @ q, p.mT @ g


def scan(a: Tensor, x: Tensor) -> Tensor:
    """h[t] = a[t] h[t - 1] + x[t]."""
    h = torch.zeros_like(x[0])
    found = []
    for t in range(len(x)):
        h = a[t] * h + x[t]
        found.append(h)
    return torch.stack(found)


def scan_back(g: Tensor, a: Tensor, x: Tensor, shift: int = 1) -> tuple[Tensor, Tensor]:
    h = scan(a, x)
    da = torch.zeros_like(a)
    dx = torch.zeros_like(x)
    carried = torch.zeros_like(x[0])
    for t in reversed(range(len(x))):
        carried = carried + g[t]
        dx[t] = carried
        if t >= shift:
            da[t] = carried * h[t - shift]
        carried = carried * a[t]
    return da, dx


def lstm_cell(x: Tensor, c: Tensor) -> Tensor:
    """The new state from the four gates' inputs and the old state."""
    i, f, o, n = x.chunk(4, dim=-1)
    state = torch.sigmoid(f) * c + torch.sigmoid(i) * n.tanh()
    return torch.sigmoid(o) * state.tanh()


def lstm_back(
    g: Tensor, x: Tensor, c: Tensor, forget: bool = True, tanh: bool = True
) -> tuple[Tensor, Tensor]:
    i, f, o, n = (gate for gate in x.chunk(4, dim=-1))
    i, f, o, n = i.sigmoid(), f.sigmoid(), o.sigmoid(), n.tanh()
    state = f * c + i * n
    t = state.tanh()
    ds = g * o * (1 - t * t) if tanh else g * o
    di = ds * n * i * (1 - i)
    df = ds * c * (f * (1 - f) if forget else f)
    do = g * t * o * (1 - o)
    dn = ds * i * (1 - n * n)
    return torch.cat([di, df, do, dn], dim=-1), ds * f


KERNELS = [
    Kernel(
        "rotary embedding",
        rotated,
        shapes((6, 8)),
        rotated,
        lambda g, x: (rotated(g, -1.0),),
        [Bug("rotated the same way back", lambda g, x: (rotated(g, 1.0),))],
    ),
    Kernel(
        "softmax",
        lambda x: x.softmax(-1),
        shapes((6, 9)),
        lambda x: x.softmax(-1),
        lambda g, x: (softmax_back(g, x.softmax(-1)),),
        [
            Bug("without the sum", lambda g, x: (g * x.softmax(-1),)),
            Bug(
                "p (1 - p), as of a sigmoid",
                lambda g, x: (g * x.softmax(-1) * (1 - x.softmax(-1)),),
            ),
        ],
    ),
    Kernel(
        "causal attention",
        attention,
        shapes((7, 4), (7, 4), (7, 4)),
        attention,
        attention_back,
        [
            Bug(
                "no scale for the keys",
                lambda g, q, k, v: attention_back(g, q, k, v, scale_k=2.0),
                inputs=(1,),
            ),
            Bug(
                "no scale for the queries",
                lambda g, q, k, v: attention_back(g, q, k, v, scale_q=2.0),
                inputs=(0,),
            ),
            Bug(
                "the mask is off by one on the way back",
                lambda g, q, k, v: attention_back(g, q, k, v, above=2),
                inputs=(0, 1, 2),
            ),
            Bug(
                "without the sum over a row",
                lambda g, q, k, v: attention_back(g, q, k, v, summed=0.0),
                inputs=(0, 1),
            ),
        ],
    ),
    Kernel(
        "selective scan",
        scan,
        lambda generator: [
            0.5 + 0.4 * torch.rand((5, 4), generator=generator, dtype=torch.float64),
            torch.randn((5, 4), generator=generator, dtype=torch.float64),
        ],
        scan,
        scan_back,
        [
            Bug(
                "the state of the same step",
                lambda g, a, x: scan_back(g, a, x, shift=0),
                inputs=(0,),
            ),
            Bug("nothing is carried back", lambda g, a, x: (scan_back(g, a, x)[0], g), inputs=(1,)),
        ],
    ),
    Kernel(
        "LSTM cell",
        lstm_cell,
        shapes((4, 12), (4, 3)),
        lstm_cell,
        lstm_back,
        [
            Bug("the forget gate's slope", lambda g, x, c: lstm_back(g, x, c, forget=False)),
            Bug(
                "the state's tanh is left out",
                lambda g, x, c: lstm_back(g, x, c, tanh=False),
                inputs=(0, 1),
            ),
        ],
    ),
    Kernel(
        "cumulative sum",
        lambda x: x.cumsum(0),
        shapes((6, 4)),
        lambda x: x.cumsum(0),
        lambda g, x: (g.flip(0).cumsum(0).flip(0),),
        [Bug("not reversed", lambda g, x: (g.cumsum(0),))],
    ),
]
