"""Whoever's script is not recognised is handed the adapter to write."""

from __future__ import annotations

import ast
from pathlib import Path

from command import checks
from test_watching_losses import UNUSUAL

from backproof.checks.grading.adapter import adapter


def test_adapter_holds_the_names_that_were_found() -> None:
    written = adapter("def back_pass(a):\n    pass\n", ["V", "U"])
    ast.parse(written)
    assert "    V, U = W[0], W[1]\n" in written
    assert "as back_pass (line 1) has it" in written


def test_adapter_is_python_whatever_was_found() -> None:
    for text in ("", "def (", "x = 1\n"):
        for names in ([], ["W"], ["self.weights[0]", "p['W2']"]):
            (function,) = ast.parse(adapter(text, names)).body
            assert isinstance(function, ast.FunctionDef)
            assert [one.arg for one in function.args.args] == ["W", "b", "x", "y"]


def test_one_name_gets_one_matrix() -> None:
    assert "    W = W[0]\n" in adapter("", ["W"])


def test_adapter_is_told_in_text_and_in_the_object(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "net.py").write_text(UNUSUAL["weights_beside_a_plain_loss"])
    asked = ("../net.py", "--isolate", "auto")
    printed = checks(*asked, folder=tmp_path / "below")
    assert printed.code == 2
    assert "\n           def gradients(W, b, x, y):\n               W1 = W[0]" not in printed.out
    assert (
        "\n           def gradients(W, b, x, y):\n               W1, W2 = W[0], W[1]" in printed.out
    )
    (found,) = checks(*asked, "--json", folder=tmp_path / "below").objects
    assert found["verdict"] == "untested"
    assert any("def gradients(W, b, x, y):\n    W1, W2" in n for n in found["diagnosis"]["notes"])
