"""The lines of a right backward pass as a candidate's own conventions write them: what a repair
looks like in its file.

EQUATIONS.md has rows for samples and W[l] as (n_l, n_{l-1}). Where a file has columns, or the other
layout, the same equation is another product, and the mean is taken or not. Layers are numbered from
1, as in every report.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.findings import Step
from backproof.checks.problem import PLAIN

PRODUCTS = {  # (examples, layout) -> (F1) without its bias, (B2), (B4)
    ("rows", "out,in"): ("a[l - 1] @ W[l].T", "dz[l].T @ a[l - 1]", "dz[l] @ W[l]"),
    ("rows", "in,out"): ("a[l - 1] @ W[l]", "a[l - 1].T @ dz[l]", "dz[l] @ W[l].T"),
    ("columns", "out,in"): ("W[l] @ a[l - 1]", "dz[l] @ a[l - 1].T", "W[l].T @ dz[l]"),
    ("columns", "in,out"): ("W[l].T @ a[l - 1]", "a[l - 1] @ dz[l].T", "W[l] @ dz[l]"),
}


@dataclass(frozen=True)
class Code:
    """An activation as a program writes it: h of z, and h' of z or a = h(z)."""

    h: str
    prime: str


CODE = {
    "sigmoid": Code("sigmoid({z})", "{a} * (1 - {a})"),
    "tanh": Code("np.tanh({z})", "(1 - {a}**2)"),
    "relu": Code("np.maximum({z}, 0)", "({z} > 0)"),
    "leaky-relu": Code("np.where({z} > 0, {z}, {slope} * {z})", "np.where({z} > 0, 1, {slope})"),
    "elu": Code("np.where({z} > 0, {z}, np.exp({z}) - 1)", "np.where({z} > 0, 1, {a} + 1)"),
    "softplus": Code("np.log1p(np.exp({z}))", "sigmoid({z})"),
    "silu": Code("{z} * sigmoid({z})", "(sigmoid({z}) + {a} * (1 - sigmoid({z})))"),
    "identity": Code("{z}", ""),
    "linear": Code("{z}", ""),
}
ANY = Code("h({z})", "h_prime({z})")  # what has no short form, or differs from layer to layer


def lines(conventions: Conventions, layer: int | None = None) -> dict[str, str]:
    """Each line by its name: z, a, p, Y, dzL, dW, db, da, dz.

    Args:
        conventions: whose lines.
        layer: whose activation a and dz are written with, where layers have one each.
    """
    columns = conventions.examples == "columns"
    forward, dW, da = PRODUCTS[conventions.examples, conventions.layout]
    bias = ""
    if conventions.bias:
        bias = " + b[l][:, None]" if columns else " + b[l]"
    decay = ""
    if conventions.weight_decay:
        decay = f" + {conventions.weight_decay:g} * W[l]"
    samples = 1 if columns else 0
    hidden = _hidden(conventions, layer)
    slots = {"z": "z[l]", "a": "a[l]", "slope": f"{conventions.slope:g}"}
    prime = hidden.prime.format(**slots)
    return {
        "z": f"z[l] = {forward}{bias}",
        "a": f"a[l] = {hidden.h.format(**slots)}",
        "p": f"p = {_p(conventions)}",
        "Y": f"Y = {_targets(conventions)}",
        "dzL": _output(conventions),
        "dW": f"dW[l] = {dW}{decay}",
        "db": f"db[l] = dz[l].sum(axis={samples})",
        "da": f"da[l - 1] = {da}",
        "dz": f"dz[l] = da[l]{_times(prime)}",
    }


def _times(factor: str) -> str:
    """ " * factor", or nothing where it is 1."""
    return f" * {factor}" if factor else ""


def _hidden(conventions: Conventions, layer: int | None) -> Code:
    """The activation of a hidden layer, or of all of them."""
    names = conventions.hidden
    if not isinstance(names, str):
        known = layer is not None and 1 <= layer <= len(names)
        names = names[layer - 1] if known and layer is not None else ""
    return CODE.get(names, ANY)


def _classes(conventions: Conventions) -> int:
    """The axis of the classes."""
    return 0 if conventions.examples == "columns" else 1


def _p(conventions: Conventions) -> str:
    if conventions.output == "softmax":
        axis = _classes(conventions)
        return f"np.exp(z[L]) / np.exp(z[L]).sum(axis={axis}, keepdims=True)"
    slots = {"z": "z[L]", "a": "p", "slope": f"{conventions.slope:g}"}
    return CODE.get(conventions.output, ANY).h.format(**slots)


def _targets(conventions: Conventions) -> str:
    """Y, out of what the candidate is given."""
    if conventions.labels != "integers":
        return "y"
    columns = conventions.examples == "columns"
    if conventions.sizes and conventions.sizes[-1] == 1:
        one_hot = "y.reshape(1, -1)" if columns else "y.reshape(-1, 1)"
    else:
        one_hot = "np.eye(K)[:, y]" if columns else "np.eye(K)[y]"
    low, high = conventions.targets
    if conventions.targets == PLAIN:
        return one_hot
    return f"{low:g} + {high - low:g} * {one_hot}"


def _output(conventions: Conventions) -> str:
    """dz[L]: (B1), (B7), (B8), (B9), (B10)."""
    mean = {"mean": " / N", "sum": "", "mean-over-all": " / p.size"}[conventions.reduction]
    through_softmax = (
        f"dz[L] = p * (dp - (dp * p).sum(axis={_classes(conventions)}, keepdims=True))"
    )
    if conventions.output == "softmax" and conventions.cost == "binary-cross-entropy":
        return f"dp = ((1 - Y) / (1 - p) - Y / p){mean}; {through_softmax}"
    if not conventions.is_quadratic:
        return f"dz[L] = (p - Y){mean}" if mean else "dz[L] = p - Y"
    error = "(p - Y)" if conventions.cost == "half-quadratic" else "2 * (p - Y)"
    if conventions.output == "softmax":
        return f"dp = {error}{mean}; {through_softmax}"
    slots = {"z": "z[L]", "a": "p", "slope": f"{conventions.slope:g}"}
    prime = CODE.get(conventions.output, ANY).prime.format(**slots)
    return f"dz[L] = {error}{_times(prime)}{mean}"


def derivative(name: str) -> str:
    """h' of an activation, with braces where z, a, and the slope belong; "" where it is 1."""
    return CODE.get(name, ANY).prime


def output_delta(conventions: Conventions, *, p: str, Y: str, N: str) -> str:
    """dz[L] in somebody's names of p, Y and the number of samples; "" where one expression cannot
    say it."""
    line = _output(conventions)
    if ";" in line or "z[L]" in line.removeprefix("dz[L] = "):
        return ""
    names = {"p": p, "Y": Y, "N": N}
    return re.sub(r"\b[pYN]\b", lambda found: names[found[0]], line.removeprefix("dz[L] = "))


def of_step(step: Step, conventions: Conventions) -> str:
    """The line that computes a step, with its layers: "da[1] = dz[2] @ W[2]" for da[1]; "" for a
    step that has no line of its own."""
    quantity = step.quantity
    by_name = lines(conventions, quantity.layer)
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
