"""Layers one after the other: each takes what an activation makes of the one before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise

from backproof.checks.activations import Activation
from backproof.checks.recording.script.archive import closeness
from backproof.checks.recording.script.functions import between
from backproof.checks.recording.script.layers import Edge

MOST_LAYERS = 6
MOST_CHAINS = 2_000

Chain = tuple[Edge, ...]


class Chains:
    """All chains of some edges.

    Args:
        edges: layers that were seen to compute something.
    """

    def __init__(self, edges: Sequence[Edge]) -> None:
        self.edges = edges
        self._between: dict[tuple[int, int], Activation | None] = {}

    def activation(self, edge: Edge, after: Edge) -> Activation | None:
        """By what the next layer's input is made of what this one makes; None where it is not."""
        key = id(edge.z), id(after.x)
        if key not in self._between:
            self._between[key] = between(edge.z, after.x, closeness(after.input.made.eps))
        return self._between[key]

    def linear(self, chain: Chain) -> int:
        """How many of its layers have no activation behind them."""
        made = [self.activation(*pair) for pair in pairwise(chain)]
        return sum(one is not None and one.name == "identity" for one in made)

    @cached_property
    def all(self) -> list[Chain]:
        """As long as they come."""
        found: list[Chain] = []
        for chain in self._grown():
            found.append(chain)
            if len(found) >= MOST_CHAINS:
                break
        return found

    @property
    def longest(self) -> int:
        """How many layers the longest has; 0 where there is none."""
        return max(map(len, self.all), default=0)

    def _grown(self) -> Iterator[Chain]:
        following: dict[int, list[int]] = {}
        has_before = set()
        for index, edge in enumerate(self.edges):
            for later, after in enumerate(self.edges):
                if self._follows(edge, after):
                    following.setdefault(index, []).append(later)
                    has_before.add(later)

        def grown(chain: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
            known = {self.edges[index].key for index in chain}
            after = following.get(chain[-1], [])
            more = [index for index in after if self.edges[index].key not in known]
            if not more or len(chain) >= MOST_LAYERS:
                yield chain
            for index in more:
                yield from grown((*chain, index))

        for index in range(len(self.edges)):
            if index not in has_before:
                for chain in grown((index,)):
                    yield tuple(self.edges[one] for one in chain)

    def _follows(self, edge: Edge, after: Edge) -> bool:
        """Whether a layer takes what another has made, later and of the same weights' age."""
        if edge.key == after.key or after.M.shape[1] != len(edge.M):
            return False
        if after.time < edge.time or after.time > edge.until or edge.time > after.until:
            return False
        return self.activation(edge, after) is not None

    def likelihood(self, chain: Chain) -> tuple[int, int, int, int, int]:
        """How likely it is that this is the network: long, with activations, with its bias in the
        same way everywhere, with many of them, at the first step."""
        linear = self.linear(chain)
        ways = len({edge.layer.ones for edge in chain})
        biases = sum(edge.layer.has_bias for edge in chain)
        return len(chain) - linear, -linear, -ways, biases, -chain[0].time
