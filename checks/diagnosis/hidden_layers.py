"""Which activation each hidden layer has, read off the gradients of single samples.

For one sample dW[l + 1] is dz[l + 1] times a[l], whatever dz[l + 1] is: a candidate whose backward
pass is wrong still shows what its forward pass computes. So an activation that is not declared is
recognised beside a bug, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.activations import NAMES, Activation, named
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.single_sample import LOOSE, LOOSEST, close
from backproof.checks.quantities import Quantities

# of the activations that fit, the first: where no weighted sum is negative, a ReLU is the identity
LIKELIEST_FIRST = (
    "sigmoid",
    "relu",
    "tanh",
    *(name for name in NAMES if name not in ("sigmoid", "relu", "tanh")),
)
LEAKY = "leaky-relu"


def recognised(conventions: Conventions, evidence: list[Evidence]) -> Conventions:
    """The conventions with the hidden activations that the answers show, where the file declares
    none; as they are, where the answers show none for each layer."""
    if "HIDDEN" in conventions.declared:
        return conventions
    readable = [item for item in evidence if _is_readable(item)]
    if not readable or readable[0].setting.problem.L == 1:
        return conventions
    for samples in (_alone(readable), _differences(readable)):
        found = _by_layer(samples)
        if found:
            return _declared(conventions, found)
    return conventions


def _alone(readable: list[Evidence]) -> list[_Sample]:
    """Each sample's gradients as they came."""
    return [_Sample(item, item.gradients) for item in readable]


def _differences(readable: list[Evidence]) -> list[_Sample]:
    """What another label changes of the first sample's gradients: that holds no weight decay, nor
    anything else that was added to them."""
    first = readable[0]
    found = []
    for item in readable[1:]:
        if item.probe.sample == first.probe.sample:
            pairs = {name: (item.gradients[name], first.gradients[name]) for name in item.gradients}
            changed = {name: one - other for name, (one, other) in pairs.items()}
            found.append(_Sample(first, changed))
    return found


def _by_layer(samples: list[_Sample]) -> list[Activation]:
    """The activation of each hidden layer; none, if some layer shows none."""
    found: list[Activation] = []
    for layer in range(1, samples[0].L if samples else 1):
        activation = _activation(layer, samples)
        if activation is None:
            return []
        for sample in samples:
            sample.pass_on(activation)
        found.append(activation)
    return found


def _declared(conventions: Conventions, found: list[Activation]) -> Conventions:
    """As constants that a file may declare."""
    names = tuple(activation.name for activation in found)
    slopes = [getattr(activation, "slope", conventions.slope) for activation in found]
    leaky = [slope for slope, name in zip(slopes, names, strict=True) if name == LEAKY]
    slope = leaky[0] if leaky else conventions.slope
    hidden = names[0] if len(set(names)) == 1 else names
    return replace(conventions, hidden=hidden, slope=slope)


def _is_readable(item: Evidence) -> bool:
    """Whether it is of one sample, and every gradient of it came in its shape and finite."""
    return item.probe.role == Role.SINGLE and item.given is not None and item.is_whole


class _Sample:
    """One sample on its way through the layers, and what the candidate shows of it."""

    def __init__(self, item: Evidence, gradients: Quantities) -> None:
        problem = item.setting.problem
        self.item = item
        self.gradients = gradients
        self.problem = problem
        self.L = problem.L
        self.a = problem.x[0]
        self.layer = 1
        self.loose = LOOSE
        for name in gradients:
            lost = 64 * item.rounding.eps(name) + self._lost_in_reading(name)
            self.loose = min(LOOSEST, max(self.loose, lost))

    def _lost_in_reading(self, name: str) -> float:
        size = float(np.abs(self.gradients[name]).max(initial=0)) or 1.0
        return 4 * self.item.rounding.unread(name) / size

    @property
    def z(self) -> np.ndarray:
        """The weighted sums of the next layer."""
        return np.asarray(self.problem.W[self.layer] @ self.a + self.problem.b[self.layer])

    def pass_on(self, activation: Activation) -> None:
        """Go one layer further."""
        self.a = activation.h(self.z[None])[0]
        self.layer += 1

    def shown(self) -> Shown | None:
        """The candidate's a of the next layer; None where its dW is no product of two vectors."""
        dW = self.gradients[f"dW[{self.layer + 1}]"]
        db = self.gradients.get(f"db[{self.layer + 1}]")
        if not dW.any():
            return None
        if db is not None and db.any():
            a = db @ dW / (db @ db)
            if close(dW, np.outer(db, a), self.loose):
                return Shown(np.asarray(a), self.loose)
        # without biases, or where db is wrong, a is known up to a factor
        u, sizes, v = np.linalg.svd(dW, full_matrices=False)
        if close(dW, sizes[0] * np.outer(u[:, 0], v[0]), self.loose):
            return Shown(v[0], self.loose, direction_only=True)
        return None


@dataclass(frozen=True)
class Shown:
    """The activations of a layer that a dW shows, for one sample.

    Attributes:
        a: themselves, or what they are a multiple of.
        loose: how far they may be off, relative to the largest.
        direction_only: whether they are known up to a factor.
    """

    a: np.ndarray
    loose: float
    direction_only: bool = False

    def is_(self, expected: np.ndarray) -> bool:
        """Whether these are some activations."""
        if not self.direction_only:
            return close(expected, self.a, self.loose)
        length = float(np.linalg.norm(expected))
        if not length:
            return False
        along = self.a * length / float(np.linalg.norm(self.a))
        return close(expected, along, self.loose) or close(expected, -along, self.loose)


def _activation(layer: int, samples: list[_Sample]) -> Activation | None:
    """The likeliest activation that every sample shows; None if none does."""
    pairs = [(sample.z, sample.shown()) for sample in samples]
    shown = [(z, a) for z, a in pairs if a is not None]
    if not shown:
        return None
    for activation in (*map(named, LIKELIEST_FIRST), *_leaky(shown)):
        if all(a.is_(activation.h(z[None])[0]) for z, a in shown):
            return activation
    return None


def _leaky(shown: list[tuple[np.ndarray, Shown]]) -> Iterator[Activation]:
    """A leaky ReLU of the slope that some sample shows, if one does."""
    for z, of in shown:
        above = z > 0
        if above.any() and not above.all():
            # a is z above 0, or known up to the factor that makes it so
            size = float(of.a[above] @ z[above] / (z[above] @ z[above])) or 1.0
            slope = float(of.a[~above] @ z[~above] / (z[~above] @ z[~above])) / size
            typed = float(f"{slope:.6g}")
            if 0 < typed < 1:
                yield named(LEAKY, typed)
                return
