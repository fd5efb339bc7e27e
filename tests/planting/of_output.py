"""Bugs of the output: its normalisation, its labels, its delta."""

from __future__ import annotations

from planting.draft import Edit
from planting.place import Form, Forms, Place, enter


@enter
def softmax_diagonal(at: Place) -> Forms:
    if at.spec.output != "softmax":
        return
    same = frozenset() if at.quadratic else frozenset({"cost-mismatch"})
    # for two classes the diagonal is half the Jacobian: half the cost, another convention
    if not at.quadratic or at.K != 2:
        yield Form(
            "softmax-diagonal", "p", (Edit("delta", f"{at.two}(p - t) * p * (1 - p)"),), same
        )
    yield Form(
        "softmax-diagonal",
        "q",
        (Edit("delta", f"{at.two}(p - t) * softmax(p) * (1 - softmax(p))"),),
    )
    yield Form("softmax-diagonal", "label", (Edit("delta", "-t * (1 - p)"),))


@enter
def double_softmax(at: Place) -> Forms:
    helper = (
        () if at.spec.output == "softmax" else (Edit("functions", "\n".join(at.words.softmax())),)
    )
    if at.quadratic:
        return
    q = "(softmax(p) - t)"
    if at.spec.output == "softmax":
        yield Form(
            "double-softmax", "J(p) (softmax(p) - Y)", (Edit("delta", at.words.jacobian("p", q)),)
        )
        yield Form(
            "double-softmax",
            "twice in the forward pass",
            (Edit("out", "softmax(softmax({Z}))"), Edit("delta", "p - t")),
        )
    else:
        yield Form("double-softmax", "of a sigmoid", (*helper, Edit("delta", f"{q} * p * (1 - p)")))


@enter
def cost_mismatch(at: Place) -> Forms:
    if at.quadratic:
        yield Form("cost-mismatch", "e", (Edit("delta", "p - t"),))
        yield Form("cost-mismatch", "2e", (Edit("delta", "2 * (p - t)"),))
        return
    same = frozenset({"softmax-diagonal"}) if at.spec.output == "softmax" else frozenset()
    yield Form("cost-mismatch", "e s", (Edit("delta", "(p - t) * p * (1 - p)"),), same)
    # without COST in the file, that is another convention
    if at.spec.output == "softmax" and at.spec.spells:
        yield Form("cost-mismatch", "J 2e", (Edit("delta", at.words.jacobian("p", "2 * (p - t)")),))
    else:
        yield Form("cost-mismatch", "2 e s", (Edit("delta", "2 * (p - t) * p * (1 - p)"),))


@enter
def softmax_axis(at: Place) -> Forms:
    if at.spec.output != "softmax" or at.spec.by_sample:
        return
    for name, axis in (
        ("over samples", f", axis={at.words.n}, keepdims=True"),
        ("over everything", ""),
    ):
        whole = ".sum()" if not axis else f".sum({axis[2:]})"
        largest = "np.max(v)" if not axis or at.spec.style == "torch" else f"v.max({axis[2:]})"
        text = f"def softmax(v):\n    e = np.exp(v - {largest})\n    return e / e{whole}"
        yield Form("softmax-axis", name, (Edit("functions", text),))


@enter
def labels_shifted(at: Place) -> Forms:
    words, by, spec = at.words, at.pick(1, -1), at.spec
    dims = "dims" if spec.style == "torch" else "axis"
    axis = (
        ""
        if spec.by_sample
        else f", {dims}={words.k}"
        if spec.style == "torch"
        else f", axis={words.k}"
    )
    yield Form(
        "labels-shifted",
        "one-hot rolled over classes",
        (Edit("target", f"np.roll({{old}}, {by}{axis})"),),
    )
    if not spec.by_sample:
        axis = f", {dims}={words.n}"
        yield Form(
            "labels-shifted", "rows rolled", (Edit("target", f"np.roll({{old}}, {by}{axis})"),)
        )
    if spec.labels == "integers" and not spec.by_sample and spec.style != "torch":
        turn = ".T" if spec.columns else ""
        yield Form("labels-shifted", "y - 1", (Edit("target", f"np.eye(K)[y - 1]{turn}"),))
        yield Form(
            "labels-shifted",
            "y + 1, one class more",
            (Edit("target", f"np.eye(K + 1)[y + 1][:, :K]{turn}"),),
        )
        yield Form(
            "labels-shifted",
            "y + 1, the last one kept",
            (Edit("target", f"np.eye(K)[np.minimum(y + 1, K - 1)]{turn}"),),
        )


@enter
def probability_clipped(at: Place) -> Forms:
    # a quadratic cost squares them out of sight
    small = () if at.quadratic else (1e-10, 1e-12, 1e-15, 2.220446049250313e-16)
    eps = at.pick(1e-3, 1e-5, 1e-7, 1e-8, *small)
    clip = Edit("before", f"p = np.clip(p, {eps}, 1 - {eps})")
    if not at.quadratic:
        yield Form("probability-clipped", "p - t", (clip, Edit("delta", "p - t")))
        if at.spec.output == "softmax":
            yield Form(
                "probability-clipped",
                "the whole chain",
                (clip, Edit("delta", at.words.jacobian("p", "-t / p"))),
            )
            yield Form(
                "probability-clipped",
                "in the logarithm",
                (Edit("delta", at.words.jacobian("p", f"-t / np.clip(p, {eps}, 1)")),),
            )
            large = at.pick(1e-3, 1e-4, 1e-5, 1e-6)  # a smaller one that is added is no bug
            added = at.words.jacobian("p", f"-t / (p + {large})")
            yield Form("probability-clipped", "p + eps", (Edit("delta", added),))
        else:
            c = f"np.clip(p, {eps}, 1 - {eps})"
            yield Form(
                "probability-clipped",
                "in the logarithm",
                (Edit("delta", f"({c} - t) / ({c} * (1 - {c})) * p * (1 - p)"),),
            )
    else:
        yield Form("probability-clipped", "p", (clip,))
