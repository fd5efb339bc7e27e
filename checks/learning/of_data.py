"""Why a network does not learn that lies in its data: a judgement on the numbers of data_signs.py.

Every threshold stands in the table below beside its reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backproof.checks.learning.data_signs import DataSigns
from backproof.checks.learning.finding import Symptom
from backproof.checks.learning.passes import Shape

# the size of an input: weights as drawn make z as large as that, and a sigmoid has lost 13/14 of
# its slope at 4; at 16 it has it at a quarter of the samples only. Pictures of 0 to 16 stay below
LARGE = 16.0
# times that the largest column exceeds the smallest: pixels of 8 bits cannot differ by more than
# 255
UNLIKE = 1000.0
# standard deviations of targets dealt out at random, which five answers together pass less than
# once in 200
UNRELATED = 4.0
# samples for that: planes, bends and small networks of 10 columns that were drawn at random then
# show 4.5 and more
ENOUGH = 100
# of the rows that are no copies: real tables of numbers repeat a percent of theirs
REPEATED = 0.9
# pairs of equal rows against what the columns' own repetitions make: a dependence between columns,
# such as that of one-hot columns, made it 30
BY_CHANCE = 100.0
# always answering the commonest class is right that often: a network that knows half of the rest
# looks no better to the eye
COMMON = 0.9
A_TABLE = 20  # rows from which on a column that numbers them or names their class is no coincidence


def data_symptoms(signs: DataSigns, shape: Shape, K: int) -> Iterator[Symptom]:
    """Everything in the data that keeps a network of this shape from learning.

    Args:
        signs: measured on the data.
        shape: activations, output and cost.
        K: outputs.
    Yields: symptoms; those of targets before those of inputs.
    """
    yield from targets_out_of_range(signs, shape)
    yield from class_imbalance(signs)
    yield from duplicate_rows(signs)
    yield from labels_shuffled(signs)
    yield from leak(signs)


def targets_out_of_range(signs: DataSigns, shape: Shape) -> Iterator[Symptom]:
    """Targets that the output cannot reach, whatever its weights."""
    if shape.output == "linear":
        return
    low, high, name = 0.0, 1.0, "softmax"
    if shape.output != "softmax":
        activation = shape.output_activation
        low, high, name = activation.lowest, activation.highest, activation.name
    outside = (low > signs.Y) | (high < signs.Y)
    if not outside.any():
        return
    reach = f"{low:.3g} to {high:.3g}" if np.isfinite(high) else f"{low:.3g} and above"
    yield Symptom(
        "targets-out-of-range",
        "the targets",
        f"{outside.mean():.0%} of the targets lie outside {reach}, which is all that {name} can "
        f"answer: they go from {signs.Y.min():.4g} to {signs.Y.max():.4g}",
        "ask for numbers that the output can never give, so it is pushed to its end and stays "
        "there",
        f"Scale the targets into {reach}, e.g. (y - y.min()) / (y.max() - y.min()) for a sigmoid, "
        "or leave the activation out of the last layer (a linear output).",
        {
            "outside": float(outside.mean()),
            "lowest": float(signs.Y.min()),
            "highest": float(signs.Y.max()),
        },
        hopeless=True,
    )


def class_imbalance(signs: DataSigns) -> Iterator[Symptom]:
    """One class is nearly everything, or everything."""
    if not signs.classes:
        return
    common = float(signs.frequencies[0])
    if len(signs.frequencies) == 1:
        yield Symptom(
            "class-imbalance",
            "the labels",
            f"all {len(signs.labels)} labels are the same",
            "hold one class only: there is nothing to tell apart",
            "Look at how y was made or cut: sorted rows that were split in the middle leave one "
            "class in each half.",
            {"common": 1.0},
            hopeless=True,
        )
    elif common >= COMMON and len(signs.labels) >= A_TABLE:
        rare = len(signs.labels) - round(common * len(signs.labels))
        yield Symptom(
            "class-imbalance",
            "the labels",
            f"always answering the commonest class is right in {common:.2%}; the others have "
            f"{rare} of {len(signs.labels)} samples",
            "are nearly all of one class, so accuracy says next to nothing",
            f"Compare every accuracy with {common:.2%}, look at each class on its own, and draw "
            "rare classes more often or weigh their loss more.",
            {"common": common, "rare": float(rare)},
            hopeless=False,
        )


def duplicate_rows(signs: DataSigns) -> Iterator[Symptom]:
    """Many rows are copies, more than the columns' own few values explain."""
    copies = signs.copies
    if copies.rows < A_TABLE or copies.distinct >= REPEATED * copies.rows:
        return
    if copies.pairs < BY_CHANCE * copies.expected:
        return
    labels = ""
    if copies.contradicting:
        labels = f"; {copies.contradicting} of them occur with more than one label"
    yield Symptom(
        "duplicate-rows",
        "the rows of x",
        f"{copies.distinct} distinct rows of {copies.rows:,}{labels}",
        "are copies of each other, so the others are lost",
        "If x was shuffled in place: random.shuffle, and swaps of rows as x[i], x[j] = x[j], x[i], "
        "overwrite rows of an array. Use order = rng.permutation(len(x)); x, y = x[order], "
        "y[order].",
        {
            "distinct": float(copies.distinct),
            "rows": float(copies.rows),
            "contradicting": float(copies.contradicting),
        },
        hopeless=bool(copies.contradicting),
    )


