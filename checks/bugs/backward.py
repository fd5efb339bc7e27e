"""Suspects of the backward pass: what goes wrong in (B2) to (B5), layer by layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backproof.checks.bugs.register import Variant, at, named, places, suspect
from backproof.checks.bugs.wrong_pass import Hooks, Pass, Setting
from backproof.checks.by_hand import sigmoid


@suspect(
    "raw-error",
    "the error goes back through W[l] before it is multiplied by the derivative: it should be the "
    "delta dz[l]",
    "{da}   # of dz[l], not of da[l] or p - Y",
    "(B4)",
)
def raw_error(setting: Setting) -> Iterator[Variant]:
    """(B4) is given da[l], or p - Y at the output, in place of dz[l]."""
    L = setting.problem.L

    def send(run: Pass, layer: int, dz: np.ndarray, factor: float) -> np.ndarray:
        if layer == run.L:
            return factor * run.u * run.e
        return run.get("da", layer)

    for layers in places(range(2, L + 1)):
        for factor, text in (
            ((1.0, "p - Y"), (2.0, "2(p - Y)"))
            if setting.problem.cost == "quadratic"
            else ((1.0, "p - Y"),)
        ):
            if L in layers or factor == 1:
                note = f"{text} at the output" if L in layers else "da[l] in place of dz[l]"
                yield Variant(
                    "raw-error", named(layers, L), (("up", at(layers, send, factor)),), note
                )


@suspect(
    "updated-weights",
    "W[l] is updated before the delta goes back through it, so that the layer below is sent "
    "through the new weights",
    "{da}   # with the old W[l]: compute every dz[l] before the first update, or keep a copy",
    "(B4)",
)
def updated_weights(setting: Setting) -> Iterator[Variant]:
    """(B4) reads W[l] - rate * dW[l]; the rate is fitted, so that the sum, the mean and an ascent
    are all covered."""
    L = setting.problem.L

    def updated(run: Pass, layer: int, W: np.ndarray) -> np.ndarray:
        return W - run.rate * run.get("dW", layer)

    def in_each_call(run: Pass, layer: int, da: np.ndarray) -> np.ndarray:
        """da[layer], where each call of a few samples sees its own update of W[layer + 1]."""
        # of the samples, call by call
        parts = [
            np.split(run.get(step, layer + 1), run.setting.calls)
            for step in ("up", "left", "right")
        ]
        W = run.get("M", layer + 1)
        # in the whole mean, each call's gradient is a part
        rate = run.rate * (run.setting.calls if run.setting.mean else 1)
        return np.concatenate(
            [up @ (W - rate * left.T @ right) for up, left, right in zip(*parts, strict=True)]
        )

    for layers in places(range(2, L + 1)):
        hooks: Hooks = (("M", at(layers, updated)),)
        if setting.calls > 1:
            hooks = (("da", at([layer - 1 for layer in layers], in_each_call)),)
        yield Variant(
            "updated-weights",
            named(layers, L),
            hooks,
            "W[l] - eta * dW[l]",
            rate_from=max(layers) - 1,
        )


@suspect(
    "bias-scalar",
    "db[l] is one number, summed over the units as well as over the samples",
    "{db}   # over the samples alone: one number a unit",
    "(B3)",
)
def bias_scalar(setting: Setting) -> Iterator[Variant]:
    """(B3) over both axes; as a sum, as a mean, or as the mean over units of the sum over
    samples."""
    L = setting.problem.L

    def scalar(
        run: Pass, layer: int, db: np.ndarray, of_units: bool, of_samples: bool
    ) -> np.ndarray:
        number = (
            float(db.sum())
            / (len(db) if of_units else 1)
            / (run.setting.in_call if of_samples else 1)
        )
        return np.full(db.shape, number)

    forms = (
        ("dz.sum()", False, False),
        ("dz.mean()", True, True),
        ("the mean over units of the sum over samples", True, False),
    )
    for layers in places(range(1, L + 1)) if setting.bias else ():
        for note, *means in forms:
            yield Variant(
                "bias-scalar", named(layers, L), (("db", at(layers, scalar, *means)),), note
            )


@suspect(
    "sigmoid-twice",
    "sigma' is taken of a, which is a sigmoid already: that makes sigma(a)(1 - sigma(a)), where "
    "a(1 - a) was meant",
    "{dz}   # or sigma'(z[l]), not sigma'(a[l])",
    "(B5)",
)
def sigmoid_twice(setting: Setting) -> Iterator[Variant]:
    """(B5), and the output's derivative where it has one, with sigma once too often."""
    L = setting.problem.L
    head = (setting.problem.output, setting.problem.cost)

    def again(run: Pass, layer: int, s: np.ndarray) -> np.ndarray:
        a = sigmoid(run.p if layer == run.L else run.get("a", layer))
        return a * (1 - a)

    def at_output(run: Pass, layer: int, dz: np.ndarray) -> np.ndarray:
        delta = run.dp if head[1] == "quadratic" else run.w * run.e
        return delta * again(run, layer, dz)

    output: Hooks = (
        (("s", at([L], again)),)
        if head == ("sigmoid", "quadratic")
        else (("dz", at([L], at_output)),)
    )
    yield Variant("sigmoid-twice", named([L], L), output, "sigma'(p) at the output", fix="{dzL}")
    for layers in places(range(1, L)):
        hidden: Hooks = (("s", at(layers, again)),)
        yield Variant("sigmoid-twice", named(layers, L), hidden, "sigma'(a[l])")
        both: Hooks = (*output, *hidden)
        where = f"{named(layers, L)} and the output layer"
        yield Variant("sigmoid-twice", where, both, "sigma'(a[l]) and sigma'(p)", fix="{dz}; {dzL}")


