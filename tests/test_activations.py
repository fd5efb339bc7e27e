"""Every activation: h against the math module, h' against the complex step, both against torch; and
each line of them that is wrong is caught."""

import importlib.util
import inspect
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from backproof.checks import activations
from backproof.checks.activations import ACTIVATIONS, NAMES, REACH, LeakyReLU, by_layer, erf, named
from backproof.checks.heads import HEADS, Head
from backproof.checks.problem import draw, every_kind
from backproof.checks.witnesses.verify import verify, verify_quickly
from backproof.model import activations as in_torch
from backproof.model.network import MLP

EPS = np.finfo(np.float64).eps
# either side of 0, out to where exponentials underflow, and none at a kink
Z = np.concatenate([np.linspace(-9, 9, 2000), [-800.0, -40.0, -1e-9, 1e-9, 40.0, 800.0]])
RIGHT = {
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)) if z > -700 else 0.0,
    "tanh": math.tanh,
    "relu": lambda z: max(0.0, z),
    "leaky-relu": lambda z: max(0.01 * z, z),
    "elu": lambda z: z if z > 0 else math.expm1(z),
    "softplus": lambda z: max(z, 0) + math.log1p(math.exp(-abs(z))),
    "silu": lambda z: z / (1 + math.exp(-z)) if z > -700 else 0.0,
    "gelu": lambda z: z * math.erfc(-z / math.sqrt(2)) / 2,
    "gelu-tanh": lambda z: z / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "bipolar-sigmoid": lambda z: math.tanh(z / 2),
    "identity": float,
}
each = pytest.mark.parametrize("name", NAMES)


@pytest.mark.equation("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11")
@each
def test_h_is_what_the_math_module_says(name):
    h = named(name)
    expected = np.array([RIGHT[name](z) for z in Z])
    assert (np.abs(h.h(Z) - expected) <= h.h_error(Z, expected, 0 * Z, EPS) + 1e-300).all()
    assert h.lowest <= h.h(Z).min()
    assert h.h(Z).max() <= h.highest


@pytest.mark.equation("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11")
@each
def test_h_prime_is_what_the_complex_step_and_torch_say(name):
    h = named(name)
    a = h.h(Z)
    found = h.h_prime(Z, a)
    a_error = h.h_error(Z, a, 0 * Z, EPS)
    allowed = 4 * (h.h_prime_error(Z, a, 0 * Z, a_error, EPS) + 4 * EPS * np.abs(found)) + 1e-58
    assert (np.abs(h.h(Z + 1e-30j).imag / 1e-30 - found) <= allowed).all()
    z = torch.tensor(Z, requires_grad=True)
    in_torch.ACTIVATIONS[name].module(0.01)(z).sum().backward()
    assert (np.abs(z.grad.numpy() - found) <= allowed).all()
    assert np.abs(found).max() <= h.steepest
    assert h.in_pieces == (name in ("relu", "leaky-relu", "elu"))


@each
def test_rounding_bounds_cover_float32_and_are_no_more_than_100_eps(name):
    h = named(name)
    z = Z.astype(np.float32)
    exact = z.astype(np.float64)
    eps = float(np.finfo(np.float32).eps)
    a = h.h(exact)
    a_error = h.h_error(exact, a, 0 * exact, eps)
    assert (np.abs(h.h(z) - a) <= a_error + 1e-37).all()
    slope_error = h.h_prime_error(exact, a, 0 * exact, a_error, eps)
    slope_error += 4 * eps * np.abs(h.h_prime(exact, a))
    assert (np.abs(h.h_prime(z, h.h(z)) - h.h_prime(exact, a)) <= slope_error + 1e-37).all()
    assert (a_error <= 100 * eps * (1 + np.abs(z))).all()
    assert (slope_error <= 100 * eps * (1 + np.abs(z) ** 3)).all()


def test_error_function_of_complex_numbers_is_that_of_real_ones():
    x = np.linspace(-30, 30, 4001)
    assert np.abs(erf(x + 0j).real - erf(x)).max() <= 8 * EPS
    slope = 2 / math.sqrt(math.pi) * np.exp(-(x**2))
    assert np.abs(erf(x + 1e-30j).imag / 1e-30 - slope).max() <= 16 * EPS
    assert math.isnan(erf(np.array([math.nan]))[0])


@each
def test_nan_stays_nan(name):
    assert np.isnan(named(name).h(np.array([np.nan]))).all()


def test_the_page_and_torch_know_the_same_activations():
    assert tuple(in_torch.ACTIVATIONS) == NAMES
    assert len({h.tag for h in ACTIVATIONS.values()}) == len(NAMES)


