"""A fix in the person's own names is exactly the line that their file should have, and is shown
only if it was tried and works."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import own_names
import pytest

from backproof.checks.candidates.candidate_file import load
from backproof.checks.candidates.sandbox import Limits, Manner, Sandbox
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.grading.checking import check_file
from backproof.checks.grading.conclude import Settings
from backproof.checks.grading.trying import with_tried_fix

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PLANTED = [  # style, what is right, what is put there, the fix
    (
        own_names.NAMED,
        " * hidden * (1 - hidden)",
        " * sigmoid(hidden) * (1 - sigmoid(hidden))",
        "hidden_delta = output_delta @ W2 * hidden * (1 - hidden)",
    ),
    (
        own_names.NAMED,
        "hidden_delta.sum(axis=0)",
        "hidden_delta.mean(axis=0)",
        "bias1 = hidden_delta.sum(axis=0)",
    ),
    (
        own_names.DICTIONARY,
        ' * (1 - cache["A1"] ** 2)',
        "",
        'dZ1 = np.dot(params["W2"].T, dZ2) * (1 - cache["A1"]**2)',
    ),
    (
        own_names.CLASS,
        " * self.a[-1] * (1 - self.a[-1])",
        "",
        "delta = (self.a[-1] - y) * self.a[-1] * (1 - self.a[-1])",
    ),
    (
        own_names.LAYERS,
        "(probs - y) / len(x)",
        "(y - probs) / len(x)",
        "grad = (probs - y) / len(x)",
    ),
    (
        own_names.LOOP,
        " * a[i] * (1 - a[i])",
        " * sigmoid(a[i])",
        "delta = (delta @ W[i]) * a[i] * (1 - a[i])",
    ),
]


def checked(path: Path, **more: Any) -> dict[str, Any]:
    """What the command says of a file."""
    found = check_file(path, Settings(manner=Manner(isolate="never"), **more)).found
    return dict(found["diagnosis"])


def written(text: str, right: str, wrong: str, folder: Path) -> Path:
    assert right in text
    path = folder / "candidate.py"
    path.write_text(text.replace(right, wrong))
    return path


@pytest.mark.parametrize(("text", "right", "wrong", "fix"), PLANTED)
def test_the_fix_is_the_right_line_of_their_file(
    text: str, right: str, wrong: str, fix: str, tmp_path: Path
) -> None:
    found = checked(written(text, right, wrong, tmp_path))
    assert found["bugs"][0]["fix"] == fix
    assert "tried: with this line, " in found["bugs"][0]["evidence"]
    assert ast.dump(ast.parse(fix)) in [
        ast.dump(ast.Module([node], []))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign)
    ]


def test_an_example_in_columns_keeps_its_own_product() -> None:
    (bug,) = checked(EXAMPLES / "column_vectors.py")["bugs"]
    assert bug["fix"] == (
        "delta = np.dot(weights[layer].T, delta) * activations[layer] * (1 - activations[layer])"
    )


def test_a_sum_that_should_be_assigned_is_assigned() -> None:
    (bug,) = checked(EXAMPLES / "one_sample.py")["bugs"]
    assert bug["fix"] == "error_of[layer - 1] = W[layer - 1].T @ delta"


@pytest.mark.parametrize("name", ["network_class", "descent_step"])
def test_what_no_single_line_mends_keeps_the_general_fix(name: str) -> None:
    (bug,) = checked(EXAMPLES / f"{name}.py")["bugs"]
    assert bug["fix"].startswith("da[l - 1] = dz[l] @ W[l].T   # ")
    assert "tried" not in bug["evidence"]


def test_names_that_no_line_shows_keep_the_general_fix(tmp_path: Path) -> None:
    right = "output_delta @ W2 * hidden * (1 - hidden)"
    text = own_names.NAMED.replace("hidden = sigmoid(x @ W1.T + b1)\n", "both = {}\n")
    text = text.replace("sigmoid(hidden @", "sigmoid(sigmoid(x @ W1.T + b1) @")
    text = text.replace("output_delta.T @ hidden", "output_delta.T @ sigmoid(x @ W1.T + b1)")
    path = tmp_path / "candidate.py"
    path.write_text(text.replace(right, "output_delta @ W2"))
    (bug,) = checked(path)["bugs"]
    assert bug["fix"].startswith("dz[1] = da[1] * a[1] * (1 - a[1])")
    assert "tried" not in bug["evidence"]


@pytest.mark.parametrize(
    "way",
    [
        "hidden_delta = output_delta @ W2",
        "hidden_delta = output_delta @ W2 * hidden",
        "hidden_delta = output_delta @ W2 * nowhere",
        "raise SystemExit",
        "hidden_delta = = 1",
    ],
)
def test_a_line_that_does_not_work_is_not_shown(way: str, tmp_path: Path) -> None:
    style, right, wrong, fix = PLANTED[0]
    path = written(style, right, wrong, tmp_path)
    with Sandbox(path, Limits(), Manner(isolate="never")) as sandbox:
        candidate = load(sandbox)
        found = diagnose(candidate)
        assert fix in found.ways
        kept = with_tried_fix(replace(found, ways=[way]), candidate, sandbox)
        mended = with_tried_fix(replace(found, ways=[way, fix]), candidate, sandbox)
    assert kept.bugs == found.bugs
    assert [bug.fix.line for bug in mended.bugs] == [fix]


def test_the_line_that_mends_what_no_known_bug_explains_is_told(tmp_path: Path) -> None:
    wrong = "grad @ np.cbrt(self.W.T)"
    found = checked(written(own_names.LAYERS, "grad @ self.W.T", wrong, tmp_path))
    assert found["bugs"] == []
    assert "tried: with this line, da[2] is right: below = grad @ self.W.T" in found["notes"]


def test_without_fixes_nothing_is_tried_or_told(tmp_path: Path) -> None:
    style, right, wrong, _ = PLANTED[0]
    (bug,) = checked(written(style, right, wrong, tmp_path), no_fix=True)["bugs"]
    assert bug["fix"] == ""
    assert "tried" not in bug["evidence"]
