"""A network that remembers: the buffer of the error that goes back through the hidden layers is
never set back to zero, neither between samples nor between steps. Wrong."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Network:
    def __init__(self, weights, biases):
        self.weights = weights
        self.biases = biases
        self.error = [np.zeros(len(w[0])) for w in weights]  # of the cost, by each activation

    def feed_forward(self, picture):
        self.a = [picture]
        for w, b in zip(self.weights, self.biases, strict=True):
            self.a.append(sigmoid(w @ self.a[-1] + b))
        return self.a[-1]

    def train(self, pictures, labels, learning_rate):
        dw = [np.zeros_like(w) for w in self.weights]
        db = [np.zeros_like(b) for b in self.biases]
        for picture, label in zip(pictures, labels, strict=True):
            error = 2 * (self.feed_forward(picture) - label)
            for layer in range(len(self.weights) - 1, -1, -1):
                delta = error * self.a[layer + 1] * (1 - self.a[layer + 1])
                dw[layer] += np.outer(delta, self.a[layer])
                db[layer] += delta
                self.error[layer] += delta @ self.weights[layer]
                error = self.error[layer]
        for layer in range(len(self.weights)):
            self.weights[layer] -= learning_rate * dw[layer] / len(pictures)
            self.biases[layer] -= learning_rate * db[layer] / len(pictures)


# Added to check it: how it differs from the defaults, and one function.
LABELS, OUTPUT, COST = "one-hot", "sigmoid", "quadratic"
Network.step = Network.train


def make(W, b):
    return Network(W, b)
