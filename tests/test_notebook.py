"""The notebook in examples/ runs from its first cell to its last, and says what its text says."""

from __future__ import annotations

import json

import pytest
from command import ROOT

nbformat = pytest.importorskip("nbformat")
preprocessors = pytest.importorskip("nbconvert.preprocessors")
NOTEBOOK = ROOT / "examples/check_yours.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook after all its cells have run, one after the other, in a kernel of its own."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    run = preprocessors.ExecutePreprocessor(timeout=120, kernel_name="python3")
    run.preprocess(notebook, {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}})
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell) -> str:
    """Everything that a cell shows, as text and as a page."""
    return json.dumps([output.get("data", output) for output in cell.outputs])


def test_the_wrong_relu_network_is_named_with_its_line(executed):
    wrong = shown(executed[2])
    assert "fail" in wrong
    assert "(B5)" in wrong
    assert "delta = (delta @ W[i]) * a[i] * (1 - a[i])" in wrong


def test_the_mended_network_passes(executed):
    assert "pass" in shown(executed[3])
    assert "fail" not in shown(executed[3])


def test_the_activation_is_recognised(executed):
    assert 'HIDDEN = \\\\\\"relu\\\\\\"' in shown(executed[4]) or "relu" in shown(executed[4])


def test_the_notebook_is_kept_without_outputs():
    for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
