"""The hand-written backward pass in torch, twice: `gradients` to be read, `Backward` to train with.

Both compute (F1) to (B10) of checks/EQUATIONS.md and agree to rounding; `python -m checks` compares
the fast one with the other witnesses. Autograd computes the same products. What is saved here is
everything around them: no graph is recorded, every operation is bound once to the memory that it
reads and writes, and each gradient is left where the optimizer reads it. Where that would only take
it off the parameter, the product does: its sums start at W, not at 0.

`gradients` has one sample a row, like the page. `Backward` has one sample a column, like
3Blue1Brown's videos and Nielsen's book, z = W a + b: then W and dW are multiplied as they lie in
memory, and softmax works on many samples at once.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backproof.model.activations import ACTIVATIONS, SLOPE, Activation
from backproof.model.costs import cost_of, probabilities, targets
from backproof.model.network import MLP
from backproof.model.products import Run, product

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float

    from backproof.model.costs import Answers


@dataclass(frozen=True)
class Gradients:
    """Gradients of the mean loss by layer, each in the shape of what it is the gradient of."""

    dz: dict[int, Tensor]
    dW: dict[int, Tensor]
    db: dict[int, Tensor]


@torch.no_grad()
def gradients(
    network: MLP, x: Float[Tensor, "N n_0"], y: Answers, *, output: str, cost: str
) -> Gradients:
    """The gradients as they are read on the page: one line an equation, a new tensor a line.

    Args:
        network: nothing of it is changed, not even a .grad.
        x, y: a batch; y are labels, or targets, one row a sample.
        output, cost: the head.
    Returns: dz, dW and db by layer.
    Raises: ValueError for an unknown head.
    Source: checks/EQUATIONS.md.
    """
    cost_of(output, cost)
    W = network.W
    b = network.b
    L = network.depth
    N = len(y)
    z = {}
    a = {0: x}
    dz = {}
    dW = {}
    db = {}
    for layer in range(1, L + 1):
        z[layer] = a[layer - 1] @ W[layer].T + b[layer]  # (F1)
        if layer < L:
            a[layer] = network.activation(layer)(z[layer])  # (F2)
    dz[L] = output_dz(z[L], targets(y, z[L]), output, cost) / N  # (B1), (B7) to (B10)
    for layer in range(L, 0, -1):
        dW[layer] = dz[layer].T @ a[layer - 1]  # (B2)
        db[layer] = dz[layer].sum(dim=0)  # (B3)
        if layer > 1:
            da = dz[layer] @ W[layer]  # (B4)
            h = network.fast(layer - 1)
            dz[layer - 1] = times_h_prime(h, da, z[layer - 1], a[layer - 1], network.slope)  # (B5)
    return Gradients(dz, dW, db)


def output_dz(
    z_L: Float[Tensor, "N K"], Y: Float[Tensor, "N K"], output: str, cost: str
) -> Float[Tensor, "N K"]:
    """The gradient of each sample's loss with respect to its logits."""
    p = probabilities(z_L, output)  # (F3)
    if cost == "cross-entropy":
        return p - Y  # (B1), (B9)
    if cost == "binary-cross-entropy":
        e = (p - Y)[:, None, :]
        return p - Y - torch.bmm(e, softmax_of_rest(z_L))[:, 0, :]  # (B10)
    dp = (p - Y) if cost == "half-quadratic" else 2 * (p - Y)
    if output == "softmax":
        return p * (dp - (p * dp).sum(dim=1, keepdim=True))  # (B7): (diag(p) - p p^T) dp
    return times_h_prime(activation_of(output), dp, z_L, p, SLOPE)  # (B8)


def softmax_of_rest(z: Float[Tensor, "N K"]) -> Float[Tensor, "N K K"]:
    """R[n, i]: the softmax of all classes but i, in which i itself has 0."""
    own = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    return z[:, None, :].masked_fill(own, -math.inf).softmax(dim=2)


def times_h_prime(h: Activation, da: Tensor, z: Tensor, a: Tensor, slope: float) -> Tensor:
    """da * h'(z), in memory of its own."""
    dz = da.clone()
    h.backward(dz, z if h.needs_z else a, slope)()
    return dz


def activation_of(output: str) -> Activation:
    """What an output that is no softmax does, entry by entry."""
    return ACTIVATIONS["identity" if output == "linear" else output]


