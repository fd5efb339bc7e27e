"""Chunks of two samples; what is left over is never looked at. Wrong: sample-dropped."""

import numpy as np


def chunk(W, b, X, Y):
    A = [X]
    for w, c in zip(W, b, strict=True):
        A.append(1 / (1 + np.exp(-(A[-1] @ w.T + c))))
    D = (A[-1] - Y) * 2 * A[-1] * (1 - A[-1])
    out = []
    for i in range(len(W))[::-1]:
        out.insert(0, (D.T @ A[i], D.sum(0)))
        D = D @ W[i] * A[i] * (1 - A[i])
    return out


def whole(W, b, X, Y):
    dW, db = [np.zeros_like(w) for w in W], [np.zeros_like(c) for c in b]
    for k in range(len(X) - 1):
        for i, (w, c) in enumerate(chunk(W, b, X[k : k + 1], Y[k : k + 1])):
            dW[i] += w / len(X)
            db[i] += c / len(X)
    return dW, db


# Added to check it
OUTPUT, COST, LABELS = "sigmoid", "quadratic", "one-hot"


def gradients(W, b, x, y):
    return whole(W, b, x, y)
