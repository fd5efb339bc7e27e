"""Suspects of the backward pass: what goes wrong in (B2) to (B5), layer by layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass, Hooks, at
from backproof.checks.bugs.register import (
    Variant,
    places,
    suspect,
    with_biases,
    with_several_layers,
)
from backproof.checks.bugs.setting import Shape
from backproof.checks.by_hand import sigmoid
from backproof.checks.findings import Fix, Place


@suspect(
    "raw-error",
    "the error goes back through W[l] before it is multiplied by the derivative: it should be the "
    "delta dz[l]",
    Fix.of_steps("da", comment="of dz[l], not of da[l] or p - Y"),
    "(B4)",
    rank=10,
    occurs=with_several_layers,
)
def raw_error(shape: Shape) -> Iterator[Variant]:
    """(B4) is given da[l], or p - Y at the output, in place of dz[l]."""
    L = shape.L

    def send(run: HookedPass, layer: int, dz: np.ndarray, factor: float) -> np.ndarray:
        if layer == run.L:
            return factor * run.weight_without_half * run.error
        return run.get("da", layer)

    errors = [(1.0, "p - Y at the output")]
    if shape.quadratic:
        errors.append((2.0, "2(p - Y) at the output"))
    for layers in places(range(2, L + 1)):
        forms = errors if L in layers else [(1.0, "da[l] in place of dz[l]")]
        for factor, note in forms:
            yield Variant(Place.of(layers, L), (at("upstream", layers, send, factor),), note)


@suspect(
    "updated-weights",
    "W[l] is updated before the delta goes back through it, so that the layer below is sent "
    "through the new weights",
    Fix.of_steps(
        "da",
        comment="with the old W[l]: compute every dz[l] before the first update, or keep a copy",
    ),
    "(B4)",
    rank=20,
    occurs=with_several_layers,
)
def updated_weights(shape: Shape) -> Iterator[Variant]:
    """(B4) reads W[l] - rate * dW[l]; the rate is fitted, so that the sum, the mean and an ascent
    are all covered."""
    L = shape.L
    for layers in places(range(2, L + 1)):
        hooks: Hooks = (at("matrix", layers, _updated),)
        if shape.several_calls:
            hooks = (at("da", [layer - 1 for layer in layers], _updated_in_each_call),)
        below = max(layers) - 1
        yield Variant(Place.of(layers, L), hooks, "W[l] - eta * dW[l]", rate_from=below)


def _updated(run: HookedPass, layer: int, W: np.ndarray) -> np.ndarray:
    return W - run.rate * (run.get("dW", layer) + run.setting.decay * W)


def _updated_in_each_call(run: HookedPass, layer: int, da: np.ndarray) -> np.ndarray:
    """da[layer], where each call of a few samples sees its own update of W[layer + 1]."""
    calls = run.setting.calls
    upstream = np.split(run.get("upstream", layer + 1), calls)
    deltas = np.split(run.get("dW_delta", layer + 1), calls)
    inputs = np.split(run.get("dW_input", layer + 1), calls)
    W = run.get("matrix", layer + 1)
    # in the whole mean, each call's gradient is a part
    rate = run.rate * (calls if run.setting.mean else 1)
    old = W - run.rate * run.setting.decay * W
    parts = [
        sent @ (old - rate * delta.T @ into)
        for sent, delta, into in zip(upstream, deltas, inputs, strict=True)
    ]
    return np.concatenate(parts)


@suspect(
    "bias-scalar",
    "db[l] is one number, summed over the units as well as over the samples",
    Fix.of_steps("db", comment="over the samples alone: one number a unit"),
    "(B3)",
    rank=50,
    occurs=with_biases,
)
def bias_scalar(shape: Shape) -> Iterator[Variant]:
    """(B3) over both axes; as a sum, as a mean, or as the mean over units of the sum over
    samples."""

    def scalar(
        run: HookedPass, layer: int, db: np.ndarray, of_units: bool, of_samples: bool
    ) -> np.ndarray:
        number = float(db.sum())
        if of_units:
            number /= len(db)
        if of_samples:
            number /= run.setting.in_call
        return np.full(db.shape, number)

    forms = (
        ("dz.sum()", False, False),
        ("dz.mean()", True, True),
        ("the mean over units of the sum over samples", True, False),
    )
    for layers in places(range(1, shape.L + 1)):
        for note, *means in forms:
            yield Variant(Place.of(layers, shape.L), (at("db", layers, scalar, *means),), note)


@suspect(
    "sigmoid-twice",
    "sigma' is taken of a, which is a sigmoid already: that makes sigma(a)(1 - sigma(a)), where "
    "a(1 - a) was meant",
    Fix.of_steps("dz", comment="or sigma'(z[l]), not sigma'(a[l])"),
    "(B5)",
    rank=60,
)
def sigmoid_twice(shape: Shape) -> Iterator[Variant]:
    """(B5), and the output's derivative where it has one, with sigma once too often."""
    L = shape.L

    def again(run: HookedPass, layer: int, derivative: np.ndarray) -> np.ndarray:
        a = sigmoid(run.p if layer == run.L else run.get("a", layer))
        return a * (1 - a)

    def at_output(run: HookedPass, layer: int, dz: np.ndarray) -> np.ndarray:
        delta = run.dp if shape.quadratic else run.weight * run.error
        return delta * again(run, layer, dz)

    output: Hooks = (at("dz", [L], at_output),)
    if shape.has_output_derivative:
        output = (at("derivative", [L], again),)
    if shape.tells_classes:
        yield Variant(Place.of([L], L), output, "sigma'(p) at the output", fix=Fix.of_steps("dzL"))
    for layers in places(shape.sigmoid_layers):
        hidden: Hooks = (at("derivative", layers, again),)
        yield Variant(Place.of(layers, L), hidden, "sigma'(a[l])")
        if not shape.tells_classes:
            continue
        everywhere = Place.of(layers, L, and_output=True)
        both: Hooks = (*output, *hidden)
        yield Variant(everywhere, both, "sigma'(a[l]) and sigma'(p)", fix=Fix.of_steps("dz", "dzL"))


