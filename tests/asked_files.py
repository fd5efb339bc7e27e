"""A candidate in a file of its own, asked about problems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backproof.checks.candidates.candidate import Answer, Question
from backproof.checks.candidates.candidate_file import CandidateFile, load
from backproof.checks.candidates.sandbox import Limits, Sandbox
from backproof.checks.problem import Problem, draw

# One right implementation, in the project's own conventions; the variants below turn what comes in
# and what goes out.
RIGHT = """
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def passes(W, b, x, Y):
    a, z = [x], []
    for w, c in zip(W, b, strict=True):
        z.append(a[-1] @ w.T + c)
        a.append(sigmoid(z[-1]))
    e = np.exp(z[-1] - z[-1].max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    dz, da, dW, db = [None] * len(W), [None] * len(W), [None] * len(W), [None] * len(W)
    dz[-1] = (p - Y) / len(x)
    for i in range(len(W) - 1, -1, -1):
        dW[i], db[i] = dz[i].T @ a[i], dz[i].sum(axis=0)
        if i > 0:
            da[i - 1] = dz[i] @ W[i]
            dz[i - 1] = da[i - 1] * a[i] * (1 - a[i])
    return z, a, p, dz, da, dW, db
"""
PLAIN = (
    RIGHT
    + "\n\ndef gradients(W, b, x, y):\n    return passes(W, b, x, np.eye(len(b[-1]))[y])[5:]\n"
)


@contextmanager
def running(folder: Path, source: str, call_s: float = 10.0) -> Iterator[CandidateFile]:
    path = folder / "mine.py"
    path.write_text(source)
    with Sandbox(path, Limits(call_s=call_s)) as sandbox:
        yield load(sandbox)


def ending_with(ending: str) -> str:
    return PLAIN.replace("    return passes(", "    dW, db = passes(") + f"    {ending}\n"


def asked_each(folder: Path, endings: list[str]) -> dict[str, tuple[Answer, Problem]]:
    """One candidate that ends in each of these ways, by the number of samples that it gets; one
    process for all of them."""
    source = ending_with("pass") + "".join(
        f"    if len(x) == {N}: {ending}\n" for N, ending in enumerate(endings, start=1)
    )
    problems = [draw((4, 7, 6, 3), N, seed=0) for N in range(1, len(endings) + 1)]
    with running(folder, source) as candidate:
        answers = candidate.ask([Question(problem) for problem in problems])
    return dict(zip(endings, zip(answers, problems, strict=True), strict=True))
