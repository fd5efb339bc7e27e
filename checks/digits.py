"""Numbers as people read them."""

from __future__ import annotations


def apart(yours: float, correct: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to tell them apart."""
    for digits in range(6, 18):
        texts = (f"{yours:.{digits}g}", f"{correct:.{digits}g}")
        if texts[0] != texts[1]:
            return texts
    return repr(yours), repr(correct)
