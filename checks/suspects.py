"""Each known bug, as the step of the backward pass that it gets wrong: what it predicts follows from checks/wrong_pass.py.

A suspect is a function from a setting (sizes, head, what is known of the call) to its variants: where it may sit, and which step it
replaces by what. Adding one is adding one function under `@suspect`. They stand in the order of how often each was found in public
code, which is the order in which those that the numbers cannot tell apart are named. Suspects of the forward pass and of the
output stand in suspects_forward.py, those that live in between calls in suspects_state.py, and those that merely multiply a
gradient, or add a multiple of W to it, in factors.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from checks.by_hand import sigmoid
from checks.wrong_pass import Hook, Hooks, Pass, Setting


@dataclass(frozen=True)
class Variant:
    """One way in which a bug may have been written, at one place.

    Attributes:
        id: of the bug.
        where: "layer 1", "layers 1, 2", "the output layer".
        hooks: the steps that it replaces.
        note: which of the bug's forms, in the notation of EQUATIONS.md; ends the statement.
        rate_from: the layer whose dW tells at which rate W was changed, for the suspect that has an unknown rate.
        alone: a rare form, tried as the only bug and with a factor, but not in pairs.
        in_sequence: it shows only in a sequence of calls, and is held against the first calls of a process alone.
    """

    id: str
    where: str
    hooks: Hooks
    note: str
    rate_from: int | None = None
    in_sequence: bool = False
    alone: bool = False


Variants = Callable[[Setting], Iterator[Variant]]


@dataclass(frozen=True)
class Suspect:
    """A bug of the catalogue in words: one sentence on what the code does, the line that repairs it, and where to read."""

    id: str
    statement: str
    fix: str
    see: str
    variants: Variants | None = None


SUSPECTS: dict[str, Suspect] = {}


def suspect(id: str, statement: str, fix: str, see: str) -> Callable[[Variants], Variants]:
    """Enter a function in the register, under its id and with its words."""

    def enter(variants: Variants) -> Variants:
        SUSPECTS[id] = Suspect(id, statement, fix, see, variants)
        return variants

    return enter


def all_variants(setting: Setting) -> Iterator[Variant]:
    """Every variant of every suspect that can exist in a setting."""
    for entry in list(SUSPECTS.values()):
        if entry.variants is not None:
            yield from entry.variants(setting)


def places(layers: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """All layers together, each alone, and for up to four of them every set in between."""
    layers = tuple(layers)
    if layers:
        yield layers
    for size in range(1, len(layers)) if len(layers) <= 4 else (1, len(layers) - 1):
        yield from combinations(layers, size)


def at(layers: Iterable[int], change: Hook) -> Hook:
    """A hook that acts in some layers alone."""
    chosen = frozenset(layers)
    return lambda run, layer, value: change(run, layer, value) if layer in chosen else value


def named(layers: Iterable[int], L: int) -> str:
    """ "layer 1", "layers 1, 2", "the output layer"."""
    layers = sorted(layers)
    if layers == [L]:
        return "the output layer"
    return f"layer {layers[0]}" if len(layers) == 1 else f"layers {', '.join(map(str, layers))}"


@suspect(
    "raw-error",
    "you send the error back before it is multiplied by the derivative, instead of the delta dz",
    "da[l - 1] = dz[l] @ W[l]   # dz[l] = da[l] * a[l] * (1 - a[l]), not da[l]",
    "(B4)",
)
def raw_error(setting: Setting) -> Iterator[Variant]:
    """(B4) is given da[l], or p - Y at the output, in place of dz[l]."""
    L = setting.problem.L
    quadratic = setting.problem.cost == "quadratic"
    sends: list[tuple[str, Hook]] = [("p - Y", lambda run, layer, dz: run.w * run.e)]
    if quadratic:
        sends.append(("2(p - Y)", lambda run, layer, dz: run.dp))
    for layers in places(range(2, L + 1)):
        for text, error in sends if L in layers else sends[:1]:

            def send(run: Pass, layer: int, dz: np.ndarray, error: Hook = error) -> np.ndarray:
                return error(run, layer, dz) if layer == run.L else run.get("da", layer)

            note = f"{text} at the output" if L in layers else "da[l] in place of dz[l]"
            yield Variant("raw-error", named(layers, L), (("up", at(layers, send)),), note)


@suspect(
    "updated-weights",
    "W[l] is updated before the delta passes back through it",
    "compute every dz[l] (or keep a copy of W[l]) before the first W[l] -= learning_rate * dW[l]",
    "(B4)",
)
def updated_weights(setting: Setting) -> Iterator[Variant]:
    """(B4) reads W[l] - rate * dW[l]; the rate is fitted, so that the sum, the mean and an ascent are all covered."""
    L = setting.problem.L

    def updated(run: Pass, layer: int, W: np.ndarray) -> np.ndarray:
        return W - run.rate * run.get("dW", layer)

    for layers in places(range(2, L + 1)):
        yield Variant(
            "updated-weights", named(layers, L), (("M", at(layers, updated)),), "W[l] - eta * dW[l]", rate_from=max(layers) - 1
        )


@suspect(
    "bias-scalar",
    "db is one number, summed over the units as well as over the samples",
    "db[l] = dz[l].sum(axis=0)   # over samples alone: one number a unit",
    "(B3)",
)
def bias_scalar(setting: Setting) -> Iterator[Variant]:
    """(B3) over both axes; as a sum, as a mean, or as the mean over units of the sum over samples."""
    L = setting.problem.L
    forms: list[tuple[str, Callable[[np.ndarray], float]]] = [
        ("dz.sum()", lambda dz: float(dz.sum())),
        ("dz.mean()", lambda dz: float(dz.mean())),
        ("dz.mean() times N", lambda dz: float(dz.mean()) * len(dz)),
    ]
    for layers in places(range(1, L + 1)) if setting.bias else ():
        for note, number in forms:

            def scalar(run: Pass, layer: int, db: np.ndarray, number: Callable[[np.ndarray], float] = number) -> np.ndarray:
                return np.full(db.shape, number(run.get("dz", layer)))

            yield Variant("bias-scalar", named(layers, L), (("db", at(layers, scalar)),), note)


@suspect(
    "sigmoid-twice",
    "sigma' is taken of a, which is a sigmoid already: sigma(a)(1 - sigma(a)) where a(1 - a) was meant",
    "dz[l] = da[l] * a[l] * (1 - a[l])   # or sigma'(z[l]), not sigma'(a[l])",
    "(B5)",
)
def sigmoid_twice(setting: Setting) -> Iterator[Variant]:
    """(B5), and the output's derivative where it has one, with sigma once too often."""
    L, head = setting.problem.L, (setting.problem.output, setting.problem.cost)

    def again(run: Pass, layer: int, s: np.ndarray) -> np.ndarray:
        a = sigmoid(run.p if layer == run.L else run.get("a", layer))
        return a * (1 - a)

    def at_output(run: Pass, layer: int, dz: np.ndarray) -> np.ndarray:
        delta = run.dp if head[1] == "quadratic" else run.w * run.e
        return delta * again(run, layer, dz)

    output: Hooks = (("s", at([L], again)),) if head == ("sigmoid", "quadratic") else (("dz", at([L], at_output)),)
    yield Variant("sigmoid-twice", named([L], L), output, "sigma'(p) at the output")
    for layers in places(range(1, L)):
        hidden: Hooks = (("s", at(layers, again)),)
        yield Variant("sigmoid-twice", named(layers, L), hidden, "sigma'(a[l])")
        both: Hooks = (*output, ("s", at(layers, again)))
        yield Variant("sigmoid-twice", f"{named(layers, L)} and the output layer", both, "sigma'(a[l]) and sigma'(p)")


