"""Numbers, arrays, pictures and texts -> the protocol buffers that TensorBoard's pages read."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING
from tensorboard.plugins.custom_scalar.layout_pb2 import (
    Category,
    Chart,
    Layout,
    MultilineChartContent,
)
from tensorboard.plugins.hparams.api_pb2 import (
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    STATUS_FAILURE,
    STATUS_SUCCESS,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)
from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Inexact, Int64

BINS = 40  # of a histogram: as many as a page can show
# entries counted at once: what they need stays in a core's own cache, and no memory is asked of the
# system
BLOCK = 8192
THRESHOLDS = 51  # of a precision-recall curve: 0, 0.02, ... 1


def scalar(tag: str, value: float) -> Any:
    """A point of a chart."""
    return Summary.Value(tag=tag, simple_value=value)


def histogram(tag: str, values: Inexact[np.ndarray, " *shape"]) -> Any:
    """How the entries of an array are distributed.

    Args:
        values: at least one, all finite.
    Raises: ValueError if one is not.
    """
    low = float(values.min())
    high = float(values.max())
    if not np.isfinite(high - low):
        raise ValueError(f"expected finite numbers, got some from {low} to {high}")
    start, end = (low, high) if low < high else (low - 0.5, high + 0.5)
    counts = np.zeros(BINS, dtype=np.int64)
    total = 0.0
    squares = 0.0
    for part in np.split(flat := values.reshape(-1), range(BLOCK, values.size, BLOCK)):
        wide = part.astype(np.float64)
        # not wide @ wide: its threads would stay awake
        total = total + wide.sum()
        squares = squares + np.square(wide).sum()
        # a third of the time of np.histogram
        places = ((wide - start) * (BINS / (end - start))).astype(np.int64)
        counts += np.bincount(np.minimum(places, BINS - 1), minlength=BINS)
    limits = np.linspace(start, end, BINS + 1)[1:].tolist()
    content = HistogramProto(
        min=low,
        max=high,
        num=flat.size,
        sum=total,
        sum_squares=squares,
        bucket=counts.tolist(),
        bucket_limit=limits,
    )
    return Summary.Value(tag=tag, histo=content)


def picture(tag: str, png: bytes, size: tuple[int, int]) -> Any:
    """A picture.

    Args:
        png: the file's content.
        size: (width, height) in pixels.
    """
    return Summary.Value(
        tag=tag,
        image=Summary.Image(width=size[0], height=size[1], colorspace=3, encoded_image_string=png),
    )


def text(tag: str, markdown: str) -> Any:
    """A page of text, in Markdown."""
    content = TextPluginData(version=0).SerializeToString()
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(
        dtype=DT_STRING, string_val=[markdown.encode(errors="backslashreplace")], tensor_shape=shape
    )
    return Summary.Value(tag=tag, tensor=tensor, metadata=_metadata("text", content))


def precision_recall(tag: str, points: Float[np.ndarray, "6 T"]) -> Any:
    """Precision over recall of one class, as the threshold on its probability rises from 0 to 1.

    Args:
        points: the class's of `curves`.
    """
    content = PrCurvePluginData(version=0, num_thresholds=THRESHOLDS).SerializeToString()
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in points.shape])
    tensor = TensorProto(
        dtype=DT_FLOAT, tensor_content=points.astype("<f4").tobytes(), tensor_shape=shape
    )
    return Summary.Value(tag=tag, tensor=tensor, metadata=_metadata("pr_curves", content))


def curves(y: Int64[np.ndarray, " N"], p: Float[np.ndarray, "N C"]) -> Float[np.ndarray, "C 6 T"]:
    """True and false positives, true and false negatives, precision and recall of each class at
    each threshold.

    A sample is positive if p is at least the threshold. Where nothing is positive, precision is 0,
    as the page expects.

    Args:
        y: each sample's class; those from C on are of no class that is looked at.
        p: the probability that the network gives each of the first C classes, none of them NaN.
    """
    counts = np.zeros((p.shape[1], 2, THRESHOLDS), dtype=np.int64)
    for k in range(p.shape[1]):
        # the last threshold that p is at least
        reached = (p[:, k] * np.float64(THRESHOLDS - 1)).astype(np.int64)
        reached += THRESHOLDS * (y == k)
        counts[k] = np.bincount(reached, minlength=2 * THRESHOLDS).reshape(2, THRESHOLDS)
    fp, tp = counts[:, :, ::-1].cumsum(axis=2)[:, :, ::-1].swapaxes(0, 1)
    fn = tp[:, :1] - tp
    tn = fp[:, :1] - fp
    precision = tp / np.maximum(tp + fp, 1)
    recall = tp / np.maximum(tp + fn, 1)
    return np.stack([tp, fp, tn, fn, precision, recall], axis=1)


def layout(categories: Mapping[str, Mapping[str, Sequence[str]]]) -> Any:
    """Which tags share a chart on the page of custom scalars.

    Args:
        categories: title of each section -> title of each of its charts -> regular expressions of
            tags.
    """
    sections = [
        Category(
            title=title,
            chart=[
                Chart(title=name, multiline=MultilineChartContent(tag=tags))
                for name, tags in charts.items()
            ],
        )
        for title, charts in categories.items()
    ]
    tensor = TensorProto(
        dtype=DT_STRING,
        string_val=[Layout(category=sections).SerializeToString()],
        tensor_shape=TensorShapeProto(),
    )
    return Summary.Value(
        tag="custom_scalars__config__", tensor=tensor, metadata=_metadata("custom_scalars", b"")
    )


def hyperparameters(
    settings: Mapping[str, float | str],
    metrics: Sequence[str],
    start_s: float,
    first: Sequence[str] = (),
) -> list[Any]:
    """A row of the table that compares runs; its metrics are the newest values of scalars that the
    run writes anyway.

    Args:
        settings: the row's cells that say how the run was set.
        metrics: tags of scalars: the cells that say how it came out.
        first: the settings that people change most: the page hides all columns but five, and puts
            first what is said to differ.
        start_s: when it began, in seconds since 1970.
    """
    infos = [
        HParamInfo(
            name=name,
            type=DATA_TYPE_STRING if isinstance(value, str) else DATA_TYPE_FLOAT64,
            differs=name in first,
        )
        for name, value in settings.items()
    ]
    experiment = Experiment(
        hparam_infos=infos, metric_infos=[MetricInfo(name=MetricName(tag=tag)) for tag in metrics]
    )
    start = SessionStartInfo(start_time_secs=start_s)
    for name, value in settings.items():
        setattr(
            start.hparams[name], "string_value" if isinstance(value, str) else "number_value", value
        )
    return [
        _session("experiment", HParamsPluginData(version=0, experiment=experiment)),
        _session("session_start_info", HParamsPluginData(version=0, session_start_info=start)),
    ]


def finished(complete: bool, end_s: float) -> Any:
    """The end of that row: whether the run reached its last epoch, and when it ended, in seconds
    since 1970."""
    end = SessionEndInfo(status=STATUS_SUCCESS if complete else STATUS_FAILURE, end_time_secs=end_s)
    return _session("session_end_info", HParamsPluginData(version=0, session_end_info=end))


def _session(name: str, content: Any) -> Any:
    return Summary.Value(
        tag=f"_hparams_/{name}", metadata=_metadata("hparams", content.SerializeToString())
    )


def _metadata(plugin: str, content: bytes) -> Any:
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    )
