"""A graph of scalars that remember their parents and local derivatives. Right."""

import math


class Value:
    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def __add__(self, other):
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def sigmoid(self):
        s = 1 / (1 + math.exp(-self.data))
        return Value(s, ((self, s * (1 - s)),))

    def backward(self):
        order, seen = [], set()

        def visit(v):
            if id(v) not in seen:
                seen.add(id(v))
                for parent, _ in v.parents:
                    visit(parent)
                order.append(v)

        visit(self)
        self.grad = 1.0
        for v in reversed(order):
            for parent, local in v.parents:
                parent.grad += local * v.grad


# Added to check it
OUTPUT, COST, LABELS, REDUCTION = "sigmoid", "quadratic", "one-hot", "sum"


def gradients(W, b, x, y):
    W, b = [[[Value(v) for v in row] for row in w] for w in W], [[Value(v) for v in c] for c in b]
    total = Value(0.0)
    for row, target in zip(x, y, strict=True):
        a = [Value(v) for v in row]
        for w, c in zip(W, b, strict=True):
            a = [
                sum((u * v for u, v in zip(ws, a, strict=True)), v0).sigmoid()
                for ws, v0 in zip(w, c, strict=True)
            ]
        for v, t in zip(a, target, strict=True):
            total = total + (v + Value(-t)) * (v + Value(-t))
    total.backward()
    return [[[v.grad for v in row] for row in w] for w in W], [[v.grad for v in c] for c in b]
