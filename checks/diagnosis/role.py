"""What a question of the diagnosis is for."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """Why a question is asked.

    The value is what the question is called where somebody reads it.
    """

    FIRST = "first"
    AGAIN = "again"  # the very same call, for what is kept between calls
    RATE = "rate"  # another learning rate
    OTHER = "other"  # other sizes, and more samples than a mini-batch has
    SQUARE = "square"  # equal widths, which hide a transpose
    ORDER = "order"  # the same samples in another order
    LABELS = "labels"  # the same samples with other labels
    RARE_LABEL = "rare label"  # tiny probabilities, at the sample's own label
    RARE_CLASS = "rare class"  # or at the other classes
    SINGLE = "single"  # one sample, for which db[l] is dz[l] itself
    SAME_Z = "same z"  # the first sample with other weights that lead to the same z
    FORWARD = "forward"  # the output alone
    INTERMEDIATES = "intermediates"

    @property
    def is_batch(self) -> bool:
        """Whether several samples are asked at once, of the usual kind."""
        return self in (
            Role.FIRST,
            Role.AGAIN,
            Role.RATE,
            Role.OTHER,
            Role.SQUARE,
            Role.ORDER,
            Role.FORWARD,
            Role.INTERMEDIATES,
        )

    @property
    def always_tells(self) -> bool:
        """Whether its answer tells something about steps even where it is right."""
        return self in (Role.FIRST, Role.LABELS, Role.SINGLE, Role.FORWARD, Role.INTERMEDIATES)
