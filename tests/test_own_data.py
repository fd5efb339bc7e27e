"""A candidate with its own data is told why it does not learn, beside the verdict on its
gradients."""

from __future__ import annotations

import json

import learners
import numpy as np
import pytest

from backproof import why
from backproof.checks.__main__ import main
from backproof.checks.grading.feedback import Feedback, as_json
from backproof.checks.learning.own_data import read_own_data
from backproof.checks.report.html import page
from backproof.model.command_line import BadInput

XOR = """
import numpy as np
LAYOUT = "in,out"
OUTPUT = "sigmoid"
COST = "binary-cross-entropy"
SIZES = (2, 2, 1)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gradients(W, b, x, y):
    a = sigmoid(x @ W[0] + b[0])
    p = sigmoid(a @ W[1] + b[1])
    d2 = (p - np.reshape(y, (-1, 1))) / len(x)
    d1 = d2 @ W[1].T * a * (1 - a)
    return [x.T @ d1, a.T @ d2], [d1.sum(axis=0), d2.sum(axis=0)]
"""


def saved(folder, scale=1.0):
    learner = learners.tiny_weights()
    path = folder / "mine.npz"
    weights = {f"W{at}": scale * w for at, w in enumerate(learner.W, start=1)}
    biases = {f"b{at}": c for at, c in enumerate(learner.b, start=1)}
    np.savez(path, x=learner.x, y=learner.y, learning_rate=2.0, **weights, **biases)
    return path


def checked(folder, data, *flags, capsys):
    file = folder / "xor.py"
    file.write_text(XOR)
    flags = [*flags, "--time-limit", "1.5", "--json"]
    code = main([str(file), "--data", str(data), *flags])
    return code, json.loads(capsys.readouterr().out)


def test_right_gradients_that_do_not_learn_pass_with_the_symptom(tmp_path, capsys):
    page = tmp_path / "page.html"
    flags = ["--try", "--html", str(page)]
    code, found = checked(tmp_path, saved(tmp_path), *flags, capsys=capsys)
    assert code == 0
    assert page.read_text().count("<svg") == 1
    assert "<h3>stuck-at-prior</h3>" in page.read_text()
    assert found["verdict"] == "pass"
    assert "stuck-at-prior" in [symptom["name"] for symptom in found["symptoms"]]
    assert "weights drawn anew" in found["tried"][0]["change"]


def test_the_same_gradients_from_larger_weights_have_no_symptom(tmp_path, capsys):
    # 100 times as large solve it; 150 times end in the minimum where two answers are one half
    code, found = checked(tmp_path, saved(tmp_path, scale=100), capsys=capsys)
    assert code == 0
    assert found["symptoms"] == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.npz", None, "expected an .npz file, got nothing under that name"),
        ("notes.txt", b"1,2", "expected a .npz with x and y, or a .csv, got"),
        ("bad.npz", b"PK no zip", "bad.npz: expected an .npz file, got another kind of file"),
        (
            "words.csv",
            b"a,b\nred,1\n",
            "line 2, column 1 (a): expected a number, got 'red'",
        ),
    ],
)
def test_data_that_cannot_be_read_are_refused_in_one_line(tmp_path, capsys, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    (tmp_path / "xor.py").write_text(XOR)
    assert main([str(tmp_path / "xor.py"), "--data", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_pickles_are_not_loaded(tmp_path):
    path = tmp_path / "sly.npz"
    np.savez(path, x=np.array([{}], dtype=object), y=np.zeros(1))
    with pytest.raises(BadInput, match=r"sly\.npz: expected arrays of numbers or text"):
        read_own_data(path)


def test_a_csv_is_read_with_its_header_and_named_classes(tmp_path):
    path = tmp_path / "flowers.csv"
    path.write_text("width,length,kind\n1,2,rose\n3,4,lily\n5,6,rose\n")
    data = read_own_data(path)
    assert data.x.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert data.y.tolist() == [1, 0, 1]


def test_remedies_are_tried_on_data_alone(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        main(["--try"])
    assert error.value.code == 2
    assert "--try: expected a candidate beside it" in capsys.readouterr().err
    (tmp_path / "xor.py").write_text(XOR)
    assert main([str(tmp_path / "xor.py"), "--try"]) == 2
    assert "--try: expected --data beside it for xor.py" in capsys.readouterr().err


def test_what_was_tried_on_values_is_json_without_an_accuracy():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(60, 2)) * [1, 2000]
    W = [rng.normal(size=(5, 2)), rng.normal(size=(1, 5))]
    b = [np.zeros(5), np.zeros(1)]
    learning = why(
        W, b, x, x[:, :1], hidden="relu", output="linear", time_limit=0.2, try_remedies=True
    )
    found = as_json(Feedback("mine.py", 0.1, learning=learning))
    assert "inputs-unscaled" in [tried["symptom"] for tried in found["tried"]]
    assert found["tried"][0]["accuracy"] is None
    assert "NaN" not in json.dumps(found)
    assert "Tried: with" in page(found, lambda tag: "")