@suspect(
    "no-hidden-derivative",
    "the activation's derivative is missing, or only half of it is there",
    Fix.of_steps("dz"),
    "(B5)",
    rank=80,
)
def no_hidden_derivative(shape: Shape) -> Iterator[Variant]:
    """(B5) with 1, a, 1 - a or sigma(a) for the derivative."""
    L = shape.L

    def partly(run: HookedPass, layer: int, derivative: np.ndarray, form: str) -> np.ndarray:
        a = run.p if layer == run.L else run.get("a", layer)
        return {"1": np.ones_like(a), "a": a, "1 - a": 1 - a, "sigma(a)": sigmoid(a)}[form]

    def variant(layers: tuple[int, ...], form: str) -> Variant:
        hooks: Hooks = (at("derivative", layers, partly, form),)
        return Variant(Place.of(layers, L), hooks, f"{form} in place of a(1 - a)")

    if shape.has_output_derivative:  # where 1 is a cost-mismatch
        for layers in {(L,), tuple(range(1, L + 1))}:
            for form in ("a", "1 - a", "sigma(a)"):
                yield variant(layers, form)
    for layers in places(shape.sigmoid_layers):
        for form in ("1", "a", "1 - a", "sigma(a)"):
            yield variant(layers, form)
    for layers in places(range(1, L)):
        if set(layers) <= set(shape.sigmoid_layers):
            continue
        for form in ("1", "a"):
            hooks: Hooks = (at("derivative", layers, partly, form),)
            yield Variant(Place.of(layers, L), hooks, f"{form} in place of h'(z)")


# also what a db is called that is the mean over the samples: that merely multiplies it
BIAS_NOT_SUMMED = suspect(
    "bias-not-summed",
    "db[l] is not the sum over the samples",
    Fix.of_steps("db"),
    "(B3)",
    rank=110,
    occurs=with_biases,
)


