"""The door for notebooks: train a run, or open one, and ask it.

    run = backproof.fit("digits", hidden=(64, 32), activation="sigmoid", epochs=40)
    run = backproof.load("runs/digits-1")
    run.predict(x)
    run.predict_proba(x)
    run.score(x, y)

What `train` and `label` do, with the same folder of files left behind; no callbacks and no
estimators: this is a reference, not a framework.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.checks.training.labelling import Overflow, probabilities
from backproof.model.checkpoint import load_model
from backproof.model.command_line import BadInput
from backproof.model.files.tables import all_numbers
from backproof.model.saved_model import SavedModel

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Inexact, Shaped

    from backproof.checks.learning.finding import Symptom

RUNS = Path("runs")
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Trained:
    """A trained network, ready to be asked.

    Attributes:
        folder: where everything of the run is written.
        model: weights and biases by layer, and what belongs to them.
        symptoms: why it does not learn, where `fit` saw something; empty after `load`.
        gradients: "pass", "fail", or None where none were checked in this session.
    """

    folder: Path
    model: SavedModel
    symptoms: tuple[Symptom, ...] = ()
    gradients: str | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs, in the order of `predict_proba`'s columns."""
        return self.model.classes

    def predict(self, x: Any) -> Shaped[np.ndarray, " M"]:
        """The class of each row: a whole number where all classes are called by one, else a name.
        A network that was taught numbers predicts them.

        Args:
            x: raw values as in the data that it was trained on, one row an input; whatever
                np.asarray takes. Pictures may be (M, height, width); one row may be a vector.
        Raises: ValueError if x does not fit the network.
        """
        if self.model.answers is not None:
            return self._outputs(x)[:, 0]
        return self._names()[self._outputs(x).argmax(axis=1)]

    def predict_proba(self, x: Any) -> Inexact[np.ndarray, "M K"]:
        """The probability of each class for each row of x, as for `predict`.

        Raises: ValueError if x does not fit the network, or it was taught numbers, which have none.
        """
        if self.model.answers is not None:
            raise ValueError("expected a network of classes, got one of numbers. Ask predict(x).")
        return self._outputs(x)

    def _outputs(self, x: Any) -> Inexact[np.ndarray, "M K"]:
        """What the network's last layer says of each row: probabilities, or numbers."""
        try:
            return probabilities(self.model, self._rows(x))
        except Overflow as error:
            raise ValueError(
                f"expected numbers like those of {self.model.data}, got ones that overflow in row "
                f"{error.row}"
            ) from None

    def score(self, x: Any, y: Any) -> float:
        """The share of rows that `predict` gets right; R2 of numbers.

        Args:
            x: as for `predict`.
            y: the class of each row, by name or number.
        Raises: ValueError if the two do not fit, or a class is unknown.
        """
        said = self.predict(x)
        true = np.asarray(y)
        if len(said) == 0:
            raise ValueError("expected at least one row to score, got none")
        if true.shape != said.shape:
            raise ValueError(
                f"expected y of shape {said.shape}, a class for each row of x, got {true.shape}"
            )
        if self.model.answers is not None:
            errors = np.square(said - true).mean(dtype=np.float64)
            return float(1 - errors / true.var(dtype=np.float64))
        if said.dtype.kind == "U":
            true = true.astype(str)
        else:
            try:
                true = true.astype(np.float64)
            except (TypeError, ValueError):
                raise ValueError(f"expected classes {self.classes} in y, got {true[0]!r}") from None
        unknown = ~np.isin(true, self._names())
        if unknown.any():
            came = true[unknown][0].item()
            raise ValueError(f"expected classes {self.classes} in y, got {came!r}")
        return float(np.mean(said == true))

    def _names(self) -> np.ndarray:
        """What `predict` calls each class."""
        whole = [name.lstrip("+-").isdecimal() for name in self.classes]
        if all(whole) and all_numbers(self.classes):
            return np.array([int(name) for name in self.classes])
        return np.array(self.classes)

    def _rows(self, x: Any) -> np.ndarray:
        """x as (M, n_0), in the order of the network's columns where it has names."""
        n_0 = self.model.sizes[0]
        names = [str(name) for name in getattr(x, "columns", ())]
        rows = np.asarray(x)
        if names and self.model.columns:
            if sorted(names) != sorted(self.model.columns):
                raise ValueError(f"expected columns {self.model.columns}, got {tuple(names)}")
            rows = rows[:, [names.index(name) for name in self.model.columns]]
        if rows.dtype.kind not in "buif":
            raise ValueError(f"expected numbers, got an array of {rows.dtype}")
        shape = rows.shape
        if rows.ndim == 1:
            rows = rows[None]
        elif rows.ndim == 3 and self.model.picture == shape[1:]:
            rows = rows.reshape(len(rows), -1)
        if rows.ndim != 2 or rows.shape[1] != n_0:
            raise ValueError(f"expected rows of {n_0} numbers, got an array of shape {shape}")
        if not np.isfinite(rows).all():
            raise ValueError("expected finite numbers, got NaN or infinity")
        return rows


