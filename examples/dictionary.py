"""A dictionary of W1, b1, W2, b2, written for one hidden layer of a fixed size; examples are
columns. Right."""

import numpy as np


def forward_propagation(X, parameters):
    Z1 = parameters["W1"] @ X + parameters["b1"]
    A1 = 1 / (1 + np.exp(-Z1))
    Z2 = parameters["W2"] @ A1 + parameters["b2"]
    T = np.exp(Z2 - Z2.max(axis=0))
    return {"A1": A1, "A2": T / T.sum(axis=0)}


def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    dZ2 = cache["A2"] - Y
    dZ1 = parameters["W2"].T @ dZ2 * cache["A1"] * (1 - cache["A1"])
    return {
        "dW1": dZ1 @ X.T / m,
        "db1": dZ1.sum(axis=1, keepdims=True) / m,
        "dW2": dZ2 @ cache["A1"].T / m,
        "db2": dZ2.sum(axis=1, keepdims=True) / m,
    }


# Added to check it: how it differs from the defaults, and one function.
EXAMPLES, LABELS = "columns", "one-hot"
SIZES = [5, 8, 3]


def gradients(W, b, x, y):
    parameters = {"W1": W[0], "b1": b[0][:, None], "W2": W[1], "b2": b[1][:, None]}
    grads = backward_propagation(parameters, forward_propagation(x, parameters), x, y)
    return [grads["dW1"], grads["dW2"]], [grads["db1"], grads["db2"]]
