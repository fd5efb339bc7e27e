"""The hand-written passes: what each equation promises, and that they owe nothing to torch."""

import math
import subprocess
import sys

import numpy as np
import pytest

from backproof.checks import by_hand
from backproof.checks.heads import Head
from backproof.checks.problem import draw

EPS = np.finfo(np.float64).eps


def passes(problem):
    passed = by_hand.forward(problem.x, problem.W, problem.b, head=problem.head)
    return passed, by_hand.backward(passed, problem.W, problem.y, head=problem.head)


@pytest.mark.equation("F1")
def test_forward_weighs_and_adds_one_neuron_at_a_time():
    problem = draw((3, 4, 2), 5, seed=1)
    z = by_hand.forward(problem.x, problem.W, problem.b).z[1]
    for n in range(5):
        for j in range(4):
            terms = [problem.W[1][j, k] * problem.x[n, k] for k in range(3)] + [problem.b[1][j]]
            # four roundings, each eps of the sum
            assert abs(z[n, j] - math.fsum(terms)) <= 4 * EPS * math.fsum(map(abs, terms))


@pytest.mark.equation("F2")
@pytest.mark.parametrize("z", [-1000.0, -30.0, -1.0, 0.0, 1.0, 30.0, 1000.0])
def test_sigmoid_never_overflows_and_is_antisymmetric(z):
    a, b = by_hand.sigmoid(np.array([z, -z]))
    assert 0 <= a <= 1
    assert abs(a + b - 1) <= 2 * EPS  # each side is rounded to about eps of 1
    assert abs(a - 1 / (1 + math.exp(-max(z, -700)))) <= 2 * EPS


@pytest.mark.equation("F3")
def test_softmax_rows_sum_to_one_and_survive_extreme_logits():
    z = np.array([[1e4, -1e4, 0.0], [1e4, 1e4, 1e4], [0.0, math.log(2), math.log(5)]])
    p = by_hand.softmax(z)
    assert np.abs(p.sum(axis=1) - 1).max() <= 3 * EPS  # three terms, each eps of at most 1
    assert np.abs(p - [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [1 / 8, 2 / 8, 5 / 8]]).max() <= 4 * EPS


@pytest.mark.equation("F3")
def test_softmax_is_the_same_for_shifted_logits():
    z = np.array([[0.0, 1.0, 4.0]])
    # adding a power of two to small integers is exact
    assert (by_hand.softmax(z) == by_hand.softmax(z + 1024)).all()


@pytest.mark.equation("F4")
def test_losses_are_finite_where_the_logarithm_of_p_is_not():
    z, y = np.array([[1000.0, 0.0]]), np.array([1])
    assert by_hand.softmax(z)[0, 1] == 0
    assert by_hand.losses(z, y) == [1000.0]
    assert by_hand.losses(z, y, head=Head("sigmoid")) == [1000.0 + math.log(2)]


@pytest.mark.equation("F4")
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_quadratic_loss_is_the_sum_of_squares(output):
    z, y = np.array([[0.3, -1.2, 2.0]]), np.array([2])
    p = by_hand.softmax(z)[0] if output == "softmax" else by_hand.sigmoid(z)[0]
    expected = p[0] ** 2 + p[1] ** 2 + (p[2] - 1) ** 2
    assert abs(by_hand.losses(z, y, head=Head(output, "quadratic"))[0] - expected) <= 4 * EPS


@pytest.mark.equation("B1")
def test_output_dz_rows_sum_to_zero_for_softmax():
    problem = draw((4, 6, 5), 7, seed=2)
    # five terms, each rounded by at most eps of 1
    assert np.abs(passes(problem)[1].dz[2].sum(axis=1)).max() <= 5 * EPS


@pytest.mark.equation("B1", "B6")
def test_cross_entropy_collapses_the_jacobian_to_p_minus_y():
    problem = draw((4, 6, 5), 7, seed=3)
    passed, gone_back = passes(problem)
    Y = by_hand.one_hot(problem.y, passed.p)
    dp = -Y / passed.p / len(problem.y)  # the derivative of -log p[y], mean over the batch
    long_way = (by_hand.softmax_jacobian(passed.p) @ dp[:, :, None])[:, :, 0]
    # p * (1/p) * (1 - p): a handful of roundings of at most 1
    assert np.abs(long_way - gone_back.dz[2]).max() <= 8 * EPS


@pytest.mark.equation("B6")
def test_softmax_jacobian_is_symmetric_and_its_rows_sum_to_zero():
    J = by_hand.softmax_jacobian(by_hand.softmax(np.array([[0.1, 2.0, -1.0], [5.0, 5.0, -5.0]])))
    assert (J.transpose(0, 2, 1) == J).all()
    assert np.abs(J.sum(axis=2)).max() <= 3 * EPS


@pytest.mark.equation("B7")
def test_quadratic_cost_on_softmax_goes_through_the_jacobian():
    problem = draw((4, 6, 3), 5, seed=4, head=Head(cost="quadratic"))
    passed, gone_back = passes(problem)
    p, dp = passed.p, 2 * (passed.p - by_hand.one_hot(problem.y, passed.p)) / 5
    expected = p * (dp - (dp * p).sum(axis=1, keepdims=True))  # J @ dp, multiplied out
    assert np.abs(gone_back.dz[2] - expected).max() <= 8 * EPS


@pytest.mark.equation("B8")
def test_original_network_carries_the_two_of_its_cost():
    passed = by_hand.forward(
        np.array([[0.0]]), {1: np.array([[1.0], [1.0]])}, {1: np.zeros(2)}, head=Head("sigmoid")
    )
    dz = by_hand.backward(
        passed, {1: np.ones((2, 1))}, np.array([0]), head=Head("sigmoid", "quadratic")
    ).dz[1]
    assert dz.tolist() == [[2 * (0.5 - 1) * 0.25, 2 * 0.5 * 0.25]]