@suspect(
    "wrong-layer",
    "an index is off by one layer (or by one row of the bias)",
    "dW[l] = dz[l].T @ a[l - 1]; db[l] = dz[l].sum(axis=0); da[l - 1] = dz[l] @ W[l]",
    "(B2)",
)
def wrong_layer(setting: Setting) -> Iterator[Variant]:
    """One of the factors of (B2), (B3), (B4) or (B5) from a neighbouring layer, or the bias's row misplaced."""
    L = setting.problem.L
    yield from _wrong_activation(L)
    yield from _wrong_product(L)
    if setting.bias:
        yield from _wrong_bias(L)


def _wrong_activation(L: int) -> Iterator[Variant]:
    """dW[l] from a[l] or a[l-2], and sigma' of a neighbour."""

    def activation(run: Pass, layer: int, right: np.ndarray, offset: int) -> np.ndarray:
        wanted = min(max(layer - 1 + offset, 0), run.L)
        return run.p if wanted == run.L else run.get("a", wanted)

    def derivative(run: Pass, layer: int, s: np.ndarray, offset: int) -> np.ndarray:
        if layer + offset:
            return run.get("s", layer + offset)
        return run.problem.x * (1 - run.problem.x)

    for offset, layers_of in ((1, range(1, L + 1)), (-1, range(2, L + 1))):
        for layers in places(layers_of):
            hook = at(layers, lambda run, layer, right, offset=offset: activation(run, layer, right, offset))
            note = f"dW[l] from a[{'l' if offset == 1 else 'l - 2'}]"
            yield Variant("wrong-layer", named(layers, L), (("right", hook),), note)
    for offset in (1, -1):
        for layers in places(range(1, L)):
            hook = at(layers, lambda run, layer, s, offset=offset: derivative(run, layer, s, offset))
            yield Variant(
                "wrong-layer", named(layers, L), (("s", hook),), f"the derivative of layer l {'+' if offset == 1 else '-'} 1"
            )


