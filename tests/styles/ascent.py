"""Rows, softmax; the update adds the gradient where it should take it off. Wrong: sign."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def fit(weights, biases, X, T, lr):
    hs = [X]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        hs.append(sigmoid(hs[-1] @ w + b))
    logits = hs[-1] @ weights[-1] + biases[-1]
    logits -= logits.max(axis=1, keepdims=True)
    P = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    D = (P - T) / len(X)
    for i in range(len(weights))[::-1]:
        gw, gb = hs[i].T @ D, D.sum(axis=0)
        D = (D @ weights[i].T) * hs[i] * (1 - hs[i])
        weights[i] += lr * gw
        biases[i] += lr * gb


# Added to check it
LAYOUT, LABELS = "in,out", "one-hot"


def step(W, b, x, y, learning_rate):
    fit(W, b, x, y, learning_rate)
