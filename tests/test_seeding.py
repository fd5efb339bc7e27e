"""Seeding where a network is built is told from seeding in the pass itself, and from lines that no
call reaches."""

import pytest
from test_submissions import RIGHT

from backproof.checks.candidates.seeding import seeds
from backproof.checks.grading.submissions import Settings, check_file

CLASS = (
    "class Network:\n    def {name}(self, x):\n        np.random.seed(1)\n        self.x = x\n\n\n"
)
REACHED = {
    "in the pass": (
        RIGHT.replace("    a = [x]", "    np.random.seed(1)\n    a = [x]"),
        [(15, False)],
    ),
    "nowhere": (RIGHT, []),
    "not reached": (RIGHT + "\n\ndef data():\n    np.random.seed(0)\n", []),
    "in a helper": (
        RIGHT.replace("    a = [x]", "    start()\n    a = [x]")
        + "\n\ndef start():\n    np.random.seed(0)\n",
        None,
    ),
    "in a constructor": (
        RIGHT.replace("def gradients", CLASS.format(name="__init__") + "def gradients").replace(
            "a = [x]", "a = [Network(x).x]"
        ),
        None,
    ),
}


@pytest.mark.parametrize(
    ("source", "lines"), [pair for pair in REACHED.values() if pair[1] is not None]
)
def test_lines_that_a_call_reaches(tmp_path, source, lines):
    (tmp_path / "mine.py").write_text(source)
    assert [building for _, building in seeds(source, ["gradients"])] == [
        building for _, building in lines
    ]
    assert all("seed" in source.splitlines()[line - 1] for line, _ in seeds(source, ["gradients"]))


@pytest.mark.parametrize(
    ("which", "outcome"),
    [
        ("in a helper", "fail"),
        ("in a constructor", "pass"),
        ("not reached", "pass"),
        ("in the pass", "fail"),
    ],
)
def test_only_a_constructor_may_seed(tmp_path, which, outcome):
    path = tmp_path / "mine.py"
    path.write_text(REACHED[which][0])
    found = check_file(path, Settings()).found
    assert found["verdict"] == outcome
    said = " ".join(found["diagnosis"]["findings" if outcome == "fail" else "notes"])
    assert ("seeds NumPy's global generator on line" in said) == (which != "not reached")


def test_what_is_no_python_seeds_nowhere():
    assert seeds("def gradients(:", ["gradients"]) == []
