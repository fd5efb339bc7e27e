"""Command lines at random, and signals at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from backproof import label, train
from backproof.checks.__main__ import main as check
from benchmarks.reliability.counted import CODES, Count, Extent, judged
from benchmarks.reliability.trained import table, training
from benchmarks.reliability.trials import scratch, tried

LINES = 10_000
SIGNALS = 300
WORDS = (
    *("", "0", "1", "-1", "1_0", "nan", "inf", "1e400", "0x10", "２", "é", "\udcff", "a" * 300),
    *("r", "r/samples.csv", "none", "/dev/null", ".", "-", "--", "table.csv", "bars", "digits"),
    *("softmax", "sigmoid", "adam", "sgd", "float64", "cpu", "cuda", "auto", "*.csv", "[", "1 2"),
)
FLAGS = {
    "train": (
        *("--data", "--data-dir", "--hidden", "--init", "--output", "--cost", "--epochs", "--lr"),
        *("--batch-size", "--optimizer", "--momentum", "--weight-decay", "--backward", "--seed"),
        *("--dtype", "--device", "--check-every", "--no-check", "--run-dir", "--resume", "--json"),
    ),
    "label": ("--run", "--top-k", "--json", "--show", "--help"),
    "check": (
        *("--run", "--sizes", "--batch", "--seed", "--problems", "--device", "--dtype", "--json"),
        *("--explain", "--notation", "--time-limit", "--version"),
    ),
}


def lines(extent: Extent, seed: random.Random) -> Iterator[Count]:
    """Words and flags at random, for `train`, `label` and `check`."""
    count = Count("command lines at random")
    programs = {"train": train.main, "label": label.main, "check": check}
    with scratch() as folder:
        table(folder)
        flags = ("--data", "table.csv", "--no-check", "--run-dir", "r", "--epochs", "1")
        assert tried(training(flags), folder).code == 0
        for _ in range(extent.of(LINES)):
            name = seed.choice(list(programs))
            argv = ["--data", "bars", "--epochs", "1", "--no-check"] if name == "train" else []
            for _ in range(seed.choice((0, 1, 1, 2, 3, 5))):
                argv += [seed.choice(FLAGS[name])] if seed.random() < 0.6 else []
                argv += [seed.choice(WORDS)] if seed.random() < 0.7 else []
            if name == "check" and not argv:
                argv = ["--problems", "1"]
            done = tried(partial(programs[name], argv), folder)
            count.add(*judged(done, f"{name} {argv!r}"))
    yield count


def signals(extent: Extent, seed: random.Random) -> Iterator[Count]:
    """Ctrl-C, TERM, HUP and KILL at random moments of the whole commands, started as people do."""
    count = Count("Ctrl-C, TERM, HUP, KILL at random moments")
    root = Path(__file__).parents[2]
    start = [sys.executable, "-m", "backproof"]
    example = next(root.glob("examples/*.py"))
    commands = {
        "train": ["train", "--data", "bars", "--epochs", "1000000", "--run-dir", "r"],
        "label": ["label", "--run", "kept", "1", "2"],
        "check": ["check", "--problems", "6"],
        "check FILE": ["check", str(example)],
    }
    environment = {**os.environ, "PYTHONPATH": str(root)}
    environment.pop("LD_PRELOAD", None)
    for _ in range(extent.of(SIGNALS)):
        name = seed.choice(list(commands))
        number = seed.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL))
        with scratch() as folder:
            process = subprocess.Popen(
                [*start, *commands[name]],
                cwd=folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            time.sleep(seed.uniform(0.2, 5))
            process.send_signal(number)
            sent = time.monotonic()
            try:
                _, err = process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                err = b"still running after 20 s"
            while _left(process.pid) and time.monotonic() < sent + 20:
                time.sleep(0.05)
            late = time.monotonic() - sent > 2
            codes = (*CODES, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGKILL)
            wrong = b"Traceback" in err or process.returncode not in codes
            problem = f"{name} {number.name}: {process.returncode} {err[-300:]!r}"
            came = "still something running after 2 s" if late else "nothing left after 2 s"
            if wrong:
                came = "traceback or another code"
            count.add(came, problem if late or wrong else "")
    yield count


def _left(group: int) -> bool:
    """Whether any process of a session does anything still."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = entry.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == group and state != "Z":
            return True
    return False