@BIAS_NOT_SUMMED
def bias_not_summed(shape: Shape) -> Iterator[Variant]:
    """(B3) without the sum: N rows. (The mean in place of the sum merely multiplies db, and is read
    off by checks/diagnosis/factors.py.)"""

    def rows(run: HookedPass, layer: int, db: np.ndarray, divided: bool) -> np.ndarray:
        """dz as one call returns it, put together over the calls; the one row of one sample is what
        it should be."""
        in_call = run.setting.in_call
        by_call = run.get("db_delta", layer).reshape(run.setting.calls, in_call, -1)
        kept = by_call.sum(axis=0)
        if not divided:
            kept = kept * in_call
        return np.asarray(kept[0] if in_call == 1 else kept)

    forms = (
        ("dz[l] itself, N rows", True),
        ("dz[l] itself, N rows, none divided by N", False),
    )
    for layers in places(range(1, shape.L + 1)):
        for note, divided in forms:
            yield Variant(Place.of(layers, shape.L), (at("db", layers, rows, divided),), note)


@suspect(
    "transposed",
    "on the way back W[l] stands where its transpose belongs, or the other way round; only equal "
    "neighbouring widths let that pass",
    Fix.of_steps("da"),
    "(B4)",
    rank=160,
    occurs=with_several_layers,
)
def transposed(shape: Shape) -> Iterator[Variant]:
    """(B4) with W[l] transposed; a shape error where widths differ."""

    def turned(run: HookedPass, layer: int, W: np.ndarray) -> np.ndarray:
        return W.T

    for layers in places(range(2, shape.L + 1)):
        place = Place.of(layers, shape.L)
        yield Variant(place, (at("matrix", layers, turned),), "W[l].T in place of W[l]")


LOW_PRECISION = suspect(
    "low-precision",
    "the delta passes through a shorter number format on its way",
    Fix.of_steps(
        "dzL",
        comment="and all that follows in float64: no astype, no array made with a shorter dtype",
    ),
    "(B1)",
    rank=210,
    rounds=True,
)


@LOW_PRECISION
def low_precision(shape: Shape) -> Iterator[Variant]:
    """dz, da or what enters (B2) rounded to float16 or float32, before or after the factor 1/N."""
    L = shape.L
    every = range(1, L + 1)
    roundable = (
        ("dz", every),
        ("dW_delta", every),
        ("error", range(L, L + 1)),
        ("da", range(1, L)),
        ("upstream", range(2, L + 1)),
    )
    for dtype in ("float32", "float16"):
        for before_mean in (False, True):
            for step, in_layers in roundable:
                for layers in places(in_layers):
                    yield _rounded(L, layers, step, dtype, before_mean)
        for steps in (("dz", "da"), ("dW", "db")):
            whole: Hooks = tuple(at(step, every, _cast, dtype, False) for step in steps)
            note = f"{dtype} in {' and '.join(steps)}"
            yield Variant(Place.of(every, L), whole, note, alone=True)


def _rounded(L: int, layers: tuple[int, ...], step: str, dtype: str, before_mean: bool) -> Variant:
    """One step through a shorter format; a delta in it may be summed in it, too."""
    note = dtype
    if before_mean:
        note += " before the division by N"
    if step == "dW_delta":
        note += ", in dW alone"
    return Variant(
        Place.of(layers, L),
        (at(step, layers, _cast, dtype, before_mean),),
        note,
        alone=step != "dz",
        short=dtype if step == "dz" else "",
    )


def _cast(
    run: HookedPass, layer: int, value: np.ndarray, dtype: str, before_mean: bool
) -> np.ndarray:
    """In the size that it has in a call, or before the mean: below 6e-5, float16 loses digits, and
    powers of 2 matter."""
    times = 1.0
    if run.setting.mean:
        times = run.N if before_mean else run.setting.calls
    return np.asarray((value * times).astype(dtype).astype(np.float64) / times)
