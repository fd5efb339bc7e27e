"""A script that minimises something unusual is never called wrong, unless no loss, or not the one
that it computes itself, has such a gradient."""

from __future__ import annotations

from typing import Any

import pytest
from command import told_of
from test_watching_scripts import ADAM, CLASS, GLOBALS

OF_MANY = "    d2 = (p - T) / len(X)\n"
OF_ONE = "        delta = (self.a[-1] - y) / y.shape[1]\n"
CROSS_ENTROPY = "    loss = -np.mean(np.sum(T * np.log(p), axis=1))\n"
WEIGHTED = "    w = np.array([1.0, 2.0, 0.5])[y][:, None]\n    d2 = w * (p - T) / {}\n"
SMOOTH = "    d2 = (p - (0.9 * T + 0.1 / 3)) / len(X)\n"
FOCAL = """\
    pt = (p * T).sum(1, keepdims=True)
    d2 = ((1 - pt) ** 2 - 2 * (1 - pt) * pt * np.log(pt)) * (p - T) / len(X)
"""
SLOPE = "* self.a[-1] * (1 - self.a[-1]) / y.shape[1]\n"
OF_SQUARES = "    d2 = p * (p - T - ((p - T) * p).sum(1, keepdims=True)) / len(X)\n"
DECAY = GLOBALS.replace("h.T @ d2\n", "h.T @ d2 + 0.01 * W2\n").replace(
    "X.T @ d1\n", "X.T @ d1 + 0.01 * W1\n"
)
WITHIN_A_NORM = "    W1 *= np.minimum(1, 1.5 / np.linalg.norm(W1, axis=0))\n"
UNUSUAL = {
    "weights": GLOBALS.replace(OF_MANY, WEIGHTED.format("len(X)")),
    "weights_in_their_mean": GLOBALS.replace(OF_MANY, WEIGHTED.format("w.sum()")),
    "weights_beside_a_plain_loss": GLOBALS.replace(
        OF_MANY, CROSS_ENTROPY + WEIGHTED.format("len(X)")
    ),
    "weights_with_adam": ADAM.replace(OF_MANY, WEIGHTED.format("len(X)")),
    "weight_of_one_class": CLASS.replace(
        OF_ONE, "        delta = (self.a[-1] * (1 + 2 * y) - 3 * y) / y.shape[1]\n"
    ),
    "smooth": GLOBALS.replace(OF_MANY, SMOOTH),
    "smooth_beside_a_plain_loss": GLOBALS.replace(OF_MANY, CROSS_ENTROPY + SMOOTH),
    "smooth_targets": GLOBALS.replace("np.eye(3)[y]", "np.eye(3)[y] * 0.9 + 0.1 / 3"),
    "another_decay_in_each_layer": DECAY.replace("0.01 * W1", "0.05 * W1"),
    "l1": GLOBALS.replace("h.T @ d2\n", "h.T @ d2 + 0.01 * np.sign(W2)\n"),
    "l1_and_l2": GLOBALS.replace("X.T @ d1\n", "X.T @ d1 + 0.01 * np.sign(W1) + 0.02 * W1\n"),
    "clipped_by_entry": GLOBALS.replace("h.T @ d2\n", "np.clip(h.T @ d2, -0.05, 0.05)\n"),
    "kept_within_a_norm": GLOBALS + WITHIN_A_NORM,
    "of_one_norm": GLOBALS + "    W1 /= np.linalg.norm(W1, axis=0)\n",
    "clipped_weights": GLOBALS + "    np.clip(W1, -1, 1, out=W1)\n",
    "focal": GLOBALS.replace(OF_MANY, FOCAL),
    "huber": CLASS.replace(OF_ONE, f"        delta = np.clip(self.a[-1] - y, -0.3, 0.3) {SLOPE}"),
    "absolute": CLASS.replace(OF_ONE, f"        delta = np.sign(self.a[-1] - y) {SLOPE}"),
}
# those of which the loss is recognised by the derivative that lines make
NAMED = {
    "weights": "cross-entropy with weights of the classes",
    "weights_in_their_mean": "cross-entropy with weights of the classes",
    "weight_of_one_class": "cross-entropy with a weight of 3 for label 1",
    "smooth": "cross-entropy with labels smoothed by 0.1",
    "smooth_targets": "cross-entropy with labels smoothed by 0.1",
    "focal": "focal loss of 2",
    "huber": "Huber loss of 0.3",
}
WRONG = {
    "elementwise": GLOBALS.replace(OF_MANY, "    d2 = (p - T) * p * (1 - p) / len(X)\n"),
    "half_a_slope": CLASS.replace(
        OF_ONE, "        delta = (self.a[-1] - y) * (1 - self.a[-1]) / y.shape[1]\n"
    ),
    "climbs": CLASS.replace(OF_ONE, "        delta = (y - self.a[-1]) / y.shape[1]\n"),
    "l1_that_pushes_away": GLOBALS.replace("h.T @ d2\n", "h.T @ d2 - 0.01 * np.sign(W2)\n"),
    "norms_without_the_error": (GLOBALS + WITHIN_A_NORM).replace(" * h * (1 - h)", ""),
    "own_loss": CLASS.replace(
        OF_ONE,
        "        loss = np.mean((self.a[-1] - y) ** 2)\n"
        "        delta = (self.a[-1] - y) ** 3 / y.shape[1]\n",
    ),
}

