"""Scripts with one variable for each weight: w1, w2, ..., b1 as names, attributes or entries of a
dictionary. What the neurons multiply is gathered into matrices, and each number is judged."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from command import told_of

from backproof.checks.recording.script.arithmetic import Arithmetic, Line, Unknown

ATTRIBUTES = """\
import numpy as np

np.random.seed(5)

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def deriv_sigmoid(x):
    fx = sigmoid(x)
    return fx * (1 - fx)

class Network:
    def __init__(self):
        self.w1 = np.random.normal()
        self.w2 = np.random.normal()
        self.w3 = np.random.normal()
        self.w4 = np.random.normal()
        self.w5 = np.random.normal()
        self.w6 = np.random.normal()
        self.b1 = np.random.normal()
        self.b2 = np.random.normal()
        self.b3 = np.random.normal()

    def feedforward(self, x):
        h1 = sigmoid(self.w1 * x[0] + self.w2 * x[1] + self.b1)
        h2 = sigmoid(self.w3 * x[0] + self.w4 * x[1] + self.b2)
        return sigmoid(self.w5 * h1 + self.w6 * h2 + self.b3)

    def train(self, data, answers):
        rate = 0.1
        for epoch in range(1000):
            for x, y_true in zip(data, answers):
                sum_h1 = self.w1 * x[0] + self.w2 * x[1] + self.b1
                h1 = sigmoid(sum_h1)
                sum_h2 = self.w3 * x[0] + self.w4 * x[1] + self.b2
                h2 = sigmoid(sum_h2)
                sum_o1 = self.w5 * h1 + self.w6 * h2 + self.b3
                o1 = sigmoid(sum_o1)
                y_pred = o1

                d_L_d_ypred = -2 * (y_true - y_pred)
                d_ypred_d_w5 = h1 * deriv_sigmoid(sum_o1)
                d_ypred_d_w6 = h2 * deriv_sigmoid(sum_o1)
                d_ypred_d_b3 = deriv_sigmoid(sum_o1)
                d_ypred_d_h1 = self.w5 * deriv_sigmoid(sum_o1)
                d_ypred_d_h2 = self.w6 * deriv_sigmoid(sum_o1)
                d_h1_d_w1 = x[0] * deriv_sigmoid(sum_h1)
                d_h1_d_w2 = x[1] * deriv_sigmoid(sum_h1)
                d_h1_d_b1 = deriv_sigmoid(sum_h1)
                d_h2_d_w3 = x[0] * deriv_sigmoid(sum_h2)
                d_h2_d_w4 = x[1] * deriv_sigmoid(sum_h2)
                d_h2_d_b2 = deriv_sigmoid(sum_h2)

                self.w1 -= rate * d_L_d_ypred * d_ypred_d_h1 * d_h1_d_w1
                self.w2 -= rate * d_L_d_ypred * d_ypred_d_h1 * d_h1_d_w2
                self.b1 -= rate * d_L_d_ypred * d_ypred_d_h1 * d_h1_d_b1
                self.w3 -= rate * d_L_d_ypred * d_ypred_d_h2 * d_h2_d_w3
                self.w4 -= rate * d_L_d_ypred * d_ypred_d_h2 * d_h2_d_w4
                self.b2 -= rate * d_L_d_ypred * d_ypred_d_h2 * d_h2_d_b2
                self.w5 -= rate * d_L_d_ypred * d_ypred_d_w5
                self.w6 -= rate * d_L_d_ypred * d_ypred_d_w6
                self.b3 -= rate * d_L_d_ypred * d_ypred_d_b3
            if epoch % 10 == 0:
                answered = np.apply_along_axis(self.feedforward, 1, data)
                print(epoch, ((answers - answered) ** 2).mean())

data = np.array([[-0.2, -0.1], [2.5, 0.6], [1.7, 0.4], [-1.5, -0.6]])
Network().train(data, np.array([1, 0, 0, 1]))
"""
GLOBALS = """\
import math

def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))

