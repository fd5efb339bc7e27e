"""Bugs that stand in no catalogue, each in one step: what must get no name, and which step is the
first that is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from planting.catalogue import Place
from planting.draft import Edit

# In words, the quantity that is wrong first, the edits. Two quantities stand where they are one and
# the same to whoever sees gradients alone: z twice as large, or a twice as steep sigmoid of it.
Strange = tuple[str, str, tuple[Edit, ...]]


def strange(at: Place) -> Iterator[Strange]:
    """All that fit a file of at.L layers."""
    yield from _forward(at)
    yield from _output(at)
    yield from _gradients(at)
    if at.L > 1:
        yield from _hidden(at)


def _one(at: Place, first: int, last: int) -> int:
    return at.one(first, last)[0]


def _forward(at: Place) -> Iterator[Strange]:
    layer = _one(at, 1, at.L)
    if at.spec.bias:
        bias = at.words.affine("{M}", "{A}", "b[l - 1]")
        yield (
            "the bias added twice",
            f"z[{layer}]",
            (Edit("affine", bias.replace("+ b[l - 1]", "+ 2 * b[l - 1]"), (layer,)),),
        )
        yield "no bias", f"z[{layer}]", (Edit("affine", bias.partition(" + b[")[0], (layer,)),)
    steep = f"z[{layer}]|a[{layer}]" if layer < at.L else f"z[{layer}]|p"
    yield "z too small", steep, (Edit("affine", "({old}) / 1.5", (layer,)),)
    yield (
        "inputs cut at one",
        "z[1]",
        (Edit("affine", at.words.affine("{M}", "np.clip({A}, -0.5, 0.5)", "b[l - 1]"), (1,)),),
    )
    if at.L > 1:
        h = _one(at, 1, at.L - 1)
        if at.L > 2:  # a single hidden layer has another activation, and a bug that has a name
            yield (
                "tanh in a hidden layer",
                f"a[{h}]",
                (Edit("act", "np.tanh({Z})", (h,)), _slope_of_a()),
            )
            yield (
                "relu in a hidden layer",
                f"a[{h}]",
                (Edit("act", "np.clip({Z}, 0, 1e9)", (h,)), _slope_of_a()),
            )
        yield "a steeper sigmoid", f"a[{h}]", (Edit("act", "sigmoid(2 * {Z})", (h,)), _slope_of_a())
        yield (
            "activations rounded",
            f"a[{h}]",
            (Edit("act", "np.round({old} * 8) / 8", (h,)), _slope_of_a()),
        )
    yield "a temperature of two", "p", (Edit("out", f"{at.spec.output}({{Z}} / 2)"),)
    if at.spec.output == "softmax" and not at.spec.by_sample:
        yield "the softmax of squares", "p", (Edit("out", "softmax({Z} * np.abs({Z}))"),)


def _slope_of_a() -> Edit:
    """The derivative as the sigmoid has it, from a."""
    return Edit("slope", "{A} * (1 - {A})")


def _output(at: Place) -> Iterator[Strange]:
    # of one layer without biases, dW is all there is to see
    L = f"dz[{at.L}]" if at.spec.bias or at.L > 1 else "dz[1]|dW[1]"
    yield "the sign of the error", L, (Edit("delta", "np.sign({old})"),)
    yield "the error squared", L, (Edit("delta", "({old}) * np.abs({old})"),)
    yield "the error through a tanh", L, (Edit("delta", "np.tanh(3 * ({old}))"),)
    yield "a margin", L, (Edit("delta", "({old}) * (np.abs({old}) > 0.02)"),)
    seen = L if at.quadratic else f"{L}|p"  # p - t shifted by what depends on p alone is another p
    yield "an entropy bonus", seen, (Edit("delta", "({old}) + 0.1 * p * np.log(p)"),)
    yield "classes weighted", L, (Edit("delta", f"({{old}}) * {_weights(at)}"),)


def _weights(at: Place) -> str:
    kinds = "np.arange(1, K + 1)"
    return f"{kinds}[:, None]" if at.spec.columns and not at.spec.by_sample else kinds


def _gradients(at: Place) -> Iterator[Strange]:
    layer = _one(at, 1, at.L)
    dW, some = f"dW[{layer}]", (layer,)
    # seen nowhere else, another delta is another dW[1]
    product = dW if at.spec.bias or layer > 1 else f"{dW}|dz[1]|da[1]"
    yield "a row of dW forgotten", dW, (Edit("finish", "gW[l - 1][0] = 0 * gW[l - 1][0]", some),)
    yield "dW clipped", dW, (Edit("finish", "gW[l - 1] = np.clip(gW[l - 1], -0.01, 0.01)", some),)
    yield (
        "dW over its norm",
        product,
        (Edit("finish", "gW[l - 1] = gW[l - 1] / (gW[l - 1] ** 2).sum() ** 0.5", some),),
    )
    yield "the sign of dW", dW, (Edit("finish", "gW[l - 1] = np.sign(gW[l - 1])", some),)
    yield "a constant in dW", dW, (Edit("finish", "gW[l - 1] = gW[l - 1] + 1e-3", some),)
    yield "L1 in dW", dW, (Edit("finish", "gW[l - 1] = gW[l - 1] + 0.01 * np.sign({M})", some),)
    yield "dW of absolute activations", dW, (Edit("right", "np.abs({A} - 0.4)", some),)
    yield "dW of ones", dW, (Edit("right", "(0 * {A} + 1)", some),)
    yield "dW of the delta's size", product, (Edit("left", "np.abs({D})", some),)
    if not at.spec.by_sample:
        reverse = "{A}[:, ::-1]" if at.spec.columns else "{A}[::-1]"
        if at.spec.style != "torch":
            yield "samples in reverse in dW", dW, (Edit("right", reverse, some),)
    if at.spec.bias:
        db = f"db[{layer}]"
        yield "db of squares", db, (Edit("db", at.words.total("({D} ** 2)"), some),)
        yield "db of the delta's size", db, (Edit("db", at.words.total("np.abs({D})"), some),)
        yield (
            "db halved where it is negative",
            db,
            (Edit("finish", "gb[l - 1] = gb[l - 1] * (1 - 0.5 * (gb[l - 1] < 0))", some),),
        )
        if not at.spec.by_sample and at.spec.style != "torch":
            yield "db of the largest", db, (Edit("db", f"{{D}}.max(axis={at.words.n})", some),)
            yield (
                "db of the median",
                db,
                (Edit("db", f"np.median({{D}}, axis={at.words.n})", some),),
            )


def _hidden(at: Place) -> Iterator[Strange]:
    layer = _one(at, 1, at.L - 1)
    dz, da, some, above = f"dz[{layer}]", f"da[{layer}]", (layer,), (layer + 1,)
    yield "the derivative cubed", dz, (Edit("slope", "({A} * (1 - {A})) ** 3", some),)
    yield "the derivative's root", dz, (Edit("slope", "({A} * (1 - {A})) ** 0.5", some),)
    yield "a leaky derivative", dz, (Edit("slope", "{A} * (1 - {A}) + 0.05", some),)
    yield "a (2 + a)", dz, (Edit("slope", "{A} * (2 + {A})", some),)
    yield "one unit dropped", dz, (Edit("slope", "({old}) * ({A} != {A}.min())", some),)
    yield (
        "roots of the weights on the way back",
        da,
        (Edit("matrix", "np.sqrt(np.abs({M}))", above),),
    )
    yield (
        "a row of W missing on the way back",
        da,
        (Edit("matrix", "({M} * ({M} != {M}.max()))", above),),
    )
    yield "weights rounded on the way back", da, (Edit("matrix", "np.round({M})", above),)
    yield "the delta's size sent back", da, (Edit("sent", "np.abs({D})", above),)
    yield (
        "the delta normalised on its way",
        da,
        (Edit("sent", "({D}) / (({D}) ** 2).sum() ** 0.5", above),),
    )
    yield (
        "what comes back clipped",
        da,
        (Edit("after_up", "up = np.clip(up, -0.001, 0.001)", some),),
    )
    if at.spec.style != "torch":
        yield (
            "weights rolled on the way back",
            da,
            (Edit("matrix", f"np.roll({{M}}, 1, axis={0 if at.words.turned else 1})", above),),
        )
    if at.body:
        yield (
            "the first layer forgotten",
            "dz[1]|da[1]",
            (Edit("finish", "gW[l - 1], gb[l - 1] = 0 * gW[l - 1], 0 * gb[l - 1]", (1,)),),
        )
