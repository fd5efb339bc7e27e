"""Why a candidate does not learn from its own data: its gradients descend, in its own process, and
are watched."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np

from backproof.checks.activations import by_layer, named
from backproof.checks.candidates.candidate import Candidate, Question
from backproof.checks.learning.answer import Answer
from backproof.checks.learning.by_doing import Step, StepFailed
from backproof.checks.learning.given import Given, take
from backproof.checks.learning.own_data import OwnData, read_own_data
from backproof.checks.learning.passes import Layers
from backproof.checks.learning.trying import drawn_anew
from backproof.checks.learning.why import Door
from backproof.checks.problem import Problem
from backproof.model.command_line import BadInput

MOST_CLASSES = 1000  # that are taken for numbers of classes where there are fewer samples
UNITS = 16  # of the hidden layer of a candidate that takes any sizes and brings no weights


def why_not(candidate: Candidate, path: Path, *, tries: bool, limit_s: float) -> Answer:
    """Look at a candidate on its own data.

    Args:
        candidate: whose gradients, or whose step, is used.
        path: of its data, with its first weights or without.
        tries: whether remedies are to be tried.
        limit_s: seconds for watching, and as much again for trying.
    Returns: what `why` would say.
    Raises: BadInput for data that cannot be used, or do not fit the candidate; StepFailed if it
    does not answer on them.
    """
    data = read_own_data(path)
    conventions = candidate.conventions
    try:
        given, drawn = _given(candidate, data)
    except ValueError as error:
        raise BadInput(f"--data: {path} does not fit: {error}") from error
    rate = data.rate if data.rate is not None else conventions.learning_rate

    def make_step(of: Given) -> Step:
        return _step(candidate, of)

    door = Door(given, make_step, rate, limit_s)
    if drawn:
        note = "first weights were drawn here; put yours into the file as W1, b1, W2, ..."
        door.remarks.append(note)
    return door.answer(None, tries)


def _given(candidate: Candidate, data: OwnData) -> tuple[Given, bool]:
    """The network and its data, and whether its weights had to be drawn here."""
    conventions = candidate.conventions
    hidden = getattr(conventions, "hidden", "sigmoid")
    head = {"hidden": hidden, "output": conventions.output, "cost": conventions.cost}
    if data.W:
        biases = data.b or None
        given = take(data.W, biases, data.x, data.y, layout=conventions.layout, **head)
        return given, False
    sizes = list(conventions.sizes or (data.x.shape[1], UNITS, _outputs(data.y)))
    if sizes[0] != data.x.shape[1]:
        raise ValueError(
            f"x: expected {sizes[0]} columns, one for each input of SIZES = {sizes}, got "
            f"{data.x.shape[1]}. Correct one of them."
        )
    if not conventions.sizes and sizes[-1] > max(MOST_CLASSES, len(data.y)):
        raise ValueError(
            f"y: expected labels that number the classes, got one up to {data.y.max():g} in "
            f"{len(data.y)} samples. Number them from 0, or say in SIZES how many outputs there "
            "are."
        )
    blank_W = [np.zeros((n, n_in)) for n_in, n in itertools.pairwise(sizes)]
    blank_b = [np.zeros(n) for n in sizes[1:]]
    given = take(blank_W, blank_b, data.x, data.y, layout="out,in", **head)
    return drawn_anew(given, sizes, 0), True


def _outputs(y: np.ndarray) -> int:
    """One a class or a column; one for values and for two classes of a single output."""
    if y.ndim == 2:
        return y.shape[1]
    whole = bool((y == np.rint(y)).all())
    return int(y.max()) + 1 if whole and y.min() >= 0 else 1


def _step(candidate: Candidate, given: Given) -> Step:
    """Descent along the candidate's own gradients, or its own step."""
    conventions = candidate.conventions
    activations = [named(name) for name in given.shape.hidden]
    head = conventions.head

    def step(W: Layers, b: Layers, rows: np.ndarray, rate: float) -> tuple[Layers, Layers]:
        if conventions.batch is not None:
            rows = rows[: len(rows) // conventions.batch * conventions.batch]
        y = _answers(given)[rows]
        hidden = tuple(by_layer(activations, len(W)).values())
        problem = Problem(given.x[rows], y, W, b, head, "own data", hidden=hidden)
        kind = conventions.protocol
        question = Question(problem, kind, rate if kind == "step" else None)
        (answer,) = candidate.ask([question])
        if answer.dW is None or set(answer.dW) != set(W):
            raise StepFailed(f"{kind}: expected gradients of every layer, got {answer.complaint}")
        db = answer.db or {}
        factor = rate if math.isfinite(rate) else 0.0
        return (
            {layer: W[layer] - factor * answer.dW[layer] for layer in W},
            {layer: b[layer] - factor * db[layer] if layer in db else b[layer] for layer in b},
        )

    return step


def _answers(given: Given) -> np.ndarray:
    """As problems have them: labels, or rows of values."""
    if not given.classes:
        return given.Y
    if given.K > 1:
        return given.Y.argmax(axis=1)
    return given.Y[:, 0].astype(np.int64)
