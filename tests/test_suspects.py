"""Every bug of the catalogue, planted in plain loops, is what its suspect predicts, and nothing
else explains it as well."""

from dataclasses import replace

import numpy as np
import pytest
from planted import Planted
from planted_elsewhere import ELSEWHERE, OF_LINES, SLIPS

from backproof.checks.bugs.hooked_pass import CannotBeComputed, HookedPass
from backproof.checks.bugs.register import LAST, SUSPECTS, all_variants, places
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.diagnosis.probes import plan
from backproof.checks.diagnosis.role import Role
from backproof.checks.findings import Place

# planted by tests/activations.py, behind every activation that can carry them
OF_ACTIVATIONS = {
    "other-derivative",
    "z-for-a",
    "derivative-of-a",
    "derivative-of-gradient",
    "plus-for-times",
}
CATALOGUE = {
    "raw-error",
    "updated-weights",
    "softmax-diagonal",
    "double-softmax",
    "bias-scalar",
    "sigmoid-twice",
    "wrong-layer",
    "sign",
    "no-hidden-derivative",
    "cost-mismatch",
    "scale",
    "bias-not-summed",
    "stale-accumulator",
    "learning-rate-folded",
    "in-place",
    "softmax-axis",
    "no-bias-gradient",
    "decay-sign",
    "transposed",
    "labels-shifted",
    "sample-dropped",
    "low-precision",
    "probability-clipped",
    *OF_ACTIVATIONS,
    "error-unused",
    "softmax-in-hidden",
    "dot-for-outer",
    *OF_LINES,
    *SLIPS,
}

PLANTS = [
    ("raw-error", {}),
    ("updated-weights", {"eta": 0.5}),
    ("softmax-diagonal", {"form": "p"}),
    ("softmax-diagonal", {"form": "q"}),
    ("softmax-diagonal", {"form": "y"}),
    ("double-softmax", {}),
    ("bias-scalar", {}),
    ("bias-scalar", {"form": "number"}),
    ("sigmoid-twice", {"form": "hidden"}),
    ("sigmoid-twice", {"form": "both"}),
    ("wrong-layer", {"form": "activation"}),
    ("wrong-layer", {"form": "product"}),
    ("wrong-layer", {"form": "bias"}),
    ("wrong-layer", {"form": "row"}),
    ("wrong-layer", {"form": "roll"}),
    ("sign", {"form": "everywhere"}),
    ("sign", {"form": "alternate"}),
    ("no-hidden-derivative", {"form": "one", "layers": [0]}),
    ("no-hidden-derivative", {"form": "a"}),
    ("no-hidden-derivative", {"form": "rest", "layers": [1]}),
    ("scale", {"factor": "K"}),
    ("scale", {"factor": "N"}),
    ("scale", {"factor": "1/N", "layers": [0]}),
    ("bias-not-summed", {"form": "rows"}),
    ("bias-not-summed", {"form": "mean"}),
    ("stale-accumulator", {"buffer": "da", "when": "samples"}),
    ("stale-accumulator", {"buffer": "da", "when": "samples calls"}),
    ("stale-accumulator", {"buffer": "da", "when": "calls"}),
    ("stale-accumulator", {"buffer": "dW", "when": "samples"}),
    ("stale-accumulator", {"buffer": "dW", "when": "calls"}),
    ("learning-rate-folded", {"form": "power", "eta": 0.1}),
    ("learning-rate-folded", {"form": "missing", "eta": 0.05, "layers": [1]}),
    ("in-place", {"form": "derivative"}),
    ("softmax-axis", {"form": "samples"}),
    ("softmax-axis", {"form": "all"}),
    ("no-bias-gradient", {}),
    ("decay-sign", {"lambda": -0.01}),
    ("transposed", {}),
    ("labels-shifted", {"by": 1}),
    ("labels-shifted", {"by": -1, "form": "rows"}),
    ("sample-dropped", {}),
    ("sample-dropped", {"chunk": 4}),
    ("low-precision", {"dtype": "float16"}),
    ("low-precision", {"dtype": "float32", "layers": [1]}),
    ("probability-clipped", {"eps": 1e-7, "form": "delta"}),
    ("probability-clipped", {"eps": 1e-12, "form": "p"}),
]
DECLARED = Conventions(declared=frozenset({"REDUCTION"}))  # so that N times too much is a bug


@pytest.mark.parametrize(
    ("id", "bug"), PLANTS, ids=[f"{id},{' '.join(map(str, bug.values()))}" for id, bug in PLANTS]
)
def test_a_planted_bug_is_named_first_and_predicted_to_within_rounding(id, bug):
    found = diagnose(Planted(DECLARED, {id: bug}).candidate())
    assert found.outcome == "fail"
    assert found.bugs[0].id == id
    assert found.bugs[0].residual < 1e-9
    assert found.wrong


def test_every_bug_of_the_catalogue_has_words_and_a_place_in_the_order():
    assert set(SUSPECTS) == CATALOGUE
    ranks = [entry.rank for entry in SUSPECTS.values()]
    assert len(set(ranks)) == len(ranks)
    assert max(ranks) < LAST
    assert all(
        entry.statement and entry.fix.line and entry.see.startswith("(")
        for entry in SUSPECTS.values()
    )


