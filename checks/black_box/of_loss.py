"""Gradients of a loss of torch tensors, judged: what check_gradients does for them.

Each tensor is moved along two random directions, and the loss's slope there, with an error bar made
of the loss's own noise and the truncation of the differences, is compared with what the gradient
claims. float32 code runs in float64 for that (shadow.py), so its formula is judged to twelve digits
or so, and its float32 numbers then entry by entry by what float32 rounding may do to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from backproof.checks.black_box import matmul_precision
from backproof.checks.black_box.along_directions import Claim, along_directions
from backproof.checks.black_box.arithmetic import Arithmetic
from backproof.checks.black_box.box import BlackBox, Loss, real
from backproof.checks.black_box.claimed_gradients import (
    ClaimedGradients,
    claimed,
    zero_if_none,
)
from backproof.checks.black_box.entries import common_factor, entry_by_entry
from backproof.checks.black_box.held import Held
from backproof.checks.black_box.imitation import Imitation
from backproof.checks.black_box.parts import all_finite, parts
from backproof.checks.black_box.rounding import NEAR, Allowance, allowances
from backproof.checks.black_box.shadow import Shadow
from backproof.checks.verdict import Verdict

# float16 and bfloat16 on the way of float32 code are lifted with it, and so show in its gradients;
# unless its loss depends on them
LIFTED_TOO: dict[torch.dtype, tuple[tuple[torch.dtype, ...], ...]] = {
    torch.float32: ((torch.float16, torch.bfloat16), ()),
    torch.bfloat16: ((torch.float32,), ()),
    torch.float16: ((torch.float32,), ()),
}


@dataclass(frozen=True)
class LossOptions:
    """How a loss is checked, with the names that check_gradients has for it."""

    gradients: Mapping[str, Tensor] | None = None
    may_vary: bool = False
    stop_gradients: bool = False
    accumulate: torch.dtype | None = None
    directions: int = 2
    seed: int = 0


@dataclass
class Findings:
    """Verdicts, notes, and how many evaluations they took."""

    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    evaluations: int = 0


@dataclass(frozen=True)
class Lifted:
    """The loss in float64, and what rounding may do to its gradients in low precision.

    Attributes:
        box: the loss.
        exact: its value and gradients.
        bounds: of the low-precision ones.
        why: it cannot be had; "" if it can.
    """

    box: BlackBox
    exact: list[Tensor] = field(default_factory=list)
    bounds: list[Allowance] = field(default_factory=list)
    why: str = ""


def judge_loss(
    loss: Loss, names: list[str], tensors: list[Tensor], options: LossOptions
) -> Findings:
    """Everything that is found out about a loss; within untouched()."""
    held = Held() if options.stop_gradients else None
    claims = claimed(loss, names, tensors, options.gradients, held)
    found = Findings(claims.verdicts(options.may_vary), claims.notes(), claims.evaluations)
    if any(tensor.is_complex() for tensor in tensors):
        found.notes.append(
            "complex tensors are checked by their parts; the last index is 0 for the real part, 1 "
            "for the imaginary one"
        )
    if claims.usable:
        more = _compare(loss, tensors, claims, options)
        found.verdicts += more.verdicts
        found.notes += more.notes
        found.evaluations += more.evaluations
    return found


def _compare(
    loss: Loss, tensors: list[Tensor], claims: ClaimedGradients, options: LossOptions
) -> Findings:
    low = _low_precision(tensors)
    wasted = 0
    notes = list[str]()
    if not low and any(tensor.dtype.to_real() != torch.float64 for tensor in tensors):
        kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in tensors} - {"float64"}
        notes = [
            f"the loss was not computed in float64, because parameters are "
            f"{' and '.join(sorted(kinds))}; differences are as noisy as those make them"
        ]
    for kinds_lifted in _lifted_kinds(low):
        lifted = _lift(loss, tensors, claims, kinds_lifted, options)
        if not lifted.why:
            found = _of_lifted(lifted, tensors, claims, options)
            found.evaluations += wasted
            return found
        wasted += lifted.box.evaluations
        noisy = f"differences are as noisy as {_word(low)} makes them"
        notes = [f"the loss could not be computed in float64 ({lifted.why}), so {noisy}"]
        for tensor, value in zip(tensors, claims.values, strict=True):
            tensor.data = value
    found = _of_loss_as_it_is(loss, tensors, claims, options, low)
    found.notes[:0] = notes
    found.evaluations += wasted
    return found


def _lifted_kinds(low: torch.dtype | None) -> list[tuple[torch.dtype, ...]]:
    """What is computed in float64 in place of a low precision, the most first."""
    if low is None:
        return []
    return [(low, *also) for also in LIFTED_TOO.get(low, ((),))]


def _of_loss_as_it_is(
    loss: Loss,
    tensors: list[Tensor],
    claims: ClaimedGradients,
    options: LossOptions,
    low: torch.dtype | None,
) -> Findings:
    """The loss in its own precision against differences of it."""
    box = BlackBox(loss, tensors, draws=claims.draws, held=claims.held, copies=claims.copies)
    at_0 = float(claims.loss)
    kind = low or claims.loss.dtype
    eps = max(
        matmul_precision.effective_eps(kind, tensors[0].device), torch.finfo(claims.loss.dtype).eps
    )
    roundings = Imitation(
        box,
        lambda run: Shadow(kind, Arithmetic(eps), run, lift=False),
        (at_0, claims.computed),
        options.seed,
    )
    box.measure_noise(eps, options.seed, at_0, roundings)
    if claims.loss_varies:
        box.noise = max(box.noise, claims.loss_varies)
    asked = _claims(tensors, claims, claims.gradients, claims.spread)
    verdicts = along_directions(box, asked, claims.who, options.directions, options.seed)
    notes = [f"noise of the loss: {box.noise:.1e}", *_left_domain(box)]
    return Findings(verdicts, notes, box.evaluations)


def _lift(
    loss: Loss,
    tensors: list[Tensor],
    claims: ClaimedGradients,
    lifted: Sequence[torch.dtype],
    options: LossOptions,
) -> Lifted:
    """The loss in float64 and its gradients, what rounding may do to the low-precision ones; or why
    that cannot be had."""
    box = BlackBox(loss, tensors, lifted=lifted, draws=claims.draws, held=claims.held)
    low = lifted[0]
    also = lifted[1:]

    def results(mode: Shadow) -> list[Tensor]:
        value, gradients = box.gradients(mode)
        return [value.to(torch.float64), *zero_if_none(gradients, tensors)]

    def settled(bounds: Sequence[Allowance]) -> bool:
        return _inside(claims, bounds[1:], exact[1:])

    try:
        exact = results(Shadow(low, also=also))
        bounds = allowances(
            results,
            low,
            exact,
            options.seed,
            also,
            options.accumulate,
            settled=settled,
        )
    except Exception as error:  # code that cannot be lifted may raise anything; it is then judged
        # as it is
        lines = str(error).splitlines()
        return Lifted(box, why=f"{type(error).__name__}: {lines[0] if lines else ''}")
    finite = [*exact, *(bound.entries for bound in bounds)]
    if not all(all_finite(values) for values in finite):
        why = "there, or rounded at random, it gives numbers that are not finite"
        return Lifted(box, why=why)
    off = float((claims.loss.to(torch.float64) - exact[0]).abs().max())
    if not off <= float(bounds[0].entries.max()) + claims.loss_varies:
        why = f"it gives {float(exact[0]):.9g} there and {float(claims.loss):.9g} as it is"
        return Lifted(box, why=why)
    return Lifted(box, exact, bounds)


def _inside(claims: ClaimedGradients, bounds: Sequence[Allowance], exact: Sequence[Tensor]) -> bool:
    """Whether every claimed gradient is far inside of what is allowed."""
    for gradient, bound, right in zip(claims.gradients, bounds, exact, strict=True):
        if gradient is None:
            continue
        for value, exact_value, allowed in parts(real(gradient), right, bound.entries):
            off = (value.to(torch.float64) - exact_value).abs_()
            if bool((off > NEAR * allowed).any()):
                return False
    return True


def _of_lifted(
    lifted: Lifted, tensors: list[Tensor], claims: ClaimedGradients, options: LossOptions
) -> Findings:
    """The formula, in float64 against differences; then the low-precision numbers against the
    formula, entry by entry."""
    box = lifted.box
    low, *also = box.lifted
    value, *exact = lifted.exact
    at_0 = float(value)
    eps = float(torch.finfo(torch.float64).eps)
    complex_again = [
        torch.view_as_complex(right) if tensor.is_complex() else right
        for tensor, right in zip(tensors, exact, strict=True)
    ]
    roundings = Imitation(
        box,
        lambda run: Shadow(low, Arithmetic(eps), run, also),
        (at_0, complex_again),
        options.seed,
    )
    box.measure_noise(eps, options.seed, at_0, roundings)
    formula = [
        None if gradient is None and not bool(right.any()) else right
        for gradient, right in zip(claims.gradients, exact, strict=True)
    ]
    who = ("autograd in float64", "differences in float64")
    asked = _claims(tensors, claims, formula, [0.0] * len(tensors))
    verdicts = along_directions(box, asked, who, options.directions, options.seed)
    pair = (f"{claims.who[0]} in {_word(low)}", "in float64")
    bounds = lifted.bounds[1:]
    for name, gradient, right, bound, spread in zip(
        claims.names, claims.gradients, exact, bounds, claims.spread, strict=True
    ):
        if gradient is None or not gradient.numel():
            continue
        first = real(gradient)
        verdict = entry_by_entry(name, pair, first, right, bound.entries + spread)
        if verdict.outcome == "pass" and not spread:
            verdict = common_factor(name, pair, first, right, bound) or verdict
        verdicts.append(verdict)
    notes = [f"noise of the loss, computed in float64: {box.noise:.1e}", *_left_domain(box)]
    if said := matmul_precision.said(low, tensors[0].device):
        notes.append(said)
    return Findings(verdicts, notes, box.evaluations)


def _claims(
    tensors: list[Tensor],
    claims: ClaimedGradients,
    gradients: Sequence[Tensor | None],
    spread: Sequence[float],
) -> list[Claim]:
    """What the differences are asked about each tensor."""
    found = []
    vectors = zero_if_none(gradients, tensors)
    for i, (name, tensor) in enumerate(zip(claims.names, tensors, strict=True)):
        constant = ""
        if not tensor.requires_grad:
            constant = "requires_grad is False"
        elif not tensor.numel():
            constant = "it has no entries"
        found.append(Claim(name, vectors[i], gradients[i] is None, spread[i], constant))
    return found


def _left_domain(box: BlackBox) -> list[str]:
    if not box.left_domain:
        return []
    return [
        f"some steps left the domain of the loss, which raised {box.left_domain}; shorter ones "
        "were used"
    ]


def _low_precision(tensors: list[Tensor]) -> torch.dtype | None:
    """The one precision below float64 among the tensors; None where there is none, or more than
    one."""
    found = {tensor.dtype.to_real() for tensor in tensors} - {torch.float64}
    return found.pop() if len(found) == 1 else None


def _word(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
