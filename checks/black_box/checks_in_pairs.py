"""Each check in two forms with one signature: `check_*` returns its report, `assert_*` raises."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import ParamSpec

from backproof.checks.black_box.gradient_report import GradientReport, raise_unless_passed, warn

P = ParamSpec("P")


def raising(check: Callable[P, GradientReport], name: str, doc: str) -> Callable[P, GradientReport]:
    """A function with the arguments of a check, and their defaults, that raises what it says.

    Args:
        check: returns the report.
        name: of the function.
        doc: its docstring.
    """

    def asserted(*args: P.args, **kwargs: P.kwargs) -> GradientReport:
        __tracebackhide__ = True
        report = check(*args, **kwargs)
        raise_unless_passed(report)
        return report

    return _called(asserted, check, name, doc)


def returning(
    check: Callable[P, GradientReport], name: str, instead: str
) -> Callable[P, GradientReport]:
    """The same that returns the report, with a FutureWarning where it fails, for a function that
    once raised; `instead` is the one that does."""

    def checked(*args: P.args, **kwargs: P.kwargs) -> GradientReport:
        report = check(*args, **kwargs)
        warn(report, name, instead)
        return report

    return _called(checked, check, name, check.__doc__ or "")


def _called(
    function: Callable[P, GradientReport], like: Callable[P, GradientReport], name: str, doc: str
) -> Callable[P, GradientReport]:
    """A function under a name of its own; help() shows the signature of the other."""
    update_wrapper(function, like)
    function.__name__ = name
    function.__qualname__ = name
    function.__doc__ = doc
    return function