def test_every_bug_of_the_catalogue_is_planted_here_or_cannot_be_told_from_another():
    # for cost-mismatch see below
    assert CATALOGUE - {id for id, _ in PLANTS} - ELSEWHERE == {"cost-mismatch"}


@pytest.mark.parametrize(
    ("id", "bug", "twin"),
    [("cost-mismatch", {}, "softmax-diagonal"), ("in-place", {"form": "z"}, "sigmoid-twice")],
    ids=["cost-mismatch", "in-place"],
)
def test_bugs_that_predict_the_same_numbers_are_named_together(id, bug, twin):
    found = diagnose(Planted(DECLARED, {id: bug}).candidate())
    assert {bug.id for bug in found.bugs} == {id, twin}
    assert [bug.alternative for bug in found.bugs] == [False, True]


def test_factors_far_below_one_are_read_as_factors_not_as_zero():
    """0.001 a layer over four layers: 1e-9 of a gradient, below the absolute bounds of the right
    one."""
    folded = {"learning-rate-folded": {"form": "power", "eta": 0.001}}
    found = diagnose(Planted(DECLARED, folded).candidate(), sizes=(5, 6, 7, 4, 3))
    assert [bug.id for bug in found.bugs] == ["learning-rate-folded"]


def test_one_bias_number_that_cancels_is_compared_with_the_rounding_of_all_units():
    quadratic = Conventions(
        cost="quadratic", reduction="sum", declared=frozenset({"REDUCTION", "COST"})
    )
    for seed in range(3):
        assert [
            bug.id
            for bug in diagnose(Planted(quadratic, {"bias-scalar": {}}).candidate(), seed=seed).bugs
        ] == ["bias-scalar"]


def test_the_delta_of_cross_entropy_under_a_quadratic_cost_is_a_mismatch():
    asked = Conventions(output="sigmoid", cost="quadratic", declared=frozenset({"OUTPUT", "COST"}))
    found = diagnose(Planted(asked, {"cost-mismatch": {}}).candidate())
    assert [bug.id for bug in found.bugs] == ["cost-mismatch"]


def test_without_replaced_steps_a_pass_is_the_hand_written_one():
    from backproof.checks.witnesses.verify import hand

    for output, cost in (
        ("softmax", "cross-entropy"),
        ("softmax", "quadratic"),
        ("sigmoid", "quadratic"),
        ("sigmoid", "cross-entropy"),
    ):
        setting = plan(Conventions(output=output, cost=cost))[0].setting
        theirs = hand(setting.problem)
        for quantity in setting.gradients:
            # the same products in the same order, but for the factor 1/N: it may round once more in
            # each of four layers
            assert np.allclose(
                HookedPass(setting).value(quantity), theirs[quantity], rtol=1e-13, atol=1e-17
            ), quantity


def test_no_variant_predicts_the_right_gradients_everywhere():
    """A suspect that changes nothing would explain every correct candidate; each must show on some
    question."""
    probes = plan(Conventions())
    for variant in all_variants(probes[0].setting):
        if variant.id == "raw-error" and str(variant.place) == "the output layer":
            continue  # p - Y is dz[L] there: invisible, as the catalogue says
        previous, shows = None, False
        for probe in probes:
            right = HookedPass(probe.setting)
            run = HookedPass(probe.setting, variant.hooks, correct=right, previous=previous)
            run = run.shifted(1.0) if variant.rate_from else run
            previous = run if variant.in_sequence and probe.role == Role.FIRST else None
            try:
                shows |= any(
                    run.value(q).shape != right.value(q).shape
                    or (run.value(q) != right.value(q)).any()
                    for q in probe.setting.gradients
                )
            except CannotBeComputed:
                shows = True
            if shows:
                break
        assert shows, variant


def test_places_are_all_layers_each_layer_and_what_is_between():
    assert list(places(range(1, 3))) == [(1, 2), (1,), (2,)]
    assert list(places([])) == []
    assert len(list(places(range(1, 7)))) == 1 + 6 + 6


def test_layers_are_named_as_a_person_would():
    assert [str(Place.of(layers, 3)) for layers in ([3], [1], [2, 1])] == [
        "the output layer",
        "layer 1",
        "layers 1, 2",
    ]


def test_a_sequence_of_calls_is_not_explained_by_its_first_call_alone():
    """Right at first and wrong at the second call: without asking twice this candidate would
    pass."""
    kept = {"stale-accumulator": {"buffer": "dW", "when": "calls"}}
    first = replace(Planted(DECLARED, kept).candidate())
    probes = plan(DECLARED)
    once = first.ask([probes[0].question])[0]
    assert np.allclose(once.dW[1], HookedPass(probes[0].setting).value("dW[1]"), rtol=1e-12)
    found = diagnose(Planted(DECLARED, kept).candidate())
    assert [bug.id for bug in found.bugs] == ["stale-accumulator"]
    assert "between calls" in found.bugs[0].statement
