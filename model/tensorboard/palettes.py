"""The colours of the dashboard's pictures, numbered so that letters are added to what is there."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from backproof.model.tensorboard.lettering import LEVELS

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Real, UInt8

PAPER = (255, 255, 255)
GREY = (150, 150, 150)
INK = (20, 20, 20)
BLUE = (33, 102, 172)
RED = (178, 24, 43)
GREYS = 240  # colours of `greys` before the red ones
LETTER = (GREYS - 1) // LEVELS  # of them, those that a level of ink darkens paper by
SHADES = 32  # of blue, and of red, each once for every level of ink upon it
DARK = 0.6  # share of a shade on which letters are white


@cache
def diverging() -> UInt8[np.ndarray, "256 3"]:
    """Grey for what is between the tiles, then from blue at 1 over white at 128 to red at 255."""
    return np.concatenate(
        [[GREY], _between(BLUE, PAPER, 128), _between(PAPER, RED, 128)[1:]]
    ).astype(np.uint8)


@cache
def greys() -> UInt8[np.ndarray, "n 3"]:
    """From paper to black in GREYS steps; then red letters, from the faintest on."""
    return np.concatenate([_between(PAPER, (0, 0, 0), GREYS), _between(PAPER, RED, LEVELS + 1)[1:]])


@cache
def shades() -> UInt8[np.ndarray, "n 3"]:
    """Blue and then red, from paper on, each shade with letters of every level upon it."""
    grounds = np.concatenate([_between(PAPER, full, SHADES) for full in (BLUE, RED)])[:, None, :]
    dark = np.arange(2 * SHADES) % SHADES > DARK * (SHADES - 1)
    letters = np.where(dark[:, None, None], PAPER, INK)
    ink = np.linspace(0, 1, LEVELS + 1)[:, None]
    return (
        np.rint(grounds + (letters - grounds.astype(np.float64)) * ink)
        .astype(np.uint8)
        .reshape(-1, 3)
    )


def shade(
    share: Real[np.ndarray, "*shape"], red: Real[np.ndarray, "*shape"]
) -> UInt8[np.ndarray, "*shape"]:
    """Numbers of colours of `shades`, without letters.

    Args:
        share: how dark, 0..1.
        red: 1 for red, 0 for blue.
    """
    return ((LEVELS + 1) * (np.rint(share * (SHADES - 1)) + SHADES * red)).astype(np.uint8)


def _between(start: tuple[int, int, int], end: tuple[int, int, int], steps: int) -> np.ndarray:
    """Colours from one to the other, both included: (steps, 3)."""
    return np.rint(np.linspace(start, end, steps)).astype(np.uint8)