def load(folder: str | os.PathLike[str]) -> Trained:
    """The newest network of a run.

    Args:
        folder: the run's, such as "runs/digits-1".
    Raises: BadInput if it is no run, or its files are damaged.
    """
    return Trained(Path(folder), load_model(Path(folder)))


def fit(
    data: str | os.PathLike[str] = "digits",
    *,
    run_dir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    check_every: int = 1,
    quiet: bool = False,
    **settings: Any,
) -> Trained:
    """Train a network, checking every gradient as `train` does.

    Args:
        data: "digits", "bars", "mnist", or the path of a .csv or .npz file.
        run_dir: the run's folder; None for the next runs/NAME-k.
        device: "auto", "cpu" or "cuda".
        check_every: epochs between gradient checks; 0 for none.
        quiet: whether to print nothing.
        settings: the flags of `train` by their names: hidden, activation, init, output, cost,
            epochs, batch_size, lr, optimizer, momentum, weight_decay, backward, seed, dtype,
            data_dir.
    Returns: the run at its end, or where it stopped because something was wrong: its `symptoms` and
    `gradients` say so.
    Raises: BadInput for settings or data that cannot be used.
    """
    from backproof.checks.training.session import Session
    from backproof.model.configuration import resolve
    from backproof.model.device import usable
    from backproof.model.run import start_run
    from backproof.model.screen import introduction, progress

    given = {"data": _data(data), **_checked(settings)}
    _check_how(run_dir, device, check_every)
    folder = Path(run_dir) if run_dir is not None else None
    run = start_run(resolve(given), folder, runs=RUNS, device=usable(device))
    session = Session(run, check_every)
    records = run.training.fit(run.configuration.epochs) if quiet else progress(run)
    if not quiet:
        print("\n".join(introduction(run)))
    try:
        with closing(session.epochs(records)) as epochs:
            for epoch in epochs:
                for symptom in epoch.symptoms if not quiet else ():
                    print(f"warning: {symptom.line}")
    except BadInput:
        run.discard()
        raise
    finally:
        run.end()
    symptoms = session.conclude()
    summary = session.checker.summary()
    return Trained(
        run.folder,
        load_model(run.folder),
        tuple(symptoms),
        summary["verdict"] if summary else None,
    )


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that `train` knows, as config.json would have them."""
    from backproof.model.configuration import TAKES, VALID, Configuration

    known = [field.name for field in fields(Configuration) if field.name != "data"]
    checked = {}
    for name, value in settings.items():
        if name not in known:
            raise BadInput(f"fit: expected settings {', '.join(known)}, got {name}. Leave it out.")
        plain = _plain(value)
        if value is not None and name in VALID and not VALID[name](plain):
            raise BadInput(f"fit: expected {name} to be {TAKES[name]}, got {value!r}.")
        checked[name] = plain
    return checked


def _data(data: Any) -> str:
    """The name of a data set or the path of a file, as text."""
    if not isinstance(data, (str, os.PathLike)):
        raise BadInput(
            f"fit: expected data to be a name or a path, got a {type(data).__name__}. Write arrays "
            "to a file, np.savez('mine.npz', x=x, y=y), and give its path."
        )
    return str(os.fspath(data))


def _check_how(run_dir: Any, device: Any, check_every: Any) -> None:
    """Raise BadInput for what is no setting of the run, and is not as `fit` takes it."""
    if not isinstance(run_dir, (str, os.PathLike, type(None))):
        raise BadInput(f"fit: expected run_dir to be the path of a folder, got {run_dir!r}.")
    if device not in DEVICES:
        raise BadInput(f"fit: expected device to be one of {', '.join(DEVICES)}, got {device!r}.")
    if type(_plain(check_every)) is not int or check_every < 0:
        raise BadInput(
            f"fit: expected check_every to be a whole number of epochs, 0 for no check, got "
            f"{check_every!r}."
        )


def _plain(value: Any) -> Any:
    """The same as JSON has it: NumPy's numbers and tuples are Python's numbers and lists."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple, np.ndarray, range)):
        return [_plain(one) for one in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value
