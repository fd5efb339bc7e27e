"""A forward and a backward pass in which any single step can be replaced: what every suspect is
made of.

Each quantity of the equations is computed when somebody asks for it, by its equation, and then
handed to the hooks of its name, which may return something else. A suspect is therefore only the
step that it gets wrong; everything downstream follows, and two suspects together are their hooks
one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backproof.checks.by_hand import sigmoid, softmax, softmax_jacobian
from backproof.checks.problem import Problem, targets

# (pass, layer, the value so far) -> the value. A hook that acts in some layers alone says which is
# the highest, in its attribute `top`: above that, whatever goes back is as it was.
Hook = Callable[["Pass", int, np.ndarray], np.ndarray]
Hooks = tuple[tuple[str, Hook], ...]  # (which step, what happens to it)

_FORWARD = frozenset({"z", "a", "p"})
_DELTA = _FORWARD | {"Y", "e", "s", "up", "M", "da", "dz"}
_BACKWARD = frozenset(
    {"s", "up", "M", "da", "dz", "left", "right", "rows", "dW", "db", "returned_dW", "returned_db"}
)
NEEDS = {  # each step, and every step whose change could change it
    **dict.fromkeys(("z", "a", "p"), _FORWARD),
    "Y": frozenset({"Y"}),
    "e": _FORWARD | {"Y", "e"},
    "s": _FORWARD | {"s"},
    "M": frozenset({"M"}),
    **dict.fromkeys(("up", "da", "dz"), _DELTA),
    "left": _DELTA | {"left"},
    "right": _FORWARD | {"right"},
    "dW": _DELTA | {"left", "right", "dW"},
    "rows": _DELTA | {"rows"},
    "db": _DELTA | {"rows", "db"},
    "returned_dW": _DELTA | {"left", "right", "dW", "returned_dW"},
    "returned_db": _DELTA | {"rows", "db", "returned_db"},
}


@dataclass(frozen=True)
class Setting:
    """One question in the terms of the mathematics: the problem, and by what its gradients are
    multiplied.

    Attributes:
        problem: inputs, labels, network and head, in this project's own layout.
        weight: what multiplies each sample's gradient: 1/N for the mean, 1 for the sum, and half of
            it for the cost (1/2) times the sum of (p - Y)**2.
        learning_rate: of the step, or None where gradients were asked for.
        bias: False where the candidate has no biases, so that none is compared.
        calls: into how many calls of the candidate the samples are split.
        mean: whether the loss of a call is the mean over its samples, and that of several calls
            their mean.
        half: whether the weight holds the half of that cost.
    """

    problem: Problem
    weight: float
    learning_rate: float | None = None
    bias: bool = True
    calls: int = 1
    mean: bool = True
    half: bool = False

    @property
    def N(self) -> int:
        """How many samples."""
        return len(self.problem.y)

    @property
    def in_call(self) -> int:
        """How many samples the candidate sees at a time: what its own code calls N."""
        return self.N // self.calls

    @property
    def K(self) -> int:
        """How many classes."""
        return self.problem.sizes[-1]

    @property
    def gradients(self) -> list[str]:
        """The names of what is compared, from the output back: what is wrong there is wrong further
        back, too."""
        layers = range(self.problem.L, 0, -1)
        return [
            f"{name}[{layer}]"
            for layer in layers
            for name in (("dW", "db") if self.bias else ("dW",))
        ]


class Pass:
    """One forward and backward pass of a setting with some steps replaced, computed on demand and
    kept.

    The steps are those of checks/EQUATIONS.md, and the places where a suspect gets its hands in
    between: `up` is the delta that is sent back through (B4) and `M` the matrix that it is sent
    through, `s` the derivative of (B5), `left` and `right` the two factors of (B2), `rows` what
    (B3) sums, `e` the error p - Y.
    """

    def __init__(
        self,
        setting: Setting,
        hooks: Hooks = (),
        *,
        right: Pass | None = None,
        previous: Pass | None = None,
    ) -> None:
        self.setting = setting
        self.problem = setting.problem
        self.previous = previous
        self.L = setting.problem.L
        self.N = setting.N
        self.w = setting.weight
        self.rate = 0.0
        # what a delta that knows nothing of the half is multiplied by
        self.u = 2 * self.w if setting.half else self.w
        self._hooks: dict[str, list[Hook]] = {}
        for step, hook in hooks:
            self._hooks.setdefault(step, []).append(hook)
        self._base = right
        self._shared = _untouched(frozenset(self._hooks)) if right is not None else frozenset()
        tops = [getattr(hook, "top", self.L) for _, hook in hooks]
        if self._hooks.keys() & _FORWARD or "Y" in self._hooks:
            self._top = self.L
        else:
            self._top = max(tops, default=0)
        self._known: dict[tuple[str, int], np.ndarray] = {}

    def get(self, step: str, layer: int) -> np.ndarray:
        """A step's value, after its hooks."""
        if self._base is not None and (
            step in self._shared or (layer > self._top and step in _BACKWARD)
        ):
            return self._base.get(step, layer)
        if (step, layer) not in self._known:
            value = getattr(self, f"_{step}")(layer)
            for hook in self._hooks.get(step, ()):
                value = hook(self, layer, value)
            self._known[step, layer] = value
        return self._known[step, layer]

    def put(self, step: str, layer: int, value: np.ndarray) -> None:
        """Let everything that follows be computed from somebody else's value."""
        self._known[step, layer] = value

    def named(self, quantity: str) -> np.ndarray:
        """The value of a quantity by its name, such as "dW[2]": of a gradient, what is returned in
        the end."""
        step, layer = quantity.rstrip("]").split("[")
        step = f"returned_{step}" if step in ("dW", "db") else step
        return self.get(step, int(layer))

    def shifted(self, rate: float) -> Pass:
        """The same pass at another `rate`, which `updated-weights` reads."""
        hooks = tuple((step, hook) for step, chain in self._hooks.items() for hook in chain)
        again = Pass(self.setting, hooks, right=self._base, previous=self.previous)
        again.rate = rate
        return again

    @property
    def p(self) -> np.ndarray:
        """The output."""
        return self.get("p", self.L)

    @property
    def e(self) -> np.ndarray:
        """The error p - Y of the output."""
        return self.get("e", self.L)

    @property
    def dp(self) -> np.ndarray:
        """Gradient of the quadratic cost with respect to the output: (B7), (B8)."""
        return 2 * self.w * self.e

    def _z(self, layer: int) -> np.ndarray:
        return self.get("a", layer - 1) @ self.problem.W[layer].T + self.problem.b[layer]  # (F1)

    def _a(self, layer: int) -> np.ndarray:
        # (F2)
        if layer:
            return sigmoid(self.get("z", layer))
        return self.problem.x

    def _p(self, layer: int) -> np.ndarray:
        # (F3)
        return {"softmax": softmax, "sigmoid": sigmoid}[self.problem.output](self.get("z", layer))

    def _Y(self, layer: int) -> np.ndarray:
        return targets(self.problem.y, self.setting.K)

    def _e(self, layer: int) -> np.ndarray:
        return self.p - self.get("Y", layer)

    def _s(self, layer: int) -> np.ndarray:
        a = self.p if layer == self.L else self.get("a", layer)
        return a * (1 - a)

    def _dz(self, layer: int) -> np.ndarray:
        if layer < self.L:
            return self.get("da", layer) * self.get("s", layer)  # (B5)
        if self.problem.cost == "cross-entropy":
            return self.w * self.e  # (B1), (B9)
        if self.problem.output == "sigmoid":
            return self.dp * self.get("s", layer)  # (B8)
        return times(softmax_jacobian(self.p), self.dp)  # (B7)

    def _up(self, layer: int) -> np.ndarray:
        return self.get("dz", layer)

    def _M(self, layer: int) -> np.ndarray:
        return self.problem.W[layer]

    def _da(self, layer: int) -> np.ndarray:
        return self.get("up", layer + 1) @ self.get("M", layer + 1)  # (B4)

    def _left(self, layer: int) -> np.ndarray:
        return self.get("dz", layer)

    def _right(self, layer: int) -> np.ndarray:
        return self.get("a", layer - 1)

    def _dW(self, layer: int) -> np.ndarray:
        return self.get("left", layer).T @ self.get("right", layer)  # (B2)

    def _rows(self, layer: int) -> np.ndarray:
        return self.get("dz", layer)

    def _db(self, layer: int) -> np.ndarray:
        return self.get("rows", layer).sum(axis=0)  # (B3)

    def _returned_dW(self, layer: int) -> np.ndarray:
        return self.get("dW", layer)

    def _returned_db(self, layer: int) -> np.ndarray:
        return self.get("db", layer)


@lru_cache(maxsize=256)
def _untouched(changed: frozenset[str]) -> frozenset[str]:
    """The steps that do not change when some do."""
    return frozenset(step for step, needs in NEEDS.items() if not needs & changed)


def times(J: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """J[n] @ vectors[n] for every sample."""
    return (J @ vectors[:, :, None])[:, :, 0]
