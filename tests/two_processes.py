"""What test_distributed.py starts twice under torchrun: the same training shared by two processes
and by one alone, compared."""

import itertools
import json
import os
import sys
from dataclasses import replace

import numpy as np
import torch

from backproof.model.distributed import Processes, join
from backproof.model.evaluation import Samples
from backproof.model.network import MLP
from backproof.model.training import Settings, Training

HEADS = (
    ("softmax", "cross-entropy"),
    ("softmax", "quadratic"),
    ("sigmoid", "cross-entropy"),
    ("sigmoid", "quadratic"),
)


def samples() -> Samples:
    random = np.random.default_rng(0)
    return Samples(
        torch.from_numpy(random.normal(size=(41, 6))), torch.from_numpy(random.integers(4, size=41))
    )


def trained(settings: Settings, processes: Processes) -> Training:
    """Two epochs of batches of 8, the last of which has a single sample."""
    training = Training(
        MLP((6, 5, 4), seed=1, dtype=torch.float64), samples(), samples(), settings, processes
    )
    for _ in range(2):
        training.run_epoch()
    return training


def main() -> None:
    torch.set_num_threads(1)
    processes, found = join("cpu"), []
    for (output, cost), backward, momentum in itertools.product(
        HEADS, ("by-hand", "autograd"), (0.5, 0.0)
    ):
        settings = Settings(8, 0.2, momentum=momentum, output=output, cost=cost, backward=backward)
        shared, alone = trained(settings, processes), trained(replace(settings), Processes())
        together, by_one = shared.evaluate(shared.test), alone.evaluate(alone.test)
        differences = [
            float((one - other).abs().max())
            for one, other in zip(
                shared.network.state_dict().values(),
                alone.network.state_dict().values(),
                strict=True,
            )
        ]
        found.append(
            {
                "case": f"{output} {cost} {backward} {momentum}",
                "weights": max(differences),
                "loss": [together.loss, by_one.loss],
                "accuracy": [together.accuracy, by_one.accuracy],
            }
        )
    if processes.leads:
        print(
            json.dumps(
                {
                    "world": processes.world,
                    "agent": "TORCHELASTIC_RUN_ID" in os.environ,
                    "cases": found,
                }
            )
        )
    shared.leave()


if __name__ == "__main__":
    sys.exit(main())
