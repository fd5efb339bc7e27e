"""Whether a candidate's own functions edit the arrays that they are given: seen during one call, or
ruled out by reading the file.

Numbers alone cannot tell an activation that edits its argument from a derivative that is taken of
the wrong thing. This can.
"""

from __future__ import annotations

import ast
import contextlib
import os
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from backproof.checks.candidates.inside.libraries import engine_of

Trace = Callable[[FrameType, str, Any], Any]


class Watch:
    """While it is entered, looks at every call of a function that `is_own` says is the candidate's.

    Attributes:
        found: "line 12 of mine.py, where sigmoid edits its argument z", of the first function that
            leaves an array other than it got it and returns one of that shape, as activations and
            their derivatives do; else "".
        engine: the library that computed derivatives during this, such as "torch.autograd", or "".
    """

    def __init__(self, is_own: Callable[[str], bool], weights: list[np.ndarray]) -> None:
        self.found = ""
        self.engine = ""
        # that a step edits its weights is no finding
        self._is_own = is_own
        self._weights = weights

    def __enter__(self) -> Watch:
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, event: str, _: object) -> Trace | None:
        file = frame.f_code.co_filename
        self.engine = self.engine or engine_of(file)
        if event != "call" or self.found or not self._is_own(file):
            return None
        frame.f_trace_lines = False
        arrays = {
            name: value
            for name, value in frame.f_locals.items()
            if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        }
        given = {
            name: (array, array.copy())
            for name, array in arrays.items()
            if not self._is_weight(array)
        }

        def returned(frame: FrameType, event: str, value: object) -> Trace:
            if event == "return" and isinstance(value, np.ndarray):
                # where the call has changed what this uses, that is said elsewhere
                with contextlib.suppress(Exception):
                    self._compare(frame, given, value)
            return returned

        return returned

    def _compare(
        self, frame: FrameType, given: dict[str, tuple[np.ndarray, np.ndarray]], value: np.ndarray
    ) -> None:
        """Note the first argument that is no longer what it was, if the function returns such an
        array."""
        for name, (array, before) in given.items():
            if array.shape == before.shape == value.shape and not np.array_equal(
                array, before, equal_nan=True
            ):
                code = frame.f_code
                where = f"line {code.co_firstlineno} of {os.path.basename(code.co_filename)}"
                self.found = (
                    self.found or f"{where}, where {code.co_name} edits its argument {name}"
                )

    def _is_weight(self, array: np.ndarray) -> bool:
        return any(np.shares_memory(array, weight) for weight in self._weights)


def may_edit(source: str | bytes, folder: str) -> bool:
    """Whether any line of a source, or of a file in its folder that it imports, could edit an
    array: x += ..., x[:] = ..., out=x."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return True
    parameters: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            parameters |= {
                argument.arg
                for argument in (*node.args.args, *node.args.posonlyargs, *node.args.kwonlyargs)
            }
    return any(_edits(node, parameters) or _imports_from(node, folder) for node in ast.walk(tree))


EDITING = (
    "fill",
    "put",
    "itemset",
    "sort",
    "resize",
    "copyto",
    "place",
    "putmask",
    "fill_diagonal",
)


def _edits(node: ast.AST, parameters: set[str]) -> bool:
    if isinstance(node, ast.AugAssign):
        return not _is_update(node, parameters)
    if isinstance(node, ast.Assign):
        return any(_is_part_of_an_array(target, parameters) for target in node.targets)
    if isinstance(node, ast.Call):
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        inplace = method.endswith("_") and not method.endswith("__")  # as torch calls them
        return (
            inplace
            or method in EDITING
            or any(keyword.arg in ("out", None) for keyword in node.keywords)
        )
    return False


def _is_update(node: ast.AugAssign, parameters: set[str]) -> bool:
    """W -= ..., self.W += ..., as weights are updated: no activation of its argument, unless it is
    one."""
    target: ast.expr = node.target
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    own = isinstance(target, ast.Name) and (target.id == "self" or target.id not in parameters)
    return own and isinstance(node.op, ast.Add | ast.Sub)


def _is_part_of_an_array(target: ast.expr, parameters: set[str]) -> bool:
    """x[:] or x[...] of anything, and any x[i] of a parameter; but not a list of one's own that is
    filled, dW[layer] = ..."""
    if isinstance(target, ast.Tuple | ast.List):
        return any(_is_part_of_an_array(part, parameters) for part in target.elts)
    if not isinstance(target, ast.Subscript):
        return False
    whole = any(
        isinstance(part, ast.Slice) or (isinstance(part, ast.Constant) and part.value is ...)
        for part in ast.walk(target.slice)
    )
    return whole or (isinstance(target.value, ast.Name) and target.value.id in parameters)


def _imports_from(node: ast.AST, folder: str) -> bool:
    """Whether it imports a module that lies beside the file."""
    if isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    else:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    beside = [os.path.join(folder, name.split(".")[0]) for name in names if name]
    return any(os.path.exists(f"{path}.py") or os.path.isdir(path) for path in beside)
