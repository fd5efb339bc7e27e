"""Ours side by side with torch's gradcheck, JAX's check_grads and HIPS autograd's check_grads: same functions, same planted errors.

    pip install 'backproof[benchmarks]'
    python benchmarks/gradient_check.py [--seeds 5] [--quick] [--json]

A network (sigmoid, softmax, cross-entropy) is written in each framework; the gradient of one weight matrix passes through a rule
that plants an error. Counted: errors caught, correct gradients rejected (in float64, converged, and float32), seconds for one
check, and what the message names. Then the exhaustive verification of two networks against gradcheck in slow mode, in the same run:
both get the same nn.Module. Ours is timed as train.py does it after every epoch (by hand against autograd, the complex step and the
backward pass that trains), and as `python -m checks` does it (each against each, and each against the sums of its own numbers).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as train.py and `python -m checks` have it

import numpy as np
import torch

from checks import check_gradients
from checks.problem import Problem, draw
from checks.verdict import Verdict
from checks.witnesses import verify, verify_quickly
from model.network import MLP

SIZES, N = (12, 8, 6, 4), 10
Change = Callable[[np.ndarray], np.ndarray]


def at_entry(change: Callable[[float], float]) -> Change:
    """Change entry [3, 2]."""

    def edit(g: np.ndarray) -> np.ndarray:
        g = g.copy()
        g[3, 2] = change(g[3, 2])
        return g

    return edit


def rows_cut(g: np.ndarray) -> np.ndarray:
    """The last row missing."""
    return np.concatenate([g[:-1], 0 * g[-1:]])


PLANTED: dict[str, Change] = {
    "sign of the layer": lambda g: -g,
    "layer zero": lambda g: 0 * g,
    "layer times 2": lambda g: 2 * g,
    "layer by 1e-2": lambda g: g * (1 + 1e-2),
    "layer by 1e-3": lambda g: g * (1 + 1e-3),
    "layer by 1e-5": lambda g: g * (1 + 1e-5),
    "layer by 1e-9": lambda g: g * (1 + 1e-9),
    "row missing": rows_cut,
    "columns swapped": lambda g: g[:, [1, 0, *range(2, g.shape[1])]],
    "through float16": lambda g: g.astype(np.float16).astype(g.dtype),
    "sign of one entry": at_entry(lambda v: -v),
    "one entry zero": at_entry(lambda v: 0 * v),
    "one entry by 1e-3": at_entry(lambda v: v * (1 + 1e-3)),
    "one entry by 1e-5": at_entry(lambda v: v * (1 + 1e-5)),
    "one entry NaN": at_entry(lambda v: v * np.nan),
}


@dataclass
class Tool:
    """One checker and its record."""

    name: str
    check: Callable[[Problem, Change, str], str]  # -> "" if it accepts, else its message
    caught: dict[str, int] = field(default_factory=lambda: {"fresh": 0, "converged": 0})
    alarms: dict[str, int] = field(default_factory=lambda: {"fresh": 0, "converged": 0, "float32": 0})
    seconds: list[float] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


class Planted(torch.autograd.Function):
    """The identity, whose gradient is tampered with."""

    @staticmethod
    def forward(ctx, W, change):
        ctx.change = change
        return W.clone()

    @staticmethod
    def backward(ctx, g):
        return torch.as_tensor(ctx.change(g.numpy())), None


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
        given["W[1]"] = Planted.apply(given["W[1]"], change)
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
            loss, tuple([jnp.asarray(v, dtype) for v in of.values()] for of in (problem.W, problem.b)), order=1, modes=["rev"]
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
        return -anp.mean(anp.sum(Y * (shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))), axis=1))

    np.random.seed(0)  # it draws its direction from the global generator
    try:
        check_grads(loss, (0, 1), modes=["rev"], order=1)(
            [v.astype(dtype) for v in problem.W.values()], [v.astype(dtype) for v in problem.b.values()]
        )
    except AssertionError as error:
        return str(error) or "AssertionError"
    return ""


def compare(seeds: int) -> list[Tool]:
    """Every tool on every problem, right and wrong."""
    tools = [
        Tool("Backproof assert_gradients", ours),
        Tool("torch gradcheck, slow", gradcheck(False)),
        Tool("torch gradcheck, fast", gradcheck(True)),
        Tool("JAX check_grads", with_jax),
        Tool("HIPS autograd check_grads", with_hips),
    ]
    for tool in tools:
        for regime in ("fresh", "converged"):
            for seed in range(seeds):
                problem = draw(SIZES, N, seed, regime=regime)
                start = time.perf_counter()
                tool.alarms[regime] += bool(tool.check(problem, lambda g: g, "float64"))
                tool.seconds.append(time.perf_counter() - start)
                for change in PLANTED.values():
                    message = tool.check(problem, change, "float64")
                    tool.caught[regime] += bool(message)
                    tool.names |= _named(message)
        for seed in range(seeds):
            tool.alarms["float32"] += bool(tool.check(draw(SIZES, N, seed).rounded_to("float32"), lambda g: g, "float32"))
    return tools


def _named(message: str) -> set[str]:
    """What a message points at."""
    found = set()
    if "W[1]" in message:
        found.add("parameter by name")
    if "[3, 2]" in message:
        found.add("index")
    if re.search(r"for (in|out)put \d+", message, re.IGNORECASE) or "input 0" in message:
        found.add("input by number")
    return found


def exhaustive(quick: bool) -> list[tuple[str, float, float, float]]:
    """Seconds for verifying every parameter, as in training and all pairs, and for gradcheck in slow mode, on one nn.Module."""
    found = []
    for sizes in ((784, 30, 30, 10), (784, 16, 16, 10)) if not quick else ((64, 10, 8, 5),):
        problem = draw(sizes, 16, 0)
        in_training = median_seconds(lambda problem=problem: verify_quickly(problem))
        all_pairs = median_seconds(lambda problem=problem: verify(problem, differences=False))
        loss, parameters = module_loss(problem)
        start = time.perf_counter()
        torch.autograd.gradcheck(loss, parameters)
        found.append(("-".join(map(str, sizes)), in_training, all_pairs, time.perf_counter() - start))
    return found


def median_seconds(check: Callable[[], list[Verdict]]) -> float:
    """Of one check, once it has been warmed up; nothing may fail."""
    assert all(verdict.outcome != "fail" for verdict in check())
    times = []
    for _ in range(31):
        start = time.perf_counter()
        check()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def module_loss(problem: Problem) -> tuple[Callable[..., torch.Tensor], tuple[torch.Tensor, ...]]:
    """The loss of the project's own network as a function of its parameters, which is what gradcheck wants; and these."""
    network, cost = MLP.from_arrays(problem.W, problem.b), torch.nn.CrossEntropyLoss()
    names = [name for name, _ in network.named_parameters()]
    x, y = torch.tensor(problem.x), torch.tensor(problem.y)

    def loss(*values: torch.Tensor) -> torch.Tensor:
        return cost(torch.func.functional_call(network, dict(zip(names, values, strict=True)), (x,)), y)

    return loss, tuple(network.parameters())


