"""Suspects of the indices: a factor of (B2), (B3), (B4) or (B5) from a neighbouring layer, or the
bias's row misplaced."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass, Hooks, at
from backproof.checks.bugs.register import Variant, places, suspect
from backproof.checks.bugs.setting import Shape
from backproof.checks.findings import Fix, Place


@suspect(
    "wrong-layer",
    "an index is off by one layer (or by one row of the bias)",
    Fix.of_steps("dW", "db", "da"),
    "(B2)",
    rank=170,
    borrows=True,
)
def wrong_layer(shape: Shape) -> Iterator[Variant]:
    """Every index once too large and once too small."""
    yield from _wrong_activation(shape)
    yield from _wrong_product(shape.L)
    if shape.bias:
        yield from _wrong_bias(shape.L)
    # without biases, too: a column of zeros may still be joined to W
    yield from _wrong_row(shape.L)


FIXES = {  # by the step that is replaced
    "dW_input": Fix.of_steps("dW"),
    "derivative": Fix.of_steps("dz"),
    "da": Fix.of_steps("da", above=1),
    "db": Fix.of_steps("db"),
    "returned_dW": Fix.of_steps("dW", "db", comment="take [W | b] apart where it was joined"),
    "matrix": Fix.of_steps("da", comment="W[l] alone, without the bias"),
}


def _variant(
    layers: tuple[int, ...],
    L: int,
    hooks: Hooks,
    note: str,
    *,
    alone: bool = False,
    moved: bool = False,
) -> Variant:
    return Variant(
        Place.of(layers, L), hooks, note, alone=alone, moved=moved, fix=FIXES[hooks[0].step]
    )


def _wrong_activation(shape: Shape) -> Iterator[Variant]:
    """dW[l] from a[l] or a[l-2], and the derivative of a neighbour."""
    L = shape.L

    def activation(run: HookedPass, layer: int, into: np.ndarray, offset: int) -> np.ndarray:
        wanted = min(max(layer - 1 + offset, 0), run.L)
        if wanted == run.L:
            return run.p
        return run.get("a", wanted)

    def derivative(run: HookedPass, layer: int, own: np.ndarray, offset: int) -> np.ndarray:
        if layer + offset:
            return run.get("derivative", layer + offset)
        x = run.problem.x
        return run.problem.activation[layer].h_prime(x, x)

    for offset, in_layers, text in ((1, range(1, L + 1), "l"), (-1, range(2, L + 1), "l - 2")):
        for layers in places(in_layers):
            hooks: Hooks = (at("dW_input", layers, activation, offset),)
            yield _variant(layers, L, hooks, f"dW[l] from a[{text}]")
    for offset in (1, -1):
        for layers in places(range(1, L)):
            hooks = (at("derivative", layers, derivative, offset),)
            yield _variant(layers, L, hooks, f"the derivative of layer l {offset:+d}")


def _wrong_product(L: int) -> Iterator[Variant]:
    """da[l] from another pair of delta and W than dz[l+1] and W[l+1]."""

    def product(run: HookedPass, layer: int, da: np.ndarray, delta: int, matrix: int) -> np.ndarray:
        return run.get("upstream", layer + delta) @ run.get("matrix", layer + matrix)

    def of_output(run: HookedPass, layer: int, da: np.ndarray) -> np.ndarray:
        return run.get("upstream", L) @ run.get("matrix", L)

    for delta, matrix in ((2, 2), (1, 2), (2, 1), (1, 0)):
        note = f"da[l] = dz[l + {delta}] @ W[l + {matrix}]"
        rare = (delta, matrix) != (2, 2)
        for layers in places(range(1, L + 1 - max(delta, matrix))):
            hooks: Hooks = (at("da", layers, product, delta, matrix),)
            yield _variant(layers, L, hooks, note, alone=rare)
    if L > 3:  # for three layers it is that of l + 2
        behind = tuple(range(1, L - 1))
        note = "da[l] = dz[L] @ W[L] in every layer"
        yield _variant(behind, L, (at("da", behind, of_output),), note, alone=True)


def _wrong_bias(L: int) -> Iterator[Variant]:
    """db[l] from a neighbour's dz; before layer 1 there is x, and after the output nothing."""

    def neighbour(run: HookedPass, layer: int, db: np.ndarray, offset: int) -> np.ndarray:
        if layer + offset:
            return np.asarray(run.get("dz", layer + offset).sum(axis=0))
        x = run.problem.x
        before = run.get("upstream", 1) @ run.get("matrix", 1) * x * (1 - x)
        return np.asarray(before.sum(axis=0))

    for offset, in_layers in ((-1, range(2, L + 1)), (-1, range(1, L + 1)), (1, range(1, L))):
        for layers in places(in_layers):
            hooks: Hooks = (at("db", layers, neighbour, offset),)
            yield _variant(layers, L, hooks, f"db[l] from dz[l {offset:+d}]")


def _wrong_row(L: int) -> Iterator[Variant]:
    """db[l] moved by one entry, or a bias that is folded into W read one column off, in the
    gradient or on the way back."""

    def rolled(run: HookedPass, layer: int, db: np.ndarray, step: int) -> np.ndarray:
        return np.roll(db, step)

    def dW_off(run: HookedPass, layer: int, dW: np.ndarray, step: int) -> np.ndarray:
        return _off(dW, run.get("db", layer), step)

    def db_off(run: HookedPass, layer: int, db: np.ndarray, step: int) -> np.ndarray:
        return np.asarray(run.get("dW", layer)[:, 0 if step == 1 else -1])

    def matrix_off(run: HookedPass, layer: int, W: np.ndarray, step: int) -> np.ndarray:
        return _off(W, run.problem.b[layer], step)

    for step in (1, -1):
        for layers in places(range(1, L + 1)):
            note = "the entries of db[l] moved by one"
            yield _variant(layers, L, (at("db", layers, rolled, step),), note, moved=True)
            both: Hooks = (
                at("returned_dW", layers, dW_off, step),
                at("returned_db", layers, db_off, step),
            )
            yield _variant(layers, L, both, "[dW | db] split one column off", moved=True)
        for layers in places(range(2, L + 1)):
            note = "[W | b] split one column off on the way back"
            yield _variant(layers, L, (at("matrix", layers, matrix_off, step),), note)


def _off(W: np.ndarray, b: np.ndarray, step: int) -> np.ndarray:
    """W read one column off out of [W | b] (1) or [b | W] (-1)."""
    if step == 1:
        return np.column_stack([W[:, 1:], b])
    return np.column_stack([b, W[:, :-1]])
