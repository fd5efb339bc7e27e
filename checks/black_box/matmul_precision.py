"""What a float32 matrix product or convolution is really computed with: torch may use TF32 or
bfloat16, and the result does not say so.

It is measured each time that it is asked for: the settings that decide it are several, in several
places, and may change between two calls.
"""

from __future__ import annotations

import torch

# a multiple of every tensor core's tile, so that a GPU takes the path that it takes for real layers
SIZE = 128
MATRIX_PRODUCTS = frozenset(("mm", "bmm", "mv", "dot", "addmm", "baddbmm", "addmv"))
CONVOLUTIONS = frozenset(("convolution", "convolution_backward"))
PRODUCTS = MATRIX_PRODUCTS | CONVOLUTIONS


def effective_eps(dtype: torch.dtype, device: torch.device | str = "cpu") -> float:
    """eps of a matrix product in `dtype` on this device, measured now: 2**-23 for float32, 2**-10
    for TF32, 2**-7 for bfloat16.

    Args:
        dtype: of the operands.
        device: where they live.
    Returns: the distance from 1 to the next number that survives a product with the identity.
    """
    if dtype != torch.float32:
        return float(torch.finfo(dtype).eps)
    return product_eps("mm", device)


def product_eps(name: str, device: torch.device | str = "cpu") -> float:
    """The same for one of PRODUCTS in float32."""
    if name in CONVOLUTIONS:
        if torch.device(device).type != "cuda":
            return float(torch.finfo(torch.float32).eps)
        return _surviving(_by_convolution, device)
    return _surviving(torch.matmul, device)


def said(dtype: torch.dtype, device: torch.device | str = "cpu") -> str:
    """One sentence for the report where matrix products have fewer bits than `dtype` promises; ""
    where they have all."""
    eps = effective_eps(dtype, device)
    if eps <= torch.finfo(dtype).eps:
        return ""
    kind = {2.0**-10: "TF32", 2.0**-7: "bfloat16"}.get(eps, "fewer bits")
    return (
        f"float32 matrix products on {device} are computed in {kind} (eps {eps:.1e} in place of "
        "1.2e-07), so bounds are that much "
        "wider; "
        'torch.set_float32_matmul_precision("highest") makes them sharp'
    )


def _by_convolution(rows: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
    """The same product as a convolution of images of one pixel."""
    return torch.nn.functional.conv2d(rows[:, :, None, None], identity[:, :, None, None])[
        :, :, 0, 0
    ]


def _surviving(product: object, device: torch.device | str) -> float:
    """Row k of the first factor holds 1 + 2**-k; the identity gives it back if it survives."""
    assert callable(product)
    bits = torch.arange(1, 24, device=device)
    rows = torch.ones(SIZE, SIZE, dtype=torch.float32, device=device)
    rows[:23] += torch.exp2(-bits.to(torch.float32))[:, None]
    identity = torch.eye(SIZE, dtype=torch.float32, device=device)
    with torch.no_grad():
        survived = (product(rows, identity)[:23] == rows[:23]).all(dim=1)
    if bool(survived.any()):
        return float(2.0 ** -int(bits[survived].max()))
    return 1.0
