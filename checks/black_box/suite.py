"""A gradient check for anybody's pytest suite: any loss, any parameters, told by name what is wrong
and where.

    from backproof import assert_gradients
    assert_gradients(lambda: loss(model(x), y), model.named_parameters())

Losses of torch tensors are judged in of_loss.py, plain functions of NumPy arrays in of_arrays.py;
torch is imported for the former alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from backproof.checks.black_box.checks_in_pairs import raising
from backproof.checks.black_box.counts import check_count
from backproof.checks.black_box.gradient_report import GradientReport, strictly
from backproof.checks.black_box.names import chosen
from backproof.checks.black_box.of_arrays import are_arrays, judge_arrays

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    Parameters = (
        Iterable[tuple[str, Tensor]]
        | Mapping[str, Tensor]
        | Mapping[str, torch.nn.Parameter]
        | Mapping[str, np.ndarray[Any, Any]]
    )
    Gradients = Mapping[str, Tensor] | Mapping[str, Tensor | None] | Mapping[str, np.ndarray]

Mode = Literal["reverse", "forward"]


def check_gradients(
    loss: Callable[..., Any],
    named_parameters: Parameters,
    *,
    gradients: Gradients | None = None,
    only: Sequence[str] | None = None,
    except_: Sequence[str] = (),
    order: int = 1,
    modes: Sequence[Mode] = ("reverse",),
    strict: bool = False,
    stop_gradients: bool = False,
    accumulate: torch.dtype | None = None,
    may_vary: bool = False,
    directions: int = 2,
    seed: int = 0,
) -> GradientReport:
    """Compare the gradients of a black box with slopes of its loss, and return the report.

    Nothing global is changed: parameters, .grad, requires_grad and random generators are afterwards
    bit for bit what they were. It never raises for a wrong gradient: use assert_gradients in tests.

    Args:
        loss: a function of no arguments that returns the loss as a tensor of one number. For NumPy
            arrays a float, and it may be a function of them: by their names, in their order, or of
            a dict of them.
        named_parameters: what it is differentiated by: `module.named_parameters()`, a dict, or
            pairs of name and leaf tensor, on any device; or a dict of NumPy arrays. A tensor that
            has two names is checked once, under both.
        gradients: what to check, by name; without it, what autograd says. NumPy arrays need it.
        only: names of what is checked; all by default.
        except_: names of what is not.
        order: 2 checks second derivatives, too: those of a random combination of the gradients.
        modes: "forward" checks derivatives in forward mode (jvp), too.
        strict: what could not be tested is a failure.
        stop_gradients: hold what the loss detaches at its value while its parameters are moved, so
            that a straight-through estimate or a .detach() on purpose is no error.
        accumulate: what sums of float16 and bfloat16 are computed in; float32 by default.
        may_vary: accept gradients that differ from call to call, as those of atomic additions on a
            GPU do; the difference is measured and added to what is allowed. Otherwise it fails.
        directions: along which each tensor is moved; at least 2, which are needed to name a wrong
            entry.
        seed: of the directions.
    Returns: the report; `report.outcome` is "pass" or "fail", `str(report)` the table.
    Raises: ValueError for no parameters, fewer than 2 directions, tensors that are no leaves, or a
        loss that is not one number; TypeError for a loss that is no function or returns no tensor,
        or for parameters that are not names and real or complex tensors.
    """
    return _report(
        loss,
        named_parameters,
        gradients,
        (only, except_, strict),
        (order, modes),
        (stop_gradients, accumulate, may_vary),
        (directions, seed),
    )


assert_gradients = raising(
    check_gradients,
    "assert_gradients",
    """Raise AssertionError, with one line for each wrong gradient, unless all of them are right.

    Args: those of check_gradients, all options among them.
    Returns: the report, if nothing failed: what was "untested" is among its verdicts, and what else
        to know among its notes.
    Raises: AssertionError; and whatever check_gradients raises.
    """,
)


def _report(
    loss: Any,
    named_parameters: Any,
    gradients: Any,
    scope: tuple[Sequence[str] | None, Sequence[str], bool],
    derivatives: tuple[int, Sequence[str]],
    conditions: tuple[bool, Any, bool],
    effort: tuple[int, int],
) -> GradientReport:
    """What both functions do; the options in groups: which parameters, which derivatives, what is
    allowed, how much is asked."""
    directions, seed = effort
    if are_arrays(named_parameters):
        check_count("directions", directions, 2)
        return _report_on_arrays(loss, named_parameters, gradients, scope, directions, seed)
    from backproof.checks.black_box.tensor_report import report_on_tensors

    return report_on_tensors(
        loss, named_parameters, gradients, scope, derivatives, conditions, effort
    )


def _report_on_arrays(
    loss: Any,
    arrays: Any,
    gradients: Any,
    scope: tuple[Sequence[str] | None, Sequence[str], bool],
    directions: int,
    seed: int,
) -> GradientReport:
    start = time.perf_counter()
    only, except_, strict = scope
    names = chosen(list(arrays), only, except_)
    verdicts, notes, evaluations = judge_arrays(loss, arrays, gradients, names, directions, seed)
    excluded = [name for name in arrays if name not in names]
    formats = dict.fromkeys(str(arrays[name].dtype) for name in names)
    return GradientReport(
        strictly(verdicts, strict),
        1,
        sum(int(arrays[name].size) for name in names),
        "cpu",
        ", ".join(formats),
        time.perf_counter() - start,
        evaluations,
        tuple(notes),
        excluded=tuple(excluded),
    )
