"""The hand-written backward pass in torch, twice: `gradients` to be read, `Backward` to train with.

Both compute (F1) to (B9) of checks/EQUATIONS.md and agree to rounding; `python -m checks` compares the fast one with the other
witnesses. Autograd computes the same products. What is saved here is everything around them: no graph is recorded, nothing is
allocated, and each gradient is written where the optimizer reads it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from model.costs import cost_of, probabilities
from model.network import MLP

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int64

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


@dataclass(frozen=True)
class Gradients:
    """Gradients of the mean loss by layer, each in the shape of what it is the gradient of."""

    dz: dict[int, Tensor]
    dW: dict[int, Tensor]
    db: dict[int, Tensor]


@torch.no_grad()
def gradients(network: MLP, x: Float[Tensor, "N n_0"], y: Int64[Tensor, " N"], *, output: str, cost: str) -> Gradients:
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
    W, b, L, N = network.W, network.b, network.depth, len(y)
    a, dz, dW, db = {0: x}, {}, {}, {}
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
    """Forward and backward of batches of one size, in memory that is laid out once; fills every .grad.

    Args:
        network: its parameters need their .grads already (`flat_gradients`), which are written in place.
        N: samples in a batch.
        output, cost: the head.
        mean_over: samples that the loss is the mean of, if this is a part of a larger batch; N otherwise.
    Attributes:
        a: hidden activations by layer, (N, n_l), of the last batch.
        p: probabilities, (N, K), of the last batch.
        dz: gradients by layer, (N, n_l), of the last batch.
    Raises: ValueError for an unknown head or a parameter without .grad.
    """

    def __init__(self, network: MLP, N: int, output: str, cost: str, mean_over: int | None = None) -> None:
        cost_of(output, cost)
        if any(parameter.grad is None for parameter in network.parameters()):
            raise ValueError("expected a network with .grads to write into, got none. Call flat_gradients(network) first.")
        self._output, self._cost, self._L = output, cost, network.depth
        like, sizes = network.W[1].detach(), network.sizes
        # A detached tensor is the same memory without the wish to be differentiated, so that `out=` is allowed.
        self._W = {layer: W.detach() for layer, W in network.W.items()}
        self._b = {layer: b.detach() for layer, b in network.b.items()}
        self._dW = {layer: W.grad for layer, W in network.W.items() if W.grad is not None}
        self._db = {layer: b.grad for layer, b in network.b.items() if b.grad is not None}
        self.a = {layer: like.new_empty(N, sizes[layer]) for layer in range(1, self._L)}
        self.p = like.new_empty(N, sizes[-1])
        self.dz = {layer: like.new_empty(N, sizes[layer]) for layer in range(1, self._L + 1)}
        # Transposed views are made here because making one takes as long as a small product.
        self._W_T = {layer: W.t() for layer, W in self._W.items()}
        self._dz_T = {layer: dz.t() for layer, dz in self.dz.items()}
        self._p_rows, self._dp_columns = self.p[:, None, :], self.dz[self._L][:, :, None]
        self._ones, self._dots = like.new_ones(N), like.new_empty(N, 1, 1)
        self._identity = torch.eye(sizes[-1], dtype=like.dtype, device=like.device)
        self._scale = (2 if cost == "quadratic" else 1) / like.new_tensor(mean_over or N)

    def __call__(self, x: Float[Tensor, "N n_0"], y: Int64[Tensor, " N"]) -> None:
        """Feed a batch forward and back, and leave the gradient of the mean loss in every .grad.

        Args:
            x: one sample a row.
            y: class labels.
        Raises: IndexError if a label lies outside [0, K).
        """
        self._forward(x)
        self._output_dz(y)
        for layer in range(self._L, 0, -1):
            below = self.a[layer - 1] if layer > 1 else x
            # dz.T is a view, and the library multiplies transposed operands as they lie. The .grad itself is the result: what
            # was in it is overwritten, so that it need not be set to zero first.
            torch.mm(self._dz_T[layer], below, out=self._dW[layer])  # (B2)
            # A sum over rows is a product with a vector of ones, which takes the library half as long as a reduction.
            torch.mv(self._dz_T[layer], self._ones, out=self._db[layer])  # (B3)
            if layer > 1:
                # da is needed only to make dz, so it is written where dz will be, and turned into it in place.
                da = torch.mm(self.dz[layer], self._W[layer], out=self.dz[layer - 1])  # (B4)
                torch.ops.aten.sigmoid_backward.grad_input(da, below, grad_input=da)  # (B5): da * a * (1 - a), read once

    def _forward(self, x: Tensor) -> None:
        """a and p of a batch. z is written where a will be, because no later line needs it."""
        for layer in range(1, self._L):
            # The bias is added by the product itself, whose result begins as a copy of it.
            x = torch.addmm(self._b[layer], x, self._W_T[layer], out=self.a[layer]).sigmoid_()  # (F1), (F2)
        torch.addmm(self._b[self._L], x, self._W_T[self._L], out=self.p)  # (F1)
        if self._output == "softmax":
            torch.softmax(self.p, 1, out=self.p)  # (F3)
        else:
            self.p.sigmoid_()  # (F3)

    def _output_dz(self, y: Tensor) -> None:
        """dz[L], the only lines that know the head: under the quadratic cost dp is made first, in the same place."""
        Y = torch.index_select(self._identity, 0, y, out=self.dz[self._L])  # row y[n] of the identity is the one-hot y[n]
        dz = torch.sub(self.p, Y, out=Y).mul_(self._scale)  # (B1), (B9); or dp of (B7), (B8)
        if self._cost == "cross-entropy":
            return
        if self._output == "sigmoid":
            torch.ops.aten.sigmoid_backward.grad_input(dz, self.p, grad_input=dz)  # (B8)
        else:
            # J dp = p * (dp - p . dp): the (K, K) matrix of (B6) is never made. The dot product is one number a row.
            torch.bmm(self._p_rows, self._dp_columns, out=self._dots)
            dz.sub_(self._dots[:, :, 0]).mul_(self.p)  # (B7)


def flat_gradients(network: MLP) -> Float[Tensor, " P"]:
    """Give every parameter a .grad of zeros, all of them views of one buffer.

    Returns: the buffer; between the gradients it has zeros that align each to a cache line, so it is a few numbers longer than
        the network has parameters. One operation on it is one on every gradient: setting to zero, adding up between processes.
    """
    parameters = list(network.parameters())
    step = ALIGNMENT // parameters[0].element_size()
    starts = [0]
    for parameter in parameters:
        starts.append(starts[-1] + -(-parameter.numel() // step) * step)
    flat = parameters[0].detach().new_zeros(starts[-1])
    for start, parameter in zip(starts, parameters, strict=False):
        parameter.grad = flat[start : start + parameter.numel()].view_as(parameter)
    return flat