@suspect(
    "no-hidden-derivative",
    "the sigmoid's derivative a(1 - a) is missing, or only half of it is there",
    "{dz}",
    "(B5)",
)
def no_hidden_derivative(setting: Setting) -> Iterator[Variant]:
    """(B5) with 1, a, 1 - a or sigma(a) for s."""
    L = setting.problem.L

    def partly(run: Pass, layer: int, s: np.ndarray, form: str) -> np.ndarray:
        a = run.p if layer == L else run.get("a", layer)
        return {"1": np.ones_like(a), "a": a, "1 - a": 1 - a, "sigma(a)": sigmoid(a)}[form]

    # at the output 1 is a cost-mismatch
    if (setting.problem.output, setting.problem.cost) == (
        "sigmoid",
        "quadratic",
    ):
        for layers in {(L,), tuple(range(1, L + 1))}:
            for form in ("a", "1 - a", "sigma(a)"):
                hooks: Hooks = (("s", at(layers, partly, form)),)
                yield Variant(
                    "no-hidden-derivative", named(layers, L), hooks, f"{form} in place of a(1 - a)"
                )
    for layers in places(range(1, L)):
        for form in ("1", "a", "1 - a", "sigma(a)"):
            hooks = (("s", at(layers, partly, form)),)
            yield Variant(
                "no-hidden-derivative", named(layers, L), hooks, f"{form} in place of a(1 - a)"
            )


@suspect("bias-not-summed", "db[l] is not the sum over the samples", "{db}", "(B3)")
def bias_not_summed(setting: Setting) -> Iterator[Variant]:
    """(B3) without the sum: N rows. (The mean in place of the sum merely multiplies db, and is read
    off by factors.py.)"""
    L = setting.problem.L

    def rows(run: Pass, layer: int, db: np.ndarray, divided: bool) -> np.ndarray:
        """dz as one call returns it, put together over the calls; the one row of one sample is what
        it should be."""
        in_call = run.setting.in_call
        kept = run.get("rows", layer).reshape(run.setting.calls, in_call, -1).sum(axis=0) * (
            1 if divided else in_call
        )
        return np.asarray(kept[0] if in_call == 1 else kept)

    for layers in places(range(1, L + 1)) if setting.bias else ():
        for note, divided in (
            ("dz[l] itself, N rows", True),
            ("dz[l] itself, N rows, none divided by N", False),
        ):
            yield Variant(
                "bias-not-summed", named(layers, L), (("db", at(layers, rows, divided)),), note
            )


@suspect(
    "transposed",
    "on the way back W[l] stands where its transpose belongs, or the other way round; only equal "
    "neighbouring widths let that pass",
    "{da}",
    "(B4)",
)
def transposed(setting: Setting) -> Iterator[Variant]:
    """(B4) with W[l] transposed; a shape error where widths differ."""
    L = setting.problem.L

    def turned(run: Pass, layer: int, W: np.ndarray) -> np.ndarray:
        return W.T

    for layers in places(range(2, L + 1)):
        yield Variant(
            "transposed", named(layers, L), (("M", at(layers, turned)),), "W[l].T in place of W[l]"
        )


@suspect(
    "low-precision",
    "the delta passes through a shorter number format on its way",
    "{dzL}   # and all that follows in float64: no astype, no array made with a shorter dtype",
    "(B1)",
)
def low_precision(setting: Setting) -> Iterator[Variant]:
    """dz, da or what enters (B2) rounded to float16 or float32, before or after the factor 1/N."""
    L = setting.problem.L
    every = range(1, L + 1)

    def cast(run: Pass, layer: int, value: np.ndarray, dtype: str, before: bool) -> np.ndarray:
        """In the size that it has in a call, or before the mean: below 6e-5, float16 loses digits,
        and powers of 2 matter."""
        times = (run.N if before else run.setting.calls) if run.setting.mean else 1.0
        return (value * times).astype(dtype).astype(np.float64) / times

    for dtype in ("float32", "float16"):
        for before, when in ((False, ""), (True, " before the division by N")):
            for step, layers_of in (
                ("dz", every),
                ("left", every),
                ("e", [L]),
                ("da", range(1, L)),
                ("up", range(2, L + 1)),
            ):
                for layers in places(layers_of):
                    hooks: Hooks = ((step, at(layers, cast, dtype, before)),)
                    note = f"{dtype}{when}{', in dW alone' if step == 'left' else ''}"
                    summed = dtype if step == "dz" else ""
                    yield Variant(
                        "low-precision",
                        named(layers, L),
                        hooks,
                        note,
                        alone=step != "dz",
                        short=summed,
                    )
        for steps in (("dz", "da"), ("dW", "db")):
            whole: Hooks = tuple((step, at(every, cast, dtype, False)) for step in steps)
            yield Variant(
                "low-precision",
                named(every, L),
                whole,
                f"{dtype} in {' and '.join(steps)}",
                alone=True,
            )
