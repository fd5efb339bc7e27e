"""What somebody wants labelled -> rows: numbers and tables as in rows.py, pictures as in
drawing.py, folders, patterns."""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from backproof.model.checkpoint import SAMPLES
from backproof.model.command_line import BadInput
from backproof.model.drawing import SUFFIXES, for_network
from backproof.model.rows import TABLES, Expected, Rows, joined, read_rows
from backproof.model.saved_model import SavedModel

MANY = 50  # pictures: from here on reading takes seconds, and shows progress


def read_inputs(inputs: Sequence[str], model: SavedModel, run: Path) -> Rows:
    """Read everything, in the order given. One file of several that cannot be used costs no other.

    Args:
        inputs: numbers, which together are one row; or files, folders of files, patterns such as
            "drawings/*.png"; or "-".
        model: what the network expects: how many numbers, or pictures of which size.
        run: its folder, for what is said when an input does not fit.
    Returns: the rows, and what is to be said of files that could not be read.
    Raises: BadInput where nothing can be labelled by this network.
    """
    names = list(itertools.chain.from_iterable(map(_expanded, inputs)))
    expected = Expected(model.sizes[0], run, model.columns)
    if not any(_is_file(name) for name in names):
        return read_rows(names, expected)
    parts: list[Rows] = []
    refusals: list[BadInput] = []
    for name in _shown(names):
        try:
            parts.append(_one(name, model, expected))
        except BadInput as error:
            refusals.append(error)
            # a word among files, or a file that is not there: the command itself is wrong
            if not (_is_file(name) and Path(name).exists()):
                raise
    if not parts:
        raise refusals[0]
    together = joined(parts)
    return Rows(together.names, together.x, tuple(map(str, refusals)))


def changed_samples(inputs: Sequence[str], model: SavedModel, run: Path) -> str:
    """What is to be said where the run's own samples are among the inputs and are no longer those
    that train.py wrote; "" otherwise."""
    own = run / SAMPLES
    seal = model.facts.get("samples")
    if seal is None or not any(Path(name).name == SAMPLES for name in inputs):
        return ""
    try:
        named = any(os.path.samefile(name, own) for name in inputs if os.path.exists(name))
        if named and hashlib.sha256(own.read_bytes()).hexdigest() != seal:
            return f"{own}: its rows are not those that train.py wrote; labelled as they stand."
    except OSError:
        return ""
    return ""


def _one(name: str, model: SavedModel, expected: Expected) -> Rows:
    """The rows of one file."""
    if _is_picture(name):
        return _picture(name, model)
    return read_rows([name], expected)


def _expanded(text: str) -> list[str]:
    """A folder is the pictures and tables in it, a pattern the files that it matches, anything else
    itself."""
    path = Path(text)
    if text.strip() and path.is_dir():  # no name at all is not the current folder
        names = sorted(
            str(file) for file in path.iterdir() if file.suffix.lower() in (*SUFFIXES, *TABLES)
        )
        if not names:
            raise BadInput(
                f"{text}: expected a folder with pictures or tables, got none in it. Name another "
                "folder, or files."
            )
        return names
    if glob.has_magic(text) and not path.exists():
        names = sorted(glob.glob(text))
        if not names:
            raise BadInput(f"expected files that match {text!r}, got none. Check the pattern.")
        return names
    return [text]


def _is_file(name: str) -> bool:
    """Whether the name is that of a picture or a table."""
    return Path(name).suffix.lower() in (*SUFFIXES, *TABLES)


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES


def _picture(name: str, model: SavedModel) -> Rows:
    """One picture, as the network's own data set would have had it."""
    # what becomes 1 is the largest raw value
    full_ink = float(model.preprocessing.mean[0] + model.preprocessing.scale[0])
    row = for_network(Path(name), model.picture, model.data, full_ink)
    return Rows([Path(name).name], row[None])


def _shown(names: Sequence[str]) -> Iterable[str]:
    """The same names, with a bar on a terminal if there are many."""
    if len(names) < MANY or not sys.stderr.isatty():
        return names
    from tqdm import tqdm

    bar: Iterator[str] = iter(tqdm(names, unit="picture", leave=False))
    return bar
