"""Hidden layers whose activation is none that is known: right ones are not called wrong, and wrong
derivatives are found in (B5)."""

import numpy as np
import pytest
from planted import in_process

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose


def mish(z):
    return z * np.tanh(np.logaddexp(0, z))


def mish_slope(z):
    t = np.tanh(np.logaddexp(0, z))
    return t + z * (1 - t * t) / (1 + np.exp(-z))


@pytest.fixture(autouse=True)
def _without_combinations(monkeypatch):
    """No search for two bugs at once, which takes seconds and finds none here."""
    monkeypatch.setattr("backproof.checks.diagnosis.choice.Search.combined", lambda search: [])


FUNCTIONS = {
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2),
    "arctan": (np.arctan, lambda z: 1 / (1 + z * z)),
    "mish": (mish, mish_slope),
    "steep tanh": (lambda z: np.tanh(2 * z), lambda z: 2 * (1 - np.tanh(2 * z) ** 2)),
}
WRONG = {
    "that of tanh": lambda z, a: 1 - a * a,
    "missing": lambda z, a: np.ones_like(z),
}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def network(functions, slopes, conventions=None, change=None, scale=1.0):
    """A network of hidden layers with these functions, the last one repeated."""

    def gradients(W, b, x, y):
        a = [x]
        z = []
        L = len(W)
        for layer in range(L):
            z.append(a[-1] @ W[layer].T + b[layer])
            h = functions[min(layer, len(functions) - 1)]
            a.append(h(z[-1]))
        e = np.exp(z[-1] - z[-1].max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        delta = scale * (p - np.eye(p.shape[1])[y]) / len(x)
        dW = [None] * L
        db = [None] * L
        for layer in range(L - 1, -1, -1):
            dW[layer] = delta.T @ a[layer]
            db[layer] = delta.sum(axis=0)
            if layer:
                slope = slopes[min(layer - 1, len(slopes) - 1)]
                delta = delta @ W[layer] * slope(z[layer - 1], a[layer])
        if change:
            change(dW, db, len(x))
        return dW, db

    return in_process({"gradients": gradients}, conventions or Conventions())


def right(name):
    h, prime = FUNCTIONS[name]
    return h, lambda z, a: prime(z)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_network_with_an_unknown_activation_is_not_called_wrong(name):
    h, slope = right(name)
    found = diagnose(network([h], [slope]))
    assert (found.outcome, found.first_step, found.wrong) == ("untested", None, [])
    assert "none of sigmoid, " in found.statement
    assert "its slopes agree with it as far as the numbers show" in found.statement
    assert "check_gradients(loss, ..., gradients=...)" in found.statement


@pytest.mark.parametrize("sizes", [(2, 3, 2), (3, 5, 4, 3, 2)], ids=str)
def test_small_and_deep_networks_show_enough_of_their_function(sizes):
    h, slope = right("softsign")
    assert diagnose(network([h], [slope]), sizes=sizes).outcome == "untested"
    wrong = diagnose(network([h], [WRONG["that of tanh"]]), sizes=sizes)
    assert (wrong.outcome, wrong.first_wrong) == ("fail", f"(B5) dz[{len(sizes) - 2}]")


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_derivative_that_is_not_that_of_the_function_is_the_first_wrong_step(name, wrong):
    h, _ = right(name)
    found = diagnose(network([h], [WRONG[wrong]]))
    assert (found.outcome, found.first_wrong) == ("fail", "(B5) dz[2]")
    assert set(found.wrong) == {"dW[1]", "dW[2]", "db[1]", "db[2]"}


def test_a_wrong_derivative_in_one_layer_is_found_in_that_layer():
    h, slope = right("arctan")
    found = diagnose(network([h], [WRONG["missing"], slope]))
    assert (found.outcome, found.first_wrong) == ("fail", "(B5) dz[1]")


def test_one_odd_layer_among_sigmoids_is_a_wrong_activation():
    def slope(z, a):
        return a * (1 - a)

    for functions, layer in (([sigmoid, FUNCTIONS["softsign"][0]], 2), ([mish, sigmoid], 1)):
        found = diagnose(network(functions, [slope]))
        assert (found.outcome, found.first_wrong) == ("fail", f"(F2) a[{layer}]")


def test_a_function_that_depends_on_the_unit_is_no_activation():
    def h(z):
        return z / (1 + np.abs(z)) * (1 + 0.3 * np.arange(z.shape[1]))

    found = diagnose(network([h], [lambda z, a: 1 - a * a]))
    assert (found.outcome, found.first_wrong) == ("fail", "(F2) a[1]")


def test_what_is_wrong_beside_an_unknown_activation_is_still_found():
    h, slope = right("softsign")

    def first_sample_twice(dW, db, N):
        if N > 1:
            dW[1] *= 1.2

    batch = diagnose(network([h], [slope], change=first_sample_twice))
    assert (batch.outcome, batch.first_wrong, batch.wrong) == ("fail", "(B2) dW[2]", ["dW[2]"])
    output = diagnose(network([h], [slope], scale=1.3))
    assert (output.outcome, output.first_wrong) == ("fail", "(B1) dz[3]")


def test_where_the_activation_is_declared_another_one_is_wrong():
    h, slope = right("softsign")
    asked = Conventions(declared=frozenset({"HIDDEN"}))
    found = diagnose(network([h], [slope], asked))
    assert (found.outcome, found.first_wrong) == ("fail", "(F2) a[1]")