def test_activations_are_one_for_all_layers_or_one_each():
    relu, tanh = named("relu"), named("tanh")
    assert by_layer(relu, 3) == {1: relu, 2: relu}
    assert by_layer([relu, tanh], 3) == {1: relu, 2: tanh}
    with pytest.raises(ValueError, match="one for each of 2, got 1"):
        by_layer([relu], 3)
    with pytest.raises(ValueError, match="got 'swish'"):
        named("swish")
    with pytest.raises(ValueError, match="one for each of 2, got 1"):
        MLP((4, 3, 3, 2), activation=["relu"])
    with pytest.raises(ValueError, match="got 'swish'"):
        MLP((4, 3, 2), activation="swish")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_witnesses_agree_on_every_head_and_activation(dtype):
    problems = [problem.rounded_to(dtype) for problem in every_kind(len(HEADS))]
    assert {problem.head for problem in problems} == set(HEADS)
    used = {h.name for problem in problems for h in problem.activation.values()}
    assert used == set(NAMES)
    for problem in problems:
        failed = [v for v in verify(problem, dtype=dtype) if v.outcome == "fail"]
        assert not failed, failed[0]


def test_another_slope_is_told_apart_and_verified():
    problem = draw((4, 6, 5, 3), 7, 0, hidden=LeakyReLU(0.2))
    assert "leaky-relu(0.2)" in problem.id
    assert not [v for v in verify(problem) if v.outcome == "fail"]


def test_an_entry_on_a_kink_is_untested_and_its_neighbours_are_not():
    problem = draw((3, 4, 2), 6, 0, hidden=named("relu"))
    problem.x[0] = 0.0
    problem.b[1][:] = [0.0, 1.0, -1.0, 0.5]  # the first unit is on its kink in the first sample
    bounds, dz = problem.bounds(), problem.backward().dz[1]
    da = problem.backward().da[1]
    assert bounds["dz[1]"][0, 0] >= abs(da[0, 0])
    assert (bounds["dz[1]"][1:] <= 1e-13).all()
    assert (bounds["dz[1]"][0, 1:] <= 1e-13).all()
    assert dz[0, 0] == 0
    assert not [v for v in verify(problem) if v.outcome == "fail"]


def test_the_other_convention_at_a_kink_is_right_too(monkeypatch):
    problem = draw((3, 4, 2), 6, 0, hidden=named("relu"))
    problem.x[0] = 0.0
    problem.b[1][:] = [0.0, 1.0, -1.0, 0.5]
    with_one = lambda self, z, a: np.where(z >= 0, 1.0, 0.0)  # noqa: E731
    monkeypatch.setattr(activations.ReLU, "h_prime", with_one)
    assert not [v for v in verify(problem) if v.outcome == "fail"]


def test_dead_units_and_a_network_of_them_are_no_alarm():
    problem = draw((3, 6, 4, 2), 5, 1, regime="saturated", hidden=named("relu"))
    a = problem.forward().a[1]
    assert (a[:, ::3] == 0).all()
    assert not [v for v in verify(problem) if v.outcome == "fail"]


SOURCE = Path(activations.__file__).read_text().splitlines()
RULES = [
    (r"<= 0", ">= 0"),
    (r"> 0", "< 0"),
    (r" - ", " + "),
    (r" \+ ", " - "),
    (r"\*\*2", "**3"),
    (r"(?<=[\w)]) \* ", " / "),
    (r"\b1\b", "2"),
    (r"\b0, z\)", "0.5, z)"),
    (r"\b1, 0\)", "1, 0.5)"),
    (r"self\.slope\)", "0.02)"),
    (r"return z\.copy\(\)", "return 2 * z"),
    (r"np\.ones_like\(z\)", "2 * np.ones_like(z)"),
    (r"np\.tanh\(z\)", "np.sin(z)"),
    (r"return SIGMOID\.h\(z\)", "return SIGMOID.h(a)"),
]


def wrong_lines():
    for name in NAMES:
        cls = type(named(name))
        source, first = inspect.getsourcelines(cls)
        for number, line in enumerate(source, start=first - 1):
            if not re.search(r"# \(A\d+\)$", line):
                continue
            for rule, (pattern, replacement) in enumerate(RULES):
                wrong = re.sub(pattern, replacement, line.partition("  #")[0], count=1)
                if wrong != line.partition("  #")[0]:
                    yield pytest.param(name, number, wrong, id=f"{name}-{number + 1}-{rule}")


@pytest.mark.parametrize(("name", "number", "wrong"), list(wrong_lines()))
def test_a_wrong_line_is_caught(monkeypatch, tmp_path, name, number, wrong):
    path = tmp_path / "activations.py"
    path.write_text("\n".join([*SOURCE[:number], wrong, *SOURCE[number + 1 :]]) + "\n")
    spec = importlib.util.spec_from_file_location("wrong_activations", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "wrong_activations", module)
    spec.loader.exec_module(module)
    right = type(named(name))
    problem = draw((4, 6, 5, 3), 7, 2, head=Head("softmax"), hidden=named(name))
    for method in ("h", "h_prime"):
        monkeypatch.setattr(right, method, vars(getattr(module, right.__name__))[method])
    failed = [v for v in verify_quickly(problem) if v.outcome == "fail"]
    assert failed, wrong
    assert failed[0].equation in ("(F2)", "(B5)")


def test_reach_of_a_kink_is_the_safety_of_the_bounds():
    from backproof.checks.bound import SAFETY

    assert REACH == SAFETY
