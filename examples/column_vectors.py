"""Column vectors, one example at a time, half the squared error; sigma' is taken of what is a
sigmoid already. Wrong."""

import numpy as np


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


def backprop(weights, biases, x, y):
    activation, activations = x, [x]
    for w, b in zip(weights, biases, strict=True):
        activation = sigmoid(np.dot(w, activation) + b)
        activations.append(activation)
    nabla_w, nabla_b = [None] * len(weights), [None] * len(weights)
    delta = (activations[-1] - y) * activations[-1] * (1 - activations[-1])
    for layer in range(len(weights) - 1, -1, -1):
        nabla_b[layer] = delta
        nabla_w[layer] = np.dot(delta, activations[layer].T)
        delta = np.dot(weights[layer].T, delta) * sigmoid_prime(activations[layer])
    return nabla_w, nabla_b


# Added to check it: how it differs from the defaults, and one function.
EXAMPLES, LABELS, BATCH = "columns", "one-hot", 1
OUTPUT, COST = "sigmoid", "half-quadratic"


def gradients(W, b, x, y):
    return backprop(W, [v[:, None] for v in b], x, y)
