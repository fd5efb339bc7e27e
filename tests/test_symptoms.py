"""Each symptom is found where it was provoked, by the numbers that say so, and healthy networks
have none."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backproof.checks import by_hand
from backproof.checks.heads import CLASSIC, Head
from backproof.checks.learning import copies, descent
from backproof.checks.learning.copies import distinct_units
from backproof.checks.learning.finding import NAMES, Progress
from backproof.checks.learning.related import agreement
from backproof.checks.learning.symptoms import look, measures
from backproof.checks.learning.vital_signs import prior_loss, vital_signs
from backproof.checks.problem import draw
from backproof.model.data import load
from backproof.model.network import MLP
from benchmarks.spread import spread
from benchmarks.symptoms import provoke
from benchmarks.symptoms_of_runs import PROVOKED, healthy, network

HEADS = [(head.output, head.cost) for head in CLASSIC]

HEAD = {"output": "softmax", "cost": "cross-entropy"}
ROOT = Path(__file__).parent.parent
FAST = tuple(name for name in NAMES if name not in ("stuck-at-prior", "unlearnable-labels"))


def head_id(head: tuple[str, str]) -> str:
    return "+".join(head)


def names(found: list[object]) -> list[str]:
    return [symptom.name for symptom in found]  # type: ignore[attr-defined]


def original(
    seed: int,
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray], np.ndarray, np.ndarray]:
    return *network((4, 50, 50, 2), "row-constant", seed), *load("bars").training()


def test_the_benchmark_provokes_every_symptom() -> None:
    assert set(PROVOKED) == set(NAMES)


@pytest.mark.parametrize("name", FAST)
def test_a_provoked_symptom_is_found_in_its_layer(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provoke(name, range(100, 104)) == 0
    assert capsys.readouterr().out.startswith(f"{name:<20}   4 of 4")


@pytest.mark.parametrize("kind", ["digits", "csv"])
def test_a_healthy_training_has_no_findings_from_start_to_end(kind: str) -> None:
    found, looks, learnt = healthy(kind, 101)
    assert learnt
    assert looks > 20
    assert found == []


@pytest.mark.parametrize("head", HEADS, ids=head_id)
@pytest.mark.parametrize("seed", range(3))
def test_the_original_network_is_blind_in_layer_1_and_made_of_copies(
    seed: int, head: tuple[str, str]
) -> None:
    found = {
        (symptom.name, symptom.where): symptom
        for symptom in look(*original(seed), output=head[0], cost=head[1])
    }
    blind, copies = found["input-blind", "layer 1"], found["symmetric-units", "layer 1"]
    assert blind.hopeless
    assert blind.measures["spread"] == 0.0
    assert copies.hopeless
    assert copies.measures["units"] == 50
    assert copies.measures["distinct"] <= 7
    assert blind.line.startswith(
        "input-blind: layer 1 cannot tell its inputs apart, and its gradient is blind in the same "
        "way"
    )


@pytest.mark.parametrize("head", HEADS, ids=head_id)
def test_after_20000_steps_the_outputs_of_the_original_network_still_do_not_differ(
    head: tuple[str, str],
) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.spread",
        "--output",
        head[0],
        "--cost",
        head[1],
        "--steps",
        "20000",
    ]
    # without shape checks: 5 times faster
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1].split() == [*head, "20000", "0.0", "0.0"]


def test_the_spread_of_a_network_that_sees_its_inputs_is_not_0() -> None:
    assert (
        min(spread(*network((4, 50, 50, 2), "pytorch", 0), load("bars").training()[0], "softmax"))
        > 0
    )


def test_one_weight_off_and_the_original_network_is_no_longer_blind() -> None:
    W, b, x, y = original(0)
    W[1][0, 0] += 1e-2
    assert "input-blind" not in names(look(W, b, x, y, **HEAD))


def test_zero_first_weights_under_random_ones_are_neither_copies_nor_blind() -> None:
    W, b = network((5, 8, 3), "pytorch", 0)
    W[1][:], b[1][:] = 0, 0
    x, y = draw((5, 3), 40, 0).x, draw((5, 3), 40, 0).y
    assert look(W, b, x, y, **HEAD) == []
    W[2][:] = 0.1
    assert "symmetric-units" in names(look(W, b, x, y, **HEAD))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_copies_are_counted_in_spite_of_rounding(dtype: torch.dtype) -> None:
    drawn = MLP((6, 20, 4), seed=1, dtype=dtype)
    W, b = (
        {layer: array.detach().numpy() for layer, array in arrays.items()}
        for arrays in (drawn.W, drawn.b)
    )
    group, eps = np.arange(20) % 3, np.finfo(W[1].dtype).eps
    random = np.random.default_rng(0)
    incoming, outgoing = W[1][group], W[2][:, group]
    # as far as 10,000 steps of rounding drift
    incoming = incoming * (1 + 100 * eps * random.normal(size=incoming.shape))
    assert (
        distinct_units(
            incoming.astype(np.float64), b[1][group].astype(np.float64), outgoing.astype(np.float64)
        )
        == 3
    )
    assert (
        distinct_units(W[1].astype(np.float64), b[1].astype(np.float64), W[2].astype(np.float64))
        == 20
    )


def test_units_that_differ_only_in_what_goes_out_are_no_copies() -> None:
    random = np.random.default_rng(0)
    assert distinct_units(np.ones((9, 4)), np.ones(9), random.normal(size=(3, 9))) == 9
    assert distinct_units(random.normal(size=(9, 4)), np.ones(9), np.ones((3, 9))) == 9
    assert distinct_units(np.ones((9, 4)), np.arange(9.0), np.ones((3, 9))) == 9
    assert distinct_units(np.ones((9, 4)), np.ones(9), np.ones((3, 9))) == 1


@pytest.mark.parametrize("head", HEADS, ids=head_id)
def test_cancellation_is_that_of_gradients_computed_sample_by_sample(head: tuple[str, str]) -> None:
    problem = draw((4, 6, 5, 3), 12, seed=3, head=Head(head[0], head[1]))
    found = measures(problem.W, problem.b, problem.x, problem.y, output=head[0], cost=head[1])
    for layer in problem.W:
        each = []
        for n in range(12):
            passed = by_hand.forward(problem.x[n : n + 1], problem.W, problem.b, head=Head(head[0]))
            each.append(
                by_hand.backward(
                    passed, problem.W, problem.y[n : n + 1], head=Head(head[0], head[1])
                ).dW[layer]
            )
        expected = np.linalg.norm(np.mean(each, axis=0)) / np.mean(
            [np.linalg.norm(one) for one in each]
        )
        # Sums of at most 12 * 30 products round by less than 360 eps of the lengths; the ratio is
        # of order 1 to 0.01.
        assert math.isclose(
            found[f"cancellation/layer_{layer}"], expected, rel_tol=360 * 2.2e-16 / 0.01
        )


@pytest.mark.parametrize("head", HEADS, ids=head_id)
def test_prior_loss_is_the_loss_of_answering_the_frequencies(head: tuple[str, str]) -> None:
    y = np.array([0, 0, 0, 1, 2, 2, 1, 0])
    frequencies = np.bincount(y) / len(y)
    logits = (
        np.log(frequencies) if head[0] == "softmax" else np.log(frequencies / (1 - frequencies))
    )
    losses = by_hand.losses(np.tile(logits, (8, 1)), y, head=Head(head[0], head[1]))
    # Both are sums of a few dozen terms of order 1, each rounded by at most a few eps.
    assert math.isclose(
        prior_loss(y, 3, output=head[0], cost=head[1]), losses.mean(), rel_tol=100 * 2.2e-16
    )


def test_agreement_sees_rings_and_not_labels_that_were_shuffled() -> None:
    random = np.random.default_rng(4)
    angle, y = random.uniform(0, 7, size=300), random.integers(3, size=300)
    x = (1 + y + random.normal(size=300) / 8)[:, None] * np.column_stack(
        [np.cos(angle), np.sin(angle)]
    )
    assert agreement(x, y) > 10
    assert abs(agreement(x, random.permutation(y))) < 3.5  # 3.5 standard deviations: once in 2,000


def test_a_network_that_learnt_is_not_called_saturated_however_flat_it_is() -> None:
    x, y = np.array([[-1.0], [1.0]] * 20), np.array([0, 1] * 20)
    W, b = (
        {1: np.array([[50.0], [50.0]]), 2: np.array([[-9.0, -8.0], [9.0, 8.0]])},
        {1: np.zeros(2), 2: np.array([8.0, -8.0])},
    )
    W[1][1] = -50
    W[2][:, 1] *= -1
    assert vital_signs(W, b, x, y, **HEAD).layers[0].saturation == 1
    assert "saturated" not in names(look(W, b, x, y, **HEAD))
    assert "saturated" in names(look(W, b, x, 1 - y, **HEAD))


def test_too_few_steps_is_said_only_at_the_end_and_only_while_the_loss_falls() -> None:
    data = load("digits")
    W, b = network((64, 20, 10), "pytorch", 0)
    history = list(
        descent.epochs(
            W,
            b,
            data.training(),
            data.testing(),
            **HEAD,
            learning_rate=1e-3,
            batch=32,
            count=3,
            seed=0,
        )
    )
    assert look(W, b, *data.training(), **HEAD, history=history) == []
    assert names(look(W, b, *data.training(), **HEAD, history=history, ended=True)) == [
        "too-few-steps"
    ]
    rising = [replace(epoch, train_loss=10 - epoch.train_loss) for epoch in history]
    assert look(W, b, *data.training(), **HEAD, history=rising, ended=True) == []


def test_agreement_sees_a_rare_class_that_is_lost_among_samples() -> None:
    """The wrong version counts samples alone: 12 of 256, 3 standard deviations away in one of 8
    directions, show 2.4."""
    random = np.random.default_rng(1)
    y = (random.random(256) < 0.05).astype(np.int64)
    x = random.normal(size=(256, 8))
    x[:, 0] += 3 * y
    assert agreement(x, y) > 5
    assert abs(agreement(x, random.permutation(y))) < 3.5


def test_labels_that_can_be_learnt_are_not_called_unlearnable_before_they_are_learnt() -> None:
    data = load("digits")
    W, b = network((64, 20, 10), "pytorch", 0)
    at_chance = [Progress(0, 2.4, 2.4, 0.1, 0.1, 0.0), Progress(1, 2.3, 2.3, 0.9, 0.1, 3.0)]
    assert "unlearnable-labels" not in names(
        look(W, b, *data.training(), **HEAD, history=at_chance, ended=True)
    )
    x, y = data.training()
    shuffled = np.random.default_rng(0).permutation(y)
    assert "unlearnable-labels" in names(
        look(W, b, x, shuffled, **HEAD, history=at_chance, ended=True)
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_found_where_they_are(value: float) -> None:
    problem = draw((4, 6, 5, 3), 9, seed=0)
    problem.W[2][1, 1] = value
    (found,) = look(problem.W, problem.b, problem.x, problem.y, **HEAD)
    assert (found.name, found.where) == ("diverged", "layer 2")
    json.dumps(found.as_json(), allow_nan=False)


def test_a_finding_goes_into_json_as_the_contract_says() -> None:
    found = look(*original(0), **HEAD)[0].as_json()
    assert {"name", "where", "evidence"} <= set(found)
    assert found["name"] == "input-blind"
    assert found["where"] == "layer 1"
    assert found["evidence"] == (
        "x differs by up to 1 between 4 samples, what the layer makes of it by 0.0e+00, the "
        "outputs by 0.0e+00"
    )


def test_measures_are_named_as_the_dashboard_draws_them() -> None:
    found = measures(*original(0), **HEAD)
    assert set(found) == {"output_spread/output"} | {
        f"cancellation/layer_{layer}" for layer in (1, 2, 3)
    } | {f"{name}/layer_{layer}" for name in ("saturation", "distinct_units") for layer in (1, 2)}
    assert found["output_spread/output"] == 0.0
    assert found["distinct_units/layer_1"] <= 7


def test_at_most_256_rows_are_looked_at_and_they_come_from_all_of_x() -> None:
    problem = draw((3, 4, 2), 1000, seed=0)
    signs = vital_signs(problem.W, problem.b, problem.x, np.repeat([0, 1], 500), **HEAD)
    assert signs.samples == 256
    # 128 of each class: rounding alone
    assert math.isclose(signs.prior_loss, math.log(2), rel_tol=1e-12)


def test_no_samples_are_refused() -> None:
    problem = draw((3, 4, 2), 3, seed=0)
    with pytest.raises(ValueError, match="expected at least one sample to look at, got none"):
        look(problem.W, problem.b, problem.x[:0], problem.y[:0], **HEAD)


def test_one_sample_says_nothing_about_blindness() -> None:
    W, b, x, y = original(0)
    assert "input-blind" not in names(look(W, b, x[:1], y[:1], **HEAD))


def test_wide_layers_are_counted_without_a_table_of_pairs(monkeypatch):
    """74 GiB for 100,000 units: counted by cells, which finds the same copies."""
    random = np.random.default_rng(5)
    group = np.arange(60) % 40
    W_in = random.normal(size=(40, 3))[group]
    b = random.normal(size=40)[group]
    W_out = random.normal(size=(2, 40))[:, group]
    assert distinct_units(W_in, b, W_out) == 40
    monkeypatch.setattr(copies, "MOST_PAIRED", 10)
    assert distinct_units(W_in, b, W_out) == 40
    wide = random.normal(size=(100_000, 8))
    assert distinct_units(wide, wide[:, 0], wide.T) == 100_000
