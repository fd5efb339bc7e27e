"""Each line of a file is labelled with what it computes, and no label is wrong.

The labels of these ten files, of five styles, were written by hand from checks/EQUATIONS.md.
"""

from __future__ import annotations

import json

import pytest
from command import ROOT, checks

from backproof.checks.findings import Listed
from backproof.checks.grading.checking import check_file
from backproof.checks.grading.conclude import Settings
from backproof.checks.report.listed import Page, listed

LABELS = {
    "tests/styles/matrices.py": {
        7: "returns a[1], a[2], p",
        13: "outs = a[1], a[2]; outs[3] = p; gives sig z[1], z[2], z[3]",
        14: "d = dz[3]",
        16: "o = a[2], a[1]",
        17: "dWs = dW[3], dW[2], dW[1]",
        18: "dbs = db[3], db[2], db[1]",
        19: "d = dz[2], dz[1]",
        20: "returns dW[1], dW[2], dW[3], db[1], db[2], db[3]",
        28: "returns dW[1], dW[2], dW[3], db[1], db[2], db[3]",
    },
    "tests/styles/recursive.py": {
        9: "returns dz[3], db[3]",
        12: "z = z[1], z[2], z[3]",
        13: "e = a[1], a[2]",
        14: "out = a[1], a[2], p",
        15: "error = dz[3], db[3], da[2], da[1]; gives descend a[1], a[2], p",
        16: "delta = dz[3], db[3], dz[2], db[2], dz[1], db[1]",
        17: "back = da[2], da[1]",
        20: "returns da[2], da[1]",
    },
    "tests/styles/mini_batches.py": {
        19: "nabla_b = N db[1], N db[2], N db[3]",
        20: "nabla_w = N dW[1], N dW[2], N dW[3]",
        31: "zs = z[1], z[2], z[3]",
        32: "activations = a[1], a[2]; activations[3] = p; gives sigmoid z[1], z[2], z[3]",
        33: "delta = N dz[3]; gives sigmoid_prime z[3]",
        34: "nabla_w = N dW[3]; nabla_b = N dz[3]",
        36: "delta = N dz[2], N dz[1]; gives sigmoid_prime z[2], z[1]",
        37: "nabla_b = N dz[2], N dz[1]",
        38: "nabla_w = N dW[2], N dW[1]",
        39: "returns N dz[1], N dz[2], N dz[3], N dW[1], N dW[2], N dW[3]",
        43: "returns a[1], a[2], p",
        47: "gives sigmoid z[3], z[2], z[1]",
    },
    "tests/styles/layer_objects.py": {
        11: "self.x = a[1], a[2]",
        12: "returns z[1], z[2], z[3]",
        15: "self.dw = dW[3], dW[2], dW[1]; self.db = db[3], db[2], db[1]",
        16: "returns da[2], da[1]",
        21: "self.y = a[1], a[2]",
        22: "returns a[1], a[2]",
        25: "returns dz[2], dz[1]",
        31: "self.y = p",
        32: "returns p",
        38: "returns dz[3]",
        49: "x = z[1], a[1], z[2], a[2], z[3], p",
        50: "grad = dp",
        52: "grad = dz[3], da[2], dz[2], da[1], dz[1]; gives backward dp",
        53: "returns dW[1], dW[2], dW[3], db[1], db[2], db[3]",
    },
    "tests/styles/thetas.py": {
        7: "returns a[1], a[2], p",
        16: "a = a[1] with its 1, a[2] with its 1; gives g z[1], z[2], z[3]",
        17: "d = N dz[3]",
        19: "Deltas = N dW[3] with db beside, N dW[2] with db beside, N dW[1] with db beside",
        20: "d = N dz[2], N dz[1]",
        21: "returns dW[1] with db beside, dW[2] with db beside, dW[3] with db beside",
        29: "grads = dW[1] with db beside, dW[2] with db beside, dW[3] with db beside",
        30: "returns dW[1], dW[2], dW[3], db[1], db[2], db[3]",
    },
    "tests/styles/neuron_rows.py": {
        7: "returns z[1], z[2], z[3]",
        15: "neuron['output'] = a[1], a[2], p",
        16: "outputs = a[1], a[2], p",
        17: "inputs = a[1], a[2], p",
        18: "returns p",
        25: "error = dp",
        27: "error = da[2], da[1]",
        28: "neuron['delta'] = dz[3], db[3], dz[2], db[2], dz[1], db[1]",
        33: "inputs = a[1], a[2]",
    },
    "tests/styles/deep_dictionary.py": {
        7: "Z = z[1], z[2], z[3]",
        9: "returns a[1], z[1], a[2], z[2]",
        11: "returns p, a[2], z[3]",
        15: "A_prev = a[2], a[1]; _ = z[3], z[2], z[1]",
        17: "returns N da[2], dW[3], db[3], N da[1], dW[2], db[2] and 2 more",
        24: "A = a[1], a[2], p; cache = z[1], a[1], z[2], a[2], z[3]",
        28: "dZ = N dz[3]",
        30: (
            "dA = N da[2], N da[1]; grads['dW3'] = dW[3]; grads['db3'] = db[3]; "
            "grads['dW2'] = dW[2]; grads['db2'] = db[2]; grads['dW1'] = dW[1]; "
            "grads['db1'] = db[1]; gives linear_backward N dz[3], N dz[2], N dz[1]"
        ),
        32: "s = a[2], a[1]",
        33: "dZ = N dz[2], N dz[1]",
        34: "returns dW[3], db[3], dW[2], db[2], dW[1], db[1]",
        45: "returns dW[1], dW[2], dW[3], db[1], db[2], db[3]",
    },
    "tests/styles/two_layer_scores.py": {
        13: "h = a[1]",
        14: "scores = z[2]",
        16: "probs = p",
        18: "dscores = p",
        19: "dscores = N dz[2]",
        20: "dscores = dz[2]",
        21: "grads['W2'] = dW[2]; grads['b2'] = db[2]",
        22: "dh = da[1]",
        23: "dz = dz[1]",
        24: "grads['W1'] = dW[1]",
        25: "grads['b1'] = db[1]",
        26: "returns dW[2], db[2], dW[1], db[1]",
        35: "returns dW[1], dW[2], db[1], db[2]",
    },
    "examples/bias_in_weights.py": {
        8: "returns a[1] with its 1, a[2] with its 1",
        15: "inputs = a[1] with its 1, a[2] with its 1",
        16: "a = a[1], a[2], p",
        17: "delta = dz[3]",
        19: "given = a[2] with its 1, a[1] with its 1",
        20: "slopes = dW[3] with db beside, dW[2] with db beside, dW[1] with db beside",
        21: "delta = dz[2], dz[1]",
        22: "returns dW[1] with db beside, dW[2] with db beside, dW[3] with db beside",
        32: "returns dW[1], dW[2], dW[3], db[1], db[2], db[3]",
    },
    "examples/global_lists.py": {
        13: "returns a[1], a[2]",
        24: "total = z[1], z[2], z[3]",
        25: "sums = z[1], z[2], z[3]",
        27: "activations = a[1], a[2]; gives squash z[1], z[2]",
        31: "activations[...][...] = p",
        37: "deltas = dz[3], db[3]",
        42: "error = da[2], da[1]",
        43: "a = a[2], a[1]",
        44: "deltas = dz[2], db[2], dz[1], db[1]",
        55: "dW = dW[1], dW[2], dW[3]",
        56: "returns dW[1], dW[2], dW[3], dz[1], db[1], dz[2] and 3 more",
    },
}


