"""A spec and the edits of its bugs -> the source of a whole file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planting.draft import Draft, Edit
from planting.spec import Spec


def write(spec: Spec, edits: Sequence[Edit] = ()) -> str:
    """The file."""
    draft = Draft(spec, edits)
    parts = ["import numpy as np", *(["import torch"] if spec.style == "torch" else []), ""]
    parts += (
        [f"{name} = {value!r}" for name, value in spec.constants.items()]
        + draft.lines("globals", 0)
        + ["", ""]
    )
    parts += _functions(draft) + ["", ""]
    parts += (
        _recursive(draft)
        if spec.style == "recursive"
        else _network(draft)
        if spec.style == "class"
        else _plain(draft)
    )
    source = "\n".join([*parts, "", "", *_protocol(draft), ""])
    if spec.single:
        source = source.replace("np.eye(K)", "np.eye(K, dtype='f4')")
    return _as_torch(source) if spec.style == "torch" else source


def _functions(draft: Draft) -> list[str]:
    activation = draft.text("sigmoid")
    lines = [
        "def sigmoid(v):",
        *(
            f"    {line}"
            for line in (activation if "\n" in activation else f"return {activation}").split("\n")
        ),
    ]
    lines += [
        "",
        "",
        *(draft.lines("functions", 0) if draft.has("functions") else draft.words.softmax()),
    ]
    return [
        *lines,
        "",
        "",
        "def slope(v):",
        *(draft.lines("slope_function", 1) or ["    return v * (1 - v)"]),
    ]


def _plain(draft: Draft) -> list[str]:
    return ["def propagate(W, b, x, y, eta):", *_body(draft, 1)]


def _network(draft: Draft) -> list[str]:
    start = ["class Network:", "    def __init__(self, W, b):", "        self.W, self.b = W, b", ""]
    return [
        *start,
        "    def propagate(self, x, y, eta):",
        "        W, b = self.W, self.b",
        *_body(draft, 2),
    ]


def _sizes(draft: Draft, indent: int) -> list[str]:
    """N, K and L, and what is computed in another precision or kind of array than it was given."""
    spec, pad = draft.spec, "    " * indent
    found = [
        f"L, N, K = len(W), x.shape[{draft.words.n}], W[-1].shape[{1 if draft.words.turned else 0}]"
    ]
    if spec.single:
        found += [
            "W, b, x = [w.astype('f4') for w in W], [v.astype('f4') for v in b], x.astype('f4')"
        ]
        found += ["y = y.astype('f4')"] if spec.labels == "one-hot" else []
    if spec.style == "torch":
        found += [
            "W, b, x, y = [torch.tensor(w) for w in W], [torch.tensor(v) for v in b], "
            "torch.tensor(x), torch.tensor(y)"
        ]
    return [pad + line for line in found] + draft.lines("prepare", indent)


def _body(draft: Draft, indent: int) -> list[str]:
    """Forward and backward, over matrices or sample by sample."""
    spec, pad = draft.spec, "    " * indent
    start = _sizes(draft, indent)
    if not spec.by_sample:
        empty = [f"{pad}gW, gb = [None] * L, [None] * L"]
        return [*start, *empty, *_passes(draft, indent, "x", "="), *_finish(draft, indent)]
    unit = "np.zeros(w.shape[1])" if draft.words.turned else "np.zeros(w.shape[0])"
    start += [f"{pad}gW, gb = [np.zeros(w.shape) for w in W], [{unit} for w in W]"]
    if spec.single:
        start += [f"{pad}gW, gb = [g.astype('f4') for g in gW], [g.astype('f4') for g in gb]"]
    loop = [f"{pad}for n in {draft.text('range')}:"]
    sample = "x[:, n]" if spec.columns else "x[n]"
    return [*start, *loop, *_passes(draft, indent + 1, sample, "+="), *_finish(draft, indent)]


def _passes(draft: Draft, indent: int, x: str, gets: str) -> list[str]:
    spec, pad = draft.spec, "    " * indent
    forward = {"A": "a[l - 1]", "M": "W[l - 1]", "Z": "z[l]", "at": "l"}
    lines = [f"a, z, ds = [{x}], [None], [None] * (L + 1)", "for l in range(1, L + 1):"]
    lines += [f"    z.append({draft.text('affine', **forward)})"]
    act, out = draft.text("act", **forward), draft.text("out", **forward)
    lines += [f"    a.append({act} if l < L else {out})"]
    lines = [pad + line for line in lines] + draft.lines("forwarded", indent + 1, **forward)
    lines += [
        f"{pad}p = a[L]",
        f"{pad}t = {draft.text('target')}",
        *_output(draft, indent),
        f"{pad}ds[L] = d",
    ]
    back = _gone_back(draft, indent + 2)
    gradient = _gradient(draft, indent + 1, gets)
    down = f"{pad}for l in range(L, 0, -1):"
    if spec.two_loops:
        first = [f"{pad}for l in range(L, 1, -1):", *_gone_back(draft, indent + 1)]
        return [*lines, *first, down, f"{pad}    d = ds[l]", *gradient]
    return [*lines, down, *gradient, f"{pad}    if l > 1:", *back]


def _output(draft: Draft, indent: int) -> list[str]:
    """dz[L]."""
    pad, early = "    " * indent, draft.spec.reduction == "mean" and draft.spec.divides == "delta"
    core = draft.text("delta")
    line = f"{pad}d = ({core}) / N" if early else f"{pad}d = {core}"
    return [*draft.lines("before", indent), line, *draft.lines("after_delta", indent)]


def _gone_back(draft: Draft, indent: int) -> list[str]:
    """(B4) and (B5), from layer l to layer l - 1."""
    pad = "    " * indent
    above = {"D": "d", "M": "W[l - 1]", "at": "l", "A": "a[l - 1]"}
    below = {"D": "d", "A": "a[l - 1]", "Z": "z[l - 1]", "at": "(l - 1)", "U": "up"}
    sent = draft.words.back(
        f"({draft.text('matrix', **above)})", f"({draft.text('sent', **above)})"
    )
    lines = [f"{pad}up = {sent}", *draft.lines("after_up", indent, **below)]
    return [
        *lines,
        f"{pad}d = up * ({draft.text('slope', **below)})",
        *draft.lines("after_d", indent, **below),
        f"{pad}ds[l - 1] = d",
    ]


def _gradient(
    draft: Draft, indent: int, gets: str, layer: dict[str, str] | None = None
) -> list[str]:
    """(B2) and (B3)."""
    pad, each = "    " * indent, draft.spec.reduction == "mean" and draft.spec.divides == "gradient"
    fields = layer or {"D": "d", "A": "a[l - 1]", "T": "a[l]", "M": "W[l - 1]", "at": "l"}
    outer = draft.words.outer(
        f"({draft.text('left', **fields)})", f"({draft.text('right', **fields)})"
    )
    db = draft.text("db", **fields)
    if each:
        outer, db = f"({outer}) / N", f"({db}) / N"
    if gets == "+=":
        db = f"gb[l - 1] + ({db})" if "keep" not in db else db
        lines = [f"{pad}gW[l - 1] += {outer}", f"{pad}gb[l - 1] = {db}"]
    else:
        lines = [f"{pad}gW[l - 1] = {outer}", f"{pad}gb[l - 1] = {db}"]
    return [*lines, *draft.lines("after_gradient", indent, **fields)]


def _finish(draft: Draft, indent: int) -> list[str]:
    """After the last layer: the mean that was left for the end, and what edits do to gradients."""
    spec, pad = draft.spec, "    " * indent
    lines = []
    if spec.reduction == "mean" and spec.divides == "end":
        lines += [f"{pad}gW, gb = [g / N for g in gW], [g / N for g in gb]"]
    if finish := draft.lines("finish", indent + 1, at="l", M="W[l - 1]"):
        lines += [f"{pad}for l in range(1, L + 1):", *finish]
    if spec.style == "torch":
        lines += [f"{pad}gW, gb = [g.numpy() for g in gW], [g.numpy() for g in gb]"]
    return [*lines, f"{pad}return gW, gb"]


def _recursive(draft: Draft) -> list[str]:
    """A function that goes down a layer, and comes back with the delta."""
    fields = {"D": "d", "A": "h", "T": "top", "M": "W[l - 1]", "Z": "z", "at": "l", "U": "up"}
    hidden = fields | {"A": "top"}
    sent = draft.words.back(
        f"({draft.text('matrix', **fields)})", f"({draft.text('sent', **fields)})"
    )
    lines = [
        "def descend(l, h, W, b, t, N, K, gW, gb, eta):",
        "    L = len(W)",
        f"    z = {draft.text('affine', **fields)}",
    ]
    lines += [
        "    if l == L:",
        f"        p = top = {draft.text('out', **fields)}",
        *_output(draft, 2),
        "    else:",
    ]
    lines += [
        f"        top = {draft.text('act', **fields)}",
        *draft.lines("forwarded", 2, **fields),
    ]
    lines += [
        "        up = descend(l + 1, top, W, b, t, N, K, gW, gb, eta)",
        *draft.lines("after_up", 2, **hidden),
    ]
    lines += [
        f"        d = up * ({draft.text('slope', **hidden)})",
        *draft.lines("after_d", 2, **hidden),
    ]
    lines += [*_gradient(draft, 1, "=", fields), f"    return {sent}", "", ""]
    start = [
        *_sizes(draft, 1),
        "    gW, gb = [None] * L, [None] * L",
        f"    t = {draft.text('target')}",
    ]
    start += ["    descend(1, x, W, b, t, N, K, gW, gb, eta)"]
    return [*lines, "def propagate(W, b, x, y, eta):", *start, *_finish(draft, 1)]


def _protocol(draft: Draft) -> list[str]:
    """The function that the checker calls."""
    spec = draft.spec
    run = (
        "Network(W, b).propagate(x, y, {})"
        if spec.style == "class"
        else "propagate(W, b, x, y, {})"
    )
    if spec.protocol == "gradients":
        lines = ["def gradients(W, b, x, y):", f"    gW, gb = {run.format('ETA')}"]
        lines += (
            [
                "    gW, gb = [np.asarray(g).tolist() for g in gW], [np.asarray(g).tolist() for g "
                "in gb]"
            ]
            if spec.lists
            else []
        )
        return ["ETA = 0.5", "", "", *lines, f"    return {draft.text('returned')}"]
    rate = draft.text("rate", at="(i + 1)")
    lines = ["def step(W, b, x, y, rate):", f"    gW, gb = {run.format(spec.rate or 'rate')}"]
    minus, single = draft.text("sign"), ".astype('f4')" if spec.single else ""
    lines += ["    V, c = [], []", "    for i in range(len(W)):"]
    if spec.protocol == "step":
        lines += [f"        V.append((W[i] {minus} ({rate}) * gW[i]){single})"]
        lines += [f"        c.append((b[i] {minus} ({rate}) * gb[i]){single})"] if spec.bias else []
        return [*lines, "    return V, c"]
    lines += [f"        W[i] {minus}= ({rate}) * gW[i]"]
    return lines + ([f"        b[i] {minus}= ({rate}) * gb[i]"] if spec.bias else [])


def _as_torch(source: str) -> str:
    """The same with tensors."""
    head, _, rest = source.partition("def sigmoid")
    rest = (
        rest.replace("np.eye(K)", "torch.eye(K, dtype=torch.float64)")
        .replace("np.eye(K, dtype='f4')", "torch.eye(K)")
        .replace(".astype(np.", ".to(torch.")
        .replace("np.", "torch.")
    )
    return f"{head}def sigmoid{rest}"


def compiled(source: str) -> dict[str, Any]:
    """Its names, after running it once."""
    names: dict[str, Any] = {"__name__": "planted"}
    exec(compile(source, "planted.py", "exec"), names)
    return names
