"""numpy.matrix, where * is the matrix product. Right."""

import numpy as np


def sig(z):
    return 1 / (1 + np.exp(-z))


def learn(Ws, bs, x, t):
    outs = [np.matrix(x)]
    for W, b in zip(Ws, bs, strict=True):
        outs.append(sig(W * outs[-1] + b))
    d = np.multiply(outs[-1] - t, np.multiply(outs[-1], 1 - outs[-1]))
    dWs, dbs = [], []
    for W, o in zip(Ws[::-1], outs[-2::-1], strict=True):
        dWs.insert(0, d * o.T)
        dbs.insert(0, d.sum(axis=1))
        d = np.multiply(W.T * d, np.multiply(o, 1 - o))
    return dWs, dbs


# Added to check it
EXAMPLES, LABELS, OUTPUT, COST, REDUCTION = "columns", "one-hot", "sigmoid", "half-quadratic", "sum"


def gradients(W, b, x, y):
    return learn([np.matrix(w) for w in W], [np.matrix(c).T for c in b], x, y)
