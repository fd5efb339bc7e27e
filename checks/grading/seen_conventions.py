"""The conventions that a watched script was seen to follow."""

from __future__ import annotations

from backproof.checks.activations import LeakyReLU
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.recording.script.readings import Reading


def conventions_of(reading: Reading) -> Conventions:
    """How the script holds its network, for lines that are written in its orientation."""
    head = reading.head
    hidden = reading.found.network.hidden
    names = tuple(activation.name for activation in hidden)
    alike = len(set(names)) == 1
    slopes = [one.slope for one in hidden if isinstance(one, LeakyReLU)]
    cost = head.cost
    if head.output == "sigmoid" and not head.is_quadratic:
        cost = "binary-cross-entropy"
    return Conventions(
        layout=reading.found.layout,
        hidden=names[0] if alike else names,
        slope=slopes[0] if slopes else Conventions.slope,
        examples="columns" if reading.found.columns else "rows",
        output=head.output,
        cost=cost,
    )