def _wrong_product(L: int) -> Iterator[Variant]:
    """da[l] from another pair of delta and W than dz[l+1] and W[l+1]."""
    pairs = ((2, 2), (1, 2), (2, 1), (1, 0))
    for delta, matrix in pairs:

        def product(run: Pass, layer: int, da: np.ndarray, delta: int = delta, matrix: int = matrix) -> np.ndarray:
            return run.get("up", layer + delta) @ run.get("M", layer + matrix)

        note = f"da[l] = dz[l + {delta}] @ W[{f'l + {matrix}' if matrix else 'l'}]"
        for layers in places(range(1, L + 1 - max(delta, matrix))):
            yield Variant("wrong-layer", named(layers, L), (("da", at(layers, product)),), note, alone=(delta, matrix) != (2, 2))


def _wrong_bias(L: int) -> Iterator[Variant]:
    """db[l] from a neighbour's dz, or the bias's row or column of a folded W read one off."""

    def neighbour(run: Pass, layer: int, db: np.ndarray, offset: int) -> np.ndarray:
        if layer + offset:
            return run.get("dz", layer + offset).sum(axis=0)
        x = run.problem.x
        return np.asarray((run.get("up", 1) @ run.get("M", 1) * x * (1 - x)).sum(axis=0))

    for offset, all_layers in ((-1, range(2, L + 1)), (-1, range(1, L + 1)), (1, range(1, L))):
        for layers in places(all_layers):
            hook = at(layers, lambda run, layer, db, offset=offset: neighbour(run, layer, db, offset))
            yield Variant("wrong-layer", named(layers, L), (("db", hook),), f"db[l] from dz[l {offset:+d}]")
    for layers in places(range(1, L + 1)):
        for step in (1, -1):
            rolled = at(layers, lambda run, layer, db, step=step: np.roll(db, step))
            yield Variant("wrong-layer", named(layers, L), (("db", rolled),), "the entries of db[l] moved by one")
            yield Variant("wrong-layer", named(layers, L), _misread(layers, step), "[dW | db] split one column off")
    for layers in places(range(2, L + 1)):
        for step in (1, -1):
            hook = at(layers, lambda run, layer, W, step=step: _with_bias(W, run.problem.b[layer], step))
            yield Variant("wrong-layer", named(layers, L), (("M", hook),), "[W | b] split one column off on the way back")


def _with_bias(W: np.ndarray, b: np.ndarray, step: int) -> np.ndarray:
    """W read one column off out of [W | b] (1) or [b | W] (-1)."""
    return np.column_stack([W[:, 1:], b]) if step == 1 else np.column_stack([b, W[:, :-1]])


def _misread(layers: tuple[int, ...], step: int) -> Hooks:
    """dW and db read one column off out of [dW | db] (1) or [db | dW] (-1)."""

    def dW(run: Pass, layer: int, right: np.ndarray) -> np.ndarray:
        return _with_bias(right, run.get("dz", layer).sum(axis=0), step)

    def db(run: Pass, layer: int, right: np.ndarray) -> np.ndarray:
        column = 0 if step == 1 else -1
        return np.asarray((run.get("left", layer).T @ run.get("right", layer))[:, column])

    return (("dW", at(layers, dW)), ("db", at(layers, db)))


