"""Nothing but a training step with the learning rate built in; the hidden error skips the output's
derivative. Wrong."""

import numpy as np


def logistic(z):
    return 1 / (1 + np.exp(-z))


def train(W, b, x, y):
    outputs = [x]
    for w, c in zip(W, b, strict=True):
        outputs.append(logistic(outputs[-1] @ w + c))
    errors = [outputs[-1] - y]
    for w in W[:0:-1]:
        errors.insert(0, errors[0] @ w.T)
    for i, error in enumerate(errors):
        delta = error * outputs[i + 1] * (1 - outputs[i + 1])
        W[i] = W[i] - 0.5 * outputs[i].T @ delta
        b[i] = b[i] - 0.5 * delta.sum(axis=0)
    return W, b


# Added to check it: how it differs from the defaults, and one function.
LAYOUT, LABELS, OUTPUT, COST, REDUCTION = "in,out", "one-hot", "sigmoid", "half-quadratic", "sum"
LEARNING_RATE = 0.5


def step(W, b, x, y, learning_rate):
    return train(W, b, x, y)
