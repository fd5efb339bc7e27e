"""The hand-written backward pass in torch, twice: `gradients` to be read, `Backward` to train with.

Both compute (F1) to (B9) of checks/EQUATIONS.md and agree to rounding; `python -m checks` compares
the fast one with the other witnesses. Autograd computes the same products. What is saved here is
everything around them: no graph is recorded, every operation is bound once to the memory that it
reads and writes, and each gradient is left where the optimizer reads it. Where that would only take
it off the parameter, the product does: its sums start at W, not at 0.

`gradients` has one sample a row, like the page. `Backward` has one sample a column, like
3Blue1Brown's videos and Nielsen's book, z = W a + b: then W and dW are multiplied as they lie in
memory, and softmax works on many samples at once.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from backproof.model.costs import cost_of, probabilities
from backproof.model.network import MLP
from backproof.model.products import Run, product

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int64

# (da, a) -> da * a * (1 - a), in place where it is told to
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input


@dataclass(frozen=True)
class Gradients:
    """Gradients of the mean loss by layer, each in the shape of what it is the gradient of."""

    dz: dict[int, Tensor]
    dW: dict[int, Tensor]
    db: dict[int, Tensor]


@torch.no_grad()
def gradients(
    network: MLP, x: Float[Tensor, "N n_0"], y: Int64[Tensor, " N"], *, output: str, cost: str
) -> Gradients:
    """The gradients as they are read on the page: one line an equation, a new tensor a line.

    Args:
        network: nothing of it is changed, not even a .grad.
        x, y: a batch.
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
    a = {0: x}
    dz = {}
    dW = {}
    db = {}
    for layer in range(1, L):
        a[layer] = (a[layer - 1] @ W[layer].T + b[layer]).sigmoid()  # (F1), (F2)
    p = probabilities(a[L - 1] @ W[L].T + b[L], output)  # (F1), (F3)
    dz[L] = (p - one_hot(y, p.shape[1])) / N  # (B1), (B9)
    if cost == "quadratic" and output == "softmax":
        dp = 2 * dz[L]
        dz[L] = p * (dp - (p * dp).sum(dim=1, keepdim=True))  # (B7): (diag(p) - p p^T) dp
    elif cost == "quadratic":
        dz[L] = 2 * dz[L] * p * (1 - p)  # (B8)
    for layer in range(L, 0, -1):
        dW[layer] = dz[layer].T @ a[layer - 1]  # (B2)
        db[layer] = dz[layer].sum(dim=0)  # (B3)
        if layer > 1:
            da = dz[layer] @ W[layer]  # (B4)
            dz[layer - 1] = da * a[layer - 1] * (1 - a[layer - 1])  # (B5)
    return Gradients(dz, dW, db)


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
        # z goes where a or p will be, da where dz will be, dW onto W or into memory of its own.
        # Only the samples lie elsewhere.
        z = {**self.a, self._L: self.p}
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
        one_hots = torch.eye(sizes[-1], dtype=like.dtype, device=like.device)
        self._minus_one_hots = one_hots.mul_(-self._scale)
        self._classes = like.new_ones(sizes[-1])
        self._p_dp = torch.empty_like(self.p)
        self._dots = like.new_empty(N)

    def __call__(self, x: Float[Tensor, "N n_0"], y: Int64[Tensor, " N"]) -> None:
        """Feed a batch forward and back.

        Args:
            x: one sample a row.
            y: class labels.
        Raises: IndexError if a label lies outside [0, K).
        """
        self.at(x, y)()

    def at(self, x: Float[Tensor, "N n_0"], y: Int64[Tensor, " N"]) -> Run:
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
            # (F2): nothing later needs z, so a takes its place
            operations.append(partial(torch.sigmoid_, a[layer]))
        operations.append(self._F1[L](a[L - 1]))  # (F1)
        operations += [self._probabilities(), *self._output_dz(y)]  # (F3); (B1), (B7) to (B9)
        for layer in range(L, 1, -1):
            da = dz[layer - 1]  # needed only to make dz, which takes its place
            operations.append(self._B4[layer](dz[layer]))  # (B4)
            # (B5): read once
            operations.append(partial(sigmoid_backward, da, a[layer - 1], grad_input=dz[layer - 1]))
        # nothing above needs any W or b again, so each of them may change
        for layer in range(1, L + 1):
            operations += [self._B2[layer](a[layer - 1].t()), self._B3[layer]]  # (B2), (B3)

        def run() -> None:
            for operation in operations:
                operation()
            for parameter, gradient in self._gradients:
                parameter.grad = gradient

        return run

    def _probabilities(self) -> Run:
        """p in place of the logits."""
        if self._output == "softmax":
            return partial(torch.softmax, self.p, 0, out=self.p)  # (F3)
        return partial(torch.sigmoid_, self.p)  # (F3)

    def _output_dz(self, y: Int64[Tensor, " N"]) -> list[Run]:
        """dz[L], the only lines that know the head: under the quadratic cost dp is made first, in
        the same place."""
        p = self.p
        dz = self.dz[self._L]
        # column y[n]: -Y[n] / N
        minus_Y = partial(torch.index_select, self._minus_one_hots, 1, y, out=dz)
        # (B1), (B9): p / N - Y / N; or dp of (B7), (B8)
        p_minus_Y = partial(torch.add, dz, p, alpha=self._scale, out=dz)
        if self._cost == "cross-entropy":
            return [minus_Y, p_minus_Y]
        if self._output == "sigmoid":
            # (B8): dp * p * (1 - p)
            return [
                minus_Y,
                p_minus_Y,
                partial(sigmoid_backward, dz, p, grad_input=dz),
            ]
        # J dp = p * (dp - p . dp): the (K, K) matrix of (B6) is never made. The dot product is one
        # number a sample.
        p_dp = partial(torch.mul, p, dz, out=self._p_dp)
        dots = partial(torch.mv, self._p_dp.t(), self._classes, out=self._dots)
        dp_minus_dots = partial(torch.sub, dz, self._dots, out=dz)
        times_p = partial(torch.mul, dz, p, out=dz)
        return [minus_Y, p_minus_Y, p_dp, dots, dp_minus_dots, times_p]  # (B7)


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
