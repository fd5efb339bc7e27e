"""An activation that works inside its own buffer, which nobody reads again. Right."""

import numpy as np


def sigmoid_(z):
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1
    return np.reciprocal(z, out=z)


def backward(theta, X, Y):
    acts = [X]
    for w, b in theta:
        acts.append(sigmoid_(acts[-1] @ w.T + b))
    d = acts[-1] - Y
    grads = []
    for (w, _), a in zip(theta[::-1], acts[-2::-1], strict=True):
        grads.insert(0, (d.T @ a / len(X), d.mean(axis=0)))
        d = d @ w * (a - a**2)
    return grads


# Added to check it
OUTPUT, COST, LABELS = "sigmoid", "binary-cross-entropy", "one-hot"


def gradients(W, b, x, y):
    return tuple(zip(*backward(list(zip(W, b, strict=True)), x, y), strict=True))
