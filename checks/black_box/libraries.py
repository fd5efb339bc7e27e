"""What is known of the errors of library functions that round within, where torch cannot tell of
which operations they are made.

A relative error of one eps is too little for them: terms cancel within, or an entry carries the
rounding of all the others. Every factor here makes the imitated error (r uniform in [-1, 1] has the
root mean square 0.577) about twice as large as what was measured of float32 against float64, as
random roundings are twice as large as rounding to nearest everywhere.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from backproof.checks.black_box.operations import name_of

# eps that a function may be off within a fused kernel: on a CPU with AVX, gelu's own erf is 5.4
# eps off
LIBRARY = {"erf": 4.0}
# eps of its largest term: 0.65 (root mean square) and 3.4 at most of 2,600,000 arguments from -100
# to 1000
DIGAMMA = 2.0
# eps of its terms: 0.36 (root mean square), but 3.6 at most of 96,000 entries: its tails are longer
# than those of a rounding, so it is imitated four times as large as others
CTC = 4.0
BACKWARD = {  # eps * sqrt(n) of a whole matrix: see `within`
    **dict.fromkeys(("_linalg_svd", "_linalg_eigh", "linalg_eig"), 6.0),
    "linalg_pinv": 4.0,
    **dict.fromkeys(("linalg_qr", "linalg_lstsq"), 2.0),
    **dict.fromkeys(
        ("linalg_lu", "linalg_lu_factor_ex", "linalg_cholesky_ex", "linalg_inv_ex"), 1.0
    ),
    **dict.fromkeys(("_linalg_solve_ex", "_linalg_det", "_linalg_slogdet"), 1.0),
}
# which results are vectors of length 1
VECTORS = {
    "_linalg_svd": (0, 2),
    "_linalg_eigh": (1,),
    "linalg_eig": (1,),
}
VECTOR = 3.0  # eps of length 1: see `of_results`
# A special function in float32 is off by up to c eps (|f| + |x f'|) of its value in float64. Of
# 1,000,000 arguments from -40 to 40 the root mean square of c is 0.6 for digamma, the Bessel
# functions and erfcx, 0.4 for polygamma, 0.3 for the others. So their arguments are moved, too, by
# what makes twice as much: next to a pole, |x f'| is much more than |f|.
ARGUMENT = {
    **dict.fromkeys(
        (
            "digamma special_bessel_j0 special_bessel_j1 special_erfcx special_i0e special_i1 "
            "special_i1e i0 mvlgamma polygamma special_zeta"
        ).split(),
        2.0,
    ),
    **dict.fromkeys("lgamma logit sinc special_log_ndtr special_ndtri tan".split(), 1.0),
}
FOURIER = 0.5  # eps * log2(n) of a whole line, and 1 at least


def within(func: Any, args: Any) -> Tensor | None:
    """How large the error, over eps, is that each entry of the first argument stands for; None
    where its own size tells it.

    LAPACK's decompositions are backward stable: what comes out is exact for A + E, and the norm of
    E is at most p(n) eps times that of A (LAPACK Users' Guide, chapter 4), whatever the single
    entries. E is spread over all of them, so a small one is moved by what its neighbours are worth.
    What is left of A - U S V* and the like, over eps times the norm of A and the root of the
    shorter side, was measured with normal and graded matrices of 2 x 2 to 256 x 256; its root mean
    square is at most 2.0 for svd, 1.7 for eigh, 2.0 for eig, 0.7 for qr, 0.4 for lu and lstsq, 0.3
    for cholesky, 0.2 for solve. pinv is off by 0.02 (graded) to 2.5 times what such an E does to
    it.

    A Fourier transform is unitary, so what its butterflies round (Higham, Accuracy and Stability of
    Numerical Algorithms, chapter 24) is an error of its input, too: 0.23 eps of a whole line (n =
    2) to 0.79 (n = 96), root mean square.
    """
    name = name_of(func)
    if name in BACKWARD:
        return (
            _root_mean_square(args[0], (-2, -1)) * BACKWARD[name] * min(args[0].shape[-2:]) ** 0.5
        )
    if name in ("_fft_r2c", "_fft_c2c", "_fft_c2r"):
        n = math.prod(args[0].shape[dimension] for dimension in args[1])
        return _root_mean_square(args[0], args[1]) * max(1.0, FOURIER * math.log2(n))
    return None


def of_coordinates(func: Any, args: Any) -> dict[int, Tensor]:
    """The error of arguments that say where to read, over eps, by their position: a coordinate
    between -1 and 1 is counted from the edge, so it is as inexact as its distance from there."""
    if name_of(func).startswith("grid_sampler"):
        position = 2 if name_of(func).endswith("backward") else 1
        return {position: 1 + args[position].abs()}
    return {}


def of_normalization(func: Any, args: Any, results: Any) -> Tensor | None:
    """How large the error of a normalized tensor, or of its gradient, is over eps; None for other
    operations.

    Kernels compute a x + b with a = 1/s and b = -mean/s in place of (x - mean) / s, and from the
    sums of g and g x where the page has g times the normalized x: both subtract large numbers where
    the mean is large.
    """
    name = name_of(func)
    if name in ("native_layer_norm", "native_batch_norm", "_native_batch_norm_legit") or (
        name == "_batch_norm_with_update"
    ):
        x = args[0]
        mean = results[1]
        scale = results[2]
        if not mean.numel():
            return None
        if name != "native_layer_norm":
            shape = [1, -1] + [1] * (x.dim() - 2)
            mean = mean.reshape(shape)
            scale = scale.reshape(shape)
        weight = args[2] if name == "native_layer_norm" else args[1]
        size = (x.abs() + mean.abs()) * scale.abs()
        if weight is None:
            return size
        if name != "native_layer_norm":
            weight = weight.reshape(shape)
        return size * weight.abs()
    if name == "native_layer_norm_backward":
        return _of_layer_norm_backward(*args[:6])
    return None


def _of_layer_norm_backward(
    g: Tensor, x: Tensor, shape: Any, mean: Tensor, scale: Tensor, weight: Tensor | None
) -> Tensor:
    """The error of the gradient by x, over eps: that of the sum of g x, and that of the products
    with x that are subtracted from each other."""
    dimensions = tuple(range(-len(shape), 0))
    count = math.prod(shape)
    g = g if weight is None else g * weight
    normalized = (x - mean) * scale
    distance = x.abs() + mean.abs()
    summed = (g * distance).square().mean(dim=dimensions, keepdim=True).sqrt() / count**0.5
    slope = (g * normalized).mean(dim=dimensions, keepdim=True).abs()
    first = normalized.abs() * scale**2 * summed
    return first + slope * scale**2 * distance


def of_results(func: Any, args: Any, results: Any) -> list[Tensor | None] | None:
    """How large the error of each result is, over eps, where its own size does not tell; None where
    it does, for one of them or for all.

    Singular vectors and eigenvectors are not quite orthogonal: every entry of U*U - 1 is 0.7 to 1.3
    eps off (root mean square, from 2 x 2 to 96 x 96), so those of U are up to 0.9 eps off, whatever
    they are worth.

    digamma(x) is digamma(x + k) - 1/x - 1/(x + 1) - ..., with x + k of about 10; for a negative x,
    that of 1 - x and a cotangent. It has roots, where the difference has no correct digit. Its
    error is that of what is subtracted.
    """
    if (name := name_of(func)) in VECTORS:
        return [
            VECTOR * torch.ones_like(value, dtype=args[0].dtype) if k in VECTORS[name] else None
            for k, value in enumerate(results)
        ]
    if name == "digamma":
        x = args[0]
        mirrored = torch.where(x > 0, x, 1 - x)
        there = torch.digamma(mirrored)
        ten = torch.digamma(torch.full((), 10.0, dtype=x.dtype, device=x.device))
        return [DIGAMMA * (torch.maximum(there.abs(), ten - there) + (results - there).abs())]
    if name == "_ctc_loss_backward":
        return [_of_ctc(results, *args)]
    return None


def _of_ctc(
    result: Tensor,
    g: Tensor,
    log_p: Tensor,
    targets: Any,
    lengths: Any,
    sizes: Any,
    loss: Any,
    *rest: Any,
) -> Tensor:
    """The error of the gradient of connectionist temporal classification, over eps: it is the
    difference of a probability and of the exponential of a sum of logarithms that is as large as
    the loss."""
    del targets, lengths, sizes, rest
    within_batch = (1 + loss.abs()) if loss.dim() == 0 else (1 + loss.abs())[..., None]
    sent = g.abs() if g.dim() == 0 else g.abs()[..., None]
    return CTC * within_batch * (result.abs() + sent * log_p.exp())


def _root_mean_square(values: Tensor, dimensions: Any) -> Tensor:
    """Over some dimensions, for each entry."""
    return (
        values.abs().square().mean(dim=tuple(dimensions), keepdim=True).sqrt().expand(values.shape)
    )
