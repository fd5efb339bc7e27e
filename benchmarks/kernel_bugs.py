"""The kernels of benchmarks/kernels.py: a reference, a right forward and backward pass, and bugs.

A backward pass gets the incoming gradient and the inputs, and gives a gradient for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Pass = Callable[..., Any]


@dataclass(frozen=True)
class Bug:
    """One way in which a kernel has been wrong.

    Attributes:
        name: what is wrong, in words.
        backward, forward: the pass that is wrong.
        inputs: whose gradients come out wrong.
        dtypes: in which it shows; all where empty.
        needs_reference: whether its own formula is right, so that only a reference shows the digits
            that it loses.
    """

    name: str
    backward: Pass | None = None
    forward: Pass | None = None
    inputs: tuple[int, ...] = (0,)
    dtypes: tuple[str, ...] = ()
    needs_reference: bool = False


@dataclass(frozen=True)
class Kernel:
    """A kernel that is right, and its bugs."""

    name: str
    reference: Pass
    inputs: Callable[[torch.Generator], list[Tensor]]
    forward: Pass
    backward: Pass
    bugs: list[Bug] = field(default_factory=list)


def shapes(*sizes: tuple[int, ...]) -> Callable[[torch.Generator], list[Tensor]]:
    """Normal inputs of these shapes."""
    return lambda generator: [
        torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes
    ]


def of_classes(n: int, k: int) -> Callable[[torch.Generator], list[Tensor]]:
    """Logits and labels."""
    return lambda generator: [
        torch.randn((n, k), generator=generator, dtype=torch.float64),
        torch.randint(k, (n,), generator=generator),
    ]


def one_hot(y: Tensor, z: Tensor) -> Tensor:
    return F.one_hot(y, z.shape[-1]).to(z.dtype)


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


CAP = 5.0  # of a softcap
SMOOTHING = 0.1
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


def embedding_inputs(generator: torch.Generator) -> list[Tensor]:
    """A table, and indices that come more than once."""
    table = torch.randn((7, 5), generator=generator, dtype=torch.float64)
    return [table, torch.tensor([1, 3, 3, 0, 6, 3])]


def written(g: Tensor, table: Tensor, index: Tensor) -> Tensor:
    found = torch.zeros_like(table)
    found[index] = g
    return found


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


def scaled_linear(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return x @ w.T + b


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
