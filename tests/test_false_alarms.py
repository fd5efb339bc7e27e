"""A small, fixed part of benchmarks/false_alarms.py and benchmarks/planted_errors.py: no false
alarm, nothing missed."""

import json

import numpy as np
import pytest

from backproof.checks.problem import every_kind, standard
from benchmarks import checkers, false_alarms, gradient_check, planted_errors


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_false_alarm_in_fifty_problems(dtype):
    counted = false_alarms.count(50, dtype, seed=1000, classic=True)
    assert not counted.failures, counted.failures[0]
    assert counted.outcomes["pass"] > 3000
    assert counted.histogram.sum() > 2000
    assert counted.largest < 2  # SAFETY allows 4, for trained networks need more of it
    assert counted.slopes["pass"] > 40
    assert np.median(counted.bars) < 1e-8


def test_every_kind_of_planted_error_shows_somewhere_and_none_is_missed():
    shows, missed = dict.fromkeys(planted_errors.KINDS, 0), []
    with np.errstate(all="ignore"):
        for problem in [*standard(18), *every_kind(6)]:
            right, answer, bounds = planted_errors.witnessed(problem)
            for kind, make in planted_errors.KINDS.items():
                seen, caught = planted_errors.catches(
                    problem, make(problem).gradients(), right, answer, bounds
                )
                shows[kind] += seen
                missed += [(kind, problem.id)] if seen and not caught else []
    assert not missed
    assert len(shows) >= 35
    assert min(shows.values()) > 0, shows


def test_no_planted_error_is_nothing_to_catch():
    for problem in standard(6):
        right, answer, bounds = planted_errors.witnessed(problem)
        assert planted_errors.catches(
            problem, planted_errors.Pass(problem).gradients(), right, answer, bounds
        ) == (False, False)


def test_planted_errors_prints_its_counts_and_fails_if_one_is_missed(monkeypatch, capsys):
    monkeypatch.setattr(planted_errors, "KINDS", dict(list(planted_errors.KINDS.items())[:2]))
    monkeypatch.setattr(planted_errors, "smallest_always_caught", lambda seeds: 1e-11)
    assert planted_errors.main(["--quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missed"] == 0
    monkeypatch.setattr(planted_errors, "catches", lambda *args: (True, False))
    assert planted_errors.main(["--quick"]) == 1
    assert "36 missed" in capsys.readouterr().out


def test_false_alarms_draws_its_figure_and_fails_if_one_is_raised(monkeypatch, capsys, tmp_path):
    few = false_alarms.count(3, "float64", 0)
    monkeypatch.setattr(false_alarms, "count", lambda *args, **settings: few)
    pytest.importorskip("matplotlib", reason="it draws the figure")
    assert false_alarms.main(["--quick", "--figure", str(tmp_path / "bound.png")]) == 0
    assert (tmp_path / "bound.png").read_bytes().startswith(b"\x89PNG")
    assert "false alarms: 0 in 100" in capsys.readouterr().out
    few.failures = ["dW[1] is fine and yet it failed"]
    assert false_alarms.main(["--quick"]) == 1


def test_ours_catches_what_is_planted_in_the_comparison_and_names_it():
    problem = gradient_check.draw(gradient_check.SIZES, gradient_check.N, 0)
    assert checkers.ours(problem, lambda g: g, "float64") == ""
    message = checkers.ours(problem, gradient_check.PLANTED["one entry by 1e-5"], "float64")
    assert gradient_check._named(message) == {"parameter by name", "index"}
