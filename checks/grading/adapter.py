"""The adapter that somebody has to write around a script that was not recognised, with what was
seen of it filled in."""

from __future__ import annotations

import ast
from collections.abc import Sequence

COMMON = ("gradients", "backward", "backprop", "back_prop", "back_propagation", "grad", "grads")


def adapter(text: str, names: Sequence[str]) -> str:
    """A few lines of Python to paste.

    Args:
        text: of the script.
        names: under which it holds its weights, as far as they were seen; may be none.
    """
    own = _backward_of(text)
    held = list(dict.fromkeys(names))
    lines = ["def gradients(W, b, x, y):"]
    if held:
        lines.append(f"    {', '.join(held)} = {_first(len(held))}")
    else:
        lines.append("    # put W[0], b[0], ... (first layer first) under your own names")
    if own:
        lines.append(f"    ...  # as {own} (line {_line_of(text, own)}) has it, from x and y")
    else:
        lines.append("    ...  # your own forward and backward lines, from x and y")
    layers = range(1, (len(held) or 2) + 1)
    dW = ", ".join(f"dW{layer}" for layer in layers)
    db = ", ".join(f"db{layer}" for layer in layers)
    lines.append(f"    return [{dW}], [{db}]  # your names, a gradient for each layer")
    return "\n".join(lines)


def _first(count: int) -> str:
    """The weights of so many layers."""
    return ", ".join(f"W[{layer}]" for layer in range(count))


def _functions(text: str) -> list[ast.FunctionDef]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def _backward_of(text: str) -> str:
    """The function of theirs that looks most like the backward pass; "" for none."""
    found = [node.name for node in _functions(text)]
    for name in found:
        if name.strip("_").lower() in COMMON:
            return name
    return next((name for name in found if "back" in name.lower() or "grad" in name.lower()), "")


def _line_of(text: str, name: str) -> int:
    return next(node.lineno for node in _functions(text) if node.name == name)