def main(argv: list[str] | None = None) -> int:
    """Compare, print a table; 1 if ours missed anything or raised a false alarm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="problems of each regime (default: 5)")
    parser.add_argument("--quick", action="store_true", help="1 seed, and a small network for the timing")
    parser.add_argument("--json", action="store_true", help="one object for machines")
    args = parser.parse_args(argv)
    seeds = 1 if args.quick else args.seeds
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # gradcheck warns of float32 inputs; that is what is measured
    tools, timing = compare(seeds), exhaustive(args.quick)
    total = seeds * len(PLANTED)
    if args.json:
        rows = [{"tool": t.name, "caught": t.caught, "of": total, "alarms": t.alarms, "correct": seeds} for t in tools]
        print(
            json.dumps(
                {
                    "tools": rows,
                    "exhaustive": [
                        {"sizes": s, "ours_s": a, "all_pairs_s": p, "gradcheck_slow_s": b, "ratio": b / a} for s, a, p, b in timing
                    ],
                }
            )
        )
    else:
        headings = ("", "caught, fresh", "caught, converged", "false alarms, float64", "false alarms, float32", "seconds", "names")
        print(f"| {' | '.join(headings)} |\n{'|---' * len(headings)}|")
        for t in tools:
            alarms = t.alarms["fresh"] + t.alarms["converged"]
            cells = (f"{t.caught['fresh']} of {total}", f"{t.caught['converged']} of {total}", f"{alarms} of {2 * seeds}")
            cells += (f"{t.alarms['float32']} of {seeds}", f"{np.median(t.seconds):.3f}", ", ".join(sorted(t.names)) or "nothing")
            print(f"| {t.name} | {' | '.join(cells)} |")
        print("\n| exhaustive verification, N=16, float64 | in training, s | ratio | all pairs, s | ratio | gradcheck slow, s |")
        print("|---|---|---|---|---|---|")
        for sizes, a, p, b in timing:
            print(f"| {sizes} | {a:.4f} | {b / a:,.0f} | {p:.4f} | {b / p:,.0f} | {b:.1f} |")
    right = tools[0].alarms
    return 1 if any(right.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
