"""What a run leaves on disk comes back as it was; what is not a run's is refused in one line."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from saved_runs import ROOT, a_model, a_state, refusal, save_both

from backproof.model import atomic
from backproof.model.checkpoint import (
    CHECKPOINT,
    MODEL,
    load_model,
    load_run,
    load_state,
    save_model,
    save_state,
)
from backproof.model.preprocessing import Preprocessing
from backproof.model.run_config import load_config, save_config
from backproof.model.saved_model import SavedModel


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_comes_back_bit_for_bit(tmp_path, dtype):
    model = a_model(dtype)
    save_model(tmp_path, model)
    again = load_model(tmp_path)
    for before, after in ((model.W, again.W), (model.b, again.b)):
        assert before.keys() == after.keys()
        for layer, array in before.items():
            assert after[layer].dtype == array.dtype
            assert np.array_equal(after[layer], array)
    assert np.array_equal(again.preprocessing.mean, model.preprocessing.mean)
    assert np.array_equal(again.preprocessing.scale, model.preprocessing.scale)
    for name in ("classes", "data", "output", "cost", "picture", "columns", "facts", "sizes"):
        assert getattr(again, name) == getattr(model, name)


def test_layers_beyond_nine_keep_their_order(tmp_path):
    W = {layer: np.full((1, 1), float(layer)) for layer in range(1, 13)}
    W[12] = np.zeros((2, 1))
    b = {layer: np.zeros(len(array)) for layer, array in W.items()}
    save_model(
        tmp_path,
        SavedModel(
            W, b, Preprocessing(np.zeros(1), np.ones(1)), ("a", "b"), "t", "softmax", "quadratic"
        ),
    )
    assert [float(array[0, 0]) for array in load_model(tmp_path).W.values()] == [*range(1, 12), 0]


def test_a_transposed_array_is_saved_as_it_reads(tmp_path):
    model = a_model()
    save_model(tmp_path, replace(model, W={1: model.W[1], 2: np.asfortranarray(model.W[2])}))
    assert np.array_equal(load_model(tmp_path).W[2], model.W[2])


def test_a_state_comes_back_bit_for_bit(tmp_path):
    arrays = save_both(tmp_path, a_model())
    again, facts = load_state(tmp_path)
    assert facts == {"epoch": 3, "digest": "abc"}
    assert again.keys() == arrays.keys()
    assert all(
        again[name].dtype == array.dtype and np.array_equal(again[name], array)
        for name, array in arrays.items()
    )


def test_a_config_comes_back(tmp_path):
    save_config(tmp_path, {"lr": 0.1, "hidden": [8], "data_dir": None}, "name")
    saved = load_config(tmp_path)
    assert saved.settings == {"lr": 0.1, "hidden": [8], "data_dir": None}
    assert saved.run == "name"


def test_the_model_is_that_of_the_checkpoint_where_that_one_is_newer(tmp_path):
    """What a kill between the two writes leaves."""
    old = a_model()
    save_both(tmp_path, old)
    new = replace(old, W={1: old.W[1] + 1, 2: old.W[2]}, facts={"epoch": 8})
    save_state(tmp_path, a_state(new), {"epoch": 8}, new)
    for _ in range(2):
        again = load_model(tmp_path)
        assert (again.W[1] == new.W[1]).all()
        assert again.facts == {"epoch": 8}
        assert again.remarks == ()
        assert again.classes == old.classes
        (tmp_path / MODEL).unlink(missing_ok=True)  # a kill before the first model


def test_a_model_beside_a_damaged_checkpoint_is_used_and_that_is_said(tmp_path):
    save_both(tmp_path, a_model())
    content = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(content[:100])
    (remark,) = load_model(tmp_path).remarks
    assert "expected a whole safetensors file" in remark
    assert remark.endswith("What follows is of model.safetensors alone.")


@pytest.mark.parametrize("kept", [0, 100, -1], ids=["empty", "its head", "all but a byte"])
def test_a_damaged_model_beside_a_whole_checkpoint_is_answered_for(tmp_path, kept):
    model = a_model()
    save_both(tmp_path, model)
    content = (tmp_path / MODEL).read_bytes()
    (tmp_path / MODEL).write_bytes(content[:kept])
    again = load_model(tmp_path)
    assert all(np.array_equal(again.W[layer], W) for layer, W in model.W.items())
    (remark,) = again.remarks
    assert remark.startswith(f"{tmp_path / MODEL}: expected a whole safetensors file")
    assert remark.endswith(". What follows is of checkpoint.safetensors.")


def test_a_damaged_model_beside_a_damaged_checkpoint_is_refused(tmp_path):
    save_both(tmp_path, a_model())
    (tmp_path / MODEL).write_bytes((tmp_path / MODEL).read_bytes()[:100])
    state = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(state[:-1] + bytes([state[-1] ^ 1]))
    assert refusal(load_model, tmp_path).startswith(f"{tmp_path / MODEL}: expected a whole")


def test_model_checkpoint_and_config_of_two_runs_are_refused(tmp_path):
    one = replace(a_model(), run="one")
    two = replace(a_model(), run="two", facts={"epoch": 9})
    save_both(tmp_path, one)
    save_config(tmp_path, {"hidden": [3]}, "one")
    assert load_run(tmp_path)[0].run == "one"
    save_config(tmp_path, {"hidden": [3]}, "two")
    assert "of one run, got them of two" in refusal(load_run, tmp_path)
    save_config(tmp_path, {"hidden": [4]}, "")  # an old one, of another network
    assert "of one run, got them of two" in refusal(load_run, tmp_path)
    save_state(tmp_path, a_state(two), {"epoch": 3}, two)
    assert "of one run, got them of two" in refusal(load_model, tmp_path)


def test_a_write_that_fails_leaves_the_old_model(tmp_path, monkeypatch):
    save_model(tmp_path, a_model())
    before = (tmp_path / MODEL).read_bytes()

    def fail(*_):
        raise OSError("power cut")

    monkeypatch.setattr(atomic.os, "replace", fail)
    with pytest.raises(OSError, match="power cut"):
        save_model(tmp_path, replace(a_model(), data="other"))
    monkeypatch.undo()
    assert (tmp_path / MODEL).read_bytes() == before
    assert os.listdir(tmp_path) == [MODEL]


def test_nothing_is_pickled():
    sources = [
        *(ROOT / "model").glob("*.py"),
        *(ROOT / "checks").rglob("*.py"),
        ROOT / "train.py",
        ROOT / "label.py",
    ]
    for source in sources:
        text = source.read_text()
        for word in (
            "import pickle",
            "torch.save(",
            "torch.load(",
            "allow_pickle=True",
            "np.save(",
        ):
            assert word not in text, source


def test_reading_a_checkpoint_does_not_import_torch():
    program = "import sys, backproof.model.checkpoint; print('torch' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert answer.stdout == "False\n"
