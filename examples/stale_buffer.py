"""A network that remembers: the buffer of the error that goes back through the hidden layers is
never set back to zero, neither between samples nor between steps. Wrong."""

import math


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


class Network:
    def __init__(self, weights, biases):
        self.weights = weights
        self.biases = biases
        sizes = [len(weights[0][0])] + [len(b) for b in biases]
        self.a = [[0.0] * n for n in sizes]
        self.error = [[0.0] * n for n in sizes]  # of the cost, by each activation

    def feed_forward(self, picture):
        self.a[0] = list(picture)
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            for j in range(len(b)):
                total = sum(w[j][k] * self.a[layer][k] for k in range(len(w[j])))
                self.a[layer + 1][j] = sigmoid(total + b[j])
        return self.a[-1]

    def train(self, pictures, labels, learning_rate):
        dw = [[[0.0 for _ in row] for row in w] for w in self.weights]
        db = [[0.0 for _ in b] for b in self.biases]
        for picture, label in zip(pictures, labels, strict=True):
            output = self.feed_forward(picture)
            self.error[-1] = [2 * (o - t) for o, t in zip(output, label, strict=True)]
            for layer in range(len(self.weights) - 1, -1, -1):
                for j in range(len(self.biases[layer])):
                    a = self.a[layer + 1][j]
                    delta = self.error[layer + 1][j] * a * (1 - a)
                    db[layer][j] += delta
                    for k in range(len(self.weights[layer][j])):
                        dw[layer][j][k] += delta * self.a[layer][k]
                        if layer > 0:
                            self.error[layer][k] += delta * self.weights[layer][j][k]
        for layer in range(len(self.weights)):
            for j in range(len(self.biases[layer])):
                self.biases[layer][j] -= learning_rate * db[layer][j] / len(pictures)
                for k in range(len(self.weights[layer][j])):
                    step = learning_rate * dw[layer][j][k] / len(pictures)
                    self.weights[layer][j][k] -= step


# Added to check it: how it differs from the defaults, and one function.
LABELS, OUTPUT, COST = "one-hot", "sigmoid", "quadratic"
Network.step = Network.train


def make(W, b):
    return Network([w.tolist() for w in W], [v.tolist() for v in b])
