"""Biases that a forward pass adds and nothing ever changes: zero at first, they cannot be told from
none by numbers, and the line that adds them names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backproof.checks.candidates.inside.recording import Made
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


def _still(
    edge: Edge, made: Sequence[Made], held: Sequence[Variable], sources: Sources
) -> Variable | None:
    """The variable that stays zero and is added on a line that makes a layer's z; None where there
    is none."""
    n = len(edge.M)
    sites = {one.site for one in edge.found.values()}
    values = set()
    for one in made:
        is_line = one.value.ndim > 0 and max(one.value.shape) == one.value.size == n
        if one.time > edge.until or not is_line or one.value.any():
            continue
        name = one.site.name
        if name and any(sources.of(at.file).adds(at.line, name) for at in sites):
            values.add(id(one.value))
    for variable in held:
        stays_zero = not any(version.value.any() for version in variable.versions)
        if stays_zero and any(id(version.value) in values for version in variable.versions):
            return variable
    return None
