"""Where a file seeds NumPy's global generator: on which lines that its calls can reach, and whether
that builds its network."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TypeGuard

Definition = ast.FunctionDef | ast.ClassDef


def seeds(source: str, called: Sequence[str]) -> list[tuple[int, bool]]:
    """Each line that seeds, and whether it stands in what is called __init__, initialize or so.

    A network that seeds where it draws its first weights is harmless in the program that it was
    written for. It is the adapter that builds a network in every call.

    Args:
        source: of the file.
        called: the functions in which it begins.
    Returns: nothing where the file does not say `.seed(` in so many words.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    found = set()
    for definition in _reached(tree, called):
        builds = "init" in definition.name
        found |= {(node.lineno, builds) for node in ast.walk(definition) if _is_seeding(node)}
    return sorted(found)


def _is_seeding(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether it is a call such as np.random.seed(1)."""
    if not isinstance(node, ast.Call):
        return False
    return isinstance(node.func, ast.Attribute) and node.func.attr == "seed"


def _reached(tree: ast.Module, called: Sequence[str]) -> Iterator[ast.FunctionDef]:
    """Every function whose name is mentioned by one that is reached, and the __init__ of every such
    class."""
    by_name: dict[str, list[Definition]] = {}
    for node in ast.walk(tree):
        if isinstance(node, Definition):
            by_name.setdefault(node.name, []).append(node)
    names = list(called)
    seen = set(called)
    while names:
        for definition in by_name.get(names.pop(), []):
            if isinstance(definition, ast.FunctionDef):
                yield definition
            more = {"__init__"} if isinstance(definition, ast.ClassDef) else _mentioned(definition)
            names += more - seen
            seen |= more


def _mentioned(definition: ast.FunctionDef) -> set[str]:
    """Every name that stands in a function."""
    names = {node.id for node in ast.walk(definition) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(definition) if isinstance(node, ast.Attribute)}
