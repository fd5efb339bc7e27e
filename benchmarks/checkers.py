"""Gradient checkers that people use, each asked as its own documentation asks it, about one network
with an error planted in dW[1].

Every checker is a function of a problem, what happens to dW[1], and a dtype. It returns "" if it
accepts, else its message.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from backproof import check_gradients
from backproof.checks.problem import Problem
from benchmarks.networks import Wrong

Change = Callable[[np.ndarray], np.ndarray]


def torch_loss(problem: Problem, change: Change, dtype: str):
    """The loss as a function of all W and b, and these as leaves by name."""
    kind = getattr(torch, dtype)
    leaves = {
        f"{n}[{k}]": torch.tensor(v, dtype=kind, requires_grad=True)
        for n, of in (("W", problem.W), ("b", problem.b))
        for k, v in of.items()
    }
    x, y = torch.tensor(problem.x, dtype=kind), torch.tensor(problem.y)

    def loss(*values):
        given, a = dict(zip(leaves, values, strict=True)), x
        given["W[1]"] = Wrong.apply(given["W[1]"], lambda g: torch.as_tensor(change(g.numpy())))
        for layer in range(1, problem.L + 1):
            z = a @ given[f"W[{layer}]"].T + given[f"b[{layer}]"]
            a = torch.sigmoid(z)
        return torch.nn.functional.cross_entropy(z, y)

    return loss, leaves


def ours(problem: Problem, change: Change, dtype: str) -> str:
    loss, leaves = torch_loss(problem, change, dtype)
    report = check_gradients(lambda: loss(*leaves.values()), leaves)
    return "" if report.outcome == "pass" else str(report)


def gradcheck(fast: bool) -> Callable[[Problem, Change, str], str]:
    def check(problem: Problem, change: Change, dtype: str) -> str:
        loss, leaves = torch_loss(problem, change, dtype)
        try:
            torch.autograd.gradcheck(loss, tuple(leaves.values()), fast_mode=fast)
        except RuntimeError as error:
            return str(error)
        return ""

    return check


def with_jax(problem: Problem, change: Change, dtype: str) -> str:
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    @jax.custom_vjp
    def planted(W):
        return W

    planted.defvjp(lambda W: (W, None), lambda _, g: (jnp.asarray(change(np.asarray(g))),))
    x, Y = jnp.asarray(problem.x, dtype), jnp.asarray(np.eye(problem.sizes[-1])[problem.y], dtype)

    def loss(W, b):
        a = x
        for layer in range(1, problem.L + 1):
            z = a @ (planted(W[0]) if layer == 1 else W[layer - 1]).T + b[layer - 1]
            a = jax.nn.sigmoid(z)
        return -(Y * jax.nn.log_softmax(z)).sum(axis=1).mean()

    try:
        check_grads(
            loss,
            tuple([jnp.asarray(v, dtype) for v in of.values()] for of in (problem.W, problem.b)),
            order=1,
            modes=["rev"],
        )
    except AssertionError as error:
        return str(error) or "AssertionError"
    return ""


def with_hips(problem: Problem, change: Change, dtype: str) -> str:
    import autograd.numpy as anp
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    planted = primitive(lambda W: W * 1)
    defvjp(planted, lambda answer, W: lambda g: change(np.asarray(g)))
    x, Y = problem.x.astype(dtype), np.eye(problem.sizes[-1])[problem.y].astype(dtype)

    def loss(W, b):
        a = x
        for layer in range(1, problem.L + 1):
            z = anp.dot(a, (planted(W[0]) if layer == 1 else W[layer - 1]).T) + b[layer - 1]
            a = 0.5 * (anp.tanh(z / 2) + 1)
        shifted = z - anp.max(z, axis=1, keepdims=True)
        return -anp.mean(
            anp.sum(
                Y * (shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))), axis=1
            )
        )

    np.random.seed(0)  # it draws its direction from the global generator
    try:
        check_grads(loss, (0, 1), modes=["rev"], order=1)(
            [v.astype(dtype) for v in problem.W.values()],
            [v.astype(dtype) for v in problem.b.values()],
        )
    except AssertionError as error:
        return str(error) or "AssertionError"
    return ""
