"""Clauses on what somebody else's file raised, or does not define, with its own line."""

from __future__ import annotations

import ast
import difflib
import linecache
import os
import traceback

from backproof.checks.candidates.inside.protocol import PROTOCOLS
from backproof.checks.candidates.inside.returned import short


def raised(error: BaseException, path: str) -> str:
    """ "raises ValueError on line 12 of my_backprop.py (dz = p - y): ..."; quotes the candidate's
    own deepest line."""
    frames = traceback.extract_tb(error.__traceback__)
    folder = os.path.dirname(path) + os.sep
    own = [frame for frame in frames if frame.filename.startswith(path)] or [
        frame for frame in frames if frame.filename.startswith(folder)
    ]
    where = ""
    if own:
        line = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
        where = f" on line {own[-1].lineno} of {os.path.basename(own[-1].filename)}" + (
            f" ({line[:80]})" if line else ""
        )
    if isinstance(error, SystemExit):
        return f"exits the program{where}"
    message = short(error)
    if isinstance(error, EOFError):
        message = "it reads standard input, which is empty here"
    if isinstance(error, MemoryError):
        message = message or "it asks for more memory than a candidate may have"
    return f"raises {type(error).__name__}{where}" + (f": {message}" if message else "")


def syntax_error(error: BaseException, path: str) -> str:
    """Where Python cannot read the file itself, in the same words; "" for any other exception."""
    if not isinstance(error, SyntaxError) or not (error.filename or path).startswith(path):
        return ""
    where = f" on line {error.lineno}" if error.lineno else ""
    if (error.filename or path) != path:
        where += f" of {os.path.basename(error.filename or path)}"
    return f"is not Python: {error.msg}{where}" + (
        f" ({error.text.strip()[:80]})" if error.text else ""
    )


def what_it_defines(source: str | bytes) -> str:
    """What a source does define, for somebody who looks for the function that they wrote."""
    names = [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    if not names:
        return "it defines no function at all"
    defined = f"it defines {', '.join(names[:8])}"
    lower = {name.lower().strip("_"): name for name in reversed(names)}
    for wanted in PROTOCOLS:
        for close in difflib.get_close_matches(wanted, lower, n=1, cutoff=0.8):
            return f"{defined}; rename {lower[close]} to {wanted}"
    return defined
