"""Models written by hand in NumPy: are their gradients told right from wrong, without torch?

    python benchmarks/numpy_gradients.py [--seeds 1]

Each model of numpy_models.py is asked as it is, and with each of its bugs. A bug counts as caught
if the gradients that it makes wrong fail, and no other.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from backproof import check_gradients
from benchmarks.numpy_models import MODELS, NumpyModel


def wrong_names(model: NumpyModel, bug: str, seed: int) -> set[str]:
    """Which gradients check_gradients refuses."""
    parameters, data = model.draw(seed)
    _, gradients = model.passes(parameters, data, bug)
    report = check_gradients(
        lambda: np.float64(model.passes(parameters, data, "")[0]), parameters, gradients=gradients
    )
    return {verdict.quantity for verdict in report.failures}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="draws of each model (default: 1)")
    arguments = parser.parse_args(argv)
    said = []
    print("| model | right ones refused | bugs caught |")
    print("| --- | --- | --- |")
    for model in MODELS:
        refused = 0
        caught = 0
        for seed in range(arguments.seeds):
            refused += bool(wrong_names(model, "", seed))
            for bug, names in model.bugs.items():
                found = wrong_names(model, bug, seed)
                caught += found == names
                if found != names:
                    said.append(f"{model.name}, {bug}, seed {seed}: {sorted(found)}")
        bugs = arguments.seeds * len(model.bugs)
        print(f"| {model.name} | {refused} of {arguments.seeds} | {caught} of {bugs} |")
        if refused:
            said.append(f"{model.name}: {refused} right ones refused")
    with_torch = "torch" in sys.modules
    print("\n".join([*said, f"torch imported: {with_torch}"]))
    return 1 if said or with_torch else 0


if __name__ == "__main__":
    raise SystemExit(main())
