"""A hand-written kernel against a trusted reference: right, wrong, or different on every run?

The reference runs in float64 on the very numbers that the kernel gets, so it is as good as exact.
How far a correct kernel may be from it is measured on the reference: its operations are repeated
with random roundings of the kernel's precision (checks/black_box/rounding.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch

from backproof.checks.black_box.checks_in_pairs import raising, returning
from backproof.checks.black_box.compare import compare
from backproof.checks.black_box.function_options import Options
from backproof.checks.black_box.gradient_report import GradientReport

Function = Callable[..., Any]
Mode = Literal["reverse", "forward"]


def _function_report(
    function: Function,
    reference: Function,
    inputs: Sequence[Any],
    keywords: Mapping[str, Any] | None = None,
    *,
    dtype: torch.dtype | None = None,
    accumulate: torch.dtype | None = None,
    only: Sequence[str | int] | None = None,
    except_: Sequence[str | int] = (),
    order: int = 1,
    modes: Sequence[Mode] = ("reverse",),
    strict: bool = False,
    overwrites: Sequence[str | int] = (),
    layouts: bool = True,
    may_vary: bool = False,
    runs: int = 3,
    seed: int = 0,
) -> GradientReport:
    """Compare a function and its gradients with a reference, entry by entry, and return the report.

    A report that fails comes with a FutureWarning, because this function raised up to version 0.1:
    use assert_function in tests.

    Args:
        function: what is checked, such as MyFunction.apply; returns a tensor, or tensors nested in
            tuples, lists and dicts.
        reference: the same in plain torch operations.
        inputs: what both are called with; tensors may be nested. Every real and complex one is
            differentiated by, whatever its requires_grad, except those that `only` and `except_`
            leave out.
        keywords: keyword arguments of both.
        dtype: the precision to check; real inputs, and the parts of complex ones, are converted to
            it. Default: each input keeps its own.
        accumulate: the precision that sums are computed in where inputs are float16 or bfloat16:
            torch.float32 by default, as hardware does; torch.bfloat16 for a kernel that rounds
            every partial sum.
        only: names ("input 0", or 0; of keywords their own) of what is differentiated by.
        except_: names of what is not.
        order: 2 checks second derivatives, too.
        modes: "forward" checks derivatives in forward mode (jvp), too.
        strict: what could not be tested is a failure.
        overwrites: names of inputs that the function may overwrite on purpose.
        layouts: whether inputs and gradients are sent in other memory layouts, too.
        may_vary: accept results that differ from call to call, as those of atomic additions on a
            GPU do; the difference is measured and added to what is allowed. Otherwise it fails.
        runs: how often the function is called; results that are not the same to the last bit fail
            as different on every run.
        seed: of the gradients that are sent back, and of the random roundings.
    Returns: the report: "output", or "output[0]" ..., and "gradient of input 0" ...
    Raises: TypeError where no input is a real or complex tensor, or an argument is of another kind;
        ValueError for too few runs, an unknown name, or a dtype that is not of real numbers.
    """
    return compare(
        function,
        reference,
        inputs,
        keywords or {},
        Options(
            dtype,
            accumulate,
            only,
            except_,
            order,
            modes,
            strict,
            overwrites,
            layouts,
            may_vary,
            runs,
            seed,
        ),
    )


check_function = returning(_function_report, "check_function", "assert_function")
assert_function = raising(
    _function_report,
    "assert_function",
    """Raise AssertionError, with one line for each result, unless a function and its gradients are
    those of a reference.

    Args: those of check_function, all options among them.
    Returns: the report, if nothing failed.
    Raises: AssertionError; and whatever check_function raises.
    """,
)
