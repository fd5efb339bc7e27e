"""Biases that a forward pass adds and nothing ever changes: zero at first, they cannot be told from
none by numbers, and the line that adds them names them. Where all layers add a number, the same to
each of their units, it is none that is meant to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from backproof.checks.candidates.inside.recording import Made, Series
from backproof.checks.recording.script.chains import Chain
from backproof.checks.recording.script.layers import Edge, Layer
from backproof.checks.recording.script.variables import Variable
from backproof.checks.recording.source import Sources


def with_still_biases(
    layers: Sequence[Layer],
    chain: Chain,
    made: Sequence[Made],
    held: Sequence[Variable],
    sources: Sources,
) -> tuple[Layer, ...]:
    """The layers, those without a bias with the one that stays zero, where their line adds one.

    Args:
        layers, chain: of the network.
        made: all arrays that were recorded.
        held: all variables.
        sources: of the lines.
    """
    found: list[Layer] = []
    taken = {id(layer.b) for layer in layers}
    for layer, edge in zip(layers, chain, strict=True):
        whole = layer
        if not layer.has_bias:
            b = _still(edge, made, [one for one in held if id(one) not in taken], sources)
            taken.add(id(b))
            whole = replace(layer, b=b)
        found.append(whole)
    return tuple(found)


def with_own_biases(
    layers: Sequence[Layer], held: Sequence[Variable], names: Mapping[str, str]
) -> tuple[Layer, ...]:
    """The layers, each with the bias that its own lines add, whatever numbers that holds.

    Args:
        layers: of the network.
        held: all variables.
        names: of the bias of each layer's weights, "" for none.
    """
    by_name = {one.name: one for one in reversed(held)}
    return tuple(
        replace(layer, b=by_name.get(names[layer.W.name]))
        if layer.W.name in names and layer.ones is None
        else layer
        for layer in layers
    )


def with_fixed_biases(layers: Sequence[Layer], series: Sequence[Series]) -> tuple[Layer, ...]:
    """The layers, their biases as fixed where each adds one number that never changes.

    Args:
        layers: of the network.
        series: all single numbers that were recorded.
    """
    if all(_is_number(layer.b, series) for layer in layers):
        return tuple(replace(layer, is_fixed=True) for layer in layers)
    return tuple(layers)


def _is_number(b: Variable | None, series: Sequence[Series]) -> bool:
    """Whether a bias is one number, held as such, that is added to all units and stays."""
    if b is None or b.ever_differs:
        return False
    value = float(b.versions[0].value.reshape(-1)[0])
    alike = bool((b.versions[0].value == value).all())
    return value != 0 and alike and any(bool((one.values == value).any()) for one in series)


def _still(
    edge: Edge, made: Sequence[Made], held: Sequence[Variable], sources: Sources
) -> Variable | None:
    """The variable that stays zero and is added on a line that makes a layer's z; None where there
    is none."""
    n = len(edge.M)
    fitting = [one for one in made if one.value.ndim > 0 and _is_line(one.value, n)]
    moving = {one.site.name for one in fitting if one.value.any()}
    names = {one.site.name for one in fitting if one.time <= edge.until} - moving - {""}
    sites = {one.site for one in edge.found.values()}
    lines = [(sources.of(site.file), site.line) for site in sites]
    added = {name for name in names if any(of.adds(line, name) for of, line in lines)}
    values = {id(one.value) for one in fitting if one.site.name in added}
    for variable in held:
        stays_zero = not any(version.value.any() for version in variable.versions)
        if stays_zero and any(id(version.value) in values for version in variable.versions):
            return variable
    return None


def _is_line(value: np.ndarray, n: int) -> bool:
    """Whether an array is a row or a column of as many entries."""
    return max(value.shape) == value.size == n
