"""Make the README's picture of TensorBoard, docs/figures/tensorboard.png: python -m
docs.tensorboard

It trains the digits at two learning rates in a folder that is thrown away, opens three pages in a
real browser, and puts their upper parts below each other.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

from backproof import train
from docs.browser import NAMES, Browser, installed
from docs.screenshot import served

FILE = Path(__file__).with_name("figures") / "tensorboard.png"
WINDOW = (1600, 1000)  # pixels
# pages, and which of their lines are shown
PARTS = {
    "custom_scalars": (0, 760),
    "images": (64, 630),
    "hparams": (64, 270),
}
RATES = ("0.005", "0.0005")


def main() -> int:
    """Train, photograph, and write the picture; exit code 1 if a page reports an error."""
    program = installed()
    if program is None:
        print(
            f"docs.tensorboard: expected one of {', '.join(NAMES)}, got none. Install Chromium.",
            file=sys.stderr,
        )
        return 2
    errors, parts = [], []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for rate in RATES:
            train.main(["--lr", rate])
        with served(Path("runs")) as address, Browser(program, *WINDOW) as browser:
            for page, (top, bottom) in PARTS.items():
                browser.open(f"{address}/#{page}")
                errors += [f"{page}: {error}" for error in browser.errors]
                parts.append(
                    Image.open(io.BytesIO(browser.snapshot()))
                    .convert("RGB")
                    .crop((0, top, WINDOW[0], bottom))
                )
    below_each_other(parts).quantize(128, dither=Image.Dither.NONE).save(FILE, optimize=True)
    print(f"{os.path.relpath(FILE)}: {FILE.stat().st_size:,} bytes", *errors, sep="\n")
    return 1 if errors else 0


def below_each_other(parts: list[Image.Image]) -> Image.Image:
    """One picture of all of them."""
    sheet = Image.new("RGB", (WINDOW[0], sum(part.height for part in parts)))
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height
    return sheet


if __name__ == "__main__":
    raise SystemExit(main())
