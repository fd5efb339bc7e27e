"""Global lists that grow and are overwritten, one example after the other, as in many first
programs. Right."""

import math

weights = []  # weights[l][i][j]: from unit j of layer l to unit i of the next
biases = []
activations = []
deltas = []


def squash(value):
    return 1.0 / (1.0 + math.exp(-value))


def feed_forward(inputs):
    del activations[:]
    activations.append(list(inputs))
    for layer in range(len(weights)):
        sums = []
        for i in range(len(weights[layer])):
            total = biases[layer][i]
            for j in range(len(weights[layer][i])):
                total += weights[layer][i][j] * activations[layer][j]
            sums.append(total)
        if layer < len(weights) - 1:
            activations.append([squash(s) for s in sums])
        else:
            largest = max(sums)
            exponentials = [math.exp(s - largest) for s in sums]
            activations.append([e / sum(exponentials) for e in exponentials])


def send_back(target):
    del deltas[:]
    deltas.extend([[] for _ in weights])
    deltas[-1] = [p - t for p, t in zip(activations[-1], target, strict=True)]
    for layer in range(len(weights) - 2, -1, -1):
        for i in range(len(weights[layer])):
            error = 0.0
            for k in range(len(weights[layer + 1])):
                error += weights[layer + 1][k][i] * deltas[layer + 1][k]
            a = activations[layer + 1][i]
            deltas[layer].append(error * a * (1 - a))


# Added to check it: how it differs from the defaults, and one function.
LAYOUT, LABELS, BATCH = "out,in", "one-hot", 1


def gradients(W, b, x, y):
    weights[:], biases[:] = W, b
    feed_forward(x[0])
    send_back(y[0])
    dW = [[[d * a for a in activations[layer]] for d in deltas[layer]] for layer in range(len(W))]
    return dW, deltas
