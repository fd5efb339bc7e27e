"""Theta matrices; the row of the bias is dropped at the wrong end. Wrong: wrong-layer."""

import numpy as np


def g(z):
    return 1 / (1 + np.exp(-z))


def cost_function(Thetas, X, y):
    m, L = len(X), len(Thetas)
    Deltas = [np.zeros_like(t) for t in Thetas]
    for t in range(m):
        a = [np.append(1, X[t])]
        for Theta in Thetas:
            a.append(np.append(1, g(Theta @ a[-1])))
        d = a[-1][1:] - y[t]
        for i in range(L - 1, -1, -1):
            Deltas[i] += np.outer(d, a[i])
            d = (Thetas[i].T @ d)[:-1] * a[i][1:] * (1 - a[i][1:])
    return [Delta / m for Delta in Deltas]


# Added to check it
OUTPUT, COST, LABELS = "sigmoid", "binary-cross-entropy", "one-hot"


def gradients(W, b, x, y):
    grads = cost_function([np.c_[c, w] for w, c in zip(W, b, strict=True)], x, y)
    return [t[:, 1:] for t in grads], [t[:, 0] for t in grads]