class Backward:
    """Forward and backward of batches of one size; leaves the gradient of the mean loss in every
    .grad, or descends by it.

    Args:
        network: whose gradients are wanted.
        N: samples in a batch.
        output, cost: the head.
        mean_over: samples that the loss is the mean of, if this is a part of a larger batch; N
            otherwise.
        descend: the learning rate of a step of plain gradient descent, to be taken at once: (B2)
            and (B3) are then added, times minus that, to W and b. No gradient is stored, and no
            .grad touched, which saves the time of writing and reading them.
    Attributes:
        a: activations by layer, (n_l, N), of the last batch, without the samples themselves.
        p: probabilities, (K, N), of the last batch.
        dz: gradients by layer, (n_l, N), of the last batch.
    Raises: ValueError for an unknown head.
    """

    def __init__(
        self,
        network: MLP,
        N: int,
        output: str,
        cost: str,
        mean_over: int | None = None,
        descend: float | None = None,
    ) -> None:
        cost_of(output, cost)
        self._output = output
        self._cost = cost
        self._L = network.depth
        like = network.W[1].detach()
        sizes = network.sizes
        # A detached tensor is the same memory without the wish to be differentiated, so that `out=`
        # is allowed.
        W = {layer: W.detach() for layer, W in network.W.items()}
        b = {layer: b.detach() for layer, b in network.b.items()}
        self.a = {layer: like.new_empty(sizes[layer], N) for layer in range(1, self._L)}
        self.p = like.new_empty(sizes[-1], N)
        self.dz = {layer: like.new_empty(sizes[layer], N) for layer in W}
        # z goes where a or p will be, unless h' asks for z; da where dz will be, dW onto W or into
        # memory of its own. Only the samples lie elsewhere.
        self._h = {layer: network.fast(layer) for layer in self.a}
        if output != "softmax":
            self._h[self._L] = activation_of(output)
        self._slopes = dict.fromkeys(self.a, network.slope) | {self._L: SLOPE}
        self._z = z = {**self.a, self._L: self.p}
        for layer, h in self._h.items():
            if h.needs_z:
                z[layer] = torch.empty_like(z[layer])
        if cost == "binary-cross-entropy":
            z[self._L] = torch.empty_like(self.p)
        dW, db = (_like(W), _like(b)) if descend is None else (W, b)
        W_start, b_start, times = ({}, {}, 1.0) if descend is None else (W, b, -descend)
        self._F1 = {layer: product(W[layer], N, z[layer], b[layer][:, None]) for layer in W}
        self._B4 = {layer: product(W[layer].t(), N, self.dz[layer - 1]) for layer in W if layer > 1}
        self._B2 = {
            layer: product(self.dz[layer], sizes[layer - 1], dW[layer], W_start.get(layer), times)
            for layer in W
        }
        self._B3 = {
            layer: _sums(self.dz[layer], db[layer], b_start.get(layer), times) for layer in W
        }
        pairs = [(network.W[layer], dW[layer]) for layer in W] + [
            (network.b[layer], db[layer]) for layer in W
        ]
        self._gradients = pairs if descend is None else []
        self._scale = (2 if cost == "quadratic" else 1) / (mean_over or N)
        self._minus_one_hots = -self._scale * _one_hots(sizes[-1], like)
        self._classes = like.new_ones(sizes[-1])
        self._p_dp = torch.empty_like(self.p)
        self._dots = like.new_empty(N)

    def __call__(self, x: Float[Tensor, "N n_0"], y: Answers) -> None:
        """Feed a batch forward and back.

        Args:
            x: one sample a row.
            y: class labels.
        Raises: IndexError if a label lies outside [0, K).
        """
        self.at(x, y)()

    def at(self, x: Float[Tensor, "N n_0"], y: Answers) -> Run:
        """Both passes, bound to where a batch lies: binding takes as long as a step of a small
        network, so it is done once.

        Args:
            x, y: a batch, or memory that will hold one.
        Returns: a function of nothing, which feeds forward and back what x and y hold when it is
        called.
        """
        a = {0: x.t(), **self.a}
        dz = self.dz
        L = self._L
        operations: list[Run] = []
        for layer in range(1, L):
            operations.append(self._F1[layer](a[layer - 1]))  # (F1)
            operations.append(self._activate(layer, a[layer]))  # (F2)
        operations.append(self._F1[L](a[L - 1]))  # (F1)
        operations += [self._probabilities(), *self._output_dz(y)]  # (F3); (B1), (B7) to (B9)
        for layer in range(L, 1, -1):
            da = dz[layer - 1]  # needed only to make dz, which takes its place
            operations.append(self._B4[layer](dz[layer]))  # (B4)
            operations.append(self._times_h_prime(layer - 1, da, a[layer - 1]))  # (B5)
        # nothing above needs any W or b again, so each of them may change
        for layer in range(1, L + 1):
            operations += [self._B2[layer](a[layer - 1].t()), self._B3[layer]]  # (B2), (B3)

        def run() -> None:
            for operation in operations:
                operation()
            for parameter, gradient in self._gradients:
                parameter.grad = gradient

        return run

    def _activate(self, layer: int, a: Tensor) -> Run:
        """a, or p, where z lies or beside it."""
        return self._h[layer].forward(self._z[layer], a, self._slopes[layer])

    def _times_h_prime(self, layer: int, da: Tensor, a: Tensor) -> Run:
        """dz in place of da, or of dp."""
        h = self._h[layer]
        return h.backward(da, self._z[layer] if h.needs_z else a, self._slopes[layer])

    def _probabilities(self) -> Run:
        """p in place of the logits."""
        if self._output == "softmax":
            return partial(torch.softmax, self._z[self._L], 0, out=self.p)  # (F3)
        return self._activate(self._L, self.p)  # (F3)

    def _output_dz(self, y: Answers) -> list[Run]:
        """dz[L], the only lines that know the head: under the quadratic cost dp is made first, in
        the same place."""
        p = self.p
        dz = self.dz[self._L]
        if y.dim() == 1:
            # column y[n]: -Y[n] / N
            minus_Y: Run = partial(torch.index_select, self._minus_one_hots, 1, y, out=dz)
        else:
            minus_Y = partial(torch.mul, y.t(), -self._scale, out=dz)
        # (B1), (B9): p / N - Y / N; or dp of (B7), (B8)
        p_minus_Y = partial(torch.add, dz, p, alpha=self._scale, out=dz)
        if self._cost == "cross-entropy":
            return [minus_Y, p_minus_Y]
        if self._cost == "binary-cross-entropy":
            return [minus_Y, p_minus_Y, partial(_minus_rest, dz, self._z[self._L])]  # (B10)
        if self._output != "softmax":
            # (B8): dp * h'
            return [minus_Y, p_minus_Y, self._times_h_prime(self._L, dz, p)]
        # J dp = p * (dp - p . dp): the (K, K) matrix of (B6) is never made. The dot product is one
        # number a sample.
        p_dp = partial(torch.mul, p, dz, out=self._p_dp)
        dots = partial(torch.mv, self._p_dp.t(), self._classes, out=self._dots)
        dp_minus_dots = partial(torch.sub, dz, self._dots, out=dz)
        times_p = partial(torch.mul, dz, p, out=dz)
        return [minus_Y, p_minus_Y, p_dp, dots, dp_minus_dots, times_p]  # (B7)


def _one_hots(K: int, like: Tensor) -> Tensor:
    """Column y: the targets of label y; a single output has the label itself."""
    if K == 1:
        return torch.tensor([[0.0, 1.0]], dtype=like.dtype, device=like.device)
    return torch.eye(K, dtype=like.dtype, device=like.device)


def _minus_rest(dz: Float[Tensor, "K N"], z: Float[Tensor, "K N"]) -> None:
    """dz, which is (p - Y) / N, without what every class takes from the others."""
    e = dz.t()[:, None, :]
    dz.sub_(torch.bmm(e, softmax_of_rest(z.t()))[:, 0, :].t())


def _like(tensors: dict[int, Tensor]) -> dict[int, Tensor]:
    return {layer: torch.empty_like(tensor) for layer, tensor in tensors.items()}


def _sums(
    dz: Float[Tensor, "n N"],
    into: Float[Tensor, " n"],
    start: Float[Tensor, " n"] | None,
    times: float,
) -> Run:
    """start + times the sums over samples, which are products with ones."""
    ones = dz.new_ones(dz.shape[1])
    if start is None:
        return partial(torch.mv, dz, ones, out=into)
    return partial(torch.addmv, start, dz, ones, alpha=times, out=into)
