"""Small programs in five styles, right, with the places in which tests make them wrong."""

from __future__ import annotations

NAMED = """\
import numpy as np

LABELS, OUTPUT, COST, REDUCTION = "one-hot", "sigmoid", "half-quadratic", "sum"
LAYOUT, SIZES = "out,in", [4, 6, 3]

def sigmoid(v):
    return 1 / (1 + np.exp(-v))

def gradients(W, b, x, y):
    W1, W2 = W
    b1, b2 = b
    hidden = sigmoid(x @ W1.T + b1)
    output = sigmoid(hidden @ W2.T + b2)
    output_delta = (output - y) * output * (1 - output)
    hidden_delta = output_delta @ W2 * hidden * (1 - hidden)
    grad2 = output_delta.T @ hidden
    grad1 = hidden_delta.T @ x
    bias2 = output_delta.sum(axis=0)
    bias1 = hidden_delta.sum(axis=0)
    return [grad1, grad2], [bias1, bias2]
"""
DICTIONARY = """\
import numpy as np

HIDDEN, LAYOUT, EXAMPLES, SIZES = "tanh", "out,in", "columns", [4, 6, 3]
LABELS, OUTPUT, COST = "one-hot", "sigmoid", "binary-cross-entropy"

def propagate(X, params):
    cache = {}
    cache["A1"] = np.tanh(np.dot(params["W1"], X) + params["b1"])
    cache["A2"] = 1 / (1 + np.exp(-(np.dot(params["W2"], cache["A1"]) + params["b2"])))
    return cache

def gradients(W, b, x, y):
    params = {"W1": W[0], "W2": W[1], "b1": b[0].reshape(-1, 1), "b2": b[1].reshape(-1, 1)}
    cache = propagate(x, params)
    m = x.shape[1]
    dZ2 = cache["A2"] - y
    dW2 = np.dot(dZ2, cache["A1"].T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = np.dot(params["W2"].T, dZ2) * (1 - cache["A1"] ** 2)
    dW1 = np.dot(dZ1, x.T) / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return [dW1, dW2], [db1, db2]
"""
CLASS = """\
import numpy as np

LABELS, OUTPUT, COST, LAYOUT = "one-hot", "sigmoid", "half-quadratic", "in,out"
REDUCTION = "sum"

def sigmoid(v):
    return 1 / (1 + np.exp(-v))

class Net:
    def __init__(self, weights, biases):
        self.w = weights
        self.c = biases

    def forward(self, x):
        self.a = [x]
        for w, c in zip(self.w, self.c):
            self.a.append(sigmoid(self.a[-1] @ w + c))

    def backward(self, y):
        self.dw = [None] * len(self.w)
        self.dc = [None] * len(self.w)
        delta = (self.a[-1] - y) * self.a[-1] * (1 - self.a[-1])
        for i in reversed(range(len(self.w))):
            self.dw[i] = self.a[i].T @ delta
            self.dc[i] = delta.sum(axis=0)
            if i > 0:
                delta = (delta @ self.w[i].T) * self.a[i] * (1 - self.a[i])

def gradients(W, b, x, y):
    net = Net(W, b)
    net.forward(x)
    net.backward(y)
    return net.dw, net.dc
"""
LAYERS = """\
import numpy as np

LABELS, HIDDEN, LAYOUT = "one-hot", "relu", "in,out"

class Layer:
    def __init__(self, W, b, last):
        self.W, self.b, self.last = W, b, last

    def forward(self, inputs):
        self.inputs = inputs
        self.z = inputs @ self.W + self.b
        return self.z if self.last else np.maximum(self.z, 0)

    def backward(self, grad):
        if not self.last:
            grad = grad * (self.z > 0)
        self.dW = self.inputs.T @ grad
        self.db = grad.sum(axis=0)
        below = grad @ self.W.T
        return below

def gradients(W, b, x, y):
    layers = [Layer(w, c, k == len(W) - 1) for k, (w, c) in enumerate(zip(W, b))]
    out = x
    for layer in layers:
        out = layer.forward(out)
    e = np.exp(out - out.max(axis=1, keepdims=True))
    probs = e / e.sum(axis=1, keepdims=True)
    grad = (probs - y) / len(x)
    for layer in reversed(layers):
        grad = layer.backward(grad)
    return [layer.dW for layer in layers], [layer.db for layer in layers]
"""
LOOP = """\
import numpy as np

LABELS, OUTPUT, COST, HIDDEN = "one-hot", "sigmoid", "binary-cross-entropy", "sigmoid"

def sigmoid(v):
    return 1 / (1 + np.exp(-v))

def gradients(W, b, x, y):
    a = [x]
    for k in range(len(W)):
        a.append(sigmoid(a[k] @ W[k].T + b[k]))
    n = len(x)
    gW, gb = [], []
    delta = (a[-1] - y) / n
    for i in range(len(W) - 1, -1, -1):
        gW.insert(0, delta.T @ a[i])
        gb.insert(0, delta.sum(axis=0))
        if i:
            delta = (delta @ W[i]) * a[i] * (1 - a[i])
    return gW, gb
"""
