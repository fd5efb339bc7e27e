"""Objects for neurons and layers, a global learning rate, one example at a time. Right."""

import math

RATE = 0.5


class Neuron:
    def __init__(self, weights, bias):
        self.weights, self.bias = list(weights), bias

    def calculate_output(self, inputs):
        self.inputs = inputs
        total = self.bias
        for w, i in zip(self.weights, inputs, strict=True):
            total += w * i
        self.output = 1 / (1 + math.exp(-total))
        return self.output

    def learn(self, node_delta):
        for i in range(len(self.weights)):
            self.weights[i] -= RATE * node_delta * self.inputs[i]
        self.bias -= RATE * node_delta


class Network:
    def __init__(self, layers):
        self.layers = layers

    def train(self, inputs, targets):
        for layer in self.layers:
            inputs = [neuron.calculate_output(inputs) for neuron in layer]
        errors = [o - t for o, t in zip(inputs, targets, strict=True)]
        deltas = []
        for layer in reversed(self.layers):
            deltas.insert(
                0, [e * n.output * (1 - n.output) for e, n in zip(errors, layer, strict=True)]
            )
            errors = [
                sum(d * n.weights[i] for d, n in zip(deltas[0], layer, strict=True))
                for i in range(len(layer[0].weights))
            ]
        for layer, delta in zip(self.layers, deltas, strict=True):
            for neuron, d in zip(layer, delta, strict=True):
                neuron.learn(d)


# Added to check it
LABELS, OUTPUT, COST, BATCH, LEARNING_RATE = "one-hot", "sigmoid", "half-quadratic", 1, RATE


def step(W, b, x, y, learning_rate):
    net = Network(
        [[Neuron(row, c) for row, c in zip(w, v, strict=True)] for w, v in zip(W, b, strict=True)]
    )
    net.train(list(x[0]), list(y[0]))
    return [[n.weights for n in layer] for layer in net.layers], [
        [n.bias for n in layer] for layer in net.layers
    ]
