"""Bugs of arrays that hold what they should not: old sums, edited values, too few digits."""

from __future__ import annotations

from planting.draft import Edit
from planting.place import Form, Forms, Place, enter


@enter
def stale_accumulator(at: Place) -> Forms:
    if at.spec.style == "torch":
        return
    keep = (
        "BUFFER = {{}}\n\n\ndef kept(name, v):\n    if name not in BUFFER or "
        "BUFFER[name].shape != v.shape:\n"
    )
    keep += (
        "        BUFFER[name] = 0 * v\n    BUFFER[name] = BUFFER[name] + v\n    return BUFFER[name]"
    )
    memory = Edit("globals", keep)
    layers = at.some(1, at.L - 1)
    forget = Edit("prepare", "BUFFER.clear()")
    if at.L > 1:
        into = Edit("after_up", "up = kept(('da', {at}), up)", layers)
        yield Form(
            "stale-accumulator",
            "da, never reset" if at.spec.by_sample else "da, between calls",
            (memory, into),
        )
        if at.spec.by_sample:
            yield Form("stale-accumulator", "da, between samples", (memory, forget, into))
        into = Edit("after_d", "d = kept(('dz', {at}), d)", layers)
        yield Form(
            "stale-accumulator", "dz", (memory, *([forget] if at.spec.by_sample else []), into)
        )
    total = "gW[l - 1], gb[l - 1] = kept(('dW', l), gW[l - 1]), kept(('db', l), gb[l - 1])"
    yield Form(
        "stale-accumulator",
        "dW and db between calls",
        (memory, Edit("finish", total, at.some(1, at.L))),
    )
    yield Form(
        "stale-accumulator",
        "dW between calls",
        (memory, Edit("finish", "gW[l - 1] = kept(('dW', l), gW[l - 1])")),
    )


@enter
def in_place(at: Place) -> Forms:
    if at.L < 2 or at.spec.style == "torch" or at.spec.single:
        return
    edits_z = Edit("sigmoid", "v[...] = 1 / (1 + np.exp(-v))\nreturn v.copy()")
    if at.spec.slope == "z" and at.spec.style != "recursive":
        yield Form("in-place", "sigmoid edits z", (edits_z,))
        alias = Edit("sigmoid", "v[...] = 1 / (1 + np.exp(-v))\nreturn v")
        yield Form("in-place", "sigmoid returns the z that it edits", (alias,))
    if at.spec.slope != "helper":
        return
    if at.spec.two_loops:
        yield Form(
            "in-place", "the derivative edits a", (Edit("slope_function", "v *= 1 - v\nreturn v"),)
        )
        rest = "r = np.subtract(1, v, out=v)\nreturn v * (1 - r)"
        yield Form("in-place", "the derivative leaves 1 - a", (Edit("slope_function", rest),))
        first = "s = v * (1 - v)\nv[...] = s\nreturn s"
        yield Form(
            "in-place", "the derivative keeps its result in a", (Edit("slope_function", first),)
        )
    squared = Edit("slope_function", "r = np.subtract(1, v, out=v)\nreturn v * r")
    yield Form("in-place", "the derivative is (1 - a)^2", (squared,), frozenset())
    if at.spec.cost in ("quadratic", "half-quadratic"):
        error = Edit("before", "e = p\ne -= t")
        core = (
            at.words.jacobian("p", f"{at.two}e")
            if at.spec.output == "softmax"
            else f"{at.two}e * p * (1 - p)"
        )
        yield Form("in-place", "p - t is left in p", (error, Edit("delta", core)))


@enter
def low_precision(at: Place) -> Forms:
    if at.spec.single:
        return
    layers = at.some(1, at.L)
    for kind in ("float32", "float16"):
        back = ".astype(np.float64)"
        for name, ending in (("and back", back), ("for good", "")):
            if ending == "" and (at.spec.style == "torch" or at.spec.by_sample):
                continue
            cast = f"d = d.astype(np.{kind}){ending}"
            hidden = layers and tuple(layer for layer in layers if layer < at.L)
            edits = [Edit("after_delta", cast)] if layers is None or at.L in layers else []
            edits += [Edit("after_d", cast, hidden)] if hidden or layers is None else []
            yield Form("low-precision", f"{kind} {name}", tuple(edits))
