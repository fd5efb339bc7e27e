"""Layers with forward and backward; the softmax layer multiplies by its whole Jacobian. Right."""

import numpy as np


class Dense:
    def __init__(self, w, b):
        self.w, self.b = w, b

    def forward(self, x):
        self.x = x
        return x @ self.w.T + self.b

    def backward(self, grad):
        self.dw, self.db = grad.T @ self.x, grad.sum(axis=0)
        return grad @ self.w


class Sigmoid:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, grad):
        return grad * self.y * (1 - self.y)


class Softmax:
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, grad):
        jacobians = np.einsum("ni,ij->nij", self.y, np.eye(self.y.shape[1])) - np.einsum(
            "ni,nj->nij", self.y, self.y
        )
        return np.einsum("nij,nj->ni", jacobians, grad)


# Added to check it
COST, LABELS = "quadratic", "one-hot"


def gradients(W, b, x, y):
    layers = [layer for w, v in zip(W, b, strict=True) for layer in (Dense(w, v), Sigmoid())]
    layers[-1] = Softmax()
    for layer in layers:
        x = layer.forward(x)
    grad = 2 * (x - y) / len(x)
    for layer in layers[::-1]:
        grad = layer.backward(grad)
    return [d.dw for d in layers[::2]], [d.db for d in layers[::2]]
