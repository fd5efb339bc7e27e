"""Right candidates in random conventions, written as their convention writes them: what must never
be called wrong.

python tests/right_candidates.py 240 1        # how many, first seed: prints each that is not passed, and the count
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEADS = [("softmax", "cross-entropy"), ("softmax", "quadratic"), ("softmax", "half-quadratic")]
HEADS += [
    ("sigmoid", "binary-cross-entropy"),
    ("sigmoid", "quadratic"),
    ("sigmoid", "half-quadratic"),
]
DEFAULTS = {
    "LAYOUT": "out,in",
    "EXAMPLES": "rows",
    "LABELS": "integers",
    "OUTPUT": "softmax",
    "COST": "cross-entropy",
}
DEFAULTS |= {"REDUCTION": "mean"}


@dataclass(frozen=True)
class Written:
    """A candidate's source, and the lines that it should have declared but did not."""

    source: str
    undeclared: tuple[str, ...] = ()


def right_candidate(seed: int, undeclared: int = 0) -> Written:
    """A right candidate; everything random comes from the seed.

    Args:
        seed: of the conventions, the depth where it is built in, and the protocol.
        undeclared: how many of the conventions that differ from the defaults it keeps to itself:
            layout, examples, labels, reduction, or the factor of the quadratic cost.
    """
    random = np.random.default_rng(seed)
    output, cost = HEADS[random.integers(len(HEADS))]
    constants = {
        "LAYOUT": str(random.choice(["out,in", "in,out"])),
        "EXAMPLES": str(random.choice(["rows", "columns"])),
    }
    constants |= {
        "LABELS": str(random.choice(["integers", "one-hot"])),
        "OUTPUT": output,
        "COST": cost,
    }
    constants["REDUCTION"] = str(random.choice(["mean", "sum"]))
    biased, step = bool(random.random() < 0.85), bool(random.random() < 0.4)
    lines = [f'{name} = "{value}"' for name, value in constants.items() if value != DEFAULTS[name]]
    keepable = [
        line
        for line in lines
        if line.split(" ")[0] not in ("OUTPUT", "COST") or line == 'COST = "half-quadratic"'
    ]
    hidden = [str(line) for line in random.permutation(keepable)[:undeclared]]
    declared = [
        'COST = "quadratic"' if line == 'COST = "half-quadratic"' and line in hidden else line
        for line in lines
    ]
    declared = [line for line in declared if line not in hidden]
    if random.random() < 0.3:
        hidden_sizes = random.integers(2, 9, size=random.integers(0, 5))
        declared.append(
            "SIZES = "
            f"{[int(n) for n in (random.integers(2, 9), *hidden_sizes, random.integers(2, 7))]}"
        )
    if random.random() < 0.2 and not undeclared:
        declared.append("BATCH = 1")
    declared += [] if biased else ["BIAS = False"]
    return Written(
        "\n".join([*declared, *_body(constants, biased), *_protocol(step, biased, random), ""]),
        tuple(hidden),
    )


