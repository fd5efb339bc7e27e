"""Every witness against every other: who covers what, and that none can hide."""

import numpy as np
import pytest

from backproof.checks import bound
from backproof.checks.activations import Sigmoid
from backproof.checks.problem import draw, standard
from backproof.checks.quantities import names, of_parameters
from backproof.checks.witnesses import by_autograd, by_differences, by_fast_backward
from backproof.checks.witnesses.verify import verify, verify_quickly

GRADIENTS = ("dz", "da", "dW", "db")


def test_every_pair_compares_every_quantity_that_both_cover():
    problem = draw((4, 6, 5, 3), 5, seed=1)
    found = {(verdict.quantity, verdict.pair) for verdict in verify(problem)}
    full, partial = ("by_hand", "by_autograd"), ("complex_step", "central_differences")
    for quantity in names(3, problem.head):
        pairs = [full]
        if quantity.startswith(GRADIENTS):
            pairs += [(first, second) for first in full for second in partial] + [partial]
        if quantity == "p" or quantity.startswith(("a", "dz", "dW", "db")):
            others = [*full, *partial] if quantity.startswith(GRADIENTS) else full
            pairs += [
                ("fast_backward", other) if other in partial else (other, "fast_backward")
                for other in others
            ]
        if quantity.startswith(("dW", "db")):
            pairs += [(other, "fast_step") for other in (*full, "fast_backward")] + [
                ("fast_step", other) for other in partial
            ]
            pairs += [(witness, f"{witness}, retraced") for witness in (*full, "fast_backward")]
        assert {pair for name, pair in found if name == quantity} == set(pairs), quantity


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_witnesses_agree_on_the_standard_problems(dtype):
    for problem in standard(18):
        rounded = problem.rounded_to(dtype)
        failed = [verdict for verdict in verify(rounded, dtype=dtype) if verdict.outcome == "fail"]
        assert not failed, failed[0]


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("quantity", ["dW", "db", "dz", "da", "z", "a"])
def test_one_wrong_entry_of_one_witness_is_named_with_its_index(monkeypatch, quantity, layer):
    true, name = by_autograd.witness, f"{quantity}[{layer}]"
    problem = draw((4, 6, 5, 3), 5, seed=2)

    def lying(*args, **kwargs):
        found = true(*args, **kwargs)
        found[name][(1,) * found[name].ndim] *= 1 + 1e-9
        return found

    monkeypatch.setattr(by_autograd, "witness", lying)
    failed = [
        verdict
        for verdict in verify(problem)
        if verdict.outcome == "fail" and "central_differences" not in verdict.pair
    ]
    made_of_it = {"dz": {f"dW[{layer}]", f"db[{layer}]"}, "a": {f"dW[{layer + 1}]"}}.get(
        quantity, set()
    )
    # slopes are made of the same dW and db
    assert {verdict.quantity for verdict in failed} - {"slopes"} == {name} | made_of_it
    assert {verdict.pair[1] for verdict in failed if verdict.quantity in made_of_it} <= {
        "by_autograd, retraced"
    }
    assert all("by_autograd" in verdict.pair for verdict in failed)
    assert {verdict.worst_index for verdict in failed if verdict.quantity == name} == {
        (1,) * (1 if quantity == "db" else 2)
    }


def test_a_witness_that_raises_fails_with_its_reason(monkeypatch):
    def broken(problem):
        raise RuntimeError("out of\nsteps")

    monkeypatch.setattr(by_differences, "complex_step", broken)
    failed = [
        verdict for verdict in verify(draw((3, 4, 2), 5, seed=3)) if verdict.outcome == "fail"
    ]
    assert failed
    assert all("complex_step: RuntimeError: out of steps" in verdict.reason for verdict in failed)


