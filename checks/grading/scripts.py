"""What a file is, by its syntax: a script to be watched or one that answers questions; and whether
a library trains in it."""

from __future__ import annotations

import ast

from backproof.checks.candidates.source import Source

# of arguments, where somebody means the checker's function and not one of their own
PROTOCOLS = {"gradients": 4, "step": 5, "make": 2}
DATA_ITSELF = (
    *(ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.SetComp),
    *(ast.DictComp, ast.BinOp, ast.UnaryOp, ast.Compare),
)
MAKES_DATA = {"int", "float", "len", "list", "dict", "round", "sum", "max", "min"}
LIBRARIES = ("tensorflow", "keras", "jax", "autograd", "tinygrad", "mxnet")
DATA = {"datasets", "utils", "preprocessing"}  # modules of theirs that take no derivatives
TRAINS = {"sklearn": "fit", "torch": "backward"}  # which method trains, or takes derivatives


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
    is_number = isinstance(node, ast.Assign) and _is_no_function(node.value)
    targets = node.targets if isinstance(node, ast.Assign) and not is_number else []
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.ImportFrom):
        names = {alias.asname or alias.name for alias in node.names}
    return bool(names & set(PROTOCOLS))


def _is_no_function(value: ast.expr) -> bool:
    """Whether what a name is bound to is a number or holds some, as of a counter `step = 0`."""
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id in MAKES_DATA
    return isinstance(value, DATA_ITSELF)


def library(text: str) -> str:
    """The library that takes derivatives for a script, as far as its imports say so; "" for none. A
    library's data sets and tools are none of that."""
    for node in ast.walk(ast.parse(text)):
        for module in _imported(node):
            name, *rest = module.split(".")
            if name in LIBRARIES and not DATA.intersection(rest):
                return name
    return ""


def trainer(text: str) -> str:
    """The library that may train in a script in which nothing by hand was recognised; "" for
    none."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    imported: set[str] = set()
    for node in nodes:
        imported |= {module.split(".")[0] for module in _imported(node)}
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    methods = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
    for name, method in TRAINS.items():
        if name in imported and method in methods:
            return name
    return ""


def _imported(node: ast.AST) -> list[str]:
    """The modules that a statement imports, and what of them: such as "keras.datasets.mnist"."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module or ''}.{alias.name}" for alias in node.names]
    return []
