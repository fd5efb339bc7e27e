"""Draw the letters of the dashboard's pictures, model/tensorboard/glyphs.npz, from a font of
Pillow's: python -m docs.glyphs

The signs of ASCII from the space on, side by side, each as wide as it is; how dark every pixel is,
in LEVELS steps.
"""

from __future__ import annotations

import numpy as np
from PIL import ImageFont

from backproof.model.tensorboard.lettering import FILE, SIGNS, SIZE, drawn


def main() -> int:
    """Write the file."""
    np.savez_compressed(FILE, **glyphs())
    print(f"{FILE}: {len(SIGNS)} signs, {FILE.stat().st_size} bytes")
    return 0


def glyphs() -> dict[str, np.ndarray]:
    """The file's arrays: all signs side by side, and where each one ends."""
    signs = [drawn(sign, ImageFont.load_default(SIZE)) for sign in SIGNS]
    return {
        "ink": np.hstack(signs),
        "ends": np.cumsum([sign.shape[1] for sign in signs]).astype(np.uint16),
    }


if __name__ == "__main__":
    raise SystemExit(main())
