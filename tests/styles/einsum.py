"""Everything an einsum, weights (in, out). Right."""

import numpy as np


def passes(W, b, X, y):
    H = [X]
    for w, c in zip(W, b, strict=True):
        z = np.einsum("ni,ij->nj", H[-1], w) + c
        H.append(1 / (1 + np.exp(-z)))
    q = np.exp(z - z.max(axis=1)[:, None])
    q /= np.einsum("nj->n", q)[:, None]
    q[np.arange(len(y)), y] -= 1
    for i in range(len(W) - 1, -1, -1):
        yield np.einsum("ni,nj->ij", H[i], q) / len(y), np.einsum("nj->j", q) / len(y)
        q = np.einsum("nj,ij,ni,ni->ni", q, W[i], H[i], 1 - H[i])


# Added to check it
LAYOUT = "in,out"


def gradients(W, b, x, y):
    dW, db = zip(*passes(W, b, x, y), strict=True)
    return dW[::-1], db[::-1]
