"""Draw the letters of the dashboard's pictures, model/tensorboard/glyphs.npz: python -m docs.glyphs

ASCII in the font that comes with Pillow; other Latin letters, Greek and Cyrillic in DejaVu Sans,
which comes with matplotlib. The signs lie side by side, each as wide as it is; how dark every pixel
is, in LEVELS steps. Needs `pip install matplotlib`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageFont

from backproof.model.tensorboard.lettering import ASCII, BLOCKS, FILE, SIZE, drawn


def main() -> int:
    """Write the file."""
    arrays = glyphs()
    np.savez_compressed(FILE, **arrays)
    print(f"{FILE}: {len(arrays['signs'])} signs, {FILE.stat().st_size} bytes")
    return 0


def glyphs() -> dict[str, np.ndarray]:
    """The file's arrays: all signs side by side, where each one ends, and which they are."""
    dejavu = _dejavu()
    others = "".join(
        chr(code)
        for start, end in BLOCKS
        for code in range(start, end + 1)
        if chr(code).isprintable() and not _is_missing(chr(code), dejavu)
    )
    own = ImageFont.load_default(SIZE)
    signs = [drawn(sign, own) for sign in ASCII] + [drawn(sign, dejavu) for sign in others]
    return {
        "ink": np.hstack(signs),
        "ends": np.cumsum([sign.shape[1] for sign in signs]).astype(np.uint16),
        "signs": np.array([ord(sign) for sign in ASCII + others], dtype=np.uint16),
    }


def _dejavu() -> Any:
    """DejaVu Sans out of matplotlib, a pixel smaller: its letters are larger."""
    package = find_spec("matplotlib")
    if package is None or package.origin is None:
        raise SystemExit("docs/glyphs.py: expected matplotlib, got none. pip install matplotlib")
    path = Path(package.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"
    return ImageFont.truetype(str(path), SIZE - 1)


def _is_missing(sign: str, font: Any) -> bool:
    """Whether the font draws its box for unknown signs instead."""
    unknown = drawn("\ufdd0", font)
    sign_drawn = drawn(sign, font)
    return sign_drawn.shape == unknown.shape and bool((sign_drawn == unknown).all())


if __name__ == "__main__":
    raise SystemExit(main())
