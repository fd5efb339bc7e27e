"""A file reduced to what it defines: imports, functions, classes and constants; what trains, plots,
reads data or asks for input at the level of the module is left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

# what a constant's value may call: these read nothing and end soon
FUNCTIONS = frozenset(
    "abs bool complex dict divmod enumerate float frozenset int len list max min pow range "
    "reversed round set sorted str sum tuple zip".split()
)
MODULES = frozenset(["np", "numpy", "math", "random", "rng", "torch", "nn"])
# of these modules, and of NumPy above all: they read or write files
FILES = frozenset("load loadtxt genfromtxt fromfile memmap save savez savetxt".split())
METHODS = frozenset(
    "astype copy cos dot exp flatten integers join mean normal permutation random ravel reshape "
    "sin split standard_normal std sum transpose uniform".split()
)
DEFINITIONS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Pass,
)


def without_the_rest(tree: ast.Module) -> list[str]:
    """Take every statement out of a module that defines nothing.

    Returns: the lines of each, such as "line 12" or "lines 12 to 15".
    """
    kept = [statement for statement in tree.body if _defines(statement)]
    left_out = [statement for statement in tree.body if not _defines(statement)]
    tree.body = kept
    return list(_lines(left_out))


def _defines(statement: ast.stmt) -> bool:
    if isinstance(statement, DEFINITIONS):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)  # a docstring
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return statement.value is None or _is_constant(statement.value)
    if isinstance(statement, ast.Try):  # around an import, usually
        handled: list[ast.stmt] = []
        for handler in statement.handlers:
            handled += handler.body
        return all(map(_defines, [*statement.body, *handled, *statement.orelse]))
    return False


def _is_constant(value: ast.expr) -> bool:
    """Whether computing it calls nothing but what is harmless."""
    calls = [node for node in ast.walk(value) if isinstance(node, ast.Call)]
    return all(_is_harmless(call.func) for call in calls)


def _is_harmless(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in FUNCTIONS
    if not isinstance(function, ast.Attribute) or function.attr in FILES:
        return False
    owner = function.value
    while isinstance(owner, ast.Attribute):
        owner = owner.value
    of_a_module = isinstance(owner, ast.Name) and owner.id in MODULES
    return of_a_module or function.attr in METHODS


def _lines(statements: list[ast.stmt]) -> Iterator[str]:
    """Statements that follow each other are told in one go."""
    first = last = 0
    for statement in statements:
        begin = statement.lineno
        if first and begin > last + 1:
            yield _span(first, last)
            first = 0
        first = first or begin
        last = statement.end_lineno or begin
    if first:
        yield _span(first, last)


def _span(first: int, last: int) -> str:
    if first == last:
        return f"line {first}"
    return f"lines {first} to {last}"