CHAIN = """\
    loss = -np.mean(np.sum(T * np.log(p + {0}), axis=1))
    dp = -T / (p + {0}) / len(X)
    d2 = p * (dp - (dp * p).sum(axis=1, keepdims=True))
"""
# outputs near 0 and 1, so that what is added to them shows
SHARP = GLOBALS.replace("W2, b2 = ", "W2, b2 = 8 * ")
GUARDED = {
    "guarded": GLOBALS.replace(OF_MANY, CHAIN.format("1e-12")),
    "sharp": SHARP.replace(OF_MANY, CHAIN.format("1e-12")),
    "sharp_larger": SHARP.replace(OF_MANY, CHAIN.format("1e-8")),
}
LARGE = {"eps": SHARP.replace(OF_MANY, CHAIN.format("1e-5"))}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {**UNUSUAL, **WRONG, **GUARDED, **LARGE, "decay": DECAY}
    sources["squares_with_adam"] = ADAM.replace(OF_MANY, OF_SQUARES)
    sources["squares_with_adam_beside_another_loss"] = ADAM.replace(
        OF_MANY, CROSS_ENTROPY + OF_SQUARES
    )
    assert not {GLOBALS, SHARP, CLASS, ADAM} & set(sources.values())
    return told_of(tmp_path_factory, worker_id, "losses", sources)


@pytest.mark.parametrize("name", UNUSUAL)
def test_right_script_with_an_unusual_loss_is_not_called_wrong(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    found = told[name]
    verdict = "pass" if name in NAMED else "untested"
    assert (found["verdict"], found["diagnosis"]["wrong"]) == (verdict, [])
    if name in NAMED:
        assert found["watched"]["network"]["cost"] == NAMED[name]


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_for_every_loss_or_their_own_fails(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    assert told[name]["verdict"] == "fail"


def test_what_explains_the_step_is_said(told: dict[str, dict[str, Any]]) -> None:
    for name, clause in (
        ("weights_beside_a_plain_loss", "weights of the classes would explain it"),
        ("smooth_beside_a_plain_loss", "smoothed labels would explain it"),
        ("l1", "an L1 penalty would explain it"),
        ("clipped_by_entry", "clipped entry by entry would explain it"),
        ("kept_within_a_norm", "kept within a size after the update would explain it"),
    ):
        assert clause in told[name]["diagnosis"]["findings"][0]


def test_one_weight_decay_in_all_layers_is_part_of_a_right_step(
    told: dict[str, dict[str, Any]],
) -> None:
    found = told["decay"]
    assert found["verdict"] == "pass"
    assert "weight decay 0.01" in found["diagnosis"]["statement"]


@pytest.mark.parametrize("name", GUARDED)
def test_an_added_eps_that_keeps_quotients_finite_passes(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    found = told[name]
    assert (found["verdict"], found["diagnosis"]["bugs"]) == ("pass", [])


def test_an_added_eps_that_shows_is_told(told: dict[str, dict[str, Any]]) -> None:
    notes = told["sharp_larger"]["diagnosis"]["notes"]
    assert any("guards its probabilities (p + eps in dC/dp, eps = 1e-08)" in one for one in notes)


def test_a_larger_eps_is_a_bug(told: dict[str, dict[str, Any]]) -> None:
    bugs = told["eps"]["diagnosis"]["bugs"]
    assert [bug["id"] for bug in bugs] == ["probability-clipped"]


def test_a_script_that_computes_another_cost_than_it_goes_down_is_no_pass(
    told: dict[str, dict[str, Any]],
) -> None:
    assert told["squares_with_adam"]["verdict"] == "pass"
    found = told["squares_with_adam_beside_another_loss"]
    assert found["verdict"] == "untested"
    assert "two costs would do" in found["diagnosis"]["findings"][0]
