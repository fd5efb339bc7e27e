"""A forward and a backward pass in which any single step can be replaced: what every suspect is
made of.

Each step of the equations is computed when somebody asks for it, by its equation, and then handed
to the hooks on it, which may return something else. A suspect is therefore only the step that it
gets wrong; everything downstream follows, and two suspects together are their hooks one after the
other. Without any hook this is the correct pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from backproof.checks.activations import named
from backproof.checks.bugs.setting import Setting
from backproof.checks.by_hand import output_of, softmax_jacobian, softmax_of_rest
from backproof.checks.heads import Head
from backproof.checks.problem import draw
from backproof.checks.quantities import Quantity

Node = tuple[str, int]  # a step, in a layer


class CannotBeComputed(Exception):
    """A step whose shapes do not fit, or that reads from a layer which does not exist."""


@dataclass(frozen=True)
class Hook:
    """What happens to a step in some layers.

    Attributes:
        step: one of STEPS.
        layers: in which it happens; None for every layer that has the step.
        change: (pass, layer, the value so far, *given) -> the value.
        given: what else it gets.
    """

    step: str
    layers: frozenset[int] | None
    change: Callable[..., np.ndarray]
    given: tuple[Any, ...] = ()

    def nodes(self, L: int) -> list[Node]:
        """Every step in a layer that it changes, in a network of L layers."""
        return [
            (self.step, layer)
            for layer in layers_of(self.step, L)
            if self.layers is None or layer in self.layers
        ]


Hooks = tuple[Hook, ...]


def at(step: str, layers: Iterable[int], change: Callable[..., np.ndarray], *given: Any) -> Hook:
    """A hook that acts in some layers alone: change(run, layer, value, *given)."""
    return Hook(step, frozenset(layers), change, given)


def wherever(step: str, change: Callable[..., np.ndarray], *given: Any) -> Hook:
    """A hook that acts in every layer that has the step."""
    return Hook(step, None, change, given)


# Each step, and in which layers there is one. Those of checks/EQUATIONS.md, and the places where a
# suspect gets its hands in between: `upstream` is the delta that is sent back through (B4) and
# `matrix` what it is sent through, `derivative` that of (B5), `dW_delta` and `dW_input` are the two
# factors of (B2), `db_delta` is what (B3) sums, `error` is p - Y.
_HIDDEN = ("da",)
_OUTPUT = ("p", "Y", "error")
_EVERY = ("z", "derivative", "dz", "upstream", "matrix", "dW_delta", "dW_input", "db_delta")
_GRADIENTS = ("dW", "db", "returned_dW", "returned_db")
STEPS = ("a", *_HIDDEN, *_OUTPUT, *_EVERY, *_GRADIENTS)


def layers_of(step: str, L: int) -> range:
    """The layers that have a step.

    Raises: ValueError for what is none.
    """
    if step not in STEPS:
        raise ValueError(f"expected one of {', '.join(STEPS)}, got {step!r}")
    if step == "a":
        return range(L)
    if step in _HIDDEN:
        return range(1, L)
    if step in _OUTPUT:
        return range(L, L + 1)
    return range(1, L + 1)


class HookedPass:
    """One forward and backward pass of a setting with some steps replaced, computed on demand and
    kept.

    Args:
        setting: of the question.
        hooks: what is replaced.
        correct: the pass of the same setting without hooks, from which everything is taken that no
            hook can reach.
        previous: the pass of the question before, for a suspect that keeps something.
    """

    def __init__(
        self,
        setting: Setting,
        hooks: Hooks = (),
        *,
        correct: HookedPass | None = None,
        previous: HookedPass | None = None,
    ) -> None:
        self.setting = setting
        self.problem = setting.problem
        self.hooks = hooks
        self.previous = previous
        self.L = setting.problem.L
        self.N = setting.N
        self.weight = setting.weight
        self.rate = 0.0
        # by what a delta is multiplied that knows nothing of the half
        self.weight_without_half = 2 * self.weight if setting.half else self.weight
        self._correct = correct
        self._known: dict[Node, np.ndarray] = {}
        self._changes: dict[Node, list[Hook]] = {}
        for hook in hooks:
            for node in hook.nodes(self.L):
                self._changes.setdefault(node, []).append(hook)
        self._reach = reach_of(self.L, self.problem.output, self.problem.cost)
        self._changed = 0
        for node in self._changes:
            self._changed |= self._reach.bit[node]

    def get(self, step: str, layer: int) -> np.ndarray:
        """A step's value, after its hooks.

        Raises: CannotBeComputed where shapes do not fit, or the network has no such layer.
        """
        node = (step, layer)
        if node in self._known:
            return self._known[node]
        if node not in self._reach.read:
            raise CannotBeComputed(f"there is no {step} in layer {layer}")
        if self._correct is not None and not self._reach.read[node] & self._changed:
            return self._correct.get(step, layer)
        try:
            value: np.ndarray = getattr(self, f"_{step}")(layer)
            for hook in self._changes.get(node, ()):
                value = hook.change(self, layer, value, *hook.given)
        except ValueError as error:  # NumPy's "shapes not aligned"
            raise CannotBeComputed(str(error)) from error
        self._known[node] = value
        return value

    def put(self, step: str, layer: int, value: np.ndarray) -> None:
        """Let everything that follows be computed from somebody else's value."""
        self._known[step, layer] = value

    def value(self, name: str) -> np.ndarray:
        """The value of a quantity by its name, such as "dW[2]" or "p": of a gradient, what is
        returned in the end."""
        quantity = Quantity.parse(name)
        layer = self.L if quantity.layer is None else quantity.layer
        if quantity.is_parameter_gradient:
            return self.get(f"returned_{quantity.kind}", layer)
        return self.get(quantity.kind, layer)

    def shifted(self, rate: float) -> HookedPass:
        """The same pass at another `rate`, which `updated-weights` reads."""
        again = HookedPass(self.setting, self.hooks, correct=self._correct, previous=self.previous)
        again.rate = rate
        return again

    @property
    def p(self) -> np.ndarray:
        """The output."""
        return self.get("p", self.L)

    @property
    def Y(self) -> np.ndarray:
        """The targets."""
        return self.get("Y", self.L)

    @property
    def error(self) -> np.ndarray:
        """The error p - Y of the output."""
        return self.get("error", self.L)

    @property
    def dp(self) -> np.ndarray:
        """Gradient of the quadratic cost with respect to the output: (B7), (B8)."""
        return 2 * self.weight * self.error

    def _z(self, layer: int) -> np.ndarray:
        return self.get("a", layer - 1) @ self.problem.W[layer].T + self.problem.b[layer]  # (F1)

    def _a(self, layer: int) -> np.ndarray:
        if layer:
            return self.problem.activation[layer].h(self.get("z", layer))  # (F2)
        return self.problem.x

    def _p(self, layer: int) -> np.ndarray:
        return output_of(self.get("z", layer), self.problem.head)  # (F3)

    def _Y(self, layer: int) -> np.ndarray:
        return self.problem.Y

    def _error(self, layer: int) -> np.ndarray:
        return self.p - self.Y

    def _derivative(self, layer: int) -> np.ndarray:
        z = self.get("z", layer)
        if layer < self.L:
            return self.problem.activation[layer].h_prime(z, self.get("a", layer))
        if self.problem.head.is_softmax:  # what stands there by mistake
            return self.p * (1 - self.p)
        return named(self.problem.output).h_prime(z, self.p)

    def _dz(self, layer: int) -> np.ndarray:
        if layer < self.L:
            return self.get("da", layer) * self.get("derivative", layer)  # (B5)
        head = self.problem.head
        if head.cost == "binary-cross-entropy":
            error = self.weight * self.error
            R = softmax_of_rest(self.get("z", layer))
            return np.asarray(error - (error[:, None, :] @ R)[:, 0, :])  # (B10)
        if not head.is_quadratic:
            return self.weight * self.error  # (B1), (B9)
        if head.is_softmax:
            return times(softmax_jacobian(self.p), self.dp)  # (B7)
        return self.dp * self.get("derivative", layer)  # (B8)

    def _upstream(self, layer: int) -> np.ndarray:
        return self.get("dz", layer)

    def _matrix(self, layer: int) -> np.ndarray:
        return self.problem.W[layer]

    def _da(self, layer: int) -> np.ndarray:
        return self.get("upstream", layer + 1) @ self.get("matrix", layer + 1)  # (B4)

    def _dW_delta(self, layer: int) -> np.ndarray:
        return self.get("dz", layer)

    def _dW_input(self, layer: int) -> np.ndarray:
        return self.get("a", layer - 1)

    def _dW(self, layer: int) -> np.ndarray:
        return self.get("dW_delta", layer).T @ self.get("dW_input", layer)  # (B2)

    def _db_delta(self, layer: int) -> np.ndarray:
        return self.get("dz", layer)

    def _db(self, layer: int) -> np.ndarray:
        return self.get("db_delta", layer).sum(axis=0)  # (B3)

    def _returned_dW(self, layer: int) -> np.ndarray:
        return self.get("dW", layer)

    def _returned_db(self, layer: int) -> np.ndarray:
        return self.get("db", layer)


