"""Derivatives of a loss in forward mode: along a tangent of each parameter, against its gradient.

The loss reads its parameters by itself. So the tangent is given to the parameter itself: what is
copied into a tensor brings its tangent along, and leaving the level of forward mode takes it away.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.grad_mode import _unsafe_preserve_version_counter

from backproof.checks.black_box.box import BlackBox
from backproof.checks.black_box.box_base import draw_direction
from backproof.checks.black_box.derived import load_forward_mode
from backproof.checks.black_box.of_loss import Findings
from backproof.checks.verdict import Outcome, Verdict, missing

PAIR = ("forward mode", "reverse mode")
ROUNDED = 256.0  # eps of the products that are summed: both go their own ways through the loss


def judge_forward_mode(
    loss: Callable[[], Tensor], names: list[str], tensors: list[Tensor], seed: int
) -> Findings:
    """A verdict for each tensor that the loss is differentiated by."""
    load_forward_mode()
    box = BlackBox(loss, tensors)
    _, gradients = box.gradients()
    found = Findings(evaluations=1)
    for i, (name, tensor, gradient) in enumerate(zip(names, tensors, gradients, strict=True)):
        if not tensor.requires_grad or not tensor.numel():
            continue
        found.evaluations += 1
        found.verdicts.append(_of_one(loss, f"forward mode of {name}", tensor, gradient, [seed, i]))
    return found


def _of_one(
    loss: Callable[[], Tensor],
    name: str,
    tensor: Tensor,
    gradient: Tensor | None,
    seed: list[int],
) -> Verdict:
    random = np.random.default_rng(seed)
    u = torch.as_tensor(draw_direction(random, tuple(tensor.shape)))
    tangent = u.to(tensor.device, tensor.dtype)
    try:
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(tensor.detach().clone(), tangent)  # type: ignore[no-untyped-call]
            with torch.no_grad(), _unsafe_preserve_version_counter(tensor):
                tensor.copy_(dual)
            value = loss()
            moved = forward_ad.unpack_dual(value)[1]  # type: ignore[no-untyped-call]
            slope = 0.0 if moved is None else float(moved.detach())
    except Exception as error:  # somebody's code in a mode that it was not written for
        lines = str(error).splitlines()
        why = f"{type(error).__name__}: {lines[0] if lines else ''}"
        return missing("", name, "", PAIR, f"it cannot be computed: {why}")
    products = torch.zeros(1, dtype=torch.float64)
    if gradient is not None:
        products = (gradient.conj() * tangent).real if tensor.is_complex() else gradient * tangent
    reverse = float(products.double().sum())
    eps = torch.finfo(tensor.dtype).eps
    size = float(products.double().abs().sum())
    allowed = ROUNDED * eps * size + float(torch.finfo(tensor.dtype).tiny)
    off = abs(slope - reverse)
    outcome: Outcome = "pass"
    reason = ""
    if not math.isfinite(slope) or off > allowed:
        outcome = "fail"
        reason = "the derivative in forward mode is not the one in reverse mode"
        if reverse and math.isfinite(slope):
            reason += f", but {slope / reverse:.6g} times it"
    elif max(abs(slope), abs(reverse)) <= allowed:
        outcome = "untested"
        reason = "untested: both are zero"
    return Verdict(
        "",
        name,
        "",
        PAIR,
        outcome,
        (),
        (slope, reverse),
        off,
        allowed,
        off / allowed,
        int(outcome == "fail"),
        tensor.numel(),
        reason,
    )
