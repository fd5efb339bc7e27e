"""The report on a loss of torch tensors: arguments refused or sorted, first and second derivatives,
forward mode."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from backproof.checks.black_box.arguments import (
    check_gradients_given,
    check_loss,
    check_names_given,
    check_options,
    named,
)
from backproof.checks.black_box.counts import check_count
from backproof.checks.black_box.forward_mode import judge_forward_mode
from backproof.checks.black_box.gradient_report import GradientReport, strictly
from backproof.checks.black_box.names import chosen
from backproof.checks.black_box.of_loss import Findings, LossOptions, judge_loss
from backproof.checks.black_box.second_order import of_second_order
from backproof.checks.black_box.untouched import untouched


def report_on_tensors(
    loss: Any,
    named_parameters: Any,
    gradients: Any,
    scope: tuple[Sequence[str] | None, Sequence[str], bool],
    derivatives: tuple[int, Sequence[str]],
    conditions: tuple[bool, torch.dtype | None, bool],
    effort: tuple[int, int],
) -> GradientReport:
    """What check_gradients returns for torch tensors; its options come in groups.

    Args:
        loss, named_parameters, gradients: as for check_gradients.
        scope: only, except_, strict.
        derivatives: order, modes.
        conditions: stop_gradients, accumulate, may_vary.
        effort: directions, seed.
    """
    start = time.perf_counter()
    only, except_, strict = scope
    order, modes = derivatives
    stop_gradients, accumulate, may_vary = conditions
    directions, seed = effort
    check_loss(loss)
    check_gradients_given(gradients)
    check_count("directions", directions, 2)
    check_options(None, accumulate, order, modes)
    all_names, all_tensors = named(named_parameters)
    check_names_given(gradients, all_names)
    names = chosen(all_names, only, except_)
    tensors = [all_tensors[all_names.index(name)] for name in names]
    options = LossOptions(gradients, may_vary, stop_gradients, accumulate, directions, seed)
    with untouched(all_tensors):
        found = judge_loss(loss, names, tensors, options)
    if order == 2:
        with untouched(all_tensors):
            _add_second_order(found, loss, names, tensors, options)
    if "forward" in modes:
        with untouched(all_tensors):
            more = judge_forward_mode(loss, names, tensors, seed)
        found.verdicts += more.verdicts
        found.evaluations += more.evaluations
    excluded = [name for name in all_names if name not in names]
    if excluded:
        found.notes.append(f"excluded, and so not checked: {', '.join(excluded)}")
    devices = dict.fromkeys(str(tensor.device) for tensor in tensors)
    kinds = dict.fromkeys(str(tensor.dtype).removeprefix("torch.") for tensor in tensors)
    return GradientReport(
        strictly(found.verdicts, strict),
        1,
        sum(tensor.numel() for tensor in tensors),
        ", ".join(devices),
        ", ".join(kinds),
        time.perf_counter() - start,
        found.evaluations,
        tuple(found.notes),
        excluded=tuple(excluded),
    )


def _add_second_order(
    found: Findings, loss: Any, names: list[str], tensors: list[Tensor], options: LossOptions
) -> None:
    """Second derivatives: the gradient of a combination of the gradients, against differences of
    it."""
    combined = of_second_order(loss, tensors, options.seed)
    try:
        more = judge_loss(combined, names, tensors, replace(options, gradients=None))
    except RuntimeError as error:
        from backproof.checks.verdict import missing

        lines = str(error).splitlines()
        why = lines[0] if lines else type(error).__name__
        reason = f"the gradients cannot be differentiated again: {why}"
        pair = ("autograd twice", "differences")
        found.verdicts += [
            missing("", f"second derivative by {name}", "", pair, reason) for name in names
        ]
        return
    found.verdicts += [
        replace(verdict, quantity=f"second derivative by {verdict.quantity}")
        for verdict in more.verdicts
    ]
    found.notes += [f"second order: {note}" for note in more.notes]
    found.evaluations += more.evaluations
