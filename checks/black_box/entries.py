"""Two tensors and what rounding allows -> a verdict; and what the difference looks like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box.parts import all_finite, parts
from backproof.checks.black_box.rounding import FEWEST_FOR_A_FACTOR, Allowance, along
from backproof.checks.verdict import Verdict, digits, judge

# where no bound is known, what differs by more is wrong all the same: of an entry, and of a
# thousandth of the largest
OF_THE_VALUE = 1e-3
DISTINCT = 8  # values at least, before they are said to have passed through a shorter format


def entry_by_entry(
    name: str, pair: tuple[str, str], first: Tensor, second: Tensor, allowed: Tensor
) -> Verdict:
    """Compare two tensors; where it fails, say whether the first has gone through a lower
    precision. Complex numbers are compared by both parts, the last index says which."""
    if not first.numel() and first.shape == second.shape:
        return Verdict("", name, "", pair, "untested", reason="untested: it has no entries")
    if first.shape != second.shape:
        reason = f"shape {tuple(first.shape)} against {tuple(second.shape)}"
        return Verdict("", name, "", pair, "fail", reason=reason)
    if first.is_complex() or second.is_complex():
        allowed = allowed.abs()[..., None].expand(*allowed.shape, 2)
    if first.is_complex() != second.is_complex():
        reason = f"{_word(first)} numbers against {_word(second)} ones"
        return Verdict("", name, "", pair, "fail", reason=reason)
    verdict = _accepted(name, pair, first, second, allowed)
    if verdict is None:
        verdict = judge("", name, "", pair, _array(first), _array(second), _array(allowed))
    if verdict.outcome == "fail" and (kind := went_through(first)):
        return replace(
            verdict,
            reason=f"{verdict.reason}; every value fits {kind}, so it passed through that "
            "precision",
        )
    return verdict


def _accepted(
    name: str, pair: tuple[str, str], first: Tensor, second: Tensor, allowed: Tensor
) -> Verdict | None:
    """The verdict on tensors that agree, a part at a time; None where they do not, for what the
    error looks like is seen in the whole alone."""
    if first.is_complex():
        first = torch.view_as_real(first.detach().resolve_conj())
        second = torch.view_as_real(second.detach().resolve_conj())
    worst: Verdict | None = None
    at = 0
    visible = False
    begin = 0
    for part in parts(first, second, allowed):
        verdict = judge("", name, "", pair, *[_array(values.reshape(-1)) for values in part])
        if verdict.outcome == "fail":
            return None
        visible = visible or verdict.outcome == "pass"
        if worst is None or verdict.ratio > worst.ratio:
            worst = verdict
            at = begin + verdict.worst_index[0]
        begin += part[0].numel()
    assert worst is not None
    index = np.unravel_index(at, tuple(first.shape)) if first.dim() else ()
    return replace(
        worst,
        outcome="pass" if visible else "untested",
        worst_index=tuple(int(k) for k in index),
        of=first.numel(),
    )


def common_factor(
    name: str, pair: tuple[str, str], first: Tensor, second: Tensor, allowance: Allowance
) -> Verdict | None:
    """A failing verdict where all entries together are too large or too small by more than
    rounding explains, although none is alone; None where not."""
    if first.shape != second.shape or first.numel() < FEWEST_FOR_A_FACTOR:
        return None
    if not (all_finite(first) and all_finite(second)):
        return None
    norm = along(second, second)
    if not norm or not torch.isfinite(torch.tensor(norm)):
        return None
    below = _below_rounding(second, allowance)
    excess = 0.0
    for one, other in parts(first, second):
        excess += along(one.to(other.dtype) - other, other) / norm
    if below or not abs(excess) > allowance.factor:
        return None
    largest = int(second.abs().argmax())
    values = (_real(first, largest), _real(second, largest))
    factor = 1 + excess
    reason = f"all entries together are {factor:.{digits(factor)}g} times what they should be"
    return Verdict(
        "",
        name,
        "",
        pair,
        "fail",
        tuple(int(i) for i in torch.unravel_index(torch.tensor(largest), second.shape)),
        values,
        abs(values[0] - values[1]),
        allowance.factor * abs(values[1]),
        abs(excess) / allowance.factor,
        first.numel(),
        first.numel(),
        reason,
    )


def _below_rounding(second: Tensor, allowance: Allowance) -> bool:
    """Whether the result as a whole is too small for its format to say anything about a factor:
    where it is flushed to zero, or in its last spacings."""
    return all(
        bool((value.abs() <= 4 * bound.abs()).all())
        for value, bound in parts(second, allowance.entries)
    )


def where_both_agree(
    first: Tensor, exact: Tensor, allowed: Tensor
) -> tuple[Tensor, Tensor, Tensor, str]:
    """The same three with 0 where there is nothing to compare, and a sentence about that.

    That is so where both are the same infinity, as a masked score is; where the reference is NaN,
    and the function is; where the function overflows its format as it must; and where nobody knows
    what rounding does, at the edge of a domain, but both agree to three digits.
    """
    if first.shape != exact.shape or first.is_complex() or exact.is_complex():
        return first, exact, allowed, ""
    if all_finite(exact) and all_finite(allowed):
        return first, exact, allowed, ""
    wide = first.to(exact.dtype)
    overflown = (exact.abs() > torch.finfo(first.dtype).max) & (wide.sign() == exact.sign())
    infinite = (exact.isinf() & (wide == exact)) | (overflown & wide.isinf())
    nan = exact.isnan() & wide.isnan()
    digits_kept = max(OF_THE_VALUE, 4 * torch.finfo(first.dtype).eps)
    largest = exact.abs().nan_to_num(0.0, 0.0, 0.0).max()
    near = (wide - exact).abs() <= digits_kept * (exact.abs() + OF_THE_VALUE * largest)
    unknown = ~allowed.isfinite() & near & exact.isfinite()
    said = []
    if bool(nan.any()):
        said.append(f"both are NaN at {int(nan.sum())} of {nan.numel()} entries")
    if bool(unknown.any()):
        count = f"{int(unknown.sum())} of {unknown.numel()} entries"
        said.append(f"what rounding may do could not be measured at {count}")
    agreed = infinite | nan | unknown
    return (
        first.masked_fill(agreed, 0.0),
        exact.masked_fill(agreed, 0.0),
        allowed.masked_fill(agreed, 0.0),
        "; ".join(said),
    )


def went_through(values: Tensor) -> str:
    """float16 or bfloat16 if every value is one and not all are simple numbers."""
    if values.dtype not in (torch.float32, torch.float64) or not all_finite(values):
        return ""
    for dtype in (torch.bfloat16, torch.float16):
        fits = torch.equal(values, values.to(dtype).to(values.dtype))
        if fits and len(np.unique(_array(values))) > DISTINCT:
            return str(dtype).removeprefix("torch.")
    return ""


def _array(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return tensor.to("cpu", torch.float64).numpy()


def _real(tensor: Tensor, flat: int) -> float:
    value = tensor.flatten()[flat]
    return float(value.real if value.is_complex() else value)


def _word(tensor: Tensor) -> str:
    return "complex" if tensor.is_complex() else "real"
