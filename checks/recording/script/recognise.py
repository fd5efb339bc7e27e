"""The network that a script trains, recognised by what its lines compute.

A role is believed only when it reproduces recorded arrays to rounding: layer after layer, each of
which takes what the one before has given. Nothing is taken from names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from backproof.checks.activations import Activation
from backproof.checks.candidates.inside.recording import Made, Recording
from backproof.checks.recording.script.archive import Archive
from backproof.checks.recording.script.chains import Chain, Chains
from backproof.checks.recording.script.differences import sums
from backproof.checks.recording.script.functions import OUTPUTS
from backproof.checks.recording.script.inputs import Inputs
from backproof.checks.recording.script.layers import Edge, Finder, Layer
from backproof.checks.recording.script.passes import MOST_STEPS, Network, steps
from backproof.checks.recording.script.plainer import numbers, vectors, with_rows
from backproof.checks.recording.script.recognised import NoLayers, NotRecognised, Recognised
from backproof.checks.recording.script.refusals import (
    refuse_frozen,
    refuse_others,
    refuse_two,
    refuse_unseen,
    refuse_unused,
)
from backproof.checks.recording.script.scalars import Gathered, gather
from backproof.checks.recording.script.still import (
    with_fixed_biases,
    with_own_biases,
    with_still_biases,
)
from backproof.checks.recording.script.updates import updates_itself
from backproof.checks.recording.script.variables import Variable, variables
from backproof.checks.recording.source import Sources

MOST_SCALARS = 20_000
MOST_OF_NUMBERS = 12  # steps of networks of single numbers, each of which shows for itself
MOST_RIVALS = 8  # biases of one layer that are all zero at first


def seen(recording: Recording) -> tuple[Recognised, Recording]:
    """The network of a recording, and that with what it was recognised by: where there is no layer
    of matrices, those that numbers form which update themselves.

    Raises: NotRecognised where none was, or two.
    """
    try:
        return recognise(recording), recording
    except NoLayers:
        gathered = gather(recording)
        if gathered is None:
            raise
    try:
        return recognise(gathered.recording, gathered), gathered.recording
    except NotRecognised as error:  # no names of theirs is one of these matrices
        raise NotRecognised(error.missing) from error


def recognise(recording: Recording, gathered: Gathered | None = None) -> Recognised:
    """The network of a recording.

    Args:
        recording: of the run.
        gathered: what of it was gathered of single numbers, if that was needed.
    Raises: NotRecognised where none was, or two; NoLayers where nothing was a layer.
    """
    recorded = [*recording.made, *_single(recording)]
    recorded.sort(key=lambda made: made.time)
    archive = Archive(recorded)
    held = variables(recording.made)
    sources = Sources(recording.sources)
    if gathered is not None:
        chains, inputs = _chains(recording, archive, held, sources)
        found = _whole(recording, archive, held, sources, chains, inputs, gathered.layers)
        return replace(found, gathered=gathered)
    longest = 0
    missing: NotRecognised | None = None
    for look, has_sums in ((_chains, False), (_plainer, False), (_chains, True)):
        if has_sums:
            archive = Archive(recorded, list(sums(recording.made)))
        try:
            chains, inputs = look(recording, archive, held, sources)
            if chains.longest > longest:
                longest = chains.longest
                return _whole(recording, archive, held, sources, chains, inputs)
        except NotRecognised as error:
            missing = error if longest else missing or error
    assert missing is not None
    raise missing


def _whole(
    recording: Recording,
    archive: Archive,
    held: Sequence[Variable],
    sources: Sources,
    chains: Chains,
    inputs: Inputs,
    biases: Mapping[str, str] | None = None,
) -> Recognised:
    """The likeliest of some chains, if it is all that the script trains.

    Args:
        recording, archive, held, sources: of the run.
        chains, inputs: layers behind each other, and what may go into them.
        biases: by the name of each layer's weights, that of its bias, where the script says so.
    Raises: NotRecognised where it is not.
    """
    best = max(chains.all, key=chains.likelihood)
    refuse_two(chains, best)
    most = MOST_STEPS if biases is None else MOST_OF_NUMBERS
    found = _at_work(chains, best, archive, inputs, most)
    refuse_others(found, held, sources)
    refuse_unseen(recording, found.network.change_times()[0])
    refuse_frozen(found, held)
    refuse_unused(found, held)
    layers = with_still_biases(found.layers, best, recording.made, held, sources)
    if biases is not None:
        layers = with_own_biases(layers, held, biases)
    layers = with_fixed_biases(layers, recording.series)
    return replace(found, network=replace(found.network, layers=layers))


def _chains(
    recording: Recording, archive: Archive, held: Sequence[Variable], sources: Sources
) -> tuple[Chains, Inputs]:
    """Layers behind each other, and what may go into them: of what updates itself, or else of all
    that moves as weights do, or else of what is held in a plainer way.

    Raises: NotRecognised where there is no layer at all.
    """
    inputs = Inputs(recording.made)
    weights = _weights(held)
    own = [one for one in held if one.changes and updates_itself(one, sources)]
    finder = Finder(archive, inputs, own)
    chains = Chains(list(finder.edges([one for one in weights if one in own])))
    if chains.longest < 2:
        finder = Finder(archive, inputs, held)
        chains = Chains(list(finder.edges([one for one in weights if one.moves])))
    if chains.longest < 2:
        finder = Finder(archive, inputs, held, flat=True)
        flat = Chains(list(finder.edges(_matrices(held))))
        if flat.longest > 1:
            return flat, inputs
        plainer, more = _plainer(recording, archive, held, sources)
        if plainer.longest > chains.longest:
            return plainer, more
    if not chains.all:
        names = list(dict.fromkeys(one.name for one in (weights or vectors(held))[:6]))
        raise NoLayers(
            f"a line that holds what a layer makes of an input: what changes is {', '.join(names)}",
            names,
        )
    return chains, inputs


def _plainer(
    recording: Recording, archive: Archive, held: Sequence[Variable], sources: Sources
) -> tuple[Chains, Inputs]:
    """Layers of what is held in a plainer way than matrices, too."""
    own = [one for one in held if one.changes and updates_itself(one, sources)]
    some = [one for one in (*_weights(held), *vectors(held)) if one in own]
    biases = [one for one in numbers(recording) if updates_itself(one, sources)]
    inputs = with_rows(recording.made, held)
    return Chains(list(Finder(archive, inputs, [*own, *biases]).edges(some))), inputs


def _weights(held: Sequence[Variable]) -> list[Variable]:
    """What may be weights: matrices that change as weights do."""
    moving = [one for one in held if one.changes and len(one.shape) in (1, 2)]
    matrices = _matrices(held)
    # what is zero at first gathers something, unless there is nothing else
    weights = [one for one in matrices if one.versions[0].value.any()] or matrices
    if not moving:
        raise NoLayers("no array was seen to change from step to step, as weights do")
    if not weights and not vectors(moving):
        raise NoLayers(
            "no matrix was seen to change from step to step, as weights do; what changes is "
            f"{', '.join(dict.fromkeys(one.name for one in moving[:6]))}"
        )
    return weights


def _matrices(held: Sequence[Variable]) -> list[Variable]:
    """What changes and has rows and columns."""
    return [one for one in held if one.changes and one.versions[0].value.ndim == 2]


def _single(recording: Recording) -> Iterator[Made]:
    """Single numbers as arrays."""
    left = MOST_SCALARS
    for series in recording.series:
        pairs = zip(series.times[:left].tolist(), series.values[:left], strict=True)
        for time, value in pairs:
            yield Made(time, series.site, np.asarray(value), 2.0**-52, series.caller)
        left = max(0, left - len(series.values))


def _at_work(
    chains: Chains, chain: Chain, archive: Archive, inputs: Inputs, most: int
) -> Recognised:
    """The network of a chain, with the biases that reproduce what it makes once they move, and as
    many steps."""
    hidden = []
    for edge, after in pairwise(chain):
        activation = chains.activation(edge, after)
        assert activation is not None
        hidden.append(activation)
    last = chain[-1]
    output = next((name for name in OUTPUTS if name in last.found), "linear")
    layers = _with_biases(chain, tuple(hidden), archive, inputs)
    network = Network(layers, tuple(hidden), output)
    places = {edge.input.place for edge in chains.edges if edge.key == chain[0].key}
    end = archive.made[-1].time
    found = steps(network, archive, inputs, end, seen_at=places, most=most)
    if not found:
        names = [edge.layer.W.name for edge in chain]
        raise NotRecognised(
            f"{', '.join(names)} were seen to compute something, and not to change after it", names
        )
    whole = Recognised(network, tuple(found), chain[0].input.columns, archive, inputs)
    return whole if _shows_output(whole) else whole.with_output("linear")


def _shows_output(found: Recognised) -> bool:
    """Whether lines make the output out of the logits: a ReLU of what is positive is the logits
    themselves, unless some are negative at a later step, or it is made a second time."""
    is_twice = True
    for step in found.steps:
        for one in step.passes:
            if not one.p.any():
                continue
            places = list(found.archive.places(one.p, step.since, step.until))
            if not np.array_equal(one.p, one.z[-1]):
                return bool(places)
            is_twice = is_twice and len({id(made.value) for made in places}) > 1
    return is_twice


def _with_biases(
    chain: Chain, hidden: tuple[Activation, ...], archive: Archive, inputs: Inputs
) -> tuple[Layer, ...]:
    """The layers, each with the bias that reproduces what it makes once that is no longer zero."""
    end = archive.made[-1].time
    layers: tuple[Layer, ...] = ()
    for edge in _with_own_biases(chain):
        taken = [id(layer.b) for layer in layers]
        alike = edge.rivals or [one for one in edge.alike if one.stays]
        rivals = [one for one in alike if id(one) not in taken][:MOST_RIVALS]
        choices = [replace(edge.layer, b=rival) for rival in rivals]
        if not choices:  # one bias belongs to one layer
            choices = [replace(edge.layer, b=None) if id(edge.layer.b) in taken else edge.layer]
        if len(choices) > 1:
            below = [
                Network((*layers, one), hidden[: len(layers) + 1], "linear") for one in choices
            ]
            place = chain[0].input.place
            counts = [len(steps(one, archive, inputs, end, place)) for one in below]
            if not any(counts):
                counts = [len(steps(one, archive, inputs, end)) for one in below]
            choices = [choices[counts.index(max(counts))]]
        layers = (*layers, choices[0])
    return layers


def _with_own_biases(chain: Chain) -> Iterator[Edge]:
    """The layers; where several take one bias, which is a name that holds each of theirs in turn,
    with the place that holds it alone."""
    biases = [id(edge.layer.b) for edge in chain if edge.layer.b is not None]
    for edge in chain:
        own = [one for one in edge.alike if one.stays]
        if biases.count(id(edge.layer.b)) > 1 and own:
            yield replace(edge, layer=replace(edge.layer, b=own[0]))
        else:
            yield edge
