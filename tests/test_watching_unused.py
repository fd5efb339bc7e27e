"""What a script's updates do not show: steps by entries alone, layers that nothing updates, and
updates of a copy."""

from __future__ import annotations

import re
from typing import Any

import pytest
from command import told_of
from test_watching_scripts import ADAM, GLOBALS


def of_two(script: str) -> str:
    """With two outputs of a softmax: db[2] is (g, -g), of which any step by entries alone is a
    multiple."""
    for old, new in ((" + (X[:, 2] > 0.5)", ""), ("(3)", "(2)"), ("(6, 3)", "(6, 2)")):
        script = script.replace(old, new)
    return script


BY_ENTRY = {
    "sign": re.sub(r"lr \* (\w+)", r"0.01 * np.sign(\1)", of_two(GLOBALS)),
    "clip": re.sub(r"lr \* (\w+)", r"lr * np.clip(\1, -0.01, 0.01)", of_two(GLOBALS)),
    "adam": of_two(ADAM),
}
UPDATE = "    W1 -= lr * dW1\n    b1 -= lr * db1\n"
COPIES = "    for q, g in ((W1, dW1), (b1, db1)):\n        q = q - lr * g\n"
UNUSED = {
    "never": (GLOBALS.replace(UPDATE, ""), "what goes into W2 is made of it in each step"),
    "weights": (GLOBALS.replace("    W1 -= lr * dW1\n", ""), "an update of W1"),
    "zero": (GLOBALS.replace("W1 -= lr", "W1 -= 0 * lr").replace("b1 -= lr", "b1 -= 0 * lr"), "W1"),
    "copy": (GLOBALS.replace(UPDATE, COPIES), "no pass was seen that takes what an update has"),
}
ON_PURPOSE = GLOBALS.replace(UPDATE, "").replace("    dW1 = X.T @ d1\n    db1 = d1.sum(0)\n", "")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {**BY_ENTRY, "purpose": ON_PURPOSE.replace("    d1 = d2 @ W2.T * h * (1 - h)\n", "")}
    sources |= {name: source for name, (source, _) in UNUSED.items()}
    assert GLOBALS not in sources.values()
    return told_of(tmp_path_factory, worker_id, "unused", sources)


@pytest.mark.parametrize("name", BY_ENTRY)
def test_right_script_whose_optimizer_looks_at_each_entry_passes(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    assert (told[name]["verdict"], told[name]["diagnosis"]["wrong"]) == ("pass", [])


@pytest.mark.parametrize("name", UNUSED)
def test_gradient_that_updates_nothing_is_no_pass(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    assert told[name]["verdict"] == "untested"
    assert UNUSED[name][1] in " ".join(told[name]["diagnosis"]["findings"])


def test_layer_that_is_not_meant_to_learn_is_no_obstacle(told: dict[str, dict[str, Any]]) -> None:
    assert told["purpose"]["verdict"] == "pass"
    assert told["purpose"]["watched"]["network"]["sizes"] == [6, 3]
