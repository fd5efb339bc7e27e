"""What somebody hands over, in their own form, and the same in ours: lists or dicts of arrays,
either orientation, labels or one-hot rows or values.

Whatever does not fit is refused in one line: where, what was expected, what came, what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.checks.heads import usual_cost
from backproof.checks.learning.passes import Layers, Shape

Arrays = Mapping[Any, Any] | Sequence[Any]


@dataclass(frozen=True)
class Form:
    """How somebody keeps their weights and biases, so that they can be handed back as they were.

    Attributes:
        keys: of their dict, in the order of the layers; None for a list.
        transposed: whether their weights are (in, out).
        biases: how each of their biases is shaped, with -1 for its units; None where there are
            none.
        dtype: of their weights.
    """

    keys: tuple[tuple[Any, ...], tuple[Any, ...]] | None
    transposed: bool
    biases: tuple[tuple[int, ...], ...] | None
    dtype: np.dtype[Any]

    def theirs(self, W: Layers, b: Layers) -> tuple[Any, Any]:
        """Fresh copies in their form."""
        weights = [np.array(W[layer].T if self.transposed else W[layer]) for layer in W]
        weights = [np.ascontiguousarray(array, dtype=self.dtype) for array in weights]
        biases: list[Any] = [None] * len(weights)
        if self.biases is not None:
            shapes = zip(b.values(), self.biases, strict=True)
            biases = [array.astype(self.dtype).reshape(shape) for array, shape in shapes]
        if self.keys is None:
            return weights, biases
        return (
            dict(zip(self.keys[0], weights, strict=True)),
            dict(zip(self.keys[1], biases, strict=True)),
        )

    def ours(self, W: Any, b: Any) -> tuple[Layers, Layers]:
        """By layer 1..L, weights (out, in) and biases (out,), in float64."""
        weights = _in_order(W, "W")[0]
        found_W = {}
        found_b = {}
        biases = _in_order(b, "b")[0] if self.biases is not None else [0.0] * len(weights)
        for layer, array in enumerate(weights, start=1):
            matrix = np.array(array, dtype=np.float64)
            found_W[layer] = matrix.T.copy() if self.transposed else matrix
            bias = np.array(biases[layer - 1], dtype=np.float64).reshape(-1)
            found_b[layer] = np.broadcast_to(bias, (len(found_W[layer]),)).copy()
        return found_W, found_b


@dataclass(frozen=True)
class Given:
    """A network and its data in our form, and what is needed to speak to their code in theirs.

    Attributes:
        W, b: by layer 1..L, (out, in), float64.
        x: one sample a row, float64.
        Y: targets, a row each.
        y: their targets, as they came.
        classes: whether the targets are classes.
        shape: activations, output and cost.
        form: of their weights and biases.
        notes: what was assumed.
        off_by: what had to be taken off their labels so that they number the outputs.
        batch: samples that a step takes, where that is known; else all of few, and some of many.
    """

    W: Layers
    b: Layers
    x: np.ndarray
    Y: np.ndarray
    y: np.ndarray
    classes: bool
    shape: Shape
    form: Form
    notes: tuple[str, ...] = field(default=())
    off_by: int = 0
    batch: int | None = None

    @property
    def K(self) -> int:
        """Outputs."""
        return len(self.b[len(self.b)])


def take(
    W: Arrays,
    b: Arrays | None,
    x: Any,
    y: Any,
    *,
    hidden: str | Sequence[str],
    output: str | None,
    cost: str | None,
    layout: str | None,
) -> Given:
    """Check everything that was handed over, and bring it into one form.

    Args:
        W, b: their weights and biases; b may be None.
        x, y: samples as rows, and labels, one-hot rows or values.
        hidden: the hidden activation, or one for each hidden layer.
        output, cost: the head; None for what fits the targets.
        layout: "out,in" or "in,out"; None to recognise it.
    Raises: ValueError in one line, for whatever does not fit.
    """
    samples = _samples(x)
    weights, keys_W = _in_order(W, "W")
    biases, keys_b = _in_order(b, "b") if b is not None else ([None] * len(weights), keys_W)
    if len(weights) != len(biases):
        raise ValueError(
            f"W and b: expected as many biases as weights, got {len(weights)} and {len(biases)}."
        )
    arrays = [_matrix(array, f"W of layer {at}") for at, array in enumerate(weights, start=1)]
    notes: list[str] = []
    transposed = _transposed(arrays, biases, samples.shape[1], layout, notes)
    form = Form(
        (keys_W, keys_b) if keys_W is not None and keys_b is not None else None,
        transposed,
        None if b is None or biases[0] is None else tuple(_pattern(one) for one in biases),
        np.result_type(*arrays)
        if all(array.dtype.kind == "f" for array in arrays)
        else np.dtype(float),
    )
    ours_W, ours_b = form.ours(W, b)
    K = len(ours_b[len(ours_b)])
    targets = np.asarray(y)
    if targets.dtype.kind in "USO":
        first = str(targets.reshape(-1)[0])
        raise ValueError(
            f"y: expected numbers, got {targets.dtype} such as {first!r}. Number the classes: "
            "classes, y = np.unique(labels, return_inverse=True)."
        )
    if len(targets) != len(samples):
        raise ValueError(
            f"x and y: expected as many targets as samples, got {len(samples)} rows of x and "
            f"{len(targets)} of y. Keep them together when you cut or shuffle."
        )
    if not np.isfinite(targets.astype(np.float64)).all():
        raise ValueError("y: expected finite numbers, got NaN or inf. Leave those samples out.")
    Y, off_by, integers = _targets(targets, K)
    if output is None:
        output = _usual_output(Y, integers)
        notes.append(f"no output was named: {output} fits the targets")
    if cost is None:
        cost = usual_cost("linear" if output == "identity" else output)
        notes.append(f"no cost was named: {cost} goes with {output}")
    shape = Shape.of(len(ours_W), hidden, output, cost)
    classes = _are_classes(Y, integers, shape)
    return Given(ours_W, ours_b, samples, Y, targets, classes, shape, form, tuple(notes), off_by)


def _samples(x: Any) -> np.ndarray:
    try:
        samples = np.asarray(x, dtype=np.float64)
    except (ValueError, TypeError):
        raise ValueError(
            "x: expected rows of numbers, got something else. Turn words into numbers first."
        ) from None
    if samples.ndim != 2 or not len(samples) or not samples.shape[1]:
        raise ValueError(
            f"x: expected one sample a row and at least one, got shape {samples.shape}. Reshape "
            "it: x.reshape(len(x), -1)."
        )
    bad = np.argwhere(~np.isfinite(samples))
    if len(bad):
        row, column = bad[0]
        raise ValueError(
            f"x: expected finite numbers, got {samples[row, column]} in row {row}, column {column} "
            f"({len(bad)} such numbers). Leave those samples out, or fill in a value."
        )
    return samples


def _in_order(arrays: Any, name: str) -> tuple[list[Any], tuple[Any, ...] | None]:
    """Their arrays in the order of the layers, and their keys if they came in a dict."""
    if isinstance(arrays, Mapping):
        keys = tuple(sorted(arrays, key=_place))
        found = [arrays[key] for key in keys]
    else:
        keys = None
        found = list(arrays)
        if found and found[0] is None:  # so that layers can be numbered 1..L
            found = found[1:] if any(one is not None for one in found) else found
    if not found:
        raise ValueError(f"{name}: expected the arrays of at least one layer, got none.")
    return found, keys


def _pattern(bias: Any) -> tuple[int, ...]:
    """The shape of a bias, with -1 for its units: (-1,), (-1, 1) or (1, -1)."""
    shape = np.shape(bias)
    longest = int(np.argmax(shape)) if shape else 0
    return tuple(-1 if axis == longest else size for axis, size in enumerate(shape)) or (-1,)


def _place(key: Any) -> tuple[int, str]:
    """Where a key stands: its number, such as 2 of "W2"."""
    digits = "".join(sign for sign in str(key) if sign.isdigit())
    return int(digits or 0), str(key)


def _matrix(array: Any, name: str) -> np.ndarray:
    found = np.asarray(array)
    if found.ndim != 2 or found.dtype.kind not in "fiu" or not found.size:
        raise ValueError(
            f"{name}: expected a matrix of numbers, got shape {found.shape} of {found.dtype}."
        )
    return found


def _transposed(
    W: Sequence[np.ndarray], b: Sequence[Any], n_0: int, layout: str | None, notes: list[str]
) -> bool:
    """Whether their weights are (in, out)."""
    if layout not in (None, "out,in", "in,out"):
        raise ValueError(f'layout: expected "out,in" or "in,out", got {layout!r}.')
    fits = {
        "out,in": _fits([array.shape for array in W], b, n_0),
        "in,out": _fits([array.shape[::-1] for array in W], b, n_0),
    }
    if layout is not None and fits[layout]:
        return layout == "in,out"
    if layout is None and any(fits.values()):
        if all(fits.values()):
            notes.append('every layout fits: weights are read as "out,in"')
        return not fits["out,in"]
    shapes = ", ".join(str(array.shape) for array in W)
    wanted = "a chain of layers" if layout is None else f"the layout {layout}"
    raise ValueError(
        f"W: expected {wanted} from the {n_0} columns of x on, with as many biases as units, got "
        f"weights {shapes} and biases {', '.join(str(np.shape(one)) for one in b)}. Give samples "
        "as rows, and weights and biases in the order of the layers."
    )


def _fits(shapes: Sequence[tuple[int, ...]], b: Sequence[Any], n_0: int) -> bool:
    """Whether shapes (out, in) chain up from n_0 inputs, with biases that fit."""
    below = n_0
    for (n, n_in), bias in zip(shapes, b, strict=True):
        if n_in != below or (bias is not None and np.size(bias) not in (n, 1)):
            return False
        below = n
    return True


def _targets(y: np.ndarray, K: int) -> tuple[np.ndarray, int, bool]:
    """Y, what was taken off labels that count from another number, and whether they are whole."""
    whole = bool((y == np.rint(y)).all())
    if y.ndim == 2 and y.shape[1] == K:
        return y.astype(np.float64), 0, whole
    flat = y.reshape(len(y), -1)
    if flat.shape[1] != 1:
        raise ValueError(
            f"y: expected {K} columns, one an output, or one label a sample, got shape {y.shape}."
        )
    labels = flat[:, 0]
    if K == 1:
        return labels[:, None].astype(np.float64), 0, whole
    if not whole:
        raise ValueError(
            f"y: expected whole labels for {K} outputs, or {K} columns, got values such as "
            f"{labels[labels != np.rint(labels)][0]:g}. One value a sample wants one output."
        )
    off_by = 1 if labels.min() == 1 and labels.max() == K else 0
    labels = labels.astype(np.int64) - off_by
    if labels.min() < 0 or labels.max() >= K:
        raise ValueError(
            f"y: expected labels from 0 to {K - 1} for {K} outputs, got {labels.min()} to "
            f"{labels.max()}. Number the classes from 0, or give the last layer as many units as "
            "there are classes."
        )
    return (np.arange(K) == labels[:, None]).astype(np.float64), off_by, True


def _usual_output(Y: np.ndarray, whole: bool) -> str:
    if Y.shape[1] == 1:
        return "sigmoid" if set(np.unique(Y)) <= {0.0, 1.0} else "linear"
    if (Y >= 0).all() and np.allclose(Y.sum(axis=1), 1):
        return "softmax"
    return "sigmoid" if whole and Y.min() >= 0 and Y.max() <= 1 else "linear"


def _are_classes(Y: np.ndarray, whole: bool, shape: Shape) -> bool:
    if Y.shape[1] == 1:
        return len(np.unique(Y)) <= 2
    if shape.output == "softmax":
        return True
    highest = Y.max(axis=1, keepdims=True)
    one_high = bool(((highest == Y).sum(axis=1) == 1).all())
    return one_high and len(np.unique(Y)) == 2
