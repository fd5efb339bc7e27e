"""Why a network with right gradients still does not learn: a judgement on the numbers of
vital_signs.py, each with where it is, the evidence, what it means and what to do.

Every threshold stands in the table below beside its reason. None of them is met by a healthy
network, converged ones included: benchmarks/symptoms.py counts how often (and how often each
symptom is found where it was provoked). "Gradients cancel because they are averaged" is a sign,
never a finding: healthy networks that have converged show it, too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from backproof.checks.activations import SIGMOID, Activation
from backproof.checks.learning.activations import flat_sides
from backproof.checks.learning.course import diverged, too_few_steps, unlearnable_labels
from backproof.checks.learning.finding import Progress, Symptom
from backproof.checks.learning.flow import dead_units, exploding, overflow, vanishing
from backproof.checks.learning.layer_signs import FLAT, LayerSigns
from backproof.checks.learning.vital_signs import VitalSigns, vital_signs

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Inexact, Integer

# |Wd| / |W||d|: drawn weights give about 1/sqrt(n_in), 0.01 at 10,000 inputs; constant rows in
# float32 give 1e-6
BLIND = 1e-4
# the same of the gradient: the rounding of a sum stays below, a gradient that sees the inputs is
# above 1e-3
FOR_EVER = 1e-6
VARIES = 1e-9  # samples that differ by less are one sample, about which nothing can be said
# of a layer's activations flat: healthy networks that have not learnt yet show 0.4, inputs of
# 0..255 0.93
MOSTLY = 0.8
# of the error that arrives: healthy layers pass on 0.27 or more, and all that is flat at most FLAT
# / (1/4) = 0.08
PASSED_ON = 0.15
# of the prior's loss: below it, a layer that is flat has done its work (MNIST at learning rate 3
# gets to 96% flat)
UNLEARNED = 0.9
CONSTANT = (
    1e-5  # output spread, whatever else: healthy networks near the prior's loss show 2e-4 or more
)
# or this spread, if all gradients cancel, too: the healthy ones show 0.01 or more
NEARLY_CONSTANT = 1e-3
CANCELLED = 1e-3
# times the prior's loss: a constant answer cannot be below 1, and mini-batches leave it jittering
# above
NEAR_PRIOR = 1.1
# a smaller part passed on at a loss so far above the prior's: 5e-5 was seen to come back in 1,700
# steps
DEAD = 1e-6
ABOVE_PRIOR = 1.2
# what a remedy tells people to write: W keeps sizes as they are from layer to layer
DRAW = "W = rng.normal(size=(n, n_in)) / np.sqrt(n_in)"


def look(
    W: Mapping[int, Inexact[np.ndarray, "_ _"]],
    b: Mapping[int, Inexact[np.ndarray, " _"]],
    x: Inexact[np.ndarray, "N n_0"],
    y: Integer[np.ndarray, " N"] | Inexact[np.ndarray, "N K"],
    *,
    output: str,
    cost: str,
    hidden: str | Sequence[str] = "sigmoid",
    history: Sequence[Progress] = (),
    ended: bool = False,
    tested: int = 200,
) -> list[Symptom]:
    """Everything that keeps this network from learning, as far as a sample of its data and its
    history show it.

    Args:
        W, b: weights and biases by layer, 1..L, in any float dtype.
        x, y: training samples as the network sees them, and their labels; at most 256 rows, taken
            evenly, are looked at.
        output, cost: the head.
        hidden: the hidden activation, or one for each hidden layer.
        history: the epochs so far, the first one being epoch 0; what only time shows
            (too-few-steps, unlearnable-labels, diverged) is looked for if it is given.
        ended: whether training is over: only then can it have been too short.
        tested: how many samples the test set of `history` has: chance has a width.
    Returns: the symptoms, causes before their effects; none for a healthy network.
    Raises: ValueError for no samples.
    """
    return judge(
        vital_signs(W, b, x, y, output=output, cost=cost, hidden=hidden),
        x,
        y,
        history=history,
        ended=ended,
        tested=tested,
    )


def judge(
    signs: VitalSigns,
    x: Inexact[np.ndarray, "N n_0"],
    y: Integer[np.ndarray, " N"] | Inexact[np.ndarray, "N K"],
    *,
    history: Sequence[Progress] = (),
    ended: bool = False,
    tested: int = 200,
) -> list[Symptom]:
    """What `look` returns, from signs that were measured already.

    Args:
        signs: measured on x and y; the others as those of `look`.
    """
    if thrown := list(diverged(signs, history)):
        return thrown
    flat = list(_saturated(signs))
    found = [
        *overflow(signs),
        *_input_blind(signs),
        *_symmetric_units(signs),
        *flat,
        *dead_units(signs),
        *([] if flat else vanishing(signs)),
        *exploding(signs),
        *_stuck_at_prior(signs),
    ]
    if np.asarray(y).dtype.kind in "iu":
        found += unlearnable_labels(signs, x, y, history, ended, tested)
    return found or (list(too_few_steps(signs, history)) if ended else [])


def measures(
    W: Mapping[int, Inexact[np.ndarray, "_ _"]],
    b: Mapping[int, Inexact[np.ndarray, " _"]],
    x: Inexact[np.ndarray, "N n_0"],
    y: Integer[np.ndarray, " N"],
    *,
    output: str,
    cost: str,
) -> dict[str, float]:
    """What a dashboard draws: "saturation/layer_1", "distinct_units/layer_1",
    "cancellation/layer_1", ..., "output_spread/output".

    Args: as those of `look`.
    Returns: the numbers by name; what the output layer does not have is left out.
    """
    return dashboard(vital_signs(W, b, x, y, output=output, cost=cost))


def dashboard(signs: VitalSigns) -> dict[str, float]:
    """The same from signs that were measured already."""
    found = {"output_spread/output": signs.output_spread}
    for layer in signs.layers:
        found[f"cancellation/layer_{layer.layer}"] = layer.cancellation
        if layer.distinct is not None:
            found[f"saturation/layer_{layer.layer}"] = layer.saturation
            found[f"distinct_units/layer_{layer.layer}"] = float(layer.distinct)
    return found


def _input_blind(signs: VitalSigns) -> Iterator[Symptom]:
    """The first layer whose weights do not see how samples differ; what comes after it has nothing
    to see."""
    for layer in signs.layers:
        if layer.input_spread <= VARIES:
            return
        for_ever = layer.gradient_response < FOR_EVER
        # zero weights see nothing yet, after one step they do
        if layer.response < BLIND and not (layer.zero and not for_ever):
            reads = "x" if layer.layer == 1 else f"a[{layer.layer - 1}]"
            if for_ever:
                stays = "and its gradient is blind in the same way, so no step changes that"
            else:
                stays = "so far"
            yield Symptom(
                "input-blind",
                f"layer {layer.layer}",
                f"{reads} differs by up to {layer.input_spread:.3g} between {signs.samples} "
                "samples, "
                f"what the layer makes of it by {layer.spread:.1e}, the outputs by "
                f"{signs.output_spread:.1e}",
                f"cannot tell its inputs apart, {stays}",
                f"Draw each weight on its own, around zero: {DRAW}. Another cost or output does "
                "not help.",
                {
                    "spread": layer.spread,
                    "input_spread": layer.input_spread,
                    "output_spread": signs.output_spread,
                },
                hopeless=for_ever,
                flag="--init pytorch",
            )
            return


def _symmetric_units(signs: VitalSigns) -> Iterator[Symptom]:
    """Every hidden layer that holds copies."""
    for layer in signs.layers:
        if layer.distinct is not None and layer.distinct < layer.units:
            yield Symptom(
                "symmetric-units",
                f"layer {layer.layer}",
                f"{layer.units} units, {layer.distinct} distinct",
                "has units that are copies: same weights in, same bias, same weights out, so they "
                "get the same gradient for ever",
                f"Draw each weight on its own, around zero: {DRAW}; equal numbers stay equal.",
                {"units": float(layer.units), "distinct": float(layer.distinct)},
                hopeless=True,
                flag="--init pytorch",
            )


def _saturated(signs: VitalSigns) -> Iterator[Symptom]:
    """Layers that sit at the flat ends of their activation while there is still something to
    learn."""
    if signs.loss < UNLEARNED * signs.prior_loss:
        return
    *hidden, last = signs.layers
    for layer in hidden:
        activation = signs.shape.activation(layer.layer)
        if flat_sides(activation) != "both":
            continue
        if layer.saturation >= MOSTLY and layer.passed < PASSED_ON:
            yield _saturated_at(
                layer, activation, _how_flat(layer, activation), "weights or inputs"
            )
    dead = signs.loss > ABOVE_PRIOR * signs.prior_loss and last.passed < DEAD
    if flat_sides(signs.shape.output_activation) == "left":
        return
    if dead or (signs.wrong >= MOSTLY and last.passed < PASSED_ON):
        yield _saturated_at(
            last,
            _activation_of_output(signs),
            f"{signs.wrong:.0%} of the samples have an output that is flat and wrong",
            "weights",
        )


def _activation_of_output(signs: VitalSigns) -> Activation:
    if signs.shape.output == "softmax":
        return SIGMOID
    return signs.shape.output_activation


def _how_flat(layer: LayerSigns, activation: Activation) -> str:
    if activation.name == "sigmoid":
        return f"{layer.saturation:.0%} of its a(1 - a) are below {FLAT:g}"
    below = 4 * FLAT
    return f"{layer.saturation:.0%} of its slopes are below {below:.0%} of the steepest"


def _saturated_at(layer: LayerSigns, activation: Activation, evidence: str, what: str) -> Symptom:
    ends = f"{activation.lowest:g} or {activation.highest:g}"
    return Symptom(
        "saturated",
        f"layer {layer.layer}",
        f"{evidence}; it passes on {layer.passed:.1e} of the error that arrives, "
        f"|dW[{layer.layer}]| is {layer.gradient:.1e}",
        f"sits where its {activation.name} is flat, at {ends}, so almost no gradient gets through",
        f"Its {what} are too large or all of one sign: scale inputs to 0..1, draw weights around "
        f"zero: {DRAW}.",
        {"saturation": layer.saturation, "passed": layer.passed, "gradient": layer.gradient},
        hopeless=False,
        flag="--init pytorch",
    )


def _stuck_at_prior(signs: VitalSigns) -> Iterator[Symptom]:
    """The answer is the class frequencies whatever goes in, and nothing pulls it away."""
    *hidden, last = signs.layers
    if any(layer.zero and layer.gradient > 0 for layer in hidden):
        return  # zero weights see nothing yet, after one step they do
    cancellation = max(
        (layer.cancellation for layer in signs.layers if layer.gradient > 0), default=0.0
    )
    constant = signs.output_spread < CONSTANT or (
        signs.output_spread < NEARLY_CONSTANT and cancellation < CANCELLED
    )
    if (
        constant
        and 0 < signs.loss < NEAR_PRIOR * signs.prior_loss
        and signs.layers[0].input_spread > VARIES
    ):
        yield Symptom(
            "stuck-at-prior",
            f"layer {last.layer}",
            f"loss {signs.loss:.6g}, that of the class frequencies is {signs.prior_loss:.6g}; the "
            f"outputs of {signs.samples} "
            f"samples differ by {signs.output_spread:.1e}; their gradients cancel to "
            f"{cancellation:.1e} of their length",
            "answers the class frequencies whatever goes in",
            "Averaging gradients is not the cause; what keeps inputs from reaching the output is: "
            "see the other findings, or, if there are none, take fewer layers and draw weights "
            f"wider: {DRAW}.",
            {
                "loss": signs.loss,
                "prior_loss": signs.prior_loss,
                "output_spread": signs.output_spread,
                "cancellation": cancellation,
            },
            hopeless=cancellation < CANCELLED,
            flag="--init xavier",
        )
