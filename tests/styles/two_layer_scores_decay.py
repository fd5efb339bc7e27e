"""Scores and probs, with weight decay that nobody asked for. Wrong: decay-sign."""

import numpy as np


class TwoLayerNet:
    def __init__(self, W1, b1, W2, b2):
        self.params = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}

    def loss(self, X, y, reg=0.0):
        W1, b1, W2, b2 = self.params.values()
        N = X.shape[0]
        h = 1 / (1 + np.exp(-(X.dot(W1) + b1)))
        scores = h.dot(W2) + b2
        probs = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        probs /= np.sum(probs, axis=1, keepdims=True)
        loss = np.sum(-np.log(probs[np.arange(N), y])) / N
        dscores = probs
        dscores[np.arange(N), y] -= 1
        dscores /= N
        grads = {"W2": h.T.dot(dscores) + reg * W2, "b2": np.sum(dscores, axis=0)}
        dh = dscores.dot(W2.T)
        dz = dh * h * (1 - h)
        grads["W1"] = X.T.dot(dz) + reg * W1
        grads["b1"] = np.sum(dz, axis=0)
        return loss, grads


# Added to check it
LAYOUT, SIZES = "in,out", [4, 10, 3]


def gradients(W, b, x, y):
    _, grads = TwoLayerNet(W[0], b[0], W[1], b[1]).loss(x, y, reg=0.05)
    return [grads["W1"], grads["W2"]], [grads["b1"], grads["b2"]]
