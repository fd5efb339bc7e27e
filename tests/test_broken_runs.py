"""What is broken, foreign, inconsistent or edited in a run's files is refused in one sentence, and
never read as something else."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file
from saved_runs import a_model, refusal, save_both

from backproof.model import sealed
from backproof.model.checkpoint import (
    CHECKPOINT,
    MODEL,
    load_model,
    load_state,
    save_model,
)
from backproof.model.command_line import BadInput
from backproof.model.pasted import script
from backproof.model.run_config import load_config, save_config


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
