"""A sum over samples is held to the rounding of one sum, and to nobody else's numbers."""

import numpy as np
import pytest

from backproof.checks.problem import HARD_KINDS, draw, standard
from backproof.checks.verdict import judge
from backproof.checks.witnesses import testimony
from backproof.checks.witnesses.retrace import retraced
from backproof.checks.witnesses.verify import hand, verify


def own_sums(problem, dtype="float64"):
    return [
        verdict
        for verdict in verify(problem, dtype=dtype, differences=False)
        if verdict.pair[1].endswith(", retraced")
    ]


@pytest.mark.equation("B2", "B3")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sums_of_right_witnesses_are_within_the_rounding_of_one_sum(dtype):
    verdicts = [
        verdict
        for problem in standard(len(HARD_KINDS))
        for verdict in own_sums(problem.rounded_to(dtype), dtype)
    ]
    assert not [verdict for verdict in verdicts if verdict.outcome == "fail"]
    assert {verdict.pair[0] for verdict in verdicts} >= {"by_hand", "by_autograd", "fast_backward"}


def test_one_wrong_entry_of_twenty_thousand_is_seen_at_1e_11_of_it():
    problem = draw((784, 30, 30, 10), 32, 0)
    values = hand(problem)
    values["dW[1]"][3, 5] *= 1 + 1e-11
    own, again = retraced(problem, testimony.Testimony("by_hand", values), "float64")
    allowed = own.errors["dW[1]"] + again.errors["dW[1]"]
    verdict = judge(
        "",
        "dW[1]",
        "(B2)",
        ("by_hand", "retraced"),
        own.values["dW[1]"],
        again.values["dW[1]"],
        allowed,
    )
    assert (verdict.outcome, verdict.worst_index, verdict.out) == ("fail", (3, 5), 1)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_sum_over_the_wrong_axis_is_refused(monkeypatch, axis):
    """The wrong versions: the last sample left out of dW, and of db."""
    problem = draw((4, 6, 3), 5, 0)
    right = hand(problem)
    wrong = right | {
        ("dW[1]", "db[1]")[axis]: (
            right["dz[1]"][:-1].T @ problem.x[:-1],
            right["dz[1]"][:-1].sum(axis=0),
        )[axis]
    }
    own, again = retraced(problem, testimony.Testimony("by_hand", wrong), "float64")
    name = ("dW[1]", "db[1]")[axis]
    assert (
        judge(
            "",
            name,
            "",
            ("", ""),
            own.values[name],
            again.values[name],
            own.errors[name] + again.errors[name],
        ).out
        > 0
    )


def test_who_broke_off_is_not_retraced():
    problem = draw((4, 6, 3), 5, 0)
    values = hand(problem)
    assert (
        retraced(problem, testimony.Testimony("by_hand", values, failure="ValueError"), "float64")
        is None
    )
    assert (
        retraced(
            problem,
            testimony.Testimony(
                "by_hand", {name: values[name] for name in values if name != "dz[1]"}
            ),
            "float64",
        )
        is None
    )


def test_float32_sums_are_allowed_the_rounding_of_float32():
    problem = draw((4, 6, 3), 5, 0).rounded_to("float32")
    own, again = retraced(problem, testimony.Testimony("by_autograd", hand(problem)), "float32")
    ratio = float(np.finfo(np.float32).eps / np.finfo(np.float64).eps)
    assert np.allclose(own.errors["dW[2]"] / again.errors["dW[2]"], ratio, rtol=1e-6)
