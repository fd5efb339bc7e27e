"""A hand-written kernel against a trusted reference: right, wrong, or different on every run?

The reference runs in float64 on the very numbers that the kernel gets, so it is as good as exact.
How far a correct kernel may be from it is measured on the reference: its operations are repeated
with random roundings of the kernel's precision (checks/black_box/shadow.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box import matmul_precision
from backproof.checks.black_box.arguments import (
    check_count,
    check_dtype,
    check_functions,
    outputs,
    real_inputs,
)
from backproof.checks.black_box.gradient_report import GradientReport
from backproof.checks.black_box.rungs import NOISE_BAR
from backproof.checks.black_box.shadow import Shadow, rounding
from backproof.checks.black_box.suite import entry_by_entry
from backproof.checks.black_box.untouched import same_bits, untouched
from backproof.checks.verdict import Verdict, missing

Function = Callable[..., Any]


def check_function(
    function: Function,
    reference: Function,
    inputs: Sequence[Any],
    *,
    dtype: torch.dtype | None = None,
    seed: int = 0,
    runs: int = 3,
    may_vary: bool = False,
) -> GradientReport:
    """Compare a function and its gradients with a reference, entry by entry; raise AssertionError
    where they differ too much.

    Args:
        function: what is checked, such as MyFunction.apply; called with the inputs, returns a
            tensor or a tuple of tensors.
        reference: the same in plain torch operations.
        inputs: tensors and other arguments; the real tensors are differentiated by, except those
            whose requires_grad is False while another's is True.
        dtype: the precision to check; real inputs are converted to it. Default: that of the first
            real input.
        seed: of the gradient that is sent back through each output, and of the random roundings.
        runs: how often the function is called; results that are not the same to the last bit fail
            as different on every run.
        may_vary: accept results that differ from call to call, as those of atomic additions on a
            GPU do; the difference is measured and added to what is allowed. Otherwise it fails.
    Returns: the report, if nothing failed: "output", or "output[0]" ..., and "gradient of input 0"
    ...
    Raises: AssertionError with the report's table; TypeError where no input is a real tensor, or an
        argument is of another kind; ValueError for too few runs, or a dtype that is not of real
        numbers.
    """
    report = compare_function(
        function, reference, inputs, dtype=dtype, seed=seed, runs=runs, may_vary=may_vary
    )
    if report.outcome != "pass":
        raise AssertionError(f"\n{report}")
    return report


def compare_function(
    function: Function,
    reference: Function,
    inputs: Sequence[Any],
    *,
    dtype: torch.dtype | None = None,
    seed: int = 0,
    runs: int = 3,
    may_vary: bool = False,
) -> GradientReport:
    """What check_function does, without raising for a function that is wrong."""
    start = time.perf_counter()
    check_functions(function, reference)
    real = real_inputs(inputs)
    check_dtype(dtype)
    check_count("runs", runs, 2 if may_vary else 1)
    kind = dtype or real[0].dtype
    with untouched([value for value in real if value.is_leaf]):
        call = _Call(inputs, kind, seed)
        found = [call.results(function, kind) for _ in range(runs)]
        exact = call.results(reference, torch.float64, Shadow(kind))
        allowed = rounding(
            lambda mode: call.tensors(reference, torch.float64, mode),
            kind,
            list(exact.values()),
            seed,
        )
    name = str(kind).removeprefix("torch.")
    varies = _varies(found)
    verdicts = list(_verdicts(found, exact, allowed, name, varies if may_vary else {}))
    notes = [
        f"{key} differs from call to call, by {size:.1e} at most"
        for key, size in varies.items()
        if may_vary and size
    ]
    notes += [said for said in [matmul_precision.said(kind, real[0].device)] if said]
    parameters = sum(value.numel() for value in real)
    elapsed_s = time.perf_counter() - start
    return GradientReport(
        verdicts,
        1,
        parameters,
        str(real[0].device),
        name,
        elapsed_s,
        runs,
        tuple(notes),
        ("result", "calls"),
    )


class _Call:
    """The inputs, as leaves in one precision or another, and the gradients sent back through the
    outputs."""

    def __init__(self, inputs: Sequence[Any], dtype: torch.dtype, seed: int) -> None:
        self.inputs = inputs
        self.dtype = dtype
        self.seed = seed
        real = [
            i
            for i, value in enumerate(inputs)
            if isinstance(value, Tensor) and value.is_floating_point()
        ]
        chosen = [i for i in real if inputs[i].requires_grad]
        self.wanted = chosen or real

    def results(
        self, function: Function, dtype: torch.dtype, mode: Any = None
    ) -> dict[str, Tensor]:
        """Outputs and gradients by name."""
        leaves = [self._leaf(i, value, dtype) for i, value in enumerate(self.inputs)]
        with mode or torch.enable_grad():
            returned = function(*leaves)
            found = outputs(function, returned)
            kept = [value for value in found if value.requires_grad]
            back = [self._sent_back(k, value) for k, value in enumerate(kept)]
            wanted = [leaves[i] for i in self.wanted]
            gradients: Sequence[Tensor | None] = [None] * len(wanted)
            if kept:
                gradients = torch.autograd.grad(kept, wanted, back, allow_unused=True)
        names = ["output"] if len(found) == 1 else [f"output[{k}]" for k in range(len(found))]
        results = {name: value.detach().clone() for name, value in zip(names, found, strict=True)}
        for i, leaf, gradient in zip(self.wanted, wanted, gradients, strict=True):
            if gradient is None:
                results[f"gradient of input {i}"] = torch.zeros_like(leaf)
            else:
                results[f"gradient of input {i}"] = gradient.detach().clone()
        return results

    def tensors(self, function: Function, dtype: torch.dtype, mode: Any) -> list[Tensor]:
        """The same without names."""
        return list(self.results(function, dtype, mode).values())

    def _leaf(self, i: int, value: Any, dtype: torch.dtype) -> Any:
        """The numbers that the precision under test can hold, in the dtype that is asked for."""
        if not (isinstance(value, Tensor) and value.is_floating_point()):
            return value
        return value.detach().to(self.dtype).to(dtype).clone().requires_grad_(i in self.wanted)

    def _sent_back(self, k: int, output: Tensor) -> Tensor:
        """1 for a scalar, as .backward() sends; else numbers of magnitude 0.5 to 1.5, the same in
        every precision."""
        if output.numel() == 1:
            return torch.ones_like(output)
        random = np.random.default_rng([self.seed, k])
        u = random.uniform(0.5, 1.5, size=tuple(output.shape)) * random.choice(
            [-1.0, 1.0], size=tuple(output.shape)
        )
        return torch.as_tensor(u).to(self.dtype).to(output.dtype).to(output.device)


def _varies(found: list[dict[str, Tensor]]) -> dict[str, float]:
    """By how much each result differs from the first call's at most; 0 where an entry is not
    finite."""
    first, *others = found
    return {
        name: max(
            [
                _largest(run[name].double() - value.double())
                for run in others
                if run[name].shape == value.shape
            ],
            default=0.0,
        )
        for name, value in first.items()
    }


def _largest(values: Tensor) -> float:
    if values.numel():
        return float(values.abs().nan_to_num(0.0, 0.0, 0.0).max())
    return 0.0


def _verdicts(
    found: list[dict[str, Tensor]],
    exact: dict[str, Tensor],
    allowed: list[Tensor],
    kind: str,
    varies: dict[str, float],
) -> list[Verdict]:
    """For each result: is it the same on every run, unless it may vary by as much as is told, and
    is it right?"""
    verdicts = []
    bounds = dict(zip(exact, allowed, strict=True))
    for name in sorted(set(exact) ^ set(found[0])):
        verdicts.append(
            missing("", name, "", ("function", "reference"), "only one of the two returns it")
        )
    for name in (name for name in exact if name in found[0]):
        first = found[0][name]
        others = [run[name] for run in found[1:]]
        different = [other for other in others if not same_bits(first, other)]
        if different and not varies:
            pair = ("first run", "another run")
            nothing = torch.zeros(first.shape, dtype=torch.float64, device=first.device)
            verdict = entry_by_entry(name, pair, first, different[0], nothing)
            size = _largest(first.double() - different[0].double()) / max(
                _largest(first.double()), 1e-300
            )
            reason = (
                f"different on every run: {len(different)} of {len(others)} repetitions, by "
                f"{size:.1e} of the largest entry"
            )
            verdicts.append(replace(verdict, outcome="fail", reason=reason))
        given = _without_equal_infinities(
            first, exact[name], bounds[name] + NOISE_BAR * varies.get(name, 0.0)
        )
        verdict = entry_by_entry(name, (f"function in {kind}", "reference in float64"), *given)
        if verdict.outcome == "fail":
            verdict = replace(verdict, reason=f"{_kind_of_failure(*given)}: {verdict.reason}")
        verdicts.append(verdict)
    return verdicts


def _without_equal_infinities(
    first: Tensor, exact: Tensor, allowed: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Where both are the same infinity, as a masked score is, they agree: 0 is put in its place."""
    if first.shape != exact.shape:
        return first, exact, allowed
    agreed = exact.isinf() & (first == exact)
    return (
        first.masked_fill(agreed, 0.0),
        exact.masked_fill(agreed, 0.0),
        allowed.masked_fill(agreed, 0.0),
    )


def _kind_of_failure(first: Tensor, exact: Tensor, allowed: Tensor) -> str:
    """Wrong, unless only the reference, or its bound, is to blame."""
    if exact.isnan().any():
        return "the reference itself is NaN there"
    if (
        first.shape == exact.shape
        and not (((first - exact).abs() > allowed) | ~first.isfinite()).any()
    ):
        return "what rounding may do to it could not be measured"
    return "wrong, not rounding"
