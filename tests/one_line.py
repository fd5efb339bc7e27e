"""A plain network whose lines can be replaced one by one, and its descent step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from planted import in_process, sig, soft

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.findings import Diagnosis

Line = Callable[..., Any]


@dataclass(frozen=True)
class Lines:
    """A network of three layers whose lines can be replaced."""

    h: Line = sig
    Y: Line = lambda y, K: np.eye(K)[y]
    p: Line = soft
    dz_output: Line = lambda p, Y, z: (p - Y) / len(p)
    da: Line = lambda dz, W, p: dz @ W
    dz: Line = lambda da, a, z, p: da * a * (1 - a)
    dW: Line = lambda dz, a, W: dz.T @ a
    db: Line = lambda dz: dz.sum(axis=0)
    handed: Line = lambda dW, db, W, b: (dW, db)
    conventions: Conventions = field(default_factory=lambda: Conventions(sizes=(4, 5, 6, 3)))

    def gradients(self, W: Any, b: Any, x: Any, y: Any) -> Any:
        a = [x]
        z = []
        for matrix, bias in zip(W, b, strict=True):
            z.append(a[-1] @ matrix.T + bias)
            a.append(self.h(z[-1]))
        p = np.array([self.p(row) for row in z[-1]])
        dz = self.dz_output(p, self.Y(y, len(b[-1])), z[-1])
        dW: list[Any] = []
        db: list[Any] = []
        for i in reversed(range(len(W))):
            dW.insert(0, self.dW(dz, a[i], W[i]))
            db.insert(0, self.db(dz))
            if i:
                dz = self.dz(self.da(dz, W[i], p), a[i], z[i - 1], p)
        return self.handed(dW, db, W, b)

    def found(self) -> Diagnosis:
        asked = self.conventions
        if asked.sizes is not None:
            asked = replace(asked, declared=asked.declared | {"SIZES"})
        return diagnose(in_process({"gradients": self.gradients}, asked))


def stepping(update: Line, **more: Any) -> Any:
    """A descent step whose update is one line; updated weights are read where it says so."""
    declared = {"SIZES", *(name.upper() for name in more)}
    asked = Conventions(protocol="step", sizes=(4, 5, 6, 3), **more)
    asked = replace(asked, declared=asked.declared | declared)

    def step(W: Any, b: Any, x: Any, y: Any, rate: float) -> Any:
        a = [x]
        for matrix, bias in zip(W, b, strict=True):
            a.append(sig(a[-1] @ matrix.T + bias))
        logits = a[-2] @ W[-1].T + b[-1]
        dz = np.array([soft(row) for row in logits]) - np.eye(len(b[-1]))[y]
        dz = dz / len(x)
        new_W = [None] * len(W)
        new_b = [None] * len(W)
        for i in reversed(range(len(W))):
            dW = dz.T @ a[i]
            db = dz.sum(axis=0)
            new_W[i], new_b[i], back = update(W[i], b[i], dW, db, rate)
            dz = (dz @ back) * a[i] * (1 - a[i])
        return new_W, new_b

    return in_process({"step": step}, asked)
