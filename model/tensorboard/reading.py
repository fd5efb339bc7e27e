"""The texts of the dashboard, in Markdown: what to look at first, and every setting of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

LOOK_FIRST = """\
## What to look at first

1. **Is the gradient right?** `gradient_check/worst_ratio` must stay below 1: above it, an error
   is larger than rounding explains.
2. **Does it learn?** Page *Custom Scalars*: `loss` must fall, on training and test samples alike.
   Where the test loss rises while the training loss falls, the network learns its samples by
   heart: stop earlier, or give `--weight-decay`. The pale line is what was measured; the bold one
   lags behind until *Smoothing* is 0. *Matches* says which sign is which.
3. **If the loss stays where it is:** `read_me/findings` says why. `gradient_norm` of the first
   layer near 0 while the last one's is not means saturated units (see the *Histograms* of
   `activations`: everything at 0 or 1). `update_ratio` below 1e-4 in every layer means that the
   learning rate is too small; above 1, that it is too large.
4. **What does it get wrong?** Page *Images*: `pictures/confusion_matrix` and
   `pictures/worst_mistakes`.
5. **What has it found?** `pictures/first_layer` shows what each unit looks for; the *Projector*,
   whether the last hidden layer separates the classes (colour by *class*).
6. **Which settings are better?** Page *HParams*: a row a run; sort by `accuracy/test`.
"""


def settings_table(settings: Mapping[str, Any]) -> str:
    """Every setting, in the words of the command line's flags; two in a row, so that the page shows
    all without scrolling."""
    cells = [(f"`--{name.replace('_', '-')}`", _words(value)) for name, value in settings.items()]
    half = -(-len(cells) // 2)
    rows = [
        left + right for left, right in zip_longest(cells[:half], cells[half:], fillvalue=("", ""))
    ]
    return "\n".join(["## Configuration", "", *table(("flag", "value") * 2, rows)])


def mistakes_table(captions: Sequence[tuple[str, str]], rows: Sequence[int]) -> str:
    """The worst mistakes of a network whose inputs are no pictures.

    Args:
        captions: what was said and what is true, of each.
        rows: which row of the data each is, from 0.
    """
    lines = [(f"{row}", *caption) for row, caption in zip(rows, captions, strict=True)]
    return "\n".join(["## Worst mistakes", "", *table(("row of the data", "said", "true"), lines)])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    cells = [map(_cell, row) for row in (head, ["---"] * len(head), *rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _words(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    if value is None:
        return ""
    return str(value)
