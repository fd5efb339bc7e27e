"""Suspects of the indices: a factor of (B2), (B3), (B4) or (B5) from a neighbouring layer, or the
bias's row misplaced."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backproof.checks.bugs.register import Variant, at, named, places, suspect
from backproof.checks.bugs.wrong_pass import Hooks, Pass, Setting


@suspect(
    "wrong-layer",
    "an index is off by one layer (or by one row of the bias)",
    "{dW}; {db}; {da}",
    "(B2)",
)
def wrong_layer(setting: Setting) -> Iterator[Variant]:
    """Every index once too large and once too small."""
    L = setting.problem.L
    yield from _wrong_activation(L)
    yield from _wrong_product(L)
    yield from _wrong_bias(L) if setting.bias else ()
    yield from _wrong_row(L)  # without biases, too: a column of zeros may still be joined to W


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
        "wrong-layer",
        named(layers, L),
        hooks,
        note,
        alone=alone,
        moved=moved,
        fix=FIXES[hooks[0][0]],
    )


FIXES = {  # by the step that is replaced
    "right": "{dW}",
    "s": "{dz}",
    "da": "{da}",
    "db": "{db}",
    "returned_dW": "{dW}; {db}   # take [W | b] apart where it was joined",
    "M": "{da}   # W[l] alone, without the bias",
}


def _wrong_activation(L: int) -> Iterator[Variant]:
    """dW[l] from a[l] or a[l-2], and the derivative of a neighbour."""

    def activation(run: Pass, layer: int, right: np.ndarray, offset: int) -> np.ndarray:
        wanted = min(max(layer - 1 + offset, 0), run.L)
        if wanted == run.L:
            return run.p
        return run.get("a", wanted)

    def derivative(run: Pass, layer: int, s: np.ndarray, offset: int) -> np.ndarray:
        if layer + offset:
            return run.get("s", layer + offset)
        return run.problem.x * (1 - run.problem.x)

    for offset, layers_of, text in ((1, range(1, L + 1), "l"), (-1, range(2, L + 1), "l - 2")):
        for layers in places(layers_of):
            yield _variant(
                layers, L, (("right", at(layers, activation, offset)),), f"dW[l] from a[{text}]"
            )
    for offset in (1, -1):
        for layers in places(range(1, L)):
            yield _variant(
                layers,
                L,
                (("s", at(layers, derivative, offset)),),
                f"the derivative of layer l {offset:+d}",
            )


def _wrong_product(L: int) -> Iterator[Variant]:
    """da[l] from another pair of delta and W than dz[l+1] and W[l+1]."""

    def product(run: Pass, layer: int, da: np.ndarray, delta: int, matrix: int) -> np.ndarray:
        return run.get("up", layer + delta) @ run.get("M", layer + matrix)

    for delta, matrix in ((2, 2), (1, 2), (2, 1), (1, 0)):
        note = f"da[l] = dz[l + {delta}] @ W[l + {matrix}]"
        for layers in places(range(1, L + 1 - max(delta, matrix))):
            yield _variant(
                layers,
                L,
                (("da", at(layers, product, delta, matrix)),),
                note,
                alone=(delta, matrix) != (2, 2),
            )
    if L > 3:  # for three layers it is that of l + 2

        def of_output(run: Pass, layer: int, da: np.ndarray) -> np.ndarray:
            return run.get("up", L) @ run.get("M", L)

        layers = tuple(range(1, L - 1))
        yield _variant(
            layers,
            L,
            (("da", at(layers, of_output)),),
            "da[l] = dz[L] @ W[L] in every layer",
            alone=True,
        )


def _wrong_bias(L: int) -> Iterator[Variant]:
    """db[l] from a neighbour's dz; before layer 1 there is x, and after the output nothing."""

    def neighbour(run: Pass, layer: int, db: np.ndarray, offset: int) -> np.ndarray:
        if layer + offset:
            return np.asarray(run.get("dz", layer + offset).sum(axis=0))
        x = run.problem.x
        return np.asarray((run.get("up", 1) @ run.get("M", 1) * x * (1 - x)).sum(axis=0))

    for offset, layers_of in ((-1, range(2, L + 1)), (-1, range(1, L + 1)), (1, range(1, L))):
        for layers in places(layers_of):
            yield _variant(
                layers, L, (("db", at(layers, neighbour, offset)),), f"db[l] from dz[l {offset:+d}]"
            )


def _wrong_row(L: int) -> Iterator[Variant]:
    """db[l] moved by one entry, or a bias that is folded into W read one column off, in the
    gradient or on the way back."""

    def rolled(run: Pass, layer: int, db: np.ndarray, step: int) -> np.ndarray:
        return np.roll(db, step)

    def dW(run: Pass, layer: int, right: np.ndarray, step: int) -> np.ndarray:
        return _off(right, run.get("db", layer), step)

    def db(run: Pass, layer: int, right: np.ndarray, step: int) -> np.ndarray:
        return np.asarray(run.get("dW", layer)[:, 0 if step == 1 else -1])

    def matrix(run: Pass, layer: int, W: np.ndarray, step: int) -> np.ndarray:
        return _off(W, run.problem.b[layer], step)

    for step in (1, -1):
        for layers in places(range(1, L + 1)):
            yield _variant(
                layers,
                L,
                (("db", at(layers, rolled, step)),),
                "the entries of db[l] moved by one",
                moved=True,
            )
            both: Hooks = (
                ("returned_dW", at(layers, dW, step)),
                ("returned_db", at(layers, db, step)),
            )
            yield _variant(layers, L, both, "[dW | db] split one column off", moved=True)
        for layers in places(range(2, L + 1)):
            yield _variant(
                layers,
                L,
                (("M", at(layers, matrix, step)),),
                "[W | b] split one column off on the way back",
            )


def _off(W: np.ndarray, b: np.ndarray, step: int) -> np.ndarray:
    """W read one column off out of [W | b] (1) or [b | W] (-1)."""
    if step == 1:
        return np.column_stack([W[:, 1:], b])
    return np.column_stack([b, W[:, :-1]])
