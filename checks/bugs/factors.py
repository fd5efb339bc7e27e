"""Suspects that multiply a gradient, or add a multiple of W to it. They predict no numbers of their
own: which factor is where is read off the answers, in checks/diagnosis/factors.py."""

from __future__ import annotations

from backproof.checks.bugs.register import Suspect, enter
from backproof.checks.findings import Fix

SIGN = Suspect(
    "sign",
    "the sign is reversed",
    Fix.of_steps("dzL", comment="p first; and minus the gradient: W[l] -= learning_rate * dW[l]"),
    "(B1)",
    rank=70,
)
SCALE = Suspect(
    "scale",
    "the gradient carries a factor that does not belong there",
    Fix.of_steps("dzL", comment="no other factor further back"),
    "(B1)",
    rank=100,
    may_be_meant=True,
)
LEARNING_RATE = Suspect(
    "learning-rate-folded",
    "the learning rate has got into the gradient itself, or is missing from a step",
    Fix(
        "W[l] -= learning_rate * dW[l]",
        "once a layer; the gradient itself knows no learning rate",
    ),
    "(B2)",
    rank=130,
)
NO_BIAS = Suspect(
    "no-bias-gradient",
    "the bias has no gradient, so it never trains",
    Fix.of_steps("db"),
    "(B3)",
    rank=150,
)
DECAY = Suspect(
    "decay-sign",
    "a multiple of the weights is in the gradient, where the loss is asked without weight decay; "
    "or it has the wrong sign",
    Fix.of_steps(
        "dW",
        comment="or, if you mean it, ask with your weight decay at 0; in the update it is + "
        "weight_decay * W[l], a plus",
    ),
    "(B2)",
    rank=230,
)

for entry in (SIGN, SCALE, LEARNING_RATE, NO_BIAS, DECAY):
    enter(entry)
