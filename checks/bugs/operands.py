"""Suspects of (B2), (B3) and (B4): one factor of a product, or what is summed, is another array."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
from backproof.checks.findings import Fix, Place

Change = Callable[..., np.ndarray]


@suspect(
    "z-for-input",
    "dW[l] is made of the weighted sum z[l - 1], where the activation a[l - 1] belongs",
    Fix.of_steps("dW"),
    "(B2)",
    rank=305,
    occurs=with_several_layers,
    alone=True,
)
def z_for_input(shape: Shape) -> Iterator[Variant]:
    """(B2) with z[l - 1], or h'(z[l - 1])."""
    L = shape.L
    bent = [i + 1 for i in range(1, L) if shape.hidden[i - 1] != "identity"]
    for step, note in (("z", "z[l - 1]"), ("derivative", "h'(z[l - 1])")):
        for layers in places(bent):
            hooks: Hooks = (at("dW_input", layers, _below, step),)
            yield Variant(Place.of(layers, L), hooks, f"dW[l] from {note}")


def _below(run: HookedPass, layer: int, into: np.ndarray, step: str) -> np.ndarray:
    return run.get(step, layer - 1)


@suspect(
    "other-delta",
    "dW[l] or db[l] is made of another array than dz[l], which goes back rightly",
    Fix.of_steps("dW", "db"),
    "(B2)",
    rank=310,
    alone=True,
)
def other_delta(shape: Shape) -> Iterator[Variant]:
    """(B2) or (B3), or both, with da[l], h'(z[l]), a[l], or with p - Y at the output."""
    L = shape.L
    kinds: list[tuple[str, ...]] = [("dW",)]
    if shape.bias:
        kinds = [("dW", "db"), ("dW",), ("db",)]
    for some in kinds:
        # below the first layer there is nothing that shows another dz[1]
        both = len(some) == 2 or not shape.bias
        for layers in places(range(1, L)):
            if both and layers == (1,):
                continue
            yield _of(layers, L, some, "da[l]", _own, "da")
            for step, note in (("derivative", "h'(z[l])"), ("a", "a[l]")):
                yield _of(layers, L, some, note, _own, step)
                yield _of(layers, L, some, f"{note} / N", _averaged, step)
        if shape.quadratic and shape.output != "linear" and (L > 1 or not both):
            for factor, two in ((2.0, "2"), (1.0, "")):
                yield _of((L,), L, some, f"{two}(p - Y)", _error, factor)


def _of(
    layers: tuple[int, ...],
    L: int,
    kinds: tuple[str, ...],
    note: str,
    change: Change,
    *given: str | float,
) -> Variant:
    hooks = tuple(at(f"{kind}_delta", layers, change, *given) for kind in kinds)
    names = " and ".join(f"{kind}[l]" for kind in kinds)
    place = Place.of(layers, L, kinds=kinds if len(kinds) == 1 else ())
    return Variant(place, hooks, f"{names} from {note}", fix=Fix.of_steps(*kinds))


def _own(run: HookedPass, layer: int, delta: np.ndarray, step: str) -> np.ndarray:
    return run.get(step, layer)


def _averaged(run: HookedPass, layer: int, delta: np.ndarray, step: str) -> np.ndarray:
    return np.asarray(run.weight_without_half * run.get(step, layer))


def _error(run: HookedPass, layer: int, delta: np.ndarray, factor: float) -> np.ndarray:
    return np.asarray(factor * run.weight_without_half * run.error)


@suspect(
    "own-output-for-input",
    "the delta of each unit is multiplied by that unit's own output, where each of its inputs "
    "belongs",
    Fix.of_steps("dW"),
    "(B2)",
    rank=315,
    alone=True,
)
def own_output_for_input(shape: Shape) -> Iterator[Variant]:
    """(B2) with a[l] of the same unit for every weight: an index j where i is due."""

    def by_itself(run: HookedPass, layer: int, dW: np.ndarray) -> np.ndarray:
        a = run.p if layer == run.L else run.get("a", layer)
        of_unit = (run.get("dW_delta", layer) * a).sum(axis=0)
        return np.repeat(of_unit[:, None], dW.shape[1], axis=1)

    for layers in places(range(1, shape.L + 1)):
        hooks: Hooks = (at("dW", layers, by_itself),)
        yield Variant(Place.of(layers, shape.L), hooks, "dz[l] * a[l], unit by unit")


@suspect(
    "bias-from-weights",
    "db[l] is made of dW[l], where the sum of dz[l] over the samples belongs",
    Fix.of_steps("db"),
    "(B3)",
    rank=320,
    occurs=with_biases,
    alone=True,
)
def bias_from_weights(shape: Shape) -> Iterator[Variant]:
    """(B3) with the sum or the mean of each row of dW[l], or of all of it."""

    def of_rows(run: HookedPass, layer: int, db: np.ndarray, mean: bool) -> np.ndarray:
        dW = run.get("dW", layer)
        return np.asarray(dW.mean(axis=1) if mean else dW.sum(axis=1))

    def of_all(run: HookedPass, layer: int, db: np.ndarray, mean: bool) -> np.ndarray:
        dW = run.get("dW", layer)
        return np.full(db.shape, dW.mean() if mean else dW.sum())

    for layers in places(range(1, shape.L + 1)):
        for change, what in ((of_rows, "each row of dW[l]"), (of_all, "dW[l]")):
            for mean in (False, True):
                how = "mean" if mean else "sum"
                place = Place.of(layers, shape.L, kinds=("db",))
                hooks: Hooks = (at("db", layers, change, mean),)
                yield Variant(place, hooks, f"the {how} of {what}")


@suspect(
    "weights-left-out",
    "the deltas go back to every unit alike, or through other numbers than its weights",
    Fix.of_steps("da"),
    "(B4)",
    rank=325,
    occurs=with_several_layers,
    alone=True,
)
def weights_left_out(shape: Shape) -> Iterator[Variant]:
    """(B4) with the sum of dz[l + 1] over its units, in every unit; or with the sum of its weights
    squared, or their sizes."""
    for layers in places(range(2, shape.L + 1)):
        place = Place.of(layers, shape.L)
        for note, form in (("1", np.ones_like), ("|W[l]|", np.abs), ("W[l]^2", np.square)):
            yield Variant(place, (at("matrix", layers, _instead, form),), f"{note} for W[l]")
    for layers in places(range(1, shape.L)):
        hooks: Hooks = (at("da", layers, _summed),)
        yield Variant(Place.of(layers, shape.L), hooks, "the sum of da[l], in every unit")


def _instead(run: HookedPass, layer: int, W: np.ndarray, form: Change) -> np.ndarray:
    return np.asarray(form(W))


def _summed(run: HookedPass, layer: int, da: np.ndarray) -> np.ndarray:
    return np.repeat(da.sum(axis=1, keepdims=True), da.shape[1], axis=1)
