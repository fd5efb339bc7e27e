"""What a script's optimizer makes of a gradient: a step up the loss is wrong whatever made it, and
a step that is no multiple of a gradient is not held against one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import checks
from test_watching_scripts import ADAM, GLOBALS

TURNED = ("(p - T) / len(X)", "(T - p) / len(X)")
STEP = "        w -= 0.01 * g / (np.sqrt(m[i]) + 1e-8)\n"
CLIP = """\
    for G in (dW1, db1, dW2, db2):
        np.clip(G, -0.02, 0.02, out=G)
    W1 -= lr * dW1
"""
OF_BIAS = "        w -= (-1) ** (w.ndim == 1) * 0.01 * g / (np.sqrt(m[i]) + 1e-8)\n"
DECAY = ("    W1 -= lr * dW1\n", "    W1 -= lr * (dW1 + 0.01 * W1)\n")
TANH = GLOBALS.replace("1 / (1 + np.exp(-z1))", "np.tanh(z1)")
ALL = ["dW[2]", "db[2]", "dW[1]", "db[1]"]
# the script, what is wrong, what stands on the line
UP = {
    "delta": (ADAM.replace(*TURNED), ALL, "d2 = (T - p)"),
    "update": (ADAM.replace("w -=", "w +="), ALL, "w += 0.01"),
    "biases": (ADAM.replace(STEP, OF_BIAS), ["db[2]", "db[1]"], "w -= (-1)"),
    "clip": (
        GLOBALS.replace(*TURNED).replace("    W1 -= lr * dW1\n", CLIP),
        ALL,
        "d2 = (T - p)",
    ),
    "decay": (GLOBALS.replace(*TURNED).replace(*DECAY), ALL, "d2 = (T - p)"),
}
OTHERS = {
    "adam": ADAM,
    "adam_without_a_slope": ADAM.replace(" * h * (1 - h)", ""),
    "tanh_with_the_slope_of_a_sigmoid": TANH,
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    folder = tmp_path_factory.mktemp("steps")
    sources = {**{name: source for name, (source, *_) in UP.items()}, **OTHERS}
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    found = checks(*(f"{name}.py" for name in sources), "--json", folder=folder).objects
    return {Path(one["candidate"]).stem: one for one in found}


@pytest.mark.parametrize("name", UP)
def test_step_that_climbs_fails_whatever_optimizer_makes_it(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    _, wrong, line = UP[name]
    found = told[name]["diagnosis"]
    assert (told[name]["verdict"], found["wrong"]) == ("fail", wrong)
    assert found["bugs"][0]["id"] == "sign"
    assert line in found["line"]["text"]


def test_step_of_adam_down_the_loss_passes(told: dict[str, dict[str, Any]]) -> None:
    assert told["adam"]["verdict"] == "pass"


def test_no_step_of_adam_is_held_against_a_gradient(told: dict[str, dict[str, Any]]) -> None:
    found = told["adam_without_a_slope"]
    assert found["diagnosis"]["wrong"] == ["dW[1]", "db[1]"]
    assert found["comparisons"] == []


def test_lines_are_those_of_the_activation_that_was_seen(told: dict[str, dict[str, Any]]) -> None:
    found = told["tanh_with_the_slope_of_a_sigmoid"]["diagnosis"]
    assert found["bugs"][0]["id"] == "other-derivative"
    assert found["bugs"][0]["fix"] == "dz[1] = da[1] * (1 - a[1]**2)"
