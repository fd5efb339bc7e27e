"""Two matrices, no bias; the hidden error is the output's error and not its delta. Wrong:
raw-error."""

import numpy as np


class NeuralNetwork:
    def __init__(self, syn0, syn1):
        self.syn0, self.syn1 = syn0, syn1

    def sigmoid(self, x):
        return 1 / (1 + np.exp(-x))

    def train(self, X, y):
        l1 = self.sigmoid(X @ self.syn0)
        l2 = self.sigmoid(l1 @ self.syn1)
        l2_error = y - l2
        l1_error = l2_error @ self.syn1.T
        self.syn1 += l1.T @ (l2_error * l2 * (1 - l2))
        self.syn0 += X.T @ (l1_error * l1 * (1 - l1))


# Added to check it
LAYOUT, LABELS, OUTPUT, COST, REDUCTION = "in,out", "one-hot", "sigmoid", "half-quadratic", "sum"
BIAS, LEARNING_RATE, SIZES = False, 1.0, [3, 4, 5]


def step(W, b, x, y, learning_rate):
    NeuralNetwork(W[0], W[1]).train(x, y)
