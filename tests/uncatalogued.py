"""Bugs that stand in no catalogue, each in exactly one step: what the diagnosis must not put a name
on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from planted import Planted, sig, soft

# (the bug, the first step that is wrong because of it, in a network of three layers)
UNKNOWN = (
    ("forward without one input", "z[1]"),
    ("forward with a scaled bias", "z[2]"),
    ("forward through a clipped z", "a[1]"),
    ("tanh in layer 1", "a[1]"),
    ("tanh in both layers", "a[1]"),
    ("relu in layer 2", "a[2]"),
    ("softmax at a temperature", "p"),
    ("root of the error", "dz[3]"),
    ("squared error delta", "dz[3]"),
    ("hinge", "dz[3]"),
    ("tanh of the delta", "dz[3]"),
    ("one row of W unused", "da[2]"),
    ("cube roots of weights", "da[1]"),
    ("delta normalised", "da[1]"),
    ("delta clipped", "da[2]"),
    ("rolled weights", "da[1]"),
    ("derivative to a power", "dz[2]"),
    ("derivative plus a constant", "dz[1]"),
    ("outer product reversed", "dW[2]"),
    ("dW of absolute activations", "dW[1]"),
    ("dW without one unit", "dW[2]"),
    ("db squared", "db[2]"),
    ("db without the largest sample", "db[1]"),
    ("db from the absolute delta", "db[3]"),
)


@dataclass
class Uncatalogued(Planted):
    """A network trainer with one bug of UNKNOWN."""

    unknown: str = ""
    seed: int = 0

    def forward_all(self, W: list, b: list, x: Any) -> tuple[list, list]:
        if self.unknown == "forward without one input":
            W = [np.concatenate([0 * W[0][:, :1], W[0][:, 1:]], axis=1), *W[1:]]
            x = x.copy()
            zs, acts = super().forward_all(W, b, x)
            return zs, acts
        if self.unknown == "forward with a scaled bias":
            b = [b[0], 0.5 * b[1] + 0.1, *b[2:]]
        return super().forward_all(W, b, x)

    def squash(self, z: Any, layer: int) -> Any:
        if self.unknown == "tanh in both layers" or (
            self.unknown == "tanh in layer 1" and layer == 0
        ):
            return np.tanh(z)
        if self.unknown == "relu in layer 2" and layer == 1:
            return np.maximum(z, 0)
        if self.unknown == "forward through a clipped z" and layer == 0:
            return sig(np.clip(z, -0.5, 0.5))
        return sig(z)

    def output(self, logits: Any, n: int) -> Any:
        if self.unknown == "softmax at a temperature":
            return (
                soft(logits[n] / 2) if self.conventions.output == "softmax" else sig(logits[n] / 2)
            )
        return super().output(logits, n)

    def output_delta(self, p: Any, t: Any, z: Any) -> Any:
        e = p - t
        right = super().output_delta(p, t, z)
        return {
            "root of the error": np.sign(e) * np.sqrt(np.abs(e)),
            "squared error delta": e * np.abs(e),
            "hinge": np.where(t > 0, -1.0, 1.0) * (np.abs(e) > 0.3) + 0.01 * e,
            "tanh of the delta": np.tanh(3 * right),
        }.get(self.unknown, right)

    def slope(self, z: Any, a: Any, layer: int) -> Any:
        s = a * (1 - a)
        if self.unknown in ("tanh in both layers", "tanh in layer 1", "relu in layer 2"):
            return s
        wrong = {
            ("tanh prime", 0): 1 - a * a,
            ("derivative to a power", 1): s**1.5,
            ("relu derivative", 1): (z > 0) * 1.0,
            ("derivative plus a constant", 0): s + 0.01,
        }
        return wrong.get((self.unknown, layer), s)

    def back_one(
        self, W: list, z: list, a: list, t: Any, changed: list | None
    ) -> tuple[list, list]:
        L = len(W)
        delta: list[Any] = [None] * L
        delta[L - 1] = self.output_delta(a[L], t, z[L - 1])
        for layer in range(L - 2, -1, -1):
            come = W[layer + 1].T @ delta[layer + 1]
            if self.unknown == "one row of W unused" and layer == 1:
                come = W[layer + 1][1:].T @ delta[layer + 1][1:]
            elif self.unknown == "cube roots of weights" and layer == 0:
                come = np.cbrt(W[layer + 1]).T @ delta[layer + 1]
            elif self.unknown == "delta normalised" and layer == 0:
                come = come / np.linalg.norm(come)
            elif self.unknown == "delta clipped" and layer == 1:
                come = np.clip(come, -0.05, 0.05)
            elif self.unknown == "rolled weights" and layer == 0:
                come = np.roll(W[layer + 1], 1, axis=0).T @ delta[layer + 1]
            delta[layer] = come * self.slope(z[layer], a[layer + 1], layer)
        return delta, delta

    def sums(
        self, deltas: list, acts: list, N: int, L: int, b: list, weight: float, W: list
    ) -> tuple[list, list]:
        dW, db = super().sums(deltas, acts, N, L, b, weight, W)
        if self.unknown == "outer product reversed":
            dW[1] = dW[1][::-1].copy()
        elif self.unknown == "dW of absolute activations":
            dW[0] = sum(np.outer(deltas[n][0], np.abs(acts[n][0])) for n in range(N)) * weight
        elif self.unknown == "dW without one unit":
            dW[1] = dW[1].copy()
            dW[1][0] = 0
        elif self.unknown == "db squared":
            db[1] = sum(deltas[n][1] ** 2 for n in range(N)) * weight
        elif self.unknown == "db without the largest sample" and N > 1:
            largest = max(range(N), key=lambda n: float(np.abs(deltas[n][0]).sum()))
            db[0] = sum(deltas[n][0] for n in range(N) if n != largest) * weight
        elif self.unknown == "db from the absolute delta":
            db[2] = sum(np.abs(deltas[n][2]) for n in range(N)) * weight
        return dW, db
