"""Gradients added up in attributes that no call sets back to zero. Wrong: stale-accumulator."""

import numpy as np


class Layer:
    def __init__(self, n_in, n_out):
        self.gW, self.gb = np.zeros((n_out, n_in)), np.zeros(n_out)

    def forward(self, a, W, b):
        self.a, self.W = a, W
        return W @ a + b

    def backward(self, d):
        self.gW += np.outer(d, self.a)
        self.gb += d
        return self.W.T @ d


layers = [Layer(4, 6), Layer(6, 5), Layer(5, 3)]


def run(W, b, x, label):
    for i, layer in enumerate(layers):
        z = layer.forward(x, W[i], b[i])
        x = 1 / (1 + np.exp(-z))
    p = np.exp(z - z.max())
    d = p / p.sum()
    d[label] -= 1
    for layer in layers[::-1]:
        d = layer.backward(d) * layer.a * (1 - layer.a)


# Added to check it
SIZES, REDUCTION = [4, 6, 5, 3], "sum"


def gradients(W, b, x, y):
    for sample, label in zip(x, y, strict=True):
        run(W, b, sample, label)
    return [layer.gW for layer in layers], [layer.gb for layer in layers]
