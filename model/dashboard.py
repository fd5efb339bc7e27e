"""Records -> TensorBoard: numbers after every epoch, everything that takes longer at epochs 0, 1,
2, 4, 8, ... and the last.

What each tag answers is written in runs/README.md; a test holds the two together. An epoch's
numbers are with the operating system before the next one begins, so that a killed run keeps all its
finished epochs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import torch

from backproof.model.run import Run
from backproof.model.tensorboard.events import EventFile
from backproof.model.tensorboard.graph import graph_of
from backproof.model.tensorboard.pictures import (
    confusion_picture,
    mistakes_picture,
    short,
    weights_picture,
)
from backproof.model.tensorboard.projector import points_of, write_points, write_setting
from backproof.model.tensorboard.reading import LOOK_FIRST, mistakes_table, settings_table
from backproof.model.tensorboard.snapshot import Snapshot, take
from backproof.model.tensorboard.summaries import (
    curves,
    finished,
    histogram,
    hyperparameters,
    layout,
    picture,
    precision_recall,
    scalar,
    text,
)
from backproof.model.training import Record

MOST_MISTAKES = 16
MOST_CURVES = 20  # classes that get one
METRICS = ("accuracy/test", "accuracy/train", "loss/test", "loss/train")
METRICS_OF_VALUES = ("r2/test", "r2/train", "loss/test", "loss/train")
# that the page of HParams shows without being asked
COLUMNS = (
    "batch_size",
    "data",
    "hidden",
    "lr",
    "optimizer",
)
CHARTS: dict[str, dict[str, list[str]]] = {
    "learning": {
        "loss": ["loss/train", "loss/test"],
        "accuracy": ["accuracy/train", "accuracy/test"],
        "R2": ["r2/train", "r2/test"],
    },
    "gradients": {
        "gradient norm by layer": ["gradient_norm/layer_.*"],
        "update ratio by layer": ["update_ratio/layer_.*"],
        "largest error over what rounding explains": ["gradient_check/worst_ratio"],
    },
}


class Dashboard:
    """A context manager that writes what a run does into its folder.

    Args:
        run: in the state that it starts or goes on from. What an earlier session wrote of later
            epochs is cut off.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._events = EventFile(run.folder, run.resumed_after)
        self._network = run.training.network
        self._parameters = self._network.W
        self._W, self._sizes = self._weights()
        self._opened = False
        self._last = -1

    @property
    def remarks(self) -> list[str]:
        """What is to be said of what an earlier session wrote, in a line each."""
        return self._events.remarks

    def __enter__(self) -> Dashboard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        complete = kind is None and self._last >= self._run.configuration.epochs
        if self._opened:
            self._events.write([finished(complete, time.time())], self._last)
        self._events.close()

    def due(self, epoch: int) -> bool:
        """Whether the pictures, histograms and tables are written after this epoch: a few times,
        however long the run."""
        return epoch & (epoch - 1) == 0 or epoch == self._run.configuration.epochs

    def write(
        self,
        record: Record,
        worst_ratio: float | None = None,
        measures: Mapping[str, float] | None = None,
        verification: str | None = None,
        findings: str | None = None,
    ) -> None:
        """Add one epoch; to be called while the network is as the epoch left it.

        Args:
            record: of the epoch.
            worst_ratio: the gradient check's largest error over what rounding explains, where one
                was made.
            measures: more numbers, by tag, such as "saturation/layer_1". Tags with one first
                segment share a chart.
            verification: the gradient check's report in Markdown; only used where `due`.
            findings: why it does not learn, in Markdown; only used where `due`.
        """
        values = [
            scalar(tag, value)
            for tag, value in self._scalars(record, worst_ratio, measures or {}).items()
        ]
        graph = None
        head = self._run.configuration
        if not self._opened:
            if self._run.resumed_after is None:
                graph = graph_of(
                    self._run.sizes,
                    head.output,
                    head.cost,
                    self._run.training.network.activations,
                )
            else:
                graph = None
            values += self._opening(measures or {})
        if self.due(record.epoch):
            if findings:
                values.append(text("read_me/findings", findings))
            values += self._pages(record, verification)
        self._events.write(values, record.epoch, graph)
        self._opened = True
        self._last = record.epoch

    def _scalars(
        self, record: Record, worst_ratio: float | None, measures: Mapping[str, float]
    ) -> dict[str, float]:
        """Every number of the epoch by its tag."""
        before = self._W
        sizes = self._sizes
        self._W, self._sizes = self._weights()
        scalars = {
            "loss/train": record.train.loss,
            "loss/test": record.test.loss,
            **_qualities(record),
            "optimizer/learning_rate": record.learning_rate,
            "time/epoch_s": record.elapsed_s,
        }
        for layer, norm in record.gradient_norms.items():
            scalars[f"gradient_norm/layer_{layer}"] = norm
            if sizes[layer]:  # weights that were 0 have no size to compare with
                scalars[f"update_ratio/layer_{layer}"] = (
                    _length(self._W[layer] - before[layer]) / sizes[layer]
                )
        if worst_ratio is not None:
            scalars["gradient_check/worst_ratio"] = worst_ratio
        return {**scalars, **measures}

    def _weights(self) -> tuple[dict[int, torch.Tensor], dict[int, float]]:
        """A copy of each layer's weights, and their Euclidean length."""
        W = {layer: W.detach().clone() for layer, W in self._parameters.items()}
        return W, {layer: _length(array) for layer, array in W.items()}

    def _opening(self, measures: Mapping[str, float]) -> list[Any]:
        """What is said once; a resumed run says again only what may have changed."""
        data = self._run.dataset
        settings = self._run.configuration
        if data.answers is None:
            write_setting(
                self._run.folder,
                self._projected()[0],
                data.x[data.test[: self._projected()[1]]],
                data.picture,
            )
        configuration = text("read_me/settings", settings_table(settings.as_json()))
        if self._run.resumed_after is not None:
            return [configuration]
        groups = sorted({tag.split("/")[0] for tag in measures})
        if groups:
            symptoms = {"symptoms": {group.replace("_", " "): [f"{group}/.*"] for group in groups}}
        else:
            symptoms = {}
        return [
            configuration,
            text("read_me/look_first", LOOK_FIRST),
            layout({**CHARTS, **symptoms}),
            *hyperparameters(
                self._hyperparameters(),
                METRICS if data.answers is None else METRICS_OF_VALUES,
                time.time(),
                COLUMNS,
            ),
        ]

    def _hyperparameters(self) -> dict[str, float | str]:
        """A run's settings, less the number of epochs: it may be raised later, and TensorBoard
        believes the first word."""
        settings = self._run.configuration.as_json()
        named = {
            "data": self._run.dataset.name,
            "hidden": "-".join(map(str, settings["hidden"])) or "none",
        }
        kept = (
            "lr",
            "batch_size",
            "optimizer",
            "momentum",
            "weight_decay",
            "init",
            "output",
            "cost",
            "seed",
            "dtype",
        )
        return {**named, **{name: settings[name] for name in kept}}

    def _projected(self) -> tuple[str, int]:
        """What the projector calls its points, and how many they are. Without a hidden layer it
        shows the output."""
        depth = self._network.depth
        width = self._network.sizes[-2 if self._network.depth > 1 else -1]
        name = f"a[{depth - 1}], the last hidden layer" if depth > 1 else "p, the output"
        return name, min(points_of(width), len(self._run.training.test.y))

    def _pages(self, record: Record, verification: str | None) -> list[Any]:
        """Everything that takes longer than a few numbers."""
        now = take(self._run.training, record.logits)
        if self._run.dataset.answers is not None:  # no classes to draw
            pages = [text("read_me/verification", verification)] if verification else []
            return [*pages, *self._histograms(now)]
        count = self._projected()[1]
        points = (now.a[self._network.depth - 1] if now.a else now.p)[:count]
        write_points(
            self._run.folder, points, now.y[:count], now.said[:count], self._run.dataset.classes
        )
        pages = [text("read_me/verification", verification)] if verification else []
        return [*pages, *self._histograms(now), *self._pictures(now), *self._curves(now)]

    def _histograms(self, now: Snapshot) -> list[Any]:
        arrays: dict[str, np.ndarray] = {
            f"activations/layer_{layer}": a for layer, a in now.a.items()
        }
        arrays["activations/output"] = now.p
        for layer, W in self._network.W.items():
            arrays[f"weights/layer_{layer}"] = _array(W)
            if W.grad is not None:
                arrays[f"gradients/layer_{layer}"] = _array(W.grad)
        return [
            histogram(tag, values) for tag, values in arrays.items() if np.isfinite(values).all()
        ]

    def _pictures(self, now: Snapshot) -> list[Any]:
        data = self._run.dataset
        worst = now.worst(MOST_MISTAKES)
        rows = data.test[worst]
        names = [short(name) for name in data.classes] if data.picture else data.classes
        captions = [
            (
                f"said {names[now.said[i]]} ({now.p[i, now.said[i]]:.0%})",
                f"is {names[now.y[i]]} ({now.p[i, now.y[i]]:.0%})",
            )
            for i in worst
        ]
        images = {"pictures/confusion_matrix": confusion_picture(now.confusion(), data.classes)}
        if data.picture:
            images["pictures/first_layer"] = weights_picture(
                _array(self._network.W[1]), data.picture
            )
            images["pictures/worst_mistakes"] = mistakes_picture(
                data.x[rows], data.picture, captions
            )
        if data.picture:
            tables = []
        else:
            tables = [text("read_me/worst_mistakes", mistakes_table(captions, rows.tolist()))]
        return [*tables, *(picture(tag, image.png, image.size) for tag, image in images.items())]

    def _curves(self, now: Snapshot) -> list[Any]:
        if self._run.configuration.output not in ("softmax", "sigmoid"):
            return []  # no probabilities, no thresholds
        tags = class_tags(self._run.dataset.classes[:MOST_CURVES])
        points = curves(now.y, np.nan_to_num(now.p[:, : len(tags)]))
        return [
            precision_recall(f"precision_recall/{tag}", points[k]) for k, tag in enumerate(tags)
        ]


def _qualities(record: Record) -> dict[str, float]:
    """The share of right answers, or R2 where numbers are predicted."""
    if record.train.r2 is None or record.test.r2 is None:
        return {"accuracy/train": record.train.accuracy, "accuracy/test": record.test.accuracy}
    return {"r2/train": record.train.r2, "r2/test": record.test.r2}


def class_tags(classes: Sequence[str]) -> list[str]:
    """Names of classes in lower case and without signs; those that would not differ get their
    numbers as well."""
    tags = [f"class_{re.sub('[^a-z0-9]+', '_', name.lower()).strip('_')}" for name in classes]
    return [
        tag if tags.count(tag) == 1 and tag != "class_" else f"{tag}_{k}".replace("__", "_")
        for k, tag in enumerate(tags)
    ]


def _length(tensor: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor))


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
