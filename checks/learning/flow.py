"""How numbers flow through the layers of a network: where they overflow on the way up, and where
gradients die out or grow on the way down.

Every threshold stands in the table below beside its reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from backproof.checks.learning.finding import Symptom
from backproof.checks.learning.layer_signs import LayerSigns
from backproof.checks.learning.vital_signs import VitalSigns

# of the last layer's gradient: a sigmoid passes on a fourth of what comes at best, so five of them
# leave two thirds of this, and three, which learn with patience, ten times as much
STARVED = 1.2e-3
# times the last layer's gradient: weights of a normal distribution, not divided by anything, give
# sqrt(n) a layer, and two layers of 50 that learn nevertheless 50
OVERFED = 100.0
# of the loss of knowing nothing: below it, something has got through
UNLEARNED = 0.9
# of a layer's units: where inputs look alike, half of all units that were drawn around zero lie on
# one side for all of them
MOSTLY_DEAD = 0.8
# exp of more is infinite in float64
LARGEST_EXPONENT = 709.0
# a layer whose weights are that much smaller than 1/sqrt(n_in) is what starves those below it
SMALL = 0.3
# of the last layer's gradient, where the training was run and the network knows nothing after it
STARVED_IN_VAIN = 0.05
# the same where a larger rate moves it: three layers that learn with patience have more
STARVED_IF_SLOW = 0.012


def overflow(signs: VitalSigns) -> Iterator[Symptom]:
    """The first layer whose exponentials, written down as they are on paper, are infinite."""
    for layer in signs.layers:
        if layer.size > LARGEST_EXPONENT and _exponential(signs, layer):
            yield Symptom(
                "overflow",
                f"layer {layer.layer}",
                f"z[{layer.layer}] goes up to {layer.size:.3g} in magnitude; exp of more than "
                f"{LARGEST_EXPONENT:.0f} is infinite in float64 (of 88 in float32)",
                "computes exponentials that overflow: the result is inf, and inf / inf is NaN",
                "Scale the inputs and draw smaller weights, so that z stays small; and subtract "
                "the row's maximum before a softmax: e = np.exp(z - z.max(axis=1, keepdims=True)).",
                {"size": layer.size},
                hopeless=False,
                flag="--init pytorch",
            )
            return


def dead_units(signs: VitalSigns) -> Iterator[Symptom]:
    """Layers most of whose units are off for every sample, while there is still something to
    learn."""
    if signs.loss < UNLEARNED * signs.prior_loss:
        return
    for layer in signs.layers[:-1]:
        if layer.dead < MOSTLY_DEAD * layer.units:
            continue
        name = signs.shape.activation(layer.layer).name
        everything = layer.dead == layer.units
        yield Symptom(
            "dead-units",
            f"layer {layer.layer}",
            f"{layer.dead} of {layer.units} units are off for all {signs.samples} samples; "
            f"|dW[{layer.layer}]| is {layer.gradient:.1e}",
            f"has units whose {name} is flat whatever goes in, so that no sample can teach them",
            "Scale the inputs to mean 0 and deviation 1, start with biases of 0 and weights of "
            "He's size, W = rng.normal(size=(n, n_in)) * np.sqrt(2 / n_in), and take a smaller "
            "learning rate if they die on the way.",
            {"dead": float(layer.dead), "units": float(layer.units), "gradient": layer.gradient},
            hopeless=everything,
            flag="--init pytorch",
        )


def vanishing(signs: VitalSigns, starved: float = STARVED) -> Iterator[Symptom]:
    """The first layer gets next to nothing of the gradient that the last one has, and the network
    knows nothing yet.

    Args:
        signs: of the network.
        starved: the share of the last layer's gradient below which that is said.
    """
    first = signs.layers[0]
    if len(signs.layers) < 2 or signs.loss < UNLEARNED * signs.prior_loss:
        return
    if any(layer.dead == layer.units for layer in signs.layers[:-1]) or _copied(signs):
        return
    if not 0 < first.share < starved:
        return
    small = [layer for layer in signs.layers[1:] if layer.drawn < SMALL]
    names = sorted({signs.shape.activation(layer.layer).name for layer in signs.layers[:-1]})
    if small:
        why = f"the weights of layer {small[-1].layer} are {small[-1].drawn:.1g} of 1/sqrt(n_in)"
    else:
        why = f"each layer of {' and '.join(names)} passes on a part of what comes"
    yield Symptom(
        "vanishing",
        f"layer {first.layer}",
        f"the layers' gradients, in units of the last one's: {_shares(signs)}; {why}",
        "gets next to nothing of the gradient that the last layer has, so it hardly moves",
        "Draw weights that keep sizes as they are, W = rng.normal(size=(n, n_in)) / np.sqrt(n_in), "
        "times sqrt(2) below a ReLU, times 4 below a sigmoid, whose slope is a fourth; or take "
        "tanh or ReLU in place of the sigmoid, or fewer "
        "layers.",
        {f"share/layer_{layer.layer}": layer.share for layer in signs.layers},
        hopeless=False,
        flag="--init xavier",
    )


def exploding(signs: VitalSigns) -> Iterator[Symptom]:
    """The first layer gets many times the gradient that the last one has."""
    first = signs.layers[0]
    if len(signs.layers) < 2 or signs.loss < UNLEARNED * signs.prior_loss:
        return
    if not first.share > OVERFED:
        return
    widest = max(signs.layers[1:], key=lambda layer: layer.drawn)
    yield Symptom(
        "exploding",
        f"layer {first.layer}",
        f"the layers' gradients, in units of the last one's: {_shares(signs)}; the weights of "
        f"layer {widest.layer} are {widest.drawn:.1f} times 1/sqrt(n_in)",
        "gets many times the gradient that the last layer has, so no learning rate suits both",
        "Draw smaller weights, W = rng.normal(size=(n, n_in)) / np.sqrt(n_in) (He's sqrt(2 / n_in) "
        "for ReLU), or clip the gradient's length.",
        {f"share/layer_{layer.layer}": layer.share for layer in signs.layers},
        hopeless=False,
        flag="--init pytorch",
    )


def _shares(signs: VitalSigns) -> str:
    return ", ".join(f"{layer.share:.1e}" for layer in signs.layers)


def _copied(signs: VitalSigns) -> bool:
    """Whether some layer is made of one unit alone, over and over: then what comes back to it says
    nothing."""
    return any(layer.distinct == 1 and layer.units > 1 for layer in signs.layers)


def _exponential(signs: VitalSigns, layer: LayerSigns) -> bool:
    if layer.layer < len(signs.layers):
        return signs.shape.activation(layer.layer).overflows
    return signs.shape.output == "softmax" or signs.shape.output_activation.overflows
