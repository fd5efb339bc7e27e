"""The letters that come with the project are those that the script draws."""

import sys
from pathlib import Path

import numpy as np
import PIL
import pytest

pytest.importorskip("matplotlib", reason="its font draws what is not ASCII")
sys.path.insert(0, str(Path(__file__).parents[1]))

from backproof.model.tensorboard.lettering import FILE
from docs.glyphs import glyphs

CONSTRAINTS = (Path(__file__).parents[1] / "constraints.txt").read_text()


@pytest.mark.skipif(
    f"pillow=={PIL.__version__}\n" not in CONSTRAINTS,
    reason="another Pillow may smooth its letters differently",
)
def test_the_file_is_what_the_script_draws():
    with np.load(FILE) as known:
        drawn = glyphs()
        assert known.files == list(drawn)
        for name, array in drawn.items():
            np.testing.assert_array_equal(known[name], array)