@pytest.mark.equation("B9")
def test_sigmoid_with_cross_entropy_has_no_derivative_left():
    problem = draw((3, 4), 6, seed=5, head=Head("sigmoid"))
    passed, gone_back = passes(problem)
    assert (gone_back.dz[1] == (passed.p - by_hand.one_hot(problem.y, passed.p)) / 6).all()


@pytest.mark.equation("B10", "B6")
def test_softmax_with_binary_cross_entropy_goes_through_the_jacobian():
    problem = draw((3, 4), 6, seed=5, head=Head("softmax", "binary-cross-entropy"))
    passed, gone_back = passes(problem)
    p, Y = passed.p, by_hand.one_hot(problem.y, passed.p)
    dp = (p - Y) / (p * (1 - p)) / 6
    long_way = (by_hand.softmax_jacobian(p) @ dp[:, :, None])[:, :, 0]
    # where no p is near 0 or 1, the quotient is as good as the stable form
    assert np.abs(long_way - gone_back.dz[1]).max() <= 1e-12


@pytest.mark.equation("B10", "F4")
def test_softmax_with_binary_cross_entropy_stays_finite_and_right_where_p_rounds_to_one():
    head = Head("softmax", "binary-cross-entropy")
    z, y = np.array([[1000.0, 0.0, -1000.0]]), np.array([1])
    # -ln p_1 is 1000, and so is -ln(1 - p_0); the third output is right
    assert by_hand.losses(z, y, head=head) == [2000.0]
    passed = by_hand.forward(z, {1: np.eye(3)}, {1: np.zeros(3)}, head=head)
    dz = by_hand.backward(passed, {1: np.eye(3)}, y, head=head).dz[1]
    assert dz.tolist() == [[2.0, -2.0, 0.0]]


@pytest.mark.equation("B1", "F4")
def test_two_classes_asked_on_their_own_are_one_question_asked_twice():
    twice = Head("softmax", "binary-cross-entropy")
    z, y = np.array([[0.3, -1.2], [2.0, 5.0]]), np.array([0, 0])
    assert np.abs(by_hand.losses(z, y, head=twice) - 2 * by_hand.losses(z, y)).max() <= 8 * EPS


@pytest.mark.equation("B8", "F3")
def test_linear_output_with_half_the_quadratic_cost_is_output_minus_target():
    head = Head("linear", "half-quadratic")
    Y = np.array([[1.5, -2.0]])
    passed = by_hand.forward(np.array([[1.0]]), {1: np.ones((2, 1))}, {1: np.zeros(2)}, head=head)
    assert by_hand.losses(passed.z[1], Y, head=head) == [(0.5**2 + 3.0**2) / 2]
    assert by_hand.backward(passed, {1: np.ones((2, 1))}, Y, head=head).dz[1].tolist() == [
        [-0.5, 3]
    ]


@pytest.mark.equation("B2", "B3")
def test_weight_and_bias_gradients_are_sums_over_samples():
    problem = draw((3, 4, 2), 5, seed=6)
    passed, gone_back = passes(problem)
    for layer in (1, 2):
        dW = sum(np.outer(gone_back.dz[layer][n], passed.a[layer - 1][n]) for n in range(5))
        assert np.abs(gone_back.dW[layer] - dW).max() <= 5 * EPS * np.abs(dW).max() + 5 * EPS
        assert np.abs(gone_back.db[layer] - sum(gone_back.dz[layer])).max() <= 5 * EPS


@pytest.mark.equation("B4", "B5")
def test_error_goes_back_through_weights_and_sigmoid():
    problem = draw((3, 4, 2), 5, seed=7)
    passed, gone_back = passes(problem)
    a = passed.a[1]
    for n in range(5):
        da = [sum(gone_back.dz[2][n, i] * problem.W[2][i, j] for i in range(2)) for j in range(4)]
        assert np.abs(gone_back.da[1][n] - da).max() <= 4 * EPS
        assert np.abs(gone_back.dz[1][n] - np.array(da) * a[n] * (1 - a[n])).max() <= 4 * EPS


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_passes_stay_in_the_dtype_that_came_in(dtype):
    problem = draw((3, 4, 2), 5, seed=8, head=Head(cost="quadratic"))
    W, b = (
        {layer: array.astype(dtype) for layer, array in layers.items()}
        for layers in (problem.W, problem.b)
    )
    passed = by_hand.forward(problem.x.astype(dtype), W, b)
    gone_back = by_hand.backward(passed, W, problem.y, head=Head(cost="quadratic"))
    assert {array.dtype for array in (passed.p, gone_back.dW[1], gone_back.db[2], gone_back.J)} == {
        np.dtype(dtype)
    }


def test_label_outside_the_classes_is_refused():
    with pytest.raises(IndexError):
        by_hand.losses(np.zeros((1, 2)), np.array([2]))


def test_unknown_head_is_refused():
    with pytest.raises(ValueError, match="expected a cost of cross-entropy, binary-cross-entropy"):
        Head(cost="hinge")
    with pytest.raises(ValueError, match="beside the output linear"):
        Head("linear", "cross-entropy")


def torch_after(statement):
    """Whether a fresh Python has torch in memory after a statement."""
    program = f"import sys; {statement}; print('torch' in sys.modules)"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_importing_by_hand_does_not_import_torch():
    assert torch_after("import backproof.checks.by_hand") == "False"


def test_that_test_would_notice_torch():
    assert torch_after("import backproof.checks.witnesses.by_autograd") == "True"
