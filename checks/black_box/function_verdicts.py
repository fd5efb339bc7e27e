"""What several calls of a function, the exact results and their allowances say: is it the same on
every run, of the right format, and right?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from backproof.checks.black_box.difference_quotients import NOISE_BAR
from backproof.checks.black_box.entries import (
    common_factor,
    entry_by_entry,
    where_both_agree,
)
from backproof.checks.black_box.function_call import gradient_of
from backproof.checks.black_box.observed_call import Outcome
from backproof.checks.black_box.rounding import Allowance
from backproof.checks.black_box.untouched import same_bits
from backproof.checks.verdict import Verdict, missing

SIDES = ("function", "reference")
# eps of the largest entry that a call before and one after compilation may differ by
WARMED_UP = 64.0
Values = Mapping[str, Tensor | None]


@dataclass
class Right:
    """What the function should give.

    Attributes:
        values: outputs and gradients, exact; None where the reference has no gradient.
        allowances: of each of them that is a tensor.
        formats: of the outputs, as the reference returns them when it is called like the function;
            those of which it is right to return either.
        also: integer outputs as the reference returns them when it is called like the function.
        kinds: the formats that results are compared in.
    """

    values: dict[str, Tensor | None]
    allowances: dict[str, Allowance]
    formats: dict[str, set[torch.dtype]] = field(default_factory=dict)
    also: dict[str, Tensor] = field(default_factory=dict)
    kinds: dict[str, torch.dtype] = field(default_factory=dict)


def all_results(outcome: Outcome) -> dict[str, Tensor | None]:
    """Outputs and gradients of a call under the names that `Right` has."""
    found: dict[str, Tensor | None] = dict(outcome.outputs)
    for name, gradient in outcome.gradients.items():
        found[gradient_of(name)] = gradient
    return found


def differences(runs: Sequence[Values]) -> dict[str, float]:
    """By how much each result differs from the first call's at most; 0 where an entry is not
    finite."""
    first, *others = runs
    found = {}
    for name, value in first.items():
        if value is None or (not value.is_floating_point() and not value.is_complex()):
            continue
        wide = value.to(torch.complex128 if value.is_complex() else torch.float64)
        sizes = [0.0]
        for run in others:
            other = run.get(name)
            if other is not None and other.shape == value.shape:
                sizes.append(_largest(other.to(wide.dtype) - wide))
        found[name] = max(sizes)
    return found


def verdicts(
    runs: Sequence[Values], right: Right, kind: str, allowed_to_vary: Mapping[str, float] | None
) -> list[Verdict]:
    """For each result: is it there, the same on every run, of the right format, and right?

    Args:
        runs: the results of each call.
        right: what they should be.
        kind: the precision that is checked, for the report.
        allowed_to_vary: by how much results may differ from call to call; None for not at all.
    """
    first = runs[0]
    found = []
    for name in (*right.values, *(name for name in first if name not in right.values)):
        if (name in first) != (name in right.values):
            only = SIDES[0] if name in first else SIDES[1]
            found.append(missing("", name, "", SIDES, f"only the {only} returns it"))
            continue
        value = first[name]
        exact = right.values[name]
        if value is None and exact is None:
            reason = "untested: neither the function nor the reference depends on it"
            found.append(Verdict("", name, "", SIDES, "untested", reason=reason))
        elif value is None:
            found.append(_no_gradient(name, exact))
        else:
            found += _of_one(name, runs, right, kind, allowed_to_vary)
    return found


def _of_one(
    name: str,
    runs: Sequence[Values],
    right: Right,
    kind: str,
    allowed_to_vary: Mapping[str, float] | None,
) -> list[Verdict]:
    value = runs[0][name]
    assert value is not None
    exact = right.values[name]
    found = []
    if allowed_to_vary is None and (verdict := _different_on_every_run(name, runs)):
        found.append(verdict)
    if verdict := _wrong_format(name, value, right):
        found.append(verdict)
    pair = (f"function in {kind}", "reference in float64")
    if exact is None:
        exact = torch.zeros(value.shape, dtype=torch.float64, device=value.device)
        allowance = Allowance(torch.zeros_like(exact))
    else:
        allowance = right.allowances[name]
    if not (value.is_floating_point() or value.is_complex()):
        return [*found, _of_whole_numbers(name, pair, value, exact, allowance, right.also)]
    more = NOISE_BAR * (allowed_to_vary or {}).get(name, 0.0)
    allowed = allowance.entries + more if more else allowance.entries
    first, exact, entries, said = where_both_agree(value, exact, allowed)
    verdict = entry_by_entry(name, pair, first, exact, entries)
    if verdict.outcome != "fail" and said:
        verdict = replace(verdict, reason=f"untested in part: {said}")
    if verdict.outcome == "fail":
        kind_of_failure = _kind_of_failure(first, exact, entries)
        found.append(replace(verdict, reason=f"{kind_of_failure}: {verdict.reason}"))
        return found
    tight = replace(allowance, entries=entries)
    if more == 0.0 and (together := common_factor(name, pair, first, exact, tight)):
        found.append(replace(together, reason=f"wrong, not rounding: {together.reason}"))
        return found
    return [*found, verdict]


def _no_gradient(name: str, exact: Tensor | None) -> Verdict:
    if exact is None or not bool(exact.any()):
        reason = "untested: the function has no gradient (None), and the reference's is zero"
        return Verdict("", name, "", SIDES, "untested", reason=reason)
    reason = (
        "there is no gradient (None), but the reference depends on it; if it is a constant on "
        "purpose, exclude it with except_="
    )
    return missing("", name, "", SIDES, reason)


def _different_on_every_run(name: str, runs: Sequence[Values]) -> Verdict | None:
    first = runs[0][name]
    assert first is not None
    others = [run.get(name) for run in runs[1:]]
    different = [other for other in others if other is None or not same_bits(first, other)]
    if not different or _compiled_on_first_call(first, others):
        return None
    pair = ("first run", "another run")
    other = different[0]
    if other is None or other.shape != first.shape or not first.is_floating_point():
        reason = f"different on every run: {len(different)} of {len(others)} repetitions"
        return missing("", name, "", pair, reason)
    nothing = torch.zeros(first.shape, dtype=torch.float64, device=first.device)
    verdict = entry_by_entry(name, pair, first, other, nothing)
    size = _largest(first.double() - other.double()) / max(_largest(first.double()), 1e-300)
    reason = (
        f"different on every run: {len(different)} of {len(others)} repetitions, by "
        f"{size:.1e} of the largest entry"
    )
    return replace(verdict, outcome="fail", reason=reason)


def _compiled_on_first_call(first: Tensor, others: Sequence[Tensor | None]) -> bool:
    """Whether only the first call differs, by rounding, as code does that is compiled then."""
    if len(others) < 2 or not first.is_floating_point() or not first.numel():
        return False
    second = others[0]
    if second is None or second.shape != first.shape:
        return False
    if any(other is None or not same_bits(second, other) for other in others[1:]):
        return False
    off = _largest(first.double() - second.double())
    return off <= WARMED_UP * torch.finfo(first.dtype).eps * _largest(first.double())


def _wrong_format(name: str, value: Tensor, right: Right) -> Verdict | None:
    expected = right.formats.get(name)
    if not expected or value.dtype in expected:
        return None
    words = " or ".join(sorted(_word(dtype) for dtype in expected))
    reason = f"it is {_word(value.dtype)}, where the reference returns {words}"
    return missing("", name, "", SIDES, reason)


def _of_whole_numbers(
    name: str,
    pair: tuple[str, str],
    value: Tensor,
    exact: Tensor,
    allowance: Allowance,
    also: Mapping[str, Tensor],
) -> Verdict:
    """Indices, masks and counts: equal to the reference's in either precision, except where
    rounding decides them."""
    if value.shape != exact.shape:
        reason = f"shape {tuple(value.shape)} against {tuple(exact.shape)}"
        return Verdict("", name, "", pair, "fail", reason=reason)
    if not value.numel():
        return Verdict("", name, "", pair, "untested", reason="untested: it has no entries")
    wrong = value != exact
    if name in also and also[name].shape == value.shape:
        wrong &= value != also[name]
    if allowance.unsettled is not None:
        wrong &= ~allowance.unsettled
    out = int(wrong.sum())
    common = ("", name, "", pair)
    if not out:
        return Verdict(*common, "pass", error=0.0, allowed=0.0, ratio=0.0, of=value.numel())
    flat = int(wrong.flatten().to(torch.uint8).argmax())
    at = torch.unravel_index(torch.tensor(flat), value.shape)
    values = (float(value.flatten()[flat]), float(exact.flatten()[flat]))
    return Verdict(
        *common,
        "fail",
        tuple(int(i) for i in at),
        values,
        abs(values[0] - values[1]),
        0.0,
        float("inf"),
        out,
        value.numel(),
        f"{out} of {value.numel()} entries",
    )


def _kind_of_failure(first: Tensor, exact: Tensor, allowed: Tensor) -> str:
    """Wrong, unless only the reference, or its bound, is to blame."""
    if exact.isnan().any():
        return "the reference itself is NaN there"
    if (
        first.shape == exact.shape
        and not (((first - exact).abs() > allowed.abs()) | ~first.isfinite()).any()
    ):
        return "what rounding may do to it could not be measured"
    return "wrong, not rounding"


def _largest(values: Tensor) -> float:
    if not values.numel():
        return 0.0
    return float(values.abs().nan_to_num(0.0, 0.0, 0.0).max())


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
