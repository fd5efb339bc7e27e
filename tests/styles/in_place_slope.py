"""The derivative is computed inside the activations, which a later line reads. Wrong: in-place."""

import numpy as np


def slope(a):
    a *= 1 - a
    return a


def backward(theta, X, Y):
    acts = [X]
    for w, b in theta:
        acts.append(1 / (1 + np.exp(-(acts[-1] @ w.T + b))))
    d = acts[-1] - Y
    grads = []
    for i in range(len(theta) - 1, -1, -1):
        before = d
        if i > 0:
            d = d @ theta[i][0] * slope(acts[i])
        grads.insert(0, (before.T @ acts[i] / len(X), before.mean(axis=0)))
    return grads


# Added to check it
OUTPUT, COST, LABELS = "sigmoid", "binary-cross-entropy", "one-hot"


def gradients(W, b, x, y):
    return tuple(zip(*backward(list(zip(W, b, strict=True)), x, y), strict=True))
