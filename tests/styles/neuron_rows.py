"""Each neuron is a dictionary whose last weight is its bias; one row of data at a time. Right."""

from math import exp


def activate(weights, inputs):
    return weights[-1] + sum(w * v for w, v in zip(weights[:-1], inputs, strict=True))


def forward_propagate(network, row):
    inputs = row
    for layer in network:
        outputs = []
        for neuron in layer:
            neuron["output"] = 1.0 / (1.0 + exp(-activate(neuron["weights"], inputs)))
            outputs.append(neuron["output"])
        inputs = outputs
    return inputs


def backward_propagate_error(network, expected):
    for i in reversed(range(len(network))):
        for j, neuron in enumerate(network[i]):
            if i == len(network) - 1:
                error = neuron["output"] - expected[j]
            else:
                error = sum(after["weights"][j] * after["delta"] for after in network[i + 1])
            neuron["delta"] = error * neuron["output"] * (1.0 - neuron["output"])


def update_weights(network, row, l_rate):
    for i in range(len(network)):
        inputs = row if i == 0 else [neuron["output"] for neuron in network[i - 1]]
        for neuron in network[i]:
            for j in range(len(inputs)):
                neuron["weights"][j] -= l_rate * neuron["delta"] * inputs[j]
            neuron["weights"][-1] -= l_rate * neuron["delta"]


# Added to check it
LABELS, OUTPUT, COST, BATCH = "one-hot", "sigmoid", "half-quadratic", 1


def step(W, b, x, y, learning_rate):
    network = [
        [{"weights": [*row, c]} for row, c in zip(w, v, strict=True)]
        for w, v in zip(W, b, strict=True)
    ]
    forward_propagate(network, list(x[0]))
    backward_propagate_error(network, y[0])
    update_weights(network, list(x[0]), learning_rate)
    return [[n["weights"][:-1] for n in layer] for layer in network], [
        [n["weights"][-1] for n in layer] for layer in network
    ]