i1, i2 = 0.05, 0.10
w1, w2, w3, w4 = 0.15, 0.20, 0.25, 0.30
w5, w6, w7, w8 = 0.40, 0.45, 0.50, 0.55
b1, b2 = 0.35, 0.60
target_o1, target_o2 = 0.01, 0.99
for turn in range(1000):
    out_h1 = sigmoid(w1 * i1 + w2 * i2 + b1 * 1)
    out_h2 = sigmoid(w3 * i1 + w4 * i2 + b1 * 1)
    out_o1 = sigmoid(w5 * out_h1 + w6 * out_h2 + b2 * 1)
    out_o2 = sigmoid(w7 * out_h1 + w8 * out_h2 + b2 * 1)
    error = 0.5 * (target_o1 - out_o1) ** 2 + 0.5 * (target_o2 - out_o2) ** 2
    delta_o1 = -(target_o1 - out_o1) * out_o1 * (1 - out_o1)
    delta_o2 = -(target_o2 - out_o2) * out_o2 * (1 - out_o2)
    dw5 = delta_o1 * out_h1
    dw6 = delta_o1 * out_h2
    dw7 = delta_o2 * out_h1
    dw8 = delta_o2 * out_h2
    delta_h1 = (delta_o1 * w5 + delta_o2 * w7) * out_h1 * (1 - out_h1)
    delta_h2 = (delta_o1 * w6 + delta_o2 * w8) * out_h2 * (1 - out_h2)
    new_w1 = w1 - 0.5 * delta_h1 * i1
    new_w2 = w2 - 0.5 * delta_h1 * i2
    new_w3 = w3 - 0.5 * delta_h2 * i1
    new_w4 = w4 - 0.5 * delta_h2 * i2
    w5 = w5 - 0.5 * dw5
    w6 = w6 - 0.5 * dw6
    w7 = w7 - 0.5 * dw7
    w8 = w8 - 0.5 * dw8
    w1, w2, w3, w4 = new_w1, new_w2, new_w3, new_w4
    if turn % 100 == 0:
        print(turn, error)
"""
WHOLE = """\
import random
from math import exp

random.seed(3)
X = [[0, 0], [0, 1], [1, 0], [1, 1]]
Y = [0, 1, 1, 0]
w11, w12, w21, w22 = (random.uniform(-1, 1) for _ in range(4))
v1, v2, bh1, bh2, bo = (random.uniform(-1, 1) for _ in range(5))
lr = 0.5

def sigmoid(x):
    return 1 / (1 + exp(-x))

for epoch in range(2000):
    error = 0
    for (x1, x2), y in zip(X, Y):
        h1 = sigmoid(w11 * x1 + w12 * x2 + bh1)
        h2 = sigmoid(w21 * x1 + w22 * x2 + bh2)
        out = sigmoid(v1 * h1 + v2 * h2 + bo)
        error += (y - out) ** 2
        d_out = (out - y) * out * (1 - out)
        d_h1 = d_out * v1 * h1 * (1 - h1)
        d_h2 = d_out * v2 * h2 * (1 - h2)
        v1 -= lr * d_out * h1
        v2 -= lr * d_out * h2
        bo -= lr * d_out
        w11 -= lr * d_h1 * x1
        w12 -= lr * d_h1 * x2
        bh1 -= lr * d_h1
        w21 -= lr * d_h2 * x1
        w22 -= lr * d_h2 * x2
        bh2 -= lr * d_h2
    if epoch % 200 == 0:
        print(epoch, error / 4)
"""
CROSS_ENTROPY = """\
import math, random

random.seed(7)
w = {f"w{n}": random.gauss(0, 1) for n in range(1, 7)}
b = {"b1": 0.1, "b2": -0.1, "b3": 0.05}
data = [(0.1, 0.9, 1), (0.8, 0.2, 0), (0.4, 0.6, 1), (0.9, 0.3, 0), (0.2, 0.5, 1)]

def train_step(x1, x2, y, lr):
    a1 = math.tanh(w["w1"] * x1 + w["w2"] * x2 + b["b1"])
    a2 = math.tanh(w["w3"] * x1 + w["w4"] * x2 + b["b2"])
    z = w["w5"] * a1 + w["w6"] * a2 + b["b3"]
    p = 1 / (1 + math.exp(-z))
    loss = -(y * math.log(p) + (1 - y) * math.log(1 - p))
    dz = p - y
    dz1 = dz * w["w5"] * (1 - a1 * a1)
    dz2 = dz * w["w6"] * (1 - a2 * a2)
    w["w5"] -= lr * dz * a1
    w["w6"] -= lr * dz * a2
    b["b3"] -= lr * dz
    w["w1"] -= lr * dz1 * x1
    w["w2"] -= lr * dz1 * x2
    b["b1"] -= lr * dz1
    w["w3"] -= lr * dz2 * x1
    w["w4"] -= lr * dz2 * x2
    b["b2"] -= lr * dz2
    return loss

for epoch in range(100):
    print(sum(train_step(x1, x2, y, 0.2) for x1, x2, y in data))
