"""What a file is, by its syntax: a script to be watched or one that answers questions; and whether
a library trains in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from backproof.checks.candidates.source import Source

# of arguments, where somebody means the checker's function and not one of their own
PROTOCOLS = {"gradients": 4, "step": 5, "make": 2}
LIBRARIES = ("sklearn", "tensorflow", "keras", "jax", "autograd", "tinygrad", "mxnet")


def is_script(source: Source) -> bool:
    """Whether a file defines none of the functions that are asked for, and does something when it
    is run."""
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return source.does_more_than_define and not any(_is_meant(node) for node in tree.body)


def _is_meant(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef) and node.name in PROTOCOLS:
        taken = node.args
        return bool(taken.vararg) or len(taken.args) >= PROTOCOLS[node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.ImportFrom):
        names = {alias.asname or alias.name for alias in node.names}
    return bool(names & set(PROTOCOLS))


def libraries(text: str) -> Iterator[str]:
    """The libraries that train or take derivatives, as far as a script says so."""
    tree = ast.parse(text)
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    methods = {
        node.func.attr
        for node in calls
        if isinstance(node.func, ast.Attribute) and not node.args and not node.keywords
    }
    if "sklearn" in imported:
        fits = any(isinstance(c.func, ast.Attribute) and c.func.attr == "fit" for c in calls)
        yield from ["sklearn"] * fits
    yield from sorted((imported & set(LIBRARIES)) - {"sklearn"})
    if "torch" in imported and "backward" in methods:
        yield "torch"
