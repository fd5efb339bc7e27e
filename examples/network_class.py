"""A class that updates itself in place, from the back: each W is changed before the error passes
through it. Wrong."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Network:
    def __init__(self, weights, biases):
        self.weights = weights
        self.biases = biases

    def feedforward(self, x):
        self.outputs = [x]
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            self.outputs.append(sigmoid(self.outputs[-1] @ w + b))
        z = self.outputs[-1] @ self.weights[-1] + self.biases[-1]
        e = np.exp(z - np.max(z, axis=1, keepdims=True))
        return e / np.sum(e, axis=1, keepdims=True)

    def train(self, x, y, learning_rate):
        error = (self.feedforward(x) - y) / len(x)
        for i in reversed(range(len(self.weights))):
            self.weights[i] -= learning_rate * self.outputs[i].T @ error
            self.biases[i] -= learning_rate * error.sum(axis=0)
            error = error @ self.weights[i].T * self.outputs[i] * (1 - self.outputs[i])


# Added to check it: how it differs from the defaults, and one function.
LAYOUT, LABELS = "in,out", "one-hot"
Network.step = Network.train


def make(W, b):
    return Network(W, b)
