"""The lines of a right backward pass as a candidate's own conventions write them: what a repair
looks like in its file.

EQUATIONS.md has rows for samples and W[l] as (n_l, n_{l-1}). Where a file has columns, or the other
layout, the same equation is another product, and the mean is taken or not. Layers are numbered from
1, as in every report.
"""

from __future__ import annotations

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.findings import Step

PRODUCTS = {  # (examples, layout) -> (F1) without its bias, (B2), (B4)
    ("rows", "out,in"): ("a[l - 1] @ W[l].T", "dz[l].T @ a[l - 1]", "dz[l] @ W[l]"),
    ("rows", "in,out"): ("a[l - 1] @ W[l]", "a[l - 1].T @ dz[l]", "dz[l] @ W[l].T"),
    ("columns", "out,in"): ("W[l] @ a[l - 1]", "dz[l] @ a[l - 1].T", "W[l].T @ dz[l]"),
    ("columns", "in,out"): ("W[l].T @ a[l - 1]", "a[l - 1] @ dz[l].T", "W[l] @ dz[l]"),
}


def lines(conventions: Conventions) -> dict[str, str]:
    """Each line by its name: z, a, p, Y, dzL, dW, db, da, dz."""
    columns = conventions.examples == "columns"
    classes, samples = (0, 1) if columns else (1, 0)
    forward, dW, da = PRODUCTS[conventions.examples, conventions.layout]
    bias = "" if not conventions.bias else " + b[l][:, None]" if columns else " + b[l]"
    softmax = f"np.exp(z[L]) / np.exp(z[L]).sum(axis={classes}, keepdims=True)"
    one_hot = "np.eye(K)[:, y]" if columns else "np.eye(K)[y]"
    if conventions.sizes and conventions.sizes[-1] == 1:
        one_hot = "y.reshape(1, -1)" if columns else "y.reshape(-1, 1)"
    return {
        "z": f"z[l] = {forward}{bias}",
        "a": "a[l] = sigmoid(z[l])",
        "p": f"p = {softmax}" if conventions.output == "softmax" else "p = sigmoid(z[L])",
        "Y": f"Y = {one_hot}" if conventions.labels == "integers" else "Y = y",
        "dzL": _output(conventions, classes),
        "dW": f"dW[l] = {dW}",
        "db": f"db[l] = dz[l].sum(axis={samples})",
        "da": f"da[l - 1] = {da}",
        "dz": "dz[l] = da[l] * a[l] * (1 - a[l])",
    }


def _output(conventions: Conventions, classes: int) -> str:
    """dz[L]: (B1), (B7), (B8), (B9)."""
    mean = {"mean": " / N", "sum": "", "mean-over-all": " / p.size"}[conventions.reduction]
    if "quadratic" not in conventions.cost:
        if mean:
            return f"dz[L] = (p - Y){mean}"
        return "dz[L] = p - Y"
    error = "(p - Y)" if conventions.cost == "half-quadratic" else "2 * (p - Y)"
    if conventions.output == "sigmoid":
        return f"dz[L] = {error} * p * (1 - p){mean}"
    return f"dp = {error}{mean}; dz[L] = p * (dp - (dp * p).sum(axis={classes}, keepdims=True))"


def of_step(step: Step, conventions: Conventions) -> str:
    """The line that computes a step, with its layers: "da[1] = dz[2] @ W[2]" for da[1]; "" for a
    step that has no line of its own."""
    by_name = lines(conventions)
    quantity = step.quantity
    if quantity.kind == "dz" and step.tag != "(B5)":
        line = by_name["dzL"]
    else:
        line = by_name.get(quantity.kind, "")
    if quantity.layer is None:
        return line
    # the line of da[l - 1] is written from the layer above
    layer = quantity.layer + 1 if quantity.kind == "da" else quantity.layer
    return with_layer(line.replace("[L]", "[l]"), layer)


def with_layer(line: str, layer: int) -> str:
    """W[l], a[l - 1] -> W[2], a[1]."""
    here = str([layer])
    below = str([layer - 1])
    return line.replace("[l]", here).replace("[l - 1]", below)