def times(J: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """J[n] @ vectors[n] for every sample."""
    return (J @ vectors[:, :, None])[:, :, 0]


@dataclass(frozen=True)
class Reach:
    """What each step of a correct pass reads, itself included, as a set of bits: a step that reads
    nothing of what a hook changes is the correct one."""

    bit: dict[Node, int]
    read: dict[Node, int]


@lru_cache(maxsize=64)
def reach_of(L: int, output: str, cost: str) -> Reach:
    """Found by watching a correct pass compute every step of a small problem with that head."""
    nodes = [(step, layer) for step in STEPS for layer in layers_of(step, L)]
    bit = {node: 1 << index for index, node in enumerate(nodes)}
    watched = _Watched(Setting(draw((2,) * (L + 1), 2, 0, head=Head(output, cost)), 1.0), bit)
    for node in nodes:
        watched.get(*node)
    return Reach(bit, watched.read)


class _Watched(HookedPass):
    """A correct pass that notes who reads whom."""

    def __init__(self, setting: Setting, bit: dict[Node, int]) -> None:
        self.setting = setting
        self.problem = setting.problem
        self.L = setting.problem.L
        self.weight = setting.weight
        self.read: dict[Node, int] = {}
        self._bit = bit
        self._computing: list[Node] = []
        self._known = {}

    def get(self, step: str, layer: int) -> np.ndarray:
        node = (step, layer)
        if node not in self._known:
            self.read[node] = self._bit[node]
            self._computing.append(node)
            self._known[node] = getattr(self, f"_{step}")(layer)
            self._computing.pop()
        if self._computing:
            self.read[self._computing[-1]] |= self.read[node]
        return self._known[node]
