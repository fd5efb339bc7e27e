"""How much accuracy a network loses when MNIST's test digits come as drawings in files instead of
MNIST's own pixels.

Each digit is redrawn by one of five resamplings on a sheet of 150 to 400 pixels, 0.3 to 0.9 of it
high or wide, anywhere on it; dark on white, or (a quarter) light on dark or on a clear ground; as
PNG or as JPEG of quality 30 to 95. `model.drawing` reads the file, and a network that was trained
on MNIST's own pixels labels what comes out. A refusal counts as a mistake.

    BACKPROOF_MNIST=data/mnist python -m benchmarks.drawings
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as label.py has it

import numpy as np
import torch
from PIL import Image

from backproof.model import drawing
from backproof.model.checkpoint import load_model
from backproof.model.command_line import BadInput, whole_number
from backproof.model.data import Dataset, load
from backproof.model.network import MLP

RESAMPLINGS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "thresholded": Image.Resampling.BICUBIC,
}
GROUNDS = ("dark on white", "light on dark", "dark on clear", "light on clear")
ALLOWED_LOSS = 0.03


@dataclass(frozen=True)
class Sheet:
    """A digit as somebody might have drawn it, and how."""

    picture: Image.Image
    resampling: str
    ground: str
    file: str
    settings: dict[str, int]


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    torch.set_num_threads(1)
    mnist, digits = load("mnist", args.data_dir), load("digits")
    print(
        f"{args.digits} digits, seed {args.seed}, MNIST {mnist.digest}, torch "
        f"{torch.__version__}, {args.epochs} epochs"
    )
    network = of_run(args.run) if args.run else trained(mnist, 100, args.epochs, args.seed)
    small = trained(digits, 64, 100, args.seed)
    random = np.random.default_rng(args.seed)
    chosen = random.choice(mnist.test, args.digits, replace=False)
    own = (label(network, mnist, mnist.x[chosen]) == mnist.y[chosen]).mean()
    sheets = [redrawn(mnist.x[index].reshape(28, 28), random) for index in chosen]
    right, elapsed_s = labelled(sheets, mnist.y[chosen], network, mnist)
    right_8x8, _ = labelled(sheets, mnist.y[chosen], small, digits)
    print(f"{'as MNIST has them':<34} {own:7.1%}")
    print(f"{'redrawn':<34} {right.mean():7.1%}   {1000 * elapsed_s / len(sheets):.0f} ms a file")
    for kind, indices in kinds(sheets).items():
        print(f"  {kind:<32} {right[indices].mean():7.1%}   of {len(indices)}")
    print(
        f"{'redrawn, by the 8x8 digits network':<34} {right_8x8.mean():7.1%}   on its own test "
        f"digits {tested(small, digits):.1%}"
    )
    lost = own - right.mean()
    good = lost <= ALLOWED_LOSS
    print(
        f"{'pass' if good else 'fail'}: redrawing costs {100 * lost:.1f} points; "
        f"{100 * ALLOWED_LOSS:.0f} are allowed"
    )
    return 0 if good else 1


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("BACKPROOF_MNIST"),
        help="(default: BACKPROOF_MNIST)",
    )
    parser.add_argument(
        "--run",
        type=Path,
        metavar="DIR",
        help="a run of train.py --data mnist (default: train one here)",
    )
    parser.add_argument(
        "--digits", type=whole_number(1), default=1000, help="how many (default: 1000)"
    )
    parser.add_argument(
        "--epochs", type=whole_number(1), default=5, help="of training (default: 5)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, help="of everything random (default: 0)"
    )
    return parser.parse_args(argv)


def of_run(run: Path) -> MLP:
    saved = load_model(run)
    if saved.picture != (28, 28):
        raise SystemExit(
            f"{run}: expected a network for pictures of 28x28, got one for "
            f"{saved.picture or saved.data}."
        )
    return MLP.from_arrays(saved.W, saved.b, dtype=torch.float32)


def trained(data: Dataset, hidden: int, epochs: int, seed: int) -> MLP:
    """One hidden layer, trained with Adam on batches of 32."""
    x, y = (torch.as_tensor(array) for array in data.training(np.float32))
    network, order = (
        MLP((x.shape[1], hidden, len(data.classes)), seed=seed),
        torch.Generator().manual_seed(seed),
    )
    optimizer, cost = torch.optim.Adam(network.parameters(), lr=2e-3), torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=order).split(32):
            optimizer.zero_grad()
            cost(network(x[batch]), y[batch]).backward()
            optimizer.step()
    return network


def tested(network: MLP, data: Dataset) -> float:
    return float((label(network, data, data.x[data.test]) == data.y[data.test]).mean())


def label(network: MLP, data: Dataset, rows: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.as_tensor(data.preprocessing(rows, np.float32))).argmax(dim=1).numpy()


def labelled(
    sheets: list[Sheet], y: np.ndarray, network: MLP, data: Dataset
) -> tuple[np.ndarray, float]:
    """Which sheets are labelled right, and the seconds that reading the files took."""
    right, elapsed_s = np.zeros(len(sheets), dtype=bool), 0.0
    with tempfile.TemporaryDirectory() as folder:
        for index, sheet in enumerate(sheets):
            path = Path(folder) / f"{index}.{sheet.file}"
            sheet.picture.save(path, **sheet.settings)
            start = time.perf_counter()
            try:
                row = drawing.for_network(path, data.picture, data.name)
            except BadInput as error:
                print(error, file=sys.stderr)
                continue
            elapsed_s += time.perf_counter() - start
            right[index] = label(network, data, row[None])[0] == y[index]
    return right, elapsed_s


def redrawn(digit: np.ndarray, random: np.random.Generator) -> Sheet:
    """One digit of MNIST, (28, 28), 255 on the strokes, on a sheet of its own."""
    resampling, ground = random.choice(list(RESAMPLINGS)), GROUNDS[0]
    if random.random() < 1 / 4:
        ground = random.choice(GROUNDS[1:])
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    strokes = Image.fromarray(digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    size = random.integers(150, 401, 2)
    scale = 0.6 * random.uniform(0.5, 1.5) * min(size) / max(strokes.size)
    width, height = (max(1, round(n * scale)) for n in strokes.size)
    strokes = strokes.resize((width, height), RESAMPLINGS[resampling])
    if resampling == "thresholded":
        strokes = strokes.point(lambda value: 255 * (value > 127))
    ink = Image.new("L", (int(size[1]), int(size[0])))
    ink.paste(
        strokes,
        (int(random.integers(size[1] - width + 1)), int(random.integers(size[0] - height + 1))),
    )
    picture = on_ground(ink, ground)
    if picture.mode == "LA" or random.random() < 0.5:
        return Sheet(picture, resampling, ground, "png", {})
    return Sheet(picture, resampling, ground, "jpg", {"quality": int(random.integers(30, 96))})


def on_ground(ink: Image.Image, ground: str) -> Image.Image:
    if ground == "light on dark":
        return ink
    if ground == "dark on white":
        return Image.eval(ink, lambda value: 255 - value)
    return Image.merge(
        "LA", (Image.new("L", ink.size, 0 if ground == "dark on clear" else 255), ink)
    )


def kinds(sheets: list[Sheet]) -> dict[str, list[int]]:
    """Each resampling, ground and file format -> the sheets that have it."""
    found = defaultdict(list)
    for index, sheet in enumerate(sheets):
        for kind in (sheet.resampling, sheet.ground, sheet.file):
            found[kind].append(index)
    return dict(sorted(found.items()))


if __name__ == "__main__":
    raise SystemExit(main())
