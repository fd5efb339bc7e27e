"""Scripts that are written neuron by neuron: a layer is a list of dictionaries or of objects, each
with its own weights. What the neurons of a layer hold are rows of one matrix."""

from __future__ import annotations

from typing import Any

import pytest
from command import told_of

from backproof.checks.candidates.inside.values import Reader

DICTIONARIES = """\
from math import exp
from random import Random
draw = Random(4)

def layer(inputs, n):
    return [{'weights': [draw.uniform(-1, 1) for _ in range(inputs + 1)]} for _ in range(n)]

def fire(weights, inputs):
    total = weights[-1]
    for i in range(len(weights) - 1):
        total += weights[i] * inputs[i]
    return 1.0 / (1.0 + exp(-total))

def forward(net, row):
    inputs = row
    for one in net:
        fresh = []
        for neuron in one:
            neuron['output'] = fire(neuron['weights'], inputs)
            fresh.append(neuron['output'])
        inputs = fresh
    return inputs

def backward(net, wanted):
    for i in reversed(range(len(net))):
        for j, neuron in enumerate(net[i]):
            if i == len(net) - 1:
                error = neuron['output'] - wanted[j]
            else:
                error = sum(n['weights'][j] * n['delta'] for n in net[i + 1])
            neuron['delta'] = error * neuron['output'] * (1.0 - neuron['output'])

def update(net, row, rate):
    for i in range(len(net)):
        inputs = row[:-1] if i == 0 else [neuron['output'] for neuron in net[i - 1]]
        for neuron in net[i]:
            for j in range(len(inputs)):
                neuron['weights'][j] -= rate * neuron['delta'] * inputs[j]
            neuron['weights'][-1] -= rate * neuron['delta']

data = [[2.78, 2.55, 0], [1.46, 2.36, 0], [3.4, 4.4, 0], [7.62, 2.75, 1], [5.33, 2.08, 1]]
net = [layer(2, 3), layer(3, 2)]
for epoch in range(20):
    total = 0
    for row in data:
        wanted = [0, 0]
        wanted[row[-1]] = 1
        total += sum((w - p) ** 2 for w, p in zip(wanted, forward(net, row)))
        backward(net, wanted)
        update(net, row, 0.5)
    print(epoch, total)
"""
OBJECTS = """\
import math

class Layer:
    def __init__(self, rows, bias):
        self.bias = bias
        self.neurons = [Neuron(row, bias) for row in rows]

    def feed(self, inputs):
        return [neuron.fire(inputs) for neuron in self.neurons]

class Neuron:
    def __init__(self, weights, bias):
        self.weights = list(weights)
        self.bias = bias

    def fire(self, inputs):
        self.inputs = inputs
        net = sum(w * i for w, i in zip(self.weights, inputs)) + self.bias
        self.output = 1 / (1 + math.exp(-net))
        return self.output

    def slope(self):
        return self.output * (1 - self.output)

    def error(self, target):
        return 0.5 * (target - self.output) ** 2

hidden = Layer([[.15, .2], [.25, .3]], .35)
output = Layer([[.4, .45], [.5, .55]], .6)
x, y = [.05, .1], [.01, .99]
for turn in range(100):
    output.feed(hidden.feed(x))
    out = [-(t - n.output) * n.slope() for t, n in zip(y, output.neurons)]
    hid = []
    for h in range(2):
        back = sum(out[o] * output.neurons[o].weights[h] for o in range(2))
        hid.append(back * hidden.neurons[h].slope())
    for neuron, delta in zip(output.neurons, out):
        for w in range(2):
            neuron.weights[w] -= 0.5 * delta * neuron.inputs[w]
    for neuron, delta in zip(hidden.neurons, hid):
        for w in range(2):
            neuron.weights[w] -= 0.5 * delta * neuron.inputs[w]
    output.feed(hidden.feed(x))
    print(turn, sum(n.error(t) for n, t in zip(output.neurons, y)))
"""
RIGHT = {
    "dictionaries": (DICTIONARIES, [2, 3, 2]),
    "objects": (OBJECTS, [2, 2, 2]),
}
# a script, what is written in place of what, and the bug that this is
WRONG = {
    "one_weight": (DICTIONARIES, "n['weights'][j] *", "n['weights'][0] *", "loop-overwrites"),
    "slip": (
        DICTIONARIES,
        "neuron['output'] * (1.0 - neuron['output'])",
        "neuron['output'] * (1.0 + neuron['output'])",
        "derivative-slip",
    ),
    "no_slope": (OBJECTS, "back * hidden.neurons[h].slope()", "back", "no-hidden-derivative"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, dict[str, Any]]:
    """What the program says of every script, in one call."""
    sources = {f"right_{name}": source for name, (source, _) in RIGHT.items()}
    sources |= {f"wrong_{name}": one[0].replace(*one[1:3]) for name, one in WRONG.items()}
    return told_of(tmp_path_factory, worker_id, "neurons", sources)


@pytest.mark.parametrize("name", RIGHT)
def test_right_neurons_are_recognised_and_pass(told: dict[str, dict[str, Any]], name: str) -> None:
    found = told[f"right_{name}"]
    assert (found["verdict"], found["diagnosis"]["findings"]) == ("pass", [])
    assert found["watched"]["network"]["sizes"] == RIGHT[name][1]


def test_numbers_that_all_neurons_share_and_that_stay_are_no_gradient_that_is_missing(
    told: dict[str, dict[str, Any]],
) -> None:
    found = told["right_objects"]["diagnosis"]
    assert found["correct"] == ["dW[2]", "dW[1]"]
    assert "biases that never change" in found["statement"]


@pytest.mark.parametrize("name", WRONG)
def test_wrong_neurons_fail_with_their_line_and_their_bug(
    told: dict[str, dict[str, Any]], name: str
) -> None:
    source, right, _, bug = WRONG[name]
    assert source.count(right) == 1
    found = told[f"wrong_{name}"]
    assert found["verdict"] == "fail"
    line = source[: source.index(right)].count("\n") + 1
    near = {line, line - 1}  # the sum that a derivative was to follow is the delta already
    assert found["diagnosis"]["line"]["number"] in near
    assert bug in [one["id"] for one in found["diagnosis"]["bugs"]]


def _look(value: object) -> dict[str, list[Any]]:
    reader = Reader(lambda module: True, lambda file: True)
    return {
        found.name: found.value.tolist()
        for found in reader.look(1, "net", value)
        if hasattr(found.value, "tolist")
    }


def test_what_records_hold_under_one_name_is_gathered() -> None:
    found = _look([{"w": [1.0, 2.0], "b": 0.5}, {"w": [3.0, 4.0], "b": 0.25}])
    assert found["net[...]['w']"] == [[1.0, 2.0], [3.0, 4.0]]
    assert found["net[...]['b']"] == [0.5, 0.25]


def test_records_of_several_sizes_and_layers_are_not_gathered() -> None:
    assert "net[...]['w']" not in _look([{"w": [1.0, 2.0]}, {"w": [3.0]}])
    layers = [{"W": [[1.0, 2.0]], "b": [0.5]}, {"W": [[3.0, 4.0]], "b": [0.25]}]
    assert "net[...]['b']" not in _look(layers)
