"""Bugs of the way back: what is sent through which W, and which derivative or index is taken."""

from __future__ import annotations

from itertools import pairwise

from planting.draft import Edit
from planting.place import Form, Forms, Place, enter


@enter
def raw_error(at: Place) -> Forms:
    if at.L < 2:
        return
    e = at.pick("p - t", f"{at.two}(p - t)") if at.quadratic else "p - t"
    start, through = Edit("after_delta", f"r = ({e}){at.weight}"), Edit("after_up", "r = up")
    yield Form("raw-error", "carried through all layers", (start, through, Edit("sent", "r")))
    if at.quadratic:
        yield Form(
            "raw-error", "at the output alone", (start, Edit("sent", "(r if {at} == L else {old})"))
        )
    yield Form(
        "raw-error",
        "in hidden layers alone",
        (Edit("after_delta", "r = d"), through, Edit("sent", "r")),
    )


@enter
def updated_weights(at: Place) -> Forms:
    if at.L < 2 or at.spec.two_loops or at.spec.by_sample:
        return
    early = Edit("matrix", "({M} - eta * gW[{at} - 1])", at.some(2, at.L))
    yield Form("updated-weights", "all layers or some", (early,))
    yield Form(
        "updated-weights",
        "one layer",
        (Edit("matrix", "({M} - eta * gW[{at} - 1])", at.one(2, at.L)),),
    )


@enter
def sigmoid_twice(at: Place) -> Forms:
    hidden = Edit("slope", "sigmoid({A}) * (1 - sigmoid({A}))", at.some(1, at.L - 1))
    output = Edit("delta", f"{at.two}(p - t) * sigmoid(p) * (1 - sigmoid(p))")
    if at.L > 1:
        yield Form("sigmoid-twice", "hidden", (hidden,))
    if at.spec.output == "sigmoid" or at.quadratic:
        yield Form("sigmoid-twice", "output", (output,))
        if at.L > 1:
            yield Form("sigmoid-twice", "both", (hidden, output))


@enter
def no_hidden_derivative(at: Place) -> Forms:
    if at.L > 1:
        for name, text in (("1", "1"), ("a", "{A}"), ("1 - a", "1 - {A}")):
            yield Form("no-hidden-derivative", name, (Edit("slope", text, at.some(1, at.L - 1)),))


@enter
def transposed(at: Place) -> Forms:
    sizes = at.spec.sizes
    if at.L < 2 or (sizes and all(m != n for m, n in pairwise(sizes))):
        return
    if not sizes:
        yield Form("transposed", "every layer", (Edit("matrix", "{M}.T"),))
        return
    square = tuple(layer for layer in range(2, at.L + 1) if sizes[layer] == sizes[layer - 1])
    if square:
        yield Form("transposed", "where widths are equal", (Edit("matrix", "{M}.T", square),))


@enter
def wrong_layer(at: Place) -> Forms:
    if at.L > 1:
        yield Form("wrong-layer", "dW from a[l]", (Edit("right", "{T}", at.some(1, at.L - 1)),))
    if at.L > 2 and at.body:
        sent = Edit("sent", "(ds[{at} + 1] if {at} < L else {old})")
        yield Form(
            "wrong-layer",
            "the product of l + 2",
            (sent, Edit("matrix", "(W[{at}] if {at} < L else {old})")),
        )
    if not at.spec.bias or not at.body:
        return
    if at.L > 1 and at.spec.two_loops and not at.spec.by_sample:
        neighbour = f"({at.words.total('ds[{at} - 1]')} if {{at}} > 1 else {{old}})"
        yield Form("wrong-layer", "db from dz[l - 1]", (Edit("db", neighbour),))
    if at.spec.style == "torch":
        return
    axis = 0 if at.words.turned else 1
    joined = f"T = np.concatenate([np.expand_dims(gb[l - 1], {axis}), gW[l - 1]], axis={axis})\n"
    split = (
        "gW[l - 1], gb[l - 1] = T[:-1], T[-1]"
        if at.words.turned
        else "gW[l - 1], gb[l - 1] = T[:, :-1], T[:, -1]"
    )
    yield Form("wrong-layer", "the bias's row", (Edit("finish", joined + split, at.some(1, at.L)),))
    yield Form(
        "wrong-layer",
        "db moved by one",
        (Edit("finish", "gb[l - 1] = np.roll(gb[l - 1], 1)", at.some(1, at.L)),),
    )
    if at.L > 1:
        whole = f"np.concatenate([np.expand_dims(b[{{at}} - 1], {axis}), {{M}}], axis={axis})"
        row = f"{whole}[:-1]" if at.words.turned else f"{whole}[:, :-1]"
        yield Form(
            "wrong-layer",
            "the bias's row on the way back",
            (Edit("matrix", row, at.some(2, at.L)),),
        )