"""
MOMENTUM = WHOLE.replace("lr = 0.5\n", "lr = 0.5\nm1 = m2 = 0.0\n")
for number, loss in ((1, "d_out * h1"), (2, "d_out * h2")):
    update = f"m{number} = 0.9 * m{number} + lr * {loss}\n        v{number} -= m{number}\n"
    MOMENTUM = MOMENTUM.replace(f"v{number} -= lr * {loss}\n", update)
RIGHT = {
    "attributes": (ATTRIBUTES, [2, 2, 1], "quadratic"),
    "globals": (GLOBALS, [2, 2, 2], "quadratic"),
    "whole": (WHOLE, [2, 2, 1], "quadratic"),
    "cross_entropy": (CROSS_ENTROPY, [2, 2, 1], "cross-entropy"),
    "momentum": (MOMENTUM, [2, 2, 1], "quadratic"),
}
# a script, what is written in place of what, and the first wrong step
WRONG = {
    "weight": (ATTRIBUTES, "d_h2 = self.w6 *", "d_h2 = self.w5 *", "(B5) dz[1]"),
    "input": (ATTRIBUTES, "d_w2 = x[1]", "d_w2 = x[0]", "(B2) dW[1]"),
    "neuron": (ATTRIBUTES, "d_w6 = h2", "d_w6 = h1", "(B2) dW[2]"),
    "up": (ATTRIBUTES, "self.w4 -=", "self.w4 +=", "(B2) dW[1]"),
    "path": (GLOBALS, "(delta_o1 * w6 + delta_o2 * w8)", "(delta_o1 * w6)", "(B5) dz[1]"),
    "other": (GLOBALS, "delta_o2 * w7)", "delta_o2 * w6)", "(B5) dz[1]"),
    "slip": (GLOBALS, "out_h2 * (1 - out_h2)", "out_h2 * (1 + out_h2)", "(B5) dz[1]"),
    "handed": (
        GLOBALS,
        "new_w4 = w4 - 0.5 * delta_h2",
        "new_w4 = w4 - 0.5 * delta_h1",
        "(B5) dz[1]",
    ),
    "swapped": (WHOLE, "d_out * v2 * h2", "d_out * v1 * h2", "(B5) dz[1]"),
    "late": (WHOLE, "w21 -= lr * d_h2", "w21 -= lr * d_h1", "(B2) dW[1]"),
    "tanh": (CROSS_ENTROPY, "(1 - a1 * a1)", "a1 * (1 - a1)", "(B5) dz[1]"),
}
# the same of which lines can be blamed as well, or none at all
NO_LINE = {
    "unmultiplied": (ATTRIBUTES, "d_w5 = h1 * deriv_sigmoid(sum_o1)", "d_w5 = h1", "(B2) dW[2]"),
    "ascent": (ATTRIBUTES, "= -2 * (", "= 2 * (", "(B8) dz[2]"),
    "bare": (WHOLE, "v1 * h1 * (1 - h1)", "v1", "(B5) dz[1]"),
    "last": (WHOLE, "out * (1 - out)", "out", "(B8) dz[2]"),
    "left": (WHOLE, "        bo -= lr * d_out\n", "", "(B3) db[2]"),
}
# what may be right, and is not to be called wrong; or wrong, and must not pass
UPDATES = WHOLE[WHOLE.index("        v1 -=") : WHOLE.index("    if epoch")]
NUMBERS = [line.split() for line in UPDATES.splitlines()]
GRADIENTS = {line[0]: " ".join(line[4:]) for line in NUMBERS}
INSIDE = WHOLE.replace("[[0, 0], [0, 1], [1, 0], [1, 1]]", "[[0.1, 0.2], [1, 1], [1, 0.5]]")


def updated(lines: str, more: str = "", source: str = INSIDE) -> str:
    """The script with other updates: {w} for a number, and {g} for its gradient."""
    some = [f"{lines.format(w=name, g=gradient)}" for name, gradient in GRADIENTS.items()]
    return source.replace(UPDATES, more + "".join(some))


START = "".join(f"s_{name} = m_{name} = 0.0\n" for name in GRADIENTS)
HELD = INSIDE.replace("lr = 0.5\n", f"lr = 0.01\n{START}")
UNTOLD = {
    "zeros": WHOLE.replace(
        "[[0, 0], [0, 1], [1, 0], [1, 1]]", "[[0, 0.5], [0, 1.5], [0, 0.3], [0, 0.7]]"
    ),
    "two_costs": CROSS_ENTROPY.replace("dz = p - y", "dz = (p - y) * p * (1 - p)"),
    "rmsprop": updated(
        "        s_{w} = 0.9 * s_{w} + 0.1 * ({g}) ** 2\n"
        "        {w} -= lr * {g} / (s_{w} ** 0.5 + 1e-8)\n",
        source=HELD,
    ),
    "clip": updated("        {w} -= lr * max(-0.02, min(0.02, {g}))\n"),
    "lasso": updated("        {w} -= lr * ({g} + 0.01 * (1 if {w} > 0 else -1))\n"),
    "norm": updated(
        "        {w} -= lr * {g} * scale\n",
        "        some = [" + ", ".join(GRADIENTS.values()) + "]\n"
        "        scale = 0.001 / sum(g * g for g in some) ** 0.5\n",
    ),
    "classes": updated(
        "        {w} -= lr * {g} * weight\n", "        weight = 1.7 if y == 0 else 1.0\n"
    ).replace("Y = [0, 1, 1, 0]", "Y = [0, 0, 1]"),
    "rates": WHOLE.replace("bo -= lr *", "bo -= 0.1 *"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {f"right_{name}": source for name, (source, *_) in RIGHT.items()}
    for name, one in (WRONG | NO_LINE).items():
        sources[f"wrong_{name}"] = one[0].replace(*one[1:3])
    sources |= {f"untold_{name}": source for name, source in UNTOLD.items()}
    return told_of(tmp_path_factory, worker_id, "scalars", sources)


@pytest.mark.parametrize("name", RIGHT)
def test_right_numbers_are_gathered_and_pass(told: dict[str, dict[str, Any]], name: str) -> None:
    found = told[f"right_{name}"]
    assert (found["verdict"], found["diagnosis"]["findings"]) == ("pass", [])
    network = found["watched"]["network"]
    assert (network["sizes"], network["cost"]) == RIGHT[name][1:]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_number_fails_with_its_line(told: dict[str, dict[str, Any]], name: str) -> None:
    source, right, _, first = WRONG[name]
    assert source.count(right) == 1
    found = told[f"wrong_{name}"]
    assert (found["verdict"], found["diagnosis"]["first_wrong"]) == ("fail", first)
    line = source[: source.index(right)].count("\n") + 1
    assert found["diagnosis"]["line"]["number"] == line


@pytest.mark.parametrize("name", NO_LINE)
def test_what_several_lines_may_have_done_fails_without_one(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    source, right, _, first = NO_LINE[name]
    assert source.count(right) == 1
    found = told[f"wrong_{name}"]
    assert (found["verdict"], found["diagnosis"]["first_wrong"]) == ("fail", first)
    assert found["diagnosis"]["line"] is None


def test_a_number_that_no_line_changes_is_named(told: dict[str, dict[str, Any]]) -> None:
    assert told["wrong_left"]["diagnosis"]["line_reason"] == "No line was seen to change bo."


@pytest.mark.parametrize("name", UNTOLD)
def test_what_nothing_shows_is_neither_right_nor_wrong(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    assert told[f"untold_{name}"]["verdict"] == "untested"


KNOWN = {"p": 0.25, "w": 3.0, "lr": 0.5}
SLOPE = ast.parse('def slope(a):\n    "a\'"\n    one = 1\n    return a * (one - a)\n').body[0]


def _line(text: str) -> Line:
    assert isinstance(SLOPE, ast.FunctionDef)
    held = lambda place: KNOWN.get(ast.unparse(place))  # noqa: E731
    return Arithmetic(held, {"slope": SLOPE}, "y").line(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    ("text", "at_zero", "slope"),
    [
        ("-2 * (y - p)", 0.5, -2.0),
        ("(p - y) * slope(p)", 0.25 * 0.1875, -0.1875),
        ("w - lr * (p - y) / 4", 3.0 - 0.03125, 0.125),
        ("w ** 2 - math.exp(0) * y", 9.0, -1.0),
    ],
)
def test_an_expression_is_a_straight_line_in_the_unknown(
    text: str, at_zero: float, slope: float
) -> None:
    assert _line(text) == Line(pytest.approx(at_zero), pytest.approx(slope))  # to rounding


@pytest.mark.parametrize("text", ["(p - y) ** 2", "y * y", "log(y)", "p - y + other", "f(p) - y"])
def test_what_is_no_straight_line_or_not_known_is_unknown(text: str) -> None:
    with pytest.raises(Unknown):
        _line(text)
