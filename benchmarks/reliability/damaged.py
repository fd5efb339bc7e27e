"""Files of a run with a bit flipped, and files of every kind mutated."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from backproof import label
from backproof.checks.__main__ import main as check
from backproof.model.checkpoint import CHECKPOINT, MODEL
from backproof.model.run_config import CONFIG
from benchmarks.reliability.counted import CODES, Count, Extent, judged
from benchmarks.reliability.trained import digest, digest_or_reason, table, training
from benchmarks.reliability.trials import Done, scratch, tried

FLIPS = 2000
MUTATIONS = 5000


def flips(extent: Extent, seed: random.Random) -> Iterator[Count]:
    """One bit of one file of a run; then `label` and `train --resume`."""
    count = Count("bits flipped in every file of a run, label and resume")
    with scratch() as folder:
        table(folder)
        flags = ("--data", "table.csv", "--no-check", "--run-dir", "r", "--epochs", "1")
        assert tried(training(flags), folder).code == 0
        resume = training(("--resume", "r", "--no-check", "--epochs", "2"))
        ask = partial(label.main, ["--run", "r", "--json", "r/samples.csv"])
        shutil.copytree(folder / "r", folder / "kept")
        expected = tried(ask, folder).out
        assert tried(resume, folder).code == 0
        whole = digest(folder / "r")
        files = [path for path in sorted((folder / "kept").rglob("*")) if path.is_file()]
        for _ in range(extent.of(FLIPS)):
            path = seed.choice(files)
            shutil.rmtree(folder / "r")
            shutil.copytree(folder / "kept", folder / "r")
            content = bytearray(path.read_bytes())
            at = seed.randrange(len(content))
            content[at] ^= 1 << seed.randrange(8)
            name = path.relative_to(folder / "kept")
            (folder / "r" / name).write_bytes(content)
            answered = tried(ask, folder)
            resumed = tried(resume, folder)
            count.add(*_flipped(answered, resumed, expected, whole, folder / "r", f"{name} {at}"))
    yield count


def _flipped(
    answered: Done, resumed: Done, expected: str, whole: str, folder: Path, where: str
) -> tuple[str, str]:
    """What came of a flip, and what fell short."""
    for done in (answered, resumed):
        if done.traceback or done.code not in CODES:
            return "traceback", f"{where}: {done.code} {done.err[-300:]}"
    if answered.code == 0 and not answered.err and answered.out != expected:
        return "other answers, silently", f"{where}: {answered.out[:100]}"
    if resumed.code == 0 and digest_or_reason(folder) != whole:
        return "other weights, silently", where
    told = answered.err or resumed.code == 2 or resumed.err
    return ("told in a line" if told else "no difference"), ""


SNIPPETS = (b"\0", b"\xff\xff", b"1e999", b'"', b"nan", b"-", b"{", b"\n")


def mutated(content: bytes, seed: random.Random) -> bytes:
    """Bytes changed, removed, doubled or added, here and there."""
    changed = bytearray(content)
    for _ in range(seed.choice((1, 1, 2, 8, 64))):
        at = seed.randrange(len(changed) + 1)
        how = seed.randrange(5)
        if how == 0:
            changed[at : at + 1] = bytes([seed.randrange(256)])
        elif how == 1:
            del changed[at : at + seed.choice((1, 8, 1000))]
        elif how == 2:
            changed[at:at] = changed[at : at + seed.choice((1, 64))]
        elif how == 3:
            changed[at:at] = seed.choice(SNIPPETS)
        else:
            changed[at : at + 8] = seed.choice((2**63 - 1, 0, 2**32)).to_bytes(8, "little")
    return bytes(changed)


def mutations(extent: Extent, seed: random.Random) -> Iterator[Count]:
    """Tables, arrays, pictures and run files, mutated, for `train`, `label` and `check --run`."""
    count = Count("mutated tables, arrays, pictures and run files")
    with scratch() as folder:
        table(folder)
        base = folder / "base"
        base.mkdir()
        shutil.copy(folder / "table.csv", base / "t.csv")
        random_numbers = np.random.default_rng(0)
        x = random_numbers.integers(0, 9, (30, 4))
        np.savez(base / "t.npz", x=x, y=np.arange(30) % 2)
        np.savez_compressed(base / "z.npz", x=x.reshape(30, 2, 2), y=np.arange(30) % 2)
        np.lib.format.write_array((base / "t.npy").open("wb"), x[:, :2].astype(float))
        Image.fromarray((x * 20).astype(np.uint8)).resize((20, 40)).save(base / "p.png")
        Image.fromarray((x * 20).astype(np.uint8)).resize((20, 40)).save(base / "p.jpg")
        for data, run in (("table.csv", "r"), ("bars", "pictures")):
            flags = ("--data", data, "--no-check", "--run-dir", run, "--epochs", "1")
            assert tried(training(flags), folder).code == 0
        for name in (MODEL, CHECKPOINT, CONFIG):
            shutil.copy(folder / "r" / name, base / name)
        names = [path.name for path in sorted(base.iterdir())]
        for _ in range(extent.of(MUTATIONS)):
            name = seed.choice(names)
            (folder / name).write_bytes(mutated((base / name).read_bytes(), seed))
            done = tried(_reader(name, folder), folder)
            count.add(*judged(done, f"mutated {name}"))
            (folder / name).unlink()
            shutil.rmtree(folder / "again", ignore_errors=True)
    yield count


def _reader(name: str, folder: Path) -> Callable[[], int]:
    """What reads such a file."""
    if name in (MODEL, CHECKPOINT, CONFIG):
        for other in (MODEL, CHECKPOINT, CONFIG):
            shutil.copy(folder / "base" / other, folder / "r" / other)
        shutil.copy(folder / name, folder / "r" / name)
        if name == MODEL:
            return partial(label.main, ["--run", "r", "1", "2"])
        if name == CONFIG:
            return partial(check, ["--run", "r", "--problems", "1"])
        return training(("--resume", "r", "--no-check", "--epochs", "2"))
    if name.endswith((".png", ".jpg")):
        return partial(label.main, ["--run", "pictures", name])
    if name == "t.npy":
        return partial(label.main, ["--run", "r", name])
    if name == "t.csv" and os.stat(folder / name).st_size % 2:
        return partial(label.main, ["--run", "r", name])
    return training(("--data", name, "--no-check", "--epochs", "1", "--run-dir", "again"))
