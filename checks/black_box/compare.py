"""The report on a function that is compared with a reference."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from backproof.checks.black_box import matmul_precision
from backproof.checks.black_box.arguments import check_call, check_options
from backproof.checks.black_box.comparison import Comparison
from backproof.checks.black_box.counts import check_count
from backproof.checks.black_box.function_call import (
    Call,
    Compared,
    Function,
)
from backproof.checks.black_box.function_options import Options
from backproof.checks.black_box.gradient_report import GradientReport, strictly
from backproof.checks.black_box.names import chosen
from backproof.checks.black_box.pytrees import differentiable
from backproof.checks.black_box.untouched import untouched

SIDES = ("function", "reference")


def compare(
    function: Function,
    reference: Function,
    inputs: Sequence[Any],
    keywords: Mapping[str, Any],
    options: Options,
) -> GradientReport:
    """The report on a function: what check_function returns."""
    start = time.perf_counter()
    check_call(function, reference, inputs, keywords)
    check_options(options.dtype, options.accumulate, options.order, options.modes)
    check_count("runs", options.runs, 2 if options.may_vary else 1)
    call = Call(inputs, keywords, options.dtype, options.seed)
    call.wanted = chosen(call.names, options.only, options.except_)
    overwritable = chosen(call.names, options.overwrites, ()) if options.overwrites else []
    with untouched(_leaves(call)), torch.enable_grad():
        comparison = Comparison(Compared(function, reference, call), options, overwritable)
        found = comparison.run()
    notes = list(comparison.notes)
    excluded = [name for name in call.names if name not in call.wanted]
    if excluded:
        notes.append(f"excluded, and so not differentiated by: {', '.join(excluded)}")
    device = next(leaf.value.device for leaf in call.leaves if differentiable(leaf.value))
    notes += [said for said in [matmul_precision.said(comparison.low, device)] if said]
    entries = sum(leaf.value.numel() for leaf in call.leaves if leaf.name in call.names)
    kinds = dict.fromkeys(str(dtype).removeprefix("torch.") for dtype in call.dtypes)
    return GradientReport(
        strictly(found, options.strict),
        1,
        entries,
        str(device),
        ", ".join(kinds),
        time.perf_counter() - start,
        comparison.calls,
        tuple(notes),
        ("result", "calls"),
    )


def _leaves(call: Call) -> list[Tensor]:
    """What must be left as it was."""
    return [
        leaf.value
        for leaf in call.leaves
        if isinstance(leaf.value, Tensor) and leaf.value.is_leaf and differentiable(leaf.value)
    ]
