"""The report: text as in the house style, JSON that any reader accepts, and no pass without a
comparison."""

import json

import numpy as np

from backproof.checks.report.text import Report, as_json, as_text, failure_lines
from backproof.checks.verdict import judge, missing

PAIR = ("by_hand", "by_autograd")


def report(*verdicts):
    return Report(verdicts, 1, 49, "cpu", "float64", 0.25)


def judged(first, second, allowed=1e-9):
    return judge(
        "4-7-3 N=5",
        "dW[2]",
        "(B2)",
        PAIR,
        np.array(first),
        np.array(second),
        np.full(np.shape(first), allowed),
    )


GOOD = judged([1.0, 2.0], [1.0, 2.0])
BAD = judged([1.0, 2.0], [1.0, 2.5])


def test_report_passes_only_if_something_was_compared():
    assert report().outcome == "fail"
    assert report(GOOD).outcome == "pass"
    assert report(GOOD, BAD).outcome == "fail"


def test_failure_says_where_who_how_much_and_where_to_start():
    assert failure_lines(BAD) == [
        "FAIL dW[2] by_hand vs by_autograd, problem 4-7-3 N=5: worst [1] 2 vs 2.5,",
        "     off by 5.0e-01, allowed 1.0e-09; 1 of 2 out: one entry alone, [1]. Start at "
        "checks/by_hand.py (B2).",
    ]


def test_failure_without_numbers_gives_its_reason():
    lines = failure_lines(missing("4-3 N=5", "dz[1]", "(B1)", PAIR, "by_hand: KeyError on line 3"))
    assert (
        lines[0]
        == "FAIL dz[1] by_hand vs by_autograd, problem 4-3 N=5: by_hand: KeyError on line 3."
    )


def test_last_line_names_the_first_wrong_step():
    assert as_text(report(GOOD, BAD))[-1].endswith("the first wrong step is (B2) dW[2]")


def test_last_line_of_a_pass_counts_and_says_what_was_untested():
    vanished = judged([0.0, 0.0], [0.0, 0.0])
    assert as_text(report(GOOD, vanished))[-1] == (
        "pass: 1 problem, 49 gradients, 2 comparisons, float64 on cpu, 0.25 s; "
        "the largest error is 0.00 of what rounding explains; 1 untested where gradients vanish"
    )


def test_json_has_the_keys_of_the_contract():
    found = as_json(report(GOOD, BAD))
    assert list(found) == [
        "verdict",
        "device",
        "dtype",
        "problems",
        "gradients",
        "seconds",
        "comparisons",
        "diagnosis",
    ]
    assert found["verdict"] == "fail"
    comparison = found["comparisons"][1]
    assert {
        key: comparison[key]
        for key in ("problem", "quantity", "pair", "worst_index", "values", "verdict")
    } == {
        "problem": "4-7-3 N=5",
        "quantity": "dW[2]",
        "pair": ["by_hand", "by_autograd"],
        "worst_index": [1],
        "values": [2.0, 2.5],
        "verdict": "fail",
    }
    assert comparison["ratio"] > 1


def test_json_is_strict_even_about_nan():
    text = json.dumps(as_json(report(judged([np.nan], [1.0]))), allow_nan=False)
    assert json.loads(text)["comparisons"][0]["ratio"] is None
