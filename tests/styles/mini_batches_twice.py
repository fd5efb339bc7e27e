"""Mini-batches of column vectors; sigma' is taken of the activation. Wrong: sigmoid-twice."""

from itertools import pairwise

import numpy as np


class Network:
    def __init__(self, sizes):
        self.num_layers = len(sizes)
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in pairwise(sizes)]

    def update_mini_batch(self, mini_batch, eta):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:
            delta_b, delta_w = self.backprop(x, y)
            nabla_b = [nb + d for nb, d in zip(nabla_b, delta_b, strict=True)]
            nabla_w = [nw + d for nw, d in zip(nabla_w, delta_w, strict=True)]
        self.weights = [
            w - eta / len(mini_batch) * nw for w, nw in zip(self.weights, nabla_w, strict=True)
        ]
        self.biases = [
            b - eta / len(mini_batch) * nb for b, nb in zip(self.biases, nabla_b, strict=True)
        ]

    def backprop(self, x, y):
        activations, zs = [x], []
        for w, b in zip(self.weights, self.biases, strict=True):
            zs.append(w @ activations[-1] + b)
            activations.append(sigmoid(zs[-1]))
        delta = (activations[-1] - y) * sigmoid_prime(activations[-1])
        nabla_b, nabla_w = [delta], [delta @ activations[-2].T]
        for layer in range(2, self.num_layers):
            delta = self.weights[-layer + 1].T @ delta * sigmoid_prime(activations[-layer])
            nabla_b.insert(0, delta)
            nabla_w.insert(0, delta @ activations[-layer - 1].T)
        return nabla_b, nabla_w


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


# Added to check it
LABELS, OUTPUT, COST = "one-hot", "sigmoid", "half-quadratic"


def step(W, b, x, y, learning_rate):
    net = Network([3, 2])
    net.num_layers, net.weights, net.biases = len(W) + 1, W, [v[:, None] for v in b]
    net.update_mini_batch(
        [(u[:, None], t[:, None]) for u, t in zip(x, y, strict=True)], learning_rate
    )
    return net.weights, net.biases
