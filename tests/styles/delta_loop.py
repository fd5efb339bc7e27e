"""Two matrices, no bias, errors as target minus output, a learning rate of 1 that is nowhere
written. Right."""

import numpy as np


def nonlin(x, deriv=False):
    if deriv:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))


def train(X, y, syn):
    layers = [X]
    for s in syn:
        layers.append(nonlin(np.dot(layers[-1], s)))
    delta = (y - layers[-1]) * nonlin(layers[-1], deriv=True)
    deltas = [delta]
    for i in range(len(syn) - 1, 0, -1):
        delta = delta.dot(syn[i].T) * nonlin(layers[i], deriv=True)
        deltas.insert(0, delta)
    for i in range(len(syn)):
        syn[i] += layers[i].T.dot(deltas[i])


# Added to check it
LAYOUT, LABELS, OUTPUT, COST, REDUCTION = "in,out", "one-hot", "sigmoid", "half-quadratic", "sum"
BIAS, LEARNING_RATE = False, 1.0


def step(W, b, x, y, learning_rate):
    train(x, y, W)
