"""A hand-written float32 kernel of softmax and cross-entropy, right and wrong, as
`assert_gradients` judges it over many seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from backproof import check_gradients
from backproof.checks.black_box.gradient_report import GradientReport

# batch size, classes
SHAPES = (
    (64, 2),
    (8, 4),
    (3, 10),
    (32, 10),
    (128, 10),
    (16, 100),
    (4, 1000),
)
LARGEST_LOGIT = 80.0

Touch = Callable[[Tensor], Tensor]


class CrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of logits; `touch` is what happens to p - Y on its way out of the backward
    pass."""

    @staticmethod
    def forward(ctx, logits, y, touch):
        p = logits.softmax(dim=1)
        ctx.save_for_backward(p, y)
        ctx.touch = touch
        return (logits.logsumexp(dim=1) - logits[torch.arange(len(y)), y]).mean()

    @staticmethod
    def backward(ctx, gradient):
        p, y = ctx.saved_tensors
        delta = p - torch.nn.functional.one_hot(y, p.shape[1])
        return gradient * ctx.touch(delta) / len(y), None, None


TOUCHES: dict[str, Touch] = {
    "right": lambda delta: delta,
    "through float16": lambda delta: delta.half().to(delta.dtype),
    "noise of 1e-6": lambda delta: delta * (1 + 1e-6 * torch.randn_like(delta)),
}
EXPECTED: dict[str, Callable[[str], bool]] = {
    "right": lambda said: said == "pass",
    "through float16": lambda said: said not in ("pass", "untested"),
    "noise of 1e-6": lambda said: said == "different on every run",
}
SAID = {
    "right": "accepted",
    "through float16": "rejected",
    "noise of 1e-6": '"different on every run"',
}


def report(touch: Touch, seed: int) -> GradientReport:
    """What is said of a kernel on logits, labels and a shape that the seed chooses."""
    random = np.random.default_rng([seed, 5])
    N, K = SHAPES[seed % len(SHAPES)]
    logits = torch.tensor(
        random.uniform(-LARGEST_LOGIT, LARGEST_LOGIT, size=(N, K)),
        dtype=torch.float32,
        requires_grad=True,
    )
    y = torch.tensor(random.integers(K, size=N))
    return check_gradients(
        lambda: CrossEntropy.apply(logits, y, touch), {"logits": logits}, seed=seed
    )


def judged(found: GradientReport) -> str:
    """ "pass", "untested", or the first words of the first failure's reason."""
    if found.outcome == "pass":
        return "pass"
    return found.failures[0].reason.split(",")[0] if found.failures else "untested"


def count(seeds: int) -> dict[str, Counter[str]]:
    """Verdicts by kernel."""
    found: dict[str, Counter[str]] = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, touch in TOUCHES.items():
            found[name] = Counter(judged(report(touch, seed)) for seed in range(seeds))
    return found
