"""Which libraries a candidate imported, and which of them computed its gradients for it."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable

# whose code runs when a library differentiates, and what that is called
ENGINES = {
    os.path.join("torch", "autograd", "__init__.py"): "torch.autograd",
    os.path.join("torch", "_functorch", "eager_transforms.py"): "torch.func",
    os.path.join("jax", "_src", "interpreters", "ad.py"): "jax.grad",
    os.path.join("autograd", "core.py"): "autograd",
    os.path.join("eager", "backprop.py"): "tensorflow",
    os.path.join("numdifftools", ""): "numdifftools",
}
# this project's own gradients
OURS = (
    os.path.join("checks", "by_hand.py"),
    os.path.join("checks", "witnesses", ""),
    os.path.join("model", ""),
)
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(HERE))), "")


class Libraries:
    """What was imported since this was made."""

    def __init__(self) -> None:
        self._before = set(sys.modules)

    def imported(self, source: str) -> list[str]:
        """Packages that the source names and Python has loaded; where it names none, the first one
        that was loaded all the same."""
        new = [name for name in sys.modules if name not in self._before and "." not in name]
        new = [name for name in new if name.isidentifier() and _is_installed(name)]
        named = [name for name in new if name in _named(source)]
        return named or new[:1]


def _is_installed(name: str) -> bool:
    """Whether a module is neither Python's own nor a file of the candidate's."""
    file = getattr(sys.modules[name], "__file__", None) or ""
    parts = os.path.normpath(file).split(os.sep)
    installed = "site-packages" in parts or "dist-packages" in parts
    return installed or file.startswith(ROOT)


def _named(source: str) -> set[str]:
    """The packages in all import statements of a source."""
    try:
        nodes: Iterable[ast.AST] = ast.walk(ast.parse(source))
    except (SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def engine_of(file: str) -> str:
    """The library whose differentiation has its code in that file, or "".

    It is asked in the middle of a candidate's call, which may have taken `len` from everybody: it
    calls methods of strings alone.
    """
    for ending, name in ENGINES.items():
        if os.sep + ending in file:
            return name
    if file.startswith(ROOT):
        beneath = file.removeprefix(ROOT).removeprefix("backproof" + os.sep)
        if beneath.startswith(OURS):
            return "Backproof itself"
    return ""


def takes_complex_steps(source: str) -> bool:
    """Whether a source reads imaginary parts, as only the complex step does in such a network."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.Attribute) and node.attr == "imag" for node in nodes)