def _body(constants: dict[str, str], biased: bool) -> list[str]:
    """`passes`: forward and backward, in the candidate's own orientation."""
    rows, out_in = constants["EXAMPLES"] == "rows", constants["LAYOUT"] == "out,in"
    bias = ("b[i]" if rows else "b[i][:, None]") if biased else "0"
    product = {
        (True, True): "a[i] @ W[i].T",
        (True, False): "a[i] @ W[i]",
        (False, True): "W[i] @ a[i]",
        (False, False): "W[i].T @ a[i]",
    }
    dW = {
        (True, True): "dz.T @ a[i]",
        (True, False): "a[i].T @ dz",
        (False, True): "dz @ a[i].T",
        (False, False): "a[i] @ dz.T",
    }
    back = {
        (True, True): "dz @ W[i]",
        (True, False): "dz @ W[i].T",
        (False, True): "W[i].T @ dz",
        (False, False): "W[i] @ dz",
    }
    classes, samples = (1, 0) if rows else (0, 1)
    target = "np.eye(p.shape[1])[y]" if rows else "np.eye(p.shape[0])[:, y]"
    slope = {
        "cross-entropy": "p - Y",
        "binary-cross-entropy": "p - Y",
        "quadratic": "2 * (p - Y)",
        "half-quadratic": "p - Y",
    }[constants["COST"]]
    jacobian = (
        "dz * p * (1 - p)"
        if constants["OUTPUT"] == "sigmoid"
        else f"p * (dz - (dz * p).sum(axis={classes}, keepdims=True))"
    )
    return [
        "import numpy as np\n\n",
        "def passes(W, b, x, y):",
        "    a = [x]",
        "    for i in range(len(W)):",
        f"        z = {product[rows, out_in]} + {bias}",
        "        a.append(1 / (1 + np.exp(-z)))",
        f"    e = np.exp(z - z.max(axis={classes}, keepdims=True))",
        f"    p = {'a[-1]' if constants['OUTPUT'] == 'sigmoid' else f'e / e.sum(axis={classes}, keepdims=True)'}",
        f"    Y = {target if constants['LABELS'] == 'integers' else 'y'}",
        f"    dz = {slope}"
        if constants["REDUCTION"] == "sum"
        else f"    dz = ({slope}) / x.shape[{samples}]",
        "    dz = " + ("dz" if constants["COST"].endswith("cross-entropy") else jacobian),
        "    dW, db = [], []",
        "    for i in range(len(W) - 1, -1, -1):",
        f"        dW.insert(0, {dW[rows, out_in]})",
        f"        db.insert(0, dz.sum(axis={samples}))",
        f"        dz = {back[rows, out_in]} * a[i] * (1 - a[i])",
        "    return dW, db\n\n",
    ]


def _protocol(step: bool, biased: bool, random: np.random.Generator) -> list[str]:
    """`gradients`, or a `step` that returns or updates in place, whose rate may be built in."""
    if not step:
        return [
            "def gradients(W, b, x, y):",
            f"    return passes(W, b, x, y){'' if biased else '[0]'}",
        ]
    lines, rate = [], "learning_rate"
    if random.random() < 0.3:
        rate = str(float(random.choice([0.01, 0.1, 0.5])))
        lines = [f"LEARNING_RATE = {rate}\n\n"]
    lines += ["def step(W, b, x, y, learning_rate):", "    dW, db = passes(W, b, x, y)"]
    if random.random() < 0.5:
        lines += ["    for i in range(len(W)):", f"        W[i] -= {rate} * dW[i]"]
        return lines + ([f"        b[i] = b[i] - {rate} * db[i]"] if biased else [])
    moved = f"[v - {rate} * d for v, d in zip(%s, %s)]"
    return [*lines, f"    return {moved % ('W', 'dW')}, {moved % ('b', 'db') if biased else '[]'}"]


def main(count: int, first_seed: int) -> int:
    """Check `count` that declare everything, as many that keep one convention back, as many that
    keep two; print the misses."""
    from backproof.checks.grading.submissions import Settings, check_all_of

    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for undeclared in (0, 1, 2):
            written = [
                right_candidate(seed, undeclared) for seed in range(first_seed, first_seed + count)
            ]
            paths = [Path(folder) / f"right_{undeclared}_{i}.py" for i in range(count)]
            for path, candidate in zip(paths, written, strict=True):
                path.write_text(candidate.source)
            for candidate, path, checked in zip(
                written, paths, check_all_of(paths, Settings(seed=first_seed)), strict=True
            ):
                found = checked.found["diagnosis"]
                named = set(found["conventions"]) == set(candidate.undeclared)
                if checked.found["verdict"] != "pass" or found["bugs"] or not named:
                    missed += 1
                    header = candidate.source.partition("import")[0].split("\n")
                    print(
                        path.stem,
                        checked.found["verdict"],
                        found["statement"],
                        candidate.undeclared,
                        header,
                        checked.found["seconds"],
                    )
    print(f"{missed} of {3 * count} not as they should be")
    return min(missed, 1)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), int(sys.argv[2])))
