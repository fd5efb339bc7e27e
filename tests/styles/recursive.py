"""One function that calls itself for the next layer and returns the error for the one before.
Right."""

import numpy as np


def descend(layers, a, target, eta):
    if not layers:
        return a - target
    w, b = layers[0]
    last = len(layers) == 1
    z = w @ a + b
    e = np.exp(z - z.max()) if last else 1 / (1 + np.exp(-z))
    out = e / e.sum() if last else e
    error = descend(layers[1:], out, target, eta)
    delta = error if last else error * out * (1 - out)
    back = w.T @ delta
    w -= eta * np.outer(delta, a)
    b -= eta * delta
    return back


# Added to check it
LABELS, BATCH = "one-hot", 1


def step(W, b, x, y, learning_rate):
    descend(list(zip(W, b, strict=True)), x[0], y[0], learning_rate)
