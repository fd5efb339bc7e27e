"""A run on disk and its training data: problems to verify, and why it does not learn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks.learning.finding import Symptom
from backproof.checks.learning.symptoms import look
from backproof.checks.problem import Problem
from backproof.checks.training.labelling import head_of, hidden_of
from backproof.model.checkpoint import load_run
from backproof.model.data import load
from backproof.model.saved_model import SavedModel

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Inexact

    from backproof.model.data import Answers


def problems_of_run(run: Path, *, count: int, batch: int, seed: int) -> list[Problem]:
    """Problems with a run's weights, on random batches of its own training data.

    Args:
        run: the run's folder.
        count: how many batches.
        batch: samples in each, or all there are.
        seed: of the draws.
    Raises: BadInput if the folder is not a run or its data cannot be found.
    """
    model, x, y = _model_and_data(run)
    return [_problem_of_run(run, model, x, y, batch, seed + i) for i in range(count)]


def symptoms_of_run(run: Path) -> list[Symptom]:
    """Why a run's network does not learn, as far as its weights and training data show it.

    Raises: BadInput if the folder is not a run or its data cannot be found.
    """
    model, x, y = _model_and_data(run)
    return look(
        model.W,
        model.b,
        x,
        y,
        output=model.output,
        cost=model.cost,
        hidden=model.activation or "sigmoid",
    )


def _model_and_data(
    run: Path,
) -> tuple[SavedModel, Inexact[np.ndarray, "N n_0"], Answers]:
    """A run's network and its training samples, preprocessed."""
    model, config = load_run(run)
    data_dir = config.get("data_dir")
    dataset = load(
        str(config.get("data", model.data)),
        Path(data_dir) if data_dir else None,
        values=model.answers is not None,
    )
    return model, *dataset.training(np.float64)


def _problem_of_run(
    run: Path,
    model: SavedModel,
    x: Inexact[np.ndarray, "N n_0"],
    y: Answers,
    batch: int,
    seed: int,
) -> Problem:
    rows = np.random.default_rng(seed).permutation(len(y))[:batch]
    W = {layer: array.astype(np.float64) for layer, array in model.W.items()}
    b = {layer: array.astype(np.float64) for layer, array in model.b.items()}
    return Problem(
        x[rows].astype(np.float64),
        y[rows],
        W,
        b,
        head_of(model),
        f"{run.name} seed={seed}",
        hidden=hidden_of(model),
    )