@pytest.fixture(scope="module")
def listings() -> dict[str, dict[int, str]]:
    """What the program says of each line of all files."""
    found = checks(*LABELS, "--json", "--listing", folder=ROOT).objects
    return {
        one["candidate"]: {line["number"]: line["remark"] for line in one["listing"]}
        for one in found
    }


@pytest.mark.parametrize("name", LABELS)
def test_labels_are_those_that_were_written_by_hand(
    listings: dict[str, dict[int, str]], name: str
) -> None:
    told = {number: remark for number, remark in listings[name].items() if remark}
    assert told == LABELS[name]


def test_first_wrong_line_is_marked_and_only_that() -> None:
    found = checks("examples/column_vectors.py", "--json", "--listing", folder=ROOT).objects[0]
    marked = [line for line in found["listing"] if line["outcome"] == "fail"]
    assert [line["number"] for line in marked] == [found["diagnosis"]["line"]["number"]]
    assert marked[0]["remark"].startswith("<- here: dz[2] was due")


def test_what_repairs_it_is_kept_back_with_no_fix() -> None:
    printed = checks("examples/column_vectors.py", "--listing", "--no-fix", "--json", folder=ROOT)
    assert "listing" not in printed.objects[0]
    assert printed.objects[0]["diagnosis"]["line"] is None


@pytest.mark.parametrize("width", [80, 100, 120])
def test_listing_fits_the_page_and_is_coloured_only_where_that_shows(width: int) -> None:
    lines = [
        Listed(1, "x = " + "1 + " * 40 + "1"),
        Listed(2, "delta = (p - y) / len(x)", "delta = dz[3], " * 8, "pass"),
        Listed(3, "\x1b[31mred", "<- here: dz[2] was due; yours is another", "fail"),
    ]
    plain = listed(lines, Page(width))
    assert max(map(len, plain)) <= width
    assert "\x1b" not in "".join(plain)
    coloured = listed(lines, Page(width, colours=True))
    assert any("\x1b[1;31m<- here" in line for line in coloured)


def test_a_notebook_is_listed_cell_by_cell_as_it_was_written(tmp_path) -> None:
    """Cells that only show, that are for IPython, and that run later are all in their places."""
    cells = [
        "%matplotlib inline\nimport numpy as np",
        "!pip install tqdm",
        "def sigmoid(z):\n    return 1 / (1 + np.exp(-z))",
        "%%html\n<b>no Python</b>",
        (ROOT / "tests/styles/matrices.py").read_text("utf-8"),
        "1 + 1",
    ]
    written = [{"cell_type": "code", "source": cell} for cell in cells]
    content = {"cells": [{"cell_type": "markdown", "source": "# Title"}, *written]}
    (tmp_path / "net.ipynb").write_text(json.dumps(content), "utf-8")
    found = check_file(tmp_path / "net.ipynb", Settings(listing=True)).found["listing"]
    lines = [(line["cell"], line["number"], line["text"]) for line in found]
    expected = []
    for cell, text in enumerate(cells, start=1):
        expected += [(cell, at, line) for at, line in enumerate(text.splitlines(), start=1)]
    assert lines == expected
    remarks = {line["number"]: line["remark"] for line in found if line["cell"] == 5}
    assert remarks[14] == "d = dz[3]"
