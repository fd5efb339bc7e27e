"""A gradient check for anybody's pytest suite: any loss, any parameters, told by name what is wrong
and where.

    from backproof import assert_gradients
    assert_gradients(lambda: loss(model(x), y), model.named_parameters())

Each tensor is moved along two random directions, and the loss's slope there, with an error bar made
of the loss's own noise and the truncation of the differences, is compared with what the gradient
claims. float32 code runs in float64 for that (shadow.py), so its formula is judged to twelve digits
or so, and its float32 numbers then entry by entry by what float32 rounding may do to them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from backproof.checks.black_box import matmul_precision
from backproof.checks.black_box.along_directions import along_directions
from backproof.checks.black_box.arguments import (
    Named,
    check_count,
    check_gradients_given,
    check_loss,
    named,
)
from backproof.checks.black_box.box import BlackBox, Loss
from backproof.checks.black_box.claims import Claims, listen, none_given
from backproof.checks.black_box.entries import entry_by_entry
from backproof.checks.black_box.gradient_report import GradientReport
from backproof.checks.black_box.imitation import imitate
from backproof.checks.black_box.rounding import allowances
from backproof.checks.black_box.shadow import Arithmetic, Shadow
from backproof.checks.black_box.untouched import untouched
from backproof.checks.verdict import Verdict

# float16 and bfloat16 on the way of float32 code are lifted with it, and so show in its gradients;
# unless its loss depends on them
LIFTED_TOO: dict[torch.dtype, tuple[tuple[torch.dtype, ...], ...]] = {
    torch.float32: ((torch.float16, torch.bfloat16), ())
}


def assert_gradients(loss: Loss, named_parameters: Named, **settings: object) -> GradientReport:
    """Raise AssertionError, with a table of every gradient, unless all of them are right.

    Args:
        loss: a function of no arguments that returns the loss as a tensor of one number; nothing
            else need be known about it.
        named_parameters: what it is differentiated by: `module.named_parameters()`, a dict, or
            pairs of name and leaf tensor.
        settings: those of check_gradients.
    Returns: the report, if nothing failed: what was "untested" is among its verdicts, and what else
    to know among its notes.
    Raises: AssertionError; and whatever check_gradients raises.
    """
    report = check_gradients(loss, named_parameters, **settings)  # type: ignore[arg-type]
    if report.outcome != "pass":
        raise AssertionError(f"\n{report}")
    return report


def check_gradients(
    loss: Loss,
    named_parameters: Named,
    *,
    gradients: Mapping[str, Tensor] | None = None,
    may_vary: bool = False,
    directions: int = 2,
    seed: int = 0,
) -> GradientReport:
    """Compare the gradients of a black box with slopes of its loss.

    Nothing global is changed: parameters, .grad, requires_grad and random generators are afterwards
        bit for bit what they were.

    Args:
        loss: a function of no arguments that returns the loss as a tensor of one number.
        named_parameters: names and leaf tensors, on any device; a tensor that has two names is
            checked once, under both.
        gradients: what to check, by name; without it, what autograd says.
        may_vary: accept gradients that differ from call to call, as those of atomic additions on a
            GPU do; the difference is measured and added to what is allowed. Otherwise it fails.
        directions: along which each tensor is moved; at least 2, which are needed to name a wrong
            entry.
        seed: of the directions.
    Returns: the report; `report.outcome` is "pass" or "fail", `str(report)` the table.
    Raises: ValueError for no parameters, fewer than 2 directions, tensors that are no leaves, or a
        loss that is not one number; TypeError for a loss that is no function or returns no tensor,
        or for parameters that are not names and real tensors.
    """
    start = time.perf_counter()
    check_loss(loss)
    check_gradients_given(gradients)
    check_count("directions", directions, 2)
    names, tensors = named(named_parameters)
    with untouched(tensors):
        claims = listen(loss, names, tensors, gradients)
        verdicts = claims.verdicts(may_vary)
        notes = claims.notes()
        if claims.usable:
            more, why, used = _compare(loss, names, tensors, claims, directions, seed)
            verdicts = verdicts + more
            notes = notes + why
        evaluations = claims.evaluations + (used if claims.usable else 0)
    device, dtype = (
        ", ".join(dict.fromkeys(str(value) for value in of))
        for of in zip(*((t.device, t.dtype) for t in tensors), strict=True)
    )
    parameters = sum(tensor.numel() for tensor in tensors)
    dtype = dtype.replace("torch.", "")
    elapsed_s = time.perf_counter() - start
    return GradientReport(
        verdicts, 1, parameters, device, dtype, elapsed_s, evaluations, tuple(notes)
    )


def _compare(
    loss: Loss, names: list[str], tensors: list[Tensor], claims: Claims, directions: int, seed: int
) -> tuple[list[Verdict], list[str], int]:
    """Verdicts, notes, and how many evaluations they took."""
    low = _low_precision(tensors)
    wasted = 0
    notes = list[str]()
    if not low and any(tensor.dtype != torch.float64 for tensor in tensors):
        kinds = " and ".join(
            sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors} - {"float64"})
        )
        notes = [
            f"the loss was not computed in float64, because parameters are {kinds}; differences "
            "are as noisy as those make them"
        ]
    for lifted in [(low, *also) for also in LIFTED_TOO.get(low, ((),))] if low else []:
        box, exact, allowed, why = _lift(loss, tensors, claims, lifted, seed)
        if not why:
            verdicts, notes, used = _lifted(
                box, names, tensors, claims, (exact, allowed), directions, seed
            )
            return verdicts, notes, used + wasted
        wasted += box.evaluations
        noisy = f"differences are as noisy as {str(low).removeprefix('torch.')} makes them"
        notes = [f"the loss could not be computed in float64 ({why}), so {noisy}"]
        for tensor, value in zip(tensors, claims.values, strict=True):
            tensor.data = value
    box = BlackBox(loss, tensors, draws=claims.draws)
    at_0 = float(claims.loss)
    kind = low or claims.loss.dtype
    eps = max(
        matmul_precision.effective_eps(kind, tensors[0].device), torch.finfo(claims.loss.dtype).eps
    )
    changes = imitate(
        box.gradients,
        lambda run: Shadow(kind, Arithmetic(eps), run, lift=False),
        (at_0, claims.computed),
        seed,
    )
    box.measure_noise(eps, seed, at_0, changes)
    if claims.loss_varies:
        box.noise = max(box.noise, claims.loss_varies)
    verdicts = along_directions(
        box, names, claims.gradients, claims.spread, claims.who, directions, seed
    )
    return verdicts, [*notes, f"noise of the loss: {box.noise:.1e}"], box.evaluations + wasted


def _lift(
    loss: Loss, tensors: list[Tensor], claims: Claims, lifted: Sequence[torch.dtype], seed: int
) -> tuple[BlackBox, list[Tensor], list[Tensor], str]:
    """The loss in float64 and its gradients, what rounding may do to the low-precision ones; or why
    that cannot be had."""
    box, (low, *also) = BlackBox(loss, tensors, lifted=lifted, draws=claims.draws), lifted

    def results(mode: Shadow) -> list[Tensor]:
        value, gradients = box.gradients(mode)
        return [value.to(torch.float64), *none_given(gradients, tensors)]

    try:
        exact = results(Shadow(low, also=also))
        bounds = [allowance.entries for allowance in allowances(results, low, exact, seed, also)]
    except (
        Exception
    ) as error:  # code that cannot be lifted may raise anything; it is then judged as it is
        return (
            box,
            [],
            [],
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        )
    if not all(bool(values.isfinite().all()) for values in (*exact, *bounds)):
        return box, [], [], "there, or rounded at random, it gives numbers that are not finite"
    off = float((claims.loss.to(torch.float64) - exact[0]).abs().max())
    if not off <= float(bounds[0].max()) + claims.loss_varies:
        return (
            box,
            [],
            [],
            f"it gives {float(exact[0]):.9g} there and {float(claims.loss):.9g} as it is",
        )
    return box, exact, bounds, ""


def _lifted(
    box: BlackBox,
    names: list[str],
    tensors: list[Tensor],
    claims: Claims,
    known: tuple[list[Tensor], list[Tensor]],
    directions: int,
    seed: int,
) -> tuple[list[Verdict], list[str], int]:
    """The formula, in float64 against differences; then the low-precision numbers against the
    formula, entry by entry."""
    (value, *exact), (_, *allowed) = known
    (low, *also), at_0, eps = box.lifted, float(value), torch.finfo(torch.float64).eps
    changes = imitate(
        box.gradients, lambda run: Shadow(low, Arithmetic(eps), run, also), (at_0, exact), seed
    )
    box.measure_noise(eps, seed, at_0, changes)
    claimed = [
        None if g is None and not bool(e.any()) else e
        for g, e in zip(claims.gradients, exact, strict=True)
    ]
    who = ("autograd in float64", "differences in float64")
    verdicts = along_directions(box, names, claimed, [0.0] * len(names), who, directions, seed)
    kind = str(low).removeprefix("torch.")
    for name, tensor, gradient, right, bound, spread in zip(
        names, tensors, claims.gradients, exact, allowed, claims.spread, strict=True
    ):
        if gradient is not None and tensor.numel():
            verdicts.append(
                entry_by_entry(
                    name,
                    (f"{claims.who[0]} in {kind}", "in float64"),
                    gradient,
                    right,
                    bound + spread,
                )
            )
    notes = [f"noise of the loss, computed in float64: {box.noise:.1e}"]
    if said := matmul_precision.said(low, tensors[0].device):
        notes.append(said)
    return verdicts, notes, box.evaluations


def _low_precision(tensors: list[Tensor]) -> torch.dtype | None:
    """The one precision below float64 among the tensors; None where there is none, or more than
    one."""
    found = {tensor.dtype for tensor in tensors} - {torch.float64}
    if len(found) == 1:
        return found.pop()
    return None