def labels_shuffled(signs: DataSigns) -> Iterator[Symptom]:
    """Targets say no more of their inputs than targets dealt out at random."""
    if _telling(signs) < ENOUGH:
        return
    relation = signs.relation
    if abs(relation.excess) >= UNRELATED:
        return
    what = "labels" if signs.classes else "targets"
    yield Symptom(
        "labels-shuffled",
        f"the {what}",
        f"what the other samples say of a sample's {what[:-1]} agrees with it "
        f"{relation.excess:.1f} standard deviations more than with {what} dealt out at random "
        f"({relation.samples} samples)",
        "do not depend on the inputs, as far as can be seen: they may be learnt by heart, no more",
        "Check that x and y are in the same order: shuffle both with one permutation, order = "
        "rng.permutation(len(x)); x, y = x[order], y[order].",
        {"excess": relation.excess, "samples": float(relation.samples)},
        hopeless=True,
    )


def _telling(signs: DataSigns) -> float:
    """How many samples of equally frequent classes would tell as much: a rare class has few."""
    N = len(signs.x)
    if not signs.classes:
        return float(N)
    K = len(signs.frequencies)
    if K < 2:
        return 0.0
    return float(N * (1 - np.square(signs.frequencies).sum()) / (1 - 1 / K))


def leak(signs: DataSigns) -> Iterator[Symptom]:
    """A column that numbers the rows, or that is the answer."""
    if len(signs.x) < A_TABLE or signs.x.shape[1] < 2:
        return
    for column in signs.counters:
        yield Symptom(
            "leak",
            f"column {column} of x",
            f"{len(signs.x)} whole numbers from {signs.x[:, column].min():.0f} to "
            f"{signs.x[:, column].max():.0f}, no two alike",
            "numbers the rows: it says nothing of new samples, and where rows are sorted it gives "
            "the answer away",
            f"Leave it out: x = np.delete(x, {column}, axis=1).",
            {"column": float(column)},
            hopeless=False,
        )
    for column in signs.answers:
        yield Symptom(
            "leak",
            f"column {column} of x",
            "each of its values occurs with one target only, and each target with one of its "
            "values",
            "is the target in other words: what is learnt is to copy it",
            f"Leave it out: x = np.delete(x, {column}, axis=1).",
            {"column": float(column)},
            hopeless=False,
        )


def inputs_unscaled(signs: DataSigns) -> Iterator[Symptom]:
    """Columns that are large, or of very different sizes."""
    sizes = signs.sizes
    occupied = np.delete(sizes, signs.constant)
    occupied = occupied[occupied > 0]
    if not len(occupied):
        return
    largest = float(sizes.max())
    unlike = float(occupied.max() / occupied.min())
    if largest <= LARGE and unlike <= UNLIKE:
        return
    column = int(sizes.argmax())
    how = "their numbers are large"
    if unlike > UNLIKE:
        how = "they differ so much in size that the small ones are not seen beside the large ones"
    yield Symptom(
        "inputs-unscaled",
        "the columns of x",
        f"x goes from {signs.x.min():.4g} to {signs.x.max():.4g}; the typical size of a column is "
        f"{occupied.min():.3g} to {occupied.max():.3g}, the largest is column {column}",
        f"are not scaled: {how}, so one learning rate cannot suit all weights",
        _scaling(signs),
        {"largest": largest, "unlike": unlike, "column": float(column)},
        hopeless=False,
    )


def pixels(signs: DataSigns) -> bool:
    """Whether x is whole numbers from 0 to at most 255, as pictures are."""
    x = signs.x
    return bool(x.min() >= 0 and x.max() <= 255 and (x == np.rint(x)).all() and x.shape[1] > 8)


def _scaling(signs: DataSigns) -> str:
    if pixels(signs):
        return f"Divide by the largest: x = x / {signs.x.max():.0f}, and new samples by the same."
    return (
        "Give every column mean 0 and deviation 1, x = (x - x.mean(axis=0)) / x.std(axis=0), and "
        "keep both for new samples."
    )
