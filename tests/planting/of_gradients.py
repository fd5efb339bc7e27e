"""Bugs of what is made of the deltas: sums, signs, factors."""

from __future__ import annotations

from planting.draft import Edit
from planting.place import Form, Forms, Place, enter
from planting.spec import Spec


@enter
def bias_scalar(at: Place) -> Forms:
    if not at.spec.bias:
        return
    layers = at.some(1, at.L)
    yield Form("bias-scalar", "sum", (Edit("db", "np.sum({D})", layers),))
    yield Form("bias-scalar", "sum in one layer", (Edit("db", "np.sum({D})", at.one(1, at.L)),))
    if not at.spec.by_sample:
        yield Form("bias-scalar", "mean", (Edit("db", "np.mean({D})", layers),))
        if at.spec.style != "torch":
            yield Form(
                "bias-scalar",
                "sum with both axes kept",
                (Edit("db", "{D}.sum(keepdims=True)", layers),),
            )


@enter
def bias_not_summed(at: Place) -> Forms:
    if not at.spec.bias or at.spec.by_sample:
        return
    # b - rate * (n, N) is no step that runs
    if at.spec.protocol == "gradients" or not at.spec.columns:
        yield Form("bias-not-summed", "N rows", (Edit("db", "{D}", at.some(1, at.L)),))
    mean = f"{{D}}.mean(axis={at.words.n})"
    yield Form("bias-not-summed", "mean", (Edit("db", mean, at.some(1, at.L)),))


@enter
def no_bias_gradient(at: Place) -> Forms:
    if not at.spec.bias:
        return
    yield Form(
        "no-bias-gradient",
        "zeros",
        (Edit("finish", "gb[l - 1] = 0 * gb[l - 1]", at.some(1, at.L)),),
    )
    if at.spec.protocol == "gradients":
        yield Form("no-bias-gradient", "None", (Edit("returned", "gW, None"),))
        yield Form("no-bias-gradient", "an empty list", (Edit("returned", "gW, []"),))


@enter
def sign(at: Place) -> Forms:
    yield Form("sign", "t - p", (Edit("delta", "-({old})"),))
    yield Form(
        "sign",
        "minus every gradient",
        (Edit("finish", "gW[l - 1], gb[l - 1] = -gW[l - 1], -gb[l - 1]"),),
    )
    if at.L > 1:
        yield Form("sign", "alternate layers", (Edit("after_d", "d = -d"),))
        yield Form(
            "sign",
            "some layers",
            (Edit("finish", "gW[l - 1], gb[l - 1] = -gW[l - 1], -gb[l - 1]", at.one(1, at.L)),),
        )
    if at.spec.protocol != "gradients":
        yield Form("sign", "ascent", (Edit("sign", "+"),))


FACTORS = {"N": "N", "1/N": "(1 / N)", "K": "K", "1/K": "(1 / K)", "2": "2", "1/2": "0.5"}


@enter
def scale(at: Place) -> Forms:
    for name, factor in FACTORS.items():
        text = f"gW[l - 1], gb[l - 1] = {factor} * gW[l - 1], {factor} * gb[l - 1]"
        if not is_convention(at.spec, name):
            yield Form("scale", f"{name} everywhere", (Edit("finish", text),))
        if at.L > 1:
            yield Form("scale", f"{name} in some layers", (Edit("finish", text, at.one(1, at.L)),))
    if at.spec.bias and at.spec.reduction == "mean":
        yield Form("scale", "N in db", (Edit("finish", "gb[l - 1] = N * gb[l - 1]"),))


def is_convention(spec: Spec, factor: str) -> bool:
    """Whether a factor everywhere is the declared loss under another convention, that the file
    leaves open."""
    if (
        spec.reduction == "mean"
        and not spec.spells
        and (factor == "N" or (factor, spec.batch) == ("2", 2))
    ):
        return True
    return (spec.cost, factor) == ("quadratic", "1/2")


@enter
def learning_rate_folded(at: Place) -> Forms:
    if at.spec.protocol == "gradients":
        eta = float(at.pick(0.01, 0.1, 0.05, 0.3, 0.001, 0.2))  # type: ignore[arg-type]
        for name, factor in (("doubled", f"{eta}"), ("missing", f"(1 / {eta})")):
            text = f"gW[l - 1], gb[l - 1] = {factor} * gW[l - 1], {factor} * gb[l - 1]"
            if at.L > 1:
                yield Form(
                    "learning-rate-folded",
                    f"{name} in one layer",
                    (Edit("finish", text, at.one(1, at.L)),),
                )
        if at.L > 1:
            yield Form("learning-rate-folded", "power", (Edit("after_d", f"d = {eta} * d"),))
        return
    if at.L > 1:
        own = at.spec.rate or "rate"
        yield Form("learning-rate-folded", "power", (Edit("after_d", "d = eta * d"),))
        yield Form(
            "learning-rate-folded", "missing in one layer", (Edit("rate", "1", at.one(1, at.L)),)
        )
        yield Form(
            "learning-rate-folded",
            "doubled in one layer",
            (Edit("rate", f"{own} * {own}", at.one(1, at.L)),),
        )


@enter
def decay_sign(at: Place) -> Forms:
    decay = at.pick(0.01, 0.1, 0.001, 0.5, 1e-4)
    layers = at.some(1, at.L)
    signs = [("minus", "-")]
    if layers:  # in all of them it is a weight decay, which is no bug
        signs.append(("none declared", "+"))
    for name, sign_ in signs:
        yield Form(
            "decay-sign",
            name,
            (Edit("finish", f"gW[l - 1] = gW[l - 1] {sign_} {decay} * {{M}}", layers),),
        )


@enter
def sample_dropped(at: Place) -> Forms:
    size = at.pick(2, 3, 4, 5, 8)
    if at.spec.by_sample:
        yield Form("sample-dropped", "the last", (Edit("range", "range(N - 1)"),))
        yield Form("sample-dropped", "the first", (Edit("range", "range(1, N)"),))
        yield Form(
            "sample-dropped",
            "the last partial batch",
            (Edit("range", f"range(N // {size} * {size})"),),
        )
        return
    if at.spec.style == "torch" or not at.body:
        return
    rows = "[:, {0}]" if at.spec.columns else "[{0}]"
    labels = "[:, {0}]" if at.spec.columns and at.spec.labels == "one-hot" else "[{0}]"
    for name, cut in (("the last", ":-1"), ("the last partial batch", f":N // {size} * {size}")):
        text = f"x, y = x{rows.format(cut)}, y{labels.format(cut)}"
        yield Form("sample-dropped", name, (Edit("prepare", text),))