def test_a_witness_that_leaves_a_quantity_out_fails(monkeypatch):
    true = by_autograd.witness
    monkeypatch.setattr(
        by_autograd,
        "witness",
        lambda *a, **k: {n: v for n, v in true(*a, **k).items() if n != "db[1]"},
    )
    failed = [
        verdict for verdict in verify(draw((3, 4, 2), 5, seed=3)) if verdict.outcome == "fail"
    ]
    # slopes need every dW and db
    assert {verdict.quantity for verdict in failed} == {
        "db[1]",
        "slopes",
    }
    assert failed[0].reason == "by_autograd computed no db[1], or it has no bound"


def test_without_bounds_nothing_passes(monkeypatch):
    monkeypatch.setattr(bound, "rounding", lambda *a, **k: {})
    found = [
        v
        for v in verify(draw((3, 4, 2), 5, seed=3), differences=False)
        if not v.pair[1].endswith("retraced")
    ]
    assert found
    assert all(verdict.outcome == "fail" for verdict in found)


def test_float32_is_judged_against_the_float64_witness_with_float32_rounding():
    problem = draw((20, 30, 4), 16, seed=4).rounded_to("float32")
    found = [
        v for v in verify(problem, dtype="float32", differences=False) if v.quantity == "dW[1]"
    ]
    by_pair = {verdict.pair: verdict for verdict in found}
    assert ("by_autograd", "complex_step") in by_pair
    eps = np.finfo(np.float32).eps
    assert (
        0.01 * eps
        < by_pair["by_autograd", "complex_step"].error
        / abs(by_pair["by_autograd", "complex_step"].values[1])
        < 1e3 * eps
    )


def test_in_training_every_parameter_is_compared_with_the_pass_by_hand():
    for dtype in ("float64", "float32"):
        found = verify_quickly(draw((4, 6, 5, 3), 5, seed=1).rounded_to(dtype), dtype=dtype)
        assert {verdict.outcome for verdict in found} == {"pass"}
        others = ("by_autograd", "fast_backward", "complex_step")
        assert {(verdict.quantity, *verdict.pair) for verdict in found} == {
            (quantity, "by_hand", other) for quantity in of_parameters(3) for other in others
        }


def test_in_training_everything_is_verified_where_a_parameter_is_wrong(monkeypatch):
    # (F2), which the complex step shares
    right = Sigmoid.h
    monkeypatch.setattr(Sigmoid, "h", lambda self, z: right(self, z) * (1 + 1e-9))
    failed = [
        verdict
        for verdict in verify_quickly(draw((4, 6, 3), 5, seed=1))
        if verdict.outcome == "fail"
    ]
    assert (failed[0].quantity, failed[0].pair) == ("a[1]", ("by_hand", "by_autograd"))


def test_in_training_what_was_wrong_once_is_not_forgotten(monkeypatch):
    true = by_autograd.parameters
    monkeypatch.setattr(
        by_autograd, "parameters", lambda *a, **k: true(*a, **k) | {"db[1]": np.zeros(6)}
    )
    failed = [
        verdict
        for verdict in verify_quickly(draw((4, 6, 3), 5, seed=1))
        if verdict.outcome == "fail"
    ]
    assert [(verdict.quantity, verdict.pair) for verdict in failed] == [
        ("db[1]", ("by_hand", "by_autograd"))
    ]


def test_the_passes_that_train_keep_nothing_of_the_problem_before():
    first, second = draw((4, 6, 3), 5, seed=1), draw((4, 6, 3), 5, seed=2)
    said = by_fast_backward.witness(first)
    kept, x = {name: array.copy() for name, array in said.items()}, first.x.copy()
    by_fast_backward.witness(second)
    assert all((said[name] == kept[name]).all() for name in kept)
    assert (first.x == x).all()
    assert all(
        (array == kept[name]).all() for name, array in by_fast_backward.witness(first).items()
    )


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_witnesses_agree_on_cuda(dtype):
    for problem in standard(18):
        failed = [
            v
            for v in verify(problem.rounded_to(dtype), device="cuda", dtype=dtype)
            if v.outcome == "fail"
        ]
        assert not failed, failed[0]
