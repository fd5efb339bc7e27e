"""The bias is the last column of each weight matrix, and every input carries a 1. Binary
cross-entropy, summed. Right."""

import numpy as np


def with_one(a):
    return np.hstack([a, np.ones((len(a), 1))])


def train_on(theta, X, Y):
    inputs = []
    a = X
    for t in theta:
        inputs.append(with_one(a))
        a = 1 / (1 + np.exp(-inputs[-1] @ t.T))
    delta = a - Y
    slopes = []
    for t, given in zip(theta[::-1], inputs[::-1], strict=True):
        slopes.insert(0, delta.T @ given)
        delta = (delta @ t * given * (1 - given))[:, :-1]
    return slopes


# Added to check it: how it differs from the defaults, and one function.
OUTPUT, COST, REDUCTION = "sigmoid", "binary-cross-entropy", "sum"


def gradients(W, b, x, y):
    theta = [np.hstack([w, c[:, None]]) for w, c in zip(W, b, strict=True)]
    slopes = train_on(theta, x, np.eye(len(b[-1]))[y])
    return [s[:, :-1] for s in slopes], [s[:, -1] for s in slopes]
