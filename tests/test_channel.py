"""The pipe between us and a candidate: frames survive it, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

from backproof.checks.candidates.inside.frames import pack, unpack


def test_frames_survive_the_pipe_and_nothing_else_does() -> None:
    arrays = {"W1": np.arange(6.0).reshape(2, 3), "y": np.arange(3), "empty": np.zeros((0, 4))}
    header, found = unpack(pack({"call": "gradients"}, arrays))
    assert header == {"call": "gradients"}
    assert all(
        (found[name] == array).all() and found[name].shape == array.shape
        for name, array in arrays.items()
    )


GARBAGE = [
    b"",
    b"\x00\xff",
    b"[]\n",
    b"{}\n",
    b'{"arrays": 1}\n',
    b'{"arrays": [["W1", "|O", [1]]]}\n12345678',
]
GARBAGE += [
    b'{"arrays": [["W1", "<f8", [2]]]}\n1234567',
    b'{"arrays": [["W1", "<f8", [-1]]]}\n',
    b'{"arrays": [["W1", "<f8", [9e9]]]}\n',
]


@pytest.mark.parametrize("frame", [*GARBAGE, b"[" * 10**5], ids=range(len(GARBAGE) + 1))
def test_garbage_on_the_pipe_is_a_value_error(frame: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(frame)
