"""What a run leaves on disk comes back as it was; what is not a run's is refused in one line."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from backproof.model import atomic, sealed
from backproof.model.checkpoint import (
    CHECKPOINT,
    MODEL,
    load_model,
    load_run,
    load_state,
    save_model,
    save_state,
)
from backproof.model.command_line import BadInput
from backproof.model.folders import claim_run, newest_run
from backproof.model.pasted import script
from backproof.model.preprocessing import Preprocessing
from backproof.model.run_config import load_config, save_config
from backproof.model.saved_model import SavedModel

ROOT = Path(__file__).parents[1]


def a_model(dtype=np.float32):
    generator = np.random.default_rng(4)
    W = {
        1: generator.normal(size=(3, 4)).astype(dtype),
        2: generator.normal(size=(2, 3)).astype(dtype),
    }
    b = {1: generator.normal(size=3).astype(dtype), 2: generator.normal(size=2).astype(dtype)}
    preprocessing = Preprocessing(generator.normal(size=4), np.array([1.0, 2.0, 1e-3, 1e9]))
    return SavedModel(
        W,
        b,
        preprocessing,
        ("ägypten", "日本"),
        "bars",
        "sigmoid",
        "quadratic",
        (2, 2),
        ("nw", "ne", "sw", "se"),
        {"epoch": 7},
    )


def refusal(call, *arguments):
    with pytest.raises(BadInput) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


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


def a_state(model):
    """What a training has at the moment of this model: its weights, under names of its own, and
    more."""
    arrays = {f"network.W{layer}": array for layer, array in model.W.items()}
    arrays |= {f"network.b{layer}": array for layer, array in model.b.items()}
    return arrays | {"optimizer.m": np.array([1 / 3, np.pi], np.float32), "n": np.array(5)}


def save_both(folder, model):
    arrays = a_state(model)
    save_state(folder, arrays, {"epoch": 3, "digest": "abc"}, model)
    save_model(folder, model)
    return arrays


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


def test_an_edited_config_is_refused_unless_its_seal_is_taken_off(tmp_path):
    save_config(tmp_path, {"lr": 0.1}, "name")
    edited = json.loads((tmp_path / "config.json").read_text()) | {"lr": 0.2}
    (tmp_path / "config.json").write_text(json.dumps(edited))
    assert "expected the settings that train.py wrote, got others" in refusal(load_config, tmp_path)
    del edited["sha256"], edited["run"]
    (tmp_path / "config.json").write_text(json.dumps(edited))
    assert load_config(tmp_path).settings == {"lr": 0.2}


def test_no_flipped_bit_passes_unnoticed(tmp_path):
    """Every bit of a small run's model and config, and every third byte of its checkpoint: refused
    in one line, or the same answer, of a damaged model with a remark."""
    model = a_model()
    save_both(tmp_path, model)
    save_config(tmp_path, {"lr": 0.1, "hidden": [3]}, "name")
    reads = {
        MODEL: lambda: load_model(tmp_path),
        CHECKPOINT: lambda: load_state(tmp_path),
        "config.json": lambda: load_config(tmp_path),
    }
    for name, read in reads.items():
        whole = (tmp_path / name).read_bytes()
        expected = repr(read())
        noticed = 0
        step = 3 if name == CHECKPOINT else 1
        for at in range(0, len(whole), step):
            bit = 1 << at % 8
            (tmp_path / name).write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            try:
                found = read()
                if name == MODEL:  # the checkpoint answers in its place
                    noticed += bool(found.remarks)
                    found = replace(found, remarks=())
                answer = repr(found)
            except BadInput as error:
                answer = ""
                refused_in_one_line = "\n" not in str(error)
                noticed += refused_in_one_line
            assert answer in ("", expected), (name, at)
        (tmp_path / name).write_bytes(whole)
        assert noticed > len(whole) / step / 2


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


def header(text):
    content = text if isinstance(text, bytes) else json.dumps(text).encode()
    return len(content).to_bytes(8, "little") + content


def metadata(facts):
    return {"__metadata__": {"format": "backproof 1", "facts": facts}}


BROKEN = {
    "empty": (b"", "expected a whole safetensors file"),
    "short": (b"\1\2\3\4", "expected a whole safetensors file"),
    "garbage": (b"\xff" * 400, "expected a whole safetensors file"),
    "text": (b"this is no safetensors file at all", "expected a whole safetensors file"),
    "header of 2**60 bytes": (
        (2**60).to_bytes(8, "little") + b"{}",
        "expected a whole safetensors file",
    ),
    "header that is no JSON": (header(b"{"), "expected a whole safetensors file"),
    "no metadata": (
        header({}),
        "expected a file written by train.py (format 2), got a foreign one",
    ),
    "another format": (header({"__metadata__": {"format": "pt"}}), "got a foreign one"),
    "a later format": (header({"__metadata__": {"format": "backproof 99"}}), "got a foreign one"),
    "no facts": (
        header({"__metadata__": {"format": "backproof 1"}}),
        "expected its facts as JSON, got Expecting value",
    ),
    "facts that are no JSON": (header(metadata("nul")), "expected its facts as JSON"),
    "facts that are a list": (
        header(metadata("[1]")),
        "expected its facts as a JSON object, got a list",
    ),
    "facts without end": (header(metadata("[" * 100_000)), "expected its facts as JSON"),
}


@pytest.mark.parametrize(
    ("name", "load"), [(MODEL, load_model), (CHECKPOINT, load_state)], ids=["model", "state"]
)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_file_is_refused(tmp_path, name, load, broken):
    content, message = BROKEN[broken]
    (tmp_path / name).write_bytes(content)
    line = refusal(load, tmp_path)
    assert line.startswith(f"{tmp_path / name}: ")
    assert message in line
    assert line.endswith(f"or train one with {shlex.join(script('train'))}.")


def test_a_precision_that_numpy_has_not_is_refused(tmp_path):
    weights = {"W.1": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}
    (tmp_path / MODEL).write_bytes(header({**metadata("{}"), **weights}) + b"\0\0")
    assert refusal(load_model, tmp_path).startswith(f"{tmp_path / MODEL}: expected ")


@pytest.mark.parametrize("kept", [0.0, 0.05, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, kept):
    save_model(tmp_path, a_model())
    content = (tmp_path / MODEL).read_bytes()
    (tmp_path / MODEL).write_bytes(content[: int(kept * len(content))])
    assert "expected a whole safetensors file" in refusal(load_model, tmp_path)


def test_a_valid_file_of_somebody_else_is_refused(tmp_path):
    save_file({"embedding": np.zeros((2, 2))}, tmp_path / MODEL, metadata={"format": "pt"})
    assert "got a foreign one" in refusal(load_model, tmp_path)


@pytest.mark.parametrize(
    "kind", ["missing folder", "empty folder", "file", "directory in its place"]
)
def test_what_is_no_run_is_refused(tmp_path, kind):
    run = tmp_path / "r"
    if kind == "file":
        run.write_text("hello")
    elif kind != "missing folder":
        (run / MODEL if kind == "directory in its place" else run).mkdir(parents=True)
    expected = (
        f"{run}: expected the folder of a run with a {MODEL}, got none there. Choose "
        f"another run than {run}, "
    )
    assert (
        refusal(load_model, run) == expected + f"or train one with {shlex.join(script('train'))}."
    )


def edited(folder, arrays=None, facts=None):
    """A model of the first format, which had no seal, with something changed."""
    model = a_model()
    stored = {f"{kind}.{n}": a for kind in "Wb" for n, a in getattr(model, kind).items()}
    stored |= {"x.mean": model.preprocessing.mean, "x.scale": model.preprocessing.scale}
    stored.update(arrays or {})
    names = ("classes", "data", "output", "cost", "picture", "facts")
    about = {name: getattr(model, name) for name in names} | (facts or {})
    kept = {name: array for name, array in stored.items() if array is not None}
    save_file(kept, folder / MODEL, metadata={"format": "backproof 1", "facts": json.dumps(about)})


def sealed_anew(folder, arrays=None, facts=None):
    """A model with something changed by somebody who sealed it."""
    whole = sealed.read(folder / MODEL) if (folder / MODEL).exists() else None
    if whole is None:
        save_model(folder, a_model())
        whole = sealed.read(folder / MODEL)
    stored = whole.arrays | (arrays or {})
    kept = {name: array for name, array in stored.items() if array is not None}
    sealed.write(folder / MODEL, sealed.sealed(kept, whole.facts | (facts or {})))


f4 = np.float32
WRONG_ARRAYS = {
    "too few inputs": {"W.1": np.zeros((3, 3), f4)},
    "layers that don't fit": {"W.2": np.zeros((2, 5), f4)},
    "a vector": {"W.1": np.zeros(3, f4)},
    "a number": {"W.1": np.zeros((), f4)},
    "a stack": {"W.1": np.zeros((3, 4, 1), f4)},
    "a column of biases": {"b.1": np.zeros((3, 1), f4)},
    "a bias that is a number": {"b.1": np.zeros((), f4)},
    "too many biases": {"b.2": np.zeros(4, f4)},
    "no weights": {"W.1": None},
    "no biases": {"b.2": None},
    "a gap": {"W.4": np.zeros((2, 2), f4)},
    "NaN": {"W.1": np.full((3, 4), np.nan, f4)},
    "infinity": {"b.1": np.full(3, np.inf, f4)},
    "integers": {"W.1": np.zeros((3, 4), np.int64)},
    "half precision": {"W.1": np.zeros((3, 4), np.float16)},
    "no mean": {"x.mean": None},
    "a short mean": {"x.mean": np.zeros(3)},
    "a scale that would broadcast": {"x.scale": np.ones(1)},
    "scale zero": {"x.scale": np.zeros(4)},
}
WRONG_FACTS = {
    "too few classes": {"classes": ["a"]},
    "no classes": {"classes": None},
    "numbers for classes": {"classes": [1, 2]},
    "lists for classes": {"classes": [["a"], ["b"]]},
    "the same class twice": {"classes": ["a", "a"]},
    "no name of an output": {"output": 7},
    "activations of another depth": {"activation": ["relu"] * 7},
    "no output": {"output": None},
    "picture of another size": {"picture": [3, 3]},
    "picture that is a number": {"picture": 7},
    "picture that is text": {"picture": "ab"},
    "too few columns": {"columns": ["a"]},
}


@pytest.mark.parametrize("wrong", WRONG_ARRAYS)
def test_wrong_arrays_are_refused(tmp_path, wrong):
    edited(tmp_path, arrays=WRONG_ARRAYS[wrong])
    assert refusal(load_model, tmp_path).startswith(
        f"{tmp_path / MODEL}: expected the weights of a Backproof run, got "
    )


NEW_NAMES = {
    "W.1": "0.weight",
    "W.2": "2.weight",
    "W.4": "6.weight",
    "b.1": "0.bias",
    "b.2": "2.bias",
}


@pytest.mark.parametrize(
    "wrong", [name for name, change in WRONG_ARRAYS.items() if change.keys() <= NEW_NAMES.keys()]
)
def test_wrong_arrays_under_a_seal_are_refused(tmp_path, wrong):
    sealed_anew(tmp_path, arrays={NEW_NAMES[name]: a for name, a in WRONG_ARRAYS[wrong].items()})
    assert refusal(load_model, tmp_path).startswith(
        f"{tmp_path / MODEL}: expected the weights of a Backproof run, got "
    )


PREPROCESSING = {
    "none": None,
    "no mean": {"scale": [1.0] * 4},
    "text": {"mean": "abcd", "scale": [1.0] * 4},
    "short": {"mean": [0.0] * 3, "scale": [1.0] * 3},
    "zero": {"mean": [0.0] * 4, "scale": [0.0] * 4},
}


@pytest.mark.parametrize("wrong", PREPROCESSING)
def test_a_wrong_preprocessing_is_refused(tmp_path, wrong):
    sealed_anew(tmp_path, facts={"preprocessing": PREPROCESSING[wrong]})
    assert refusal(load_model, tmp_path).startswith(
        f"{tmp_path / MODEL}: expected the weights of a Backproof run, got "
    )


@pytest.mark.parametrize("wrong", WRONG_FACTS)
@pytest.mark.parametrize("edited", [edited, sealed_anew], ids=["first format", "sealed"])
def test_wrong_facts_are_refused(tmp_path, wrong, edited):
    edited(tmp_path, facts=WRONG_FACTS[wrong])
    assert refusal(load_model, tmp_path).startswith(
        f"{tmp_path / MODEL}: expected the weights of a Backproof run, got "
    )


def test_an_edit_that_changes_nothing_is_accepted(tmp_path):
    edited(tmp_path)
    assert load_model(tmp_path).classes == a_model().classes


CONFIGS = {"empty": b"", "half": b'{"a": 1', "binary": b"\xff\xfe{", "without end": b"[" * 100_000}


@pytest.mark.parametrize("content", CONFIGS.values(), ids=CONFIGS.keys())
def test_a_broken_config_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    assert refusal(load_config, tmp_path).startswith(
        f"{tmp_path / 'config.json'}: expected JSON, got "
    )


def test_a_folder_without_a_config_is_refused(tmp_path):
    expected = (
        f"{tmp_path}: expected the folder of a run with a config.json, got none there. "
        f"Choose another run than {tmp_path}"
    )
    assert refusal(load_config, tmp_path).startswith(expected)


def test_a_config_that_is_a_list_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("[]")
    assert "expected a JSON object, got a list" in refusal(load_config, tmp_path)


def test_the_newest_run_is_the_one_whose_weights_were_written_last(tmp_path):
    for age, name in enumerate(["digits-10", "digits-9", "bars-1"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / MODEL).touch()
        os.utime(tmp_path / name / MODEL, ns=(0, 1000 - age))
    (tmp_path / "unfinished").mkdir()
    assert newest_run(tmp_path) == tmp_path / "digits-10"


def test_no_run_at_all_is_refused(tmp_path):
    expected = (
        f"expected a run in {tmp_path}/, got none. Train one with "
        f"{shlex.join(script('train'))}, or name one with --run."
    )
    assert refusal(newest_run, tmp_path) == expected


def test_runs_are_numbered_and_fill_gaps(tmp_path):
    assert claim_run(tmp_path / "none", "digits") == tmp_path / "none" / "digits-1"
    for name in ("digits-1", "digits-3", "bars-2", "digits-x"):
        (tmp_path / name).mkdir()
    assert claim_run(tmp_path, "digits") == tmp_path / "digits-2"
    assert claim_run(tmp_path, "bars") == tmp_path / "bars-1"
    assert claim_run(tmp_path, "/some where/flowers.csv") == tmp_path / "flowers-1"


def test_a_claimed_run_is_nobody_elses(tmp_path):
    assert [claim_run(tmp_path, "digits").name for _ in range(3)] == [
        "digits-1",
        "digits-2",
        "digits-3",
    ]


@pytest.mark.skipif(
    not hasattr(os, "setuid") or os.getuid() != 0, reason="only root may be another"
)
@pytest.mark.parametrize("what", [".", MODEL, CHECKPOINT])
def test_what_may_not_be_read_is_not_called_missing(tmp_path, what):
    save_both(tmp_path, a_model())
    (tmp_path / what).chmod(0)
    program = (
        "import os, sys; from pathlib import Path; from backproof.model import checkpoint\n"
        "os.setuid(65534)\n"
        "try: print(checkpoint.load_model(Path(sys.argv[1])).remarks)\n"
        "except checkpoint.BadInput as error: print(error)"
    )
    tmp_path.parent.chmod(0o755)
    tmp_path.parent.parent.chmod(0o755)
    tmp_path.parent.parent.parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    (tmp_path / what).chmod(0o755)
    assert "Permission denied" in done.stdout, done.stderr
    assert "No such file" not in done.stdout