@suspect(
    "no-hidden-derivative",
    "the sigmoid's derivative a(1 - a) is missing, or only half of it is there",
    "dz[l] = da[l] * a[l] * (1 - a[l])",
    "(B5)",
)
def no_hidden_derivative(setting: Setting) -> Iterator[Variant]:
    """(B5) with 1, a or 1 - a for s."""
    L = setting.problem.L
    forms: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [
        ("1 in place of a(1 - a)", np.ones_like),
        ("a in place of a(1 - a)", lambda a: a),
        ("1 - a in place of a(1 - a)", lambda a: 1 - a),
    ]
    for layers in places(range(1, L)):
        for note, form in forms:
            hook = at(layers, lambda run, layer, s, form=form: form(run.get("a", layer)))
            yield Variant("no-hidden-derivative", named(layers, L), (("s", hook),), note)


@suspect(
    "bias-not-summed",
    "db is not summed over the samples",
    "db[l] = dz[l].sum(axis=0)",
    "(B3)",
)
def bias_not_summed(setting: Setting) -> Iterator[Variant]:
    """(B3) without the sum: N rows. (The mean in place of the sum merely multiplies db, and is read off by factors.py.)"""
    L = setting.problem.L
    for layers in places(range(1, L + 1)) if setting.bias else ():
        for note, divided in (("N rows", True), ("N rows, none divided by N", False)):
            hook = at(layers, lambda run, layer, db, divided=divided: _rows(run, layer, divided))
            yield Variant("bias-not-summed", named(layers, L), (("db", hook),), note)


def _rows(run: Pass, layer: int, divided: bool) -> np.ndarray:
    """dz as one call returns it, averaged or added over the calls; the single row of a single sample is what it should be."""
    dz = run.get("dz", layer)
    in_call = run.setting.in_call
    rows = dz.reshape(run.setting.calls, in_call, -1).sum(axis=0)
    return np.asarray((rows if divided else rows * in_call)[0] if in_call == 1 else (rows if divided else rows * in_call))


@suspect(
    "transposed",
    "W[l] stands where its transpose belongs on the way back, which only equal neighbouring widths let pass",
    "da[l - 1] = dz[l] @ W[l]   # W[l] is (n_l, n_{l-1}); for columns: W[l].T @ dz[l]",
    "(B4)",
)
def transposed(setting: Setting) -> Iterator[Variant]:
    """(B4) with W[l] transposed; a shape error where widths differ."""
    L = setting.problem.L
    for layers in places(range(2, L + 1)):
        hook = at(layers, lambda run, layer, W: W.T)
        yield Variant("transposed", named(layers, L), (("M", hook),), "W[l].T in place of W[l]")


@suspect(
    "low-precision",
    "the delta passes through a shorter number format on its way",
    "keep dz in float64: no astype, no array created with a shorter dtype",
    "(B1)",
)
def low_precision(setting: Setting) -> Iterator[Variant]:
    """dz, da or what enters (B2) rounded to float16 or float32, before or after the factor 1/N."""
    L = setting.problem.L
    for dtype in ("float32", "float16"):

        def rounded(run: Pass, layer: int, value: np.ndarray, dtype: str = dtype) -> np.ndarray:
            return value.astype(dtype).astype(np.float64)

        def unscaled(run: Pass, layer: int, value: np.ndarray, dtype: str = dtype) -> np.ndarray:
            return (value / run.w).astype(dtype).astype(np.float64) * run.w

        for cast, when in ((rounded, ""), (unscaled, " before the division by N")):
            for layers in places(range(1, L + 1)):
                for step in ("dz", "left"):
                    note = f"{dtype}{when}" + (", on the way into dW alone" if step == "left" else "")
                    rare = step == "left" or cast is unscaled
                    yield Variant("low-precision", named(layers, L), ((step, at(layers, cast)),), note, alone=rare)
            for step, layers in (("e", range(L, L + 1)), ("da", range(1, L)), ("up", range(2, L + 1))):
                for some in places(layers):
                    yield Variant("low-precision", named(some, L), ((step, at(some, cast)),), f"{dtype}{when}", alone=True)
        whole: Hooks = tuple((step, at(range(1, L + 1), rounded)) for step in ("dz", "da"))
        yield Variant("low-precision", named(range(1, L + 1), L), whole, dtype)
        result: Hooks = tuple((step, at(range(1, L + 1), rounded)) for step in ("dW", "db"))
        yield Variant("low-precision", named(range(1, L + 1), L), result, f"{dtype}, in dW and db themselves")
