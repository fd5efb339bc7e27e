"""What becomes of a run, and of a command, when everything goes wrong.

    python -m benchmarks.reliability [--share 1.0] [--quick] [--only NAME ...] [--seed 0] [--json]
    [--page docs/reliability.md]

Kills before, after and within every call that changes a run's files, in four configurations; a disk
that fails once or stays full at every one of them; bits flipped in every file of a run; mutated
tables, pictures and run files; command lines at random; signals at random moments. Each trial is a
process in a folder of its own, which is removed. The disk that fails is compiled where there is a
compiler (benchmarks/faulty_disk.c); elsewhere its two campaigns are left out, and that is said.
Exit code 1 if anything fell short.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from backproof import label, train
from backproof.checks.__main__ import main as check
from backproof.checks.training import session as _imports_what_training_needs
from backproof.model import run as run_module
from backproof.model import sealed
from backproof.model.checkpoint import CHECKPOINT, CONFIG, MODEL, load_model
from backproof.model.command_line import BadInput
from benchmarks.trials import (
    HUNG,
    KILLED,
    Done,
    Fault,
    remove_shim,
    restart_with_shim,
    scratch,
    shim,
    tried,
)

assert _imports_what_training_needs
KILLS = {"before": -1, "after": -2, "within": -3}
ERRORS = [errno.ENOSPC, errno.EIO, errno.EDQUOT]
EPOCHS = 2
CONFIGURATIONS = {
    "bars, sgd": ("--data", "bars", "--hidden", "3", "--lr", "0.5"),
    "bars, adam, float64": (
        *("--data", "bars", "--hidden", "4", "3", "--optimizer", "adam"),
        *("--dtype", "float64"),
    ),
    "table, momentum": ("--data", "table.csv", "--optimizer", "sgd", "--momentum", "0.9"),
    "bars, quadratic, checked": (
        *("--data", "bars", "--hidden", "5", "--output", "sigmoid", "--cost", "quadratic"),
    ),
}
FLIPS = 2000
MUTATIONS = 5000
LINES = 10_000
SIGNALS = 300
CODES = (0, 1, 2, 130)
HEAD = ("| campaign | tried | what came | fell short |", "| --- | --- | --- | --- |")
MARKS = ("<!-- campaign -->", "<!-- /campaign -->")


@dataclass
class Count:
    """What came of one campaign.

    Attributes:
        name: what was done.
        tried: how often.
        came: what followed, and how often.
        short: what fell short, one text a trial.
    """

    name: str
    tried: int = 0
    came: Counter[str] = field(default_factory=Counter)
    short: list[str] = field(default_factory=list)

    def add(self, what: str, problem: str = "") -> None:
        """One trial."""
        self.tried += 1
        self.came[what] += 1
        if problem:
            self.short.append(problem)

    @property
    def row(self) -> str:
        """Of the page's table."""
        came = ", ".join(f"{count:,} {what}" for what, count in self.came.most_common())
        return f"| {self.name} | {self.tried:,} | {came} | {len(self.short)} |"


def table(folder: Path) -> None:
    """A small table with a header."""
    rows = [f"{i % 5},{(i * i) % 7},{'ab'[i % 2]}" for i in range(40)]
    (folder / "table.csv").write_text("\n".join(["p,q,kind", *rows, ""]))


def training(argv: tuple[str, ...]) -> Callable[[], int]:
    """`train` on these flags, saving after every epoch."""

    def run() -> int:
        run_module.SECONDS_BETWEEN_WRITES = 0.0
        return train.main([*argv, "--device", "cpu"])

    return run


def digest(folder: Path) -> str:
    """Of the weights that `label` would use. Raises: BadInput where it would refuse."""
    model = load_model(folder)
    sha = hashlib.sha256()
    for layer in model.W:
        sha.update(model.W[layer].tobytes() + model.b[layer].tobytes())
    return sha.hexdigest()


@dataclass(frozen=True)
class Reference:
    """A configuration's weights after every epoch, and how many calls change its run's files."""

    flags: tuple[str, ...]
    weights: dict[int, str]
    calls: int


def reference(flags: tuple[str, ...]) -> Reference:
    """Train it without faults."""
    weights = {}
    calls = 0
    for epochs in range(EPOCHS + 1):
        with scratch() as folder:
            table(folder)
            run = training((*flags, *checked(flags), "--epochs", str(epochs), "--run-dir", "r"))
            done = tried(run, folder, Fault(folder))
            assert done.code in (0, 1), done.err
            weights[epochs] = digest(folder / "r")
            calls = done.calls
    return Reference(flags, weights, calls)


def checked(flags: tuple[str, ...]) -> tuple[str, ...]:
    """Gradients are checked in one configuration: it takes longer than all the rest."""
    if "quadratic" in flags:
        return ()
    return ("--no-check",)


def survived(known: Reference, fault: Fault, folder: Path, count: Count, what: str) -> None:
    """One trial: train with a fault, look at what label would use, go on, and compare."""
    run_folder = folder / "r"
    flags = (*known.flags, *checked(known.flags), "--epochs", str(EPOCHS), "--run-dir", "r")
    done = tried(training(flags), folder, fault)
    where = f"{what} at call {fault.call} of {known.flags}"
    if done.traceback or done.code not in (*CODES, KILLED):
        return count.add("traceback", f"{where}: {done.code} {done.err[-300:]}")
    problem = stale(known, run_folder)
    if problem:
        return count.add("older weights", f"{where}: {problem}")
    again = tried(training(("--resume", "r", *checked(known.flags))), folder)
    came = "resumed to the same bits"
    if again.code == 2 and not (run_folder / CHECKPOINT).exists():
        again = tried(training(flags), folder)
        came = "begun anew in place"
    elif again.code == 2 and "expected more than the" in again.err:
        came = "were complete"
    left = [path.name for path in run_folder.glob(".*")] if run_folder.exists() else ["no run"]
    if again.traceback or digest_or_reason(run_folder) != known.weights[EPOCHS]:
        return count.add("lost", f"{where}: {again.code} {again.err[-300:]}")
    if left and came != "were complete":
        return count.add("temporary files left", f"{where}: {left}")
    return count.add(came)


def digest_or_reason(folder: Path) -> str:
    """The weights' digest, or why there are none."""
    try:
        return digest(folder)
    except BadInput as error:
        return str(error)


def stale(known: Reference, folder: Path) -> str:
    """Whether label would answer from other weights than the newest complete ones; "" where not."""
    try:
        epoch = sealed.read(folder / CHECKPOINT).facts["epoch"]
    except BadInput:
        epoch = None
    try:
        said = digest(folder)
    except BadInput as error:
        return f"refused: {error}" if epoch is not None else ""
    if epoch is None or known.weights[epoch] != said:
        return f"the checkpoint has epoch {epoch}, label uses others"
    return ""


def positions(calls: int, share: float, seed: random.Random) -> list[int]:
    """A share of all calls, in order."""
    chosen = max(1, round(share * calls))
    return sorted(seed.sample(range(1, calls + 1), min(calls, chosen)))


def kills(share: float, seed: random.Random) -> Iterator[Count]:
    """The process is killed before, after and within every call, in four configurations."""
    count = Count("kills before, after and within every call, four configurations")
    for flags in CONFIGURATIONS.values():
        known = reference(flags)
        for how, number in KILLS.items():
            for call in positions(known.calls, share, seed):
                with scratch() as folder:
                    table(folder)
                    survived(known, Fault(folder, call, number), folder, count, how)
    yield count


def errors(share: float, seed: random.Random) -> Iterator[Count]:
    """A call fails, or it and all after it, in two configurations."""
    count = Count("ENOSPC, EIO, EDQUOT at every call, once and for good")
    for flags in list(CONFIGURATIONS.values())[:3:2]:
        known = reference(flags)
        for number in ERRORS:
            for for_good in (False, True):
                for call in positions(known.calls, share, seed):
                    with scratch() as folder:
                        table(folder)
                        what = f"{errno.errorcode[number]}{' for good' * for_good}"
                        fault = Fault(folder, call, number, for_good)
                        survived(known, fault, folder, count, what)
    yield count


def flips(share: float, seed: random.Random) -> Iterator[Count]:
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
        for _ in range(round(share * FLIPS)):
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
            changed[at:at] = seed.choice(
                (b"\0", b"\xff\xff", b"1e999", b'"', b"nan", b"-", b"{", b"\n")
            )
        else:
            changed[at : at + 8] = seed.choice((2**63 - 1, 0, 2**32)).to_bytes(8, "little")
    return bytes(changed)


def mutations(share: float, seed: random.Random) -> Iterator[Count]:
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
        for _ in range(round(share * MUTATIONS)):
            name = seed.choice(names)
            (folder / name).write_bytes(mutated((base / name).read_bytes(), seed))
            done = tried(_reader(name, folder), folder)
            count.add(*_judged(done, f"mutated {name}"))
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


def _judged(done: Done, where: str) -> tuple[str, str]:
    """What came of a command that may refuse."""
    if done.code == HUNG:
        return "hung", where
    if done.traceback or done.code not in CODES:
        return "traceback", f"{where}: {done.code} {done.err[-400:]}"
    if done.code == 2 and not done.err.strip():
        return "refused without a word", where
    return f"exit code {done.code}", ""


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


def lines(share: float, seed: random.Random) -> Iterator[Count]:
    """Words and flags at random, for `train`, `label` and `check`."""
    count = Count("command lines at random")
    programs = {"train": train.main, "label": label.main, "check": check}
    with scratch() as folder:
        table(folder)
        flags = ("--data", "table.csv", "--no-check", "--run-dir", "r", "--epochs", "1")
        assert tried(training(flags), folder).code == 0
        for _ in range(round(share * LINES)):
            name = seed.choice(list(programs))
            argv = ["--data", "bars", "--epochs", "1", "--no-check"] if name == "train" else []
            for _ in range(seed.choice((0, 1, 1, 2, 3, 5))):
                argv += [seed.choice(FLAGS[name])] if seed.random() < 0.6 else []
                argv += [seed.choice(WORDS)] if seed.random() < 0.7 else []
            if name == "check" and not argv:
                argv = ["--problems", "1"]
            done = tried(partial(programs[name], argv), folder)
            count.add(*_judged(done, f"{name} {argv!r}"))
    yield count


def signals(share: float, seed: random.Random) -> Iterator[Count]:
    """Ctrl-C, TERM, HUP and KILL at random moments of the whole commands, started as people do."""
    count = Count("Ctrl-C, TERM, HUP, KILL at random moments")
    root = Path(__file__).parents[1]
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
    for _ in range(round(share * SIGNALS)):
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


CAMPAIGNS = {
    "kills": kills,
    "errors": errors,
    "flips": flips,
    "mutations": mutations,
    "lines": lines,
    "signals": signals,
}
NEED_SHIM = ("kills", "errors")


def main(argv: list[str] | None = None) -> int:
    """Run the campaigns, print the table, and say what fell short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of all trials (default: 1)")
    parser.add_argument("--quick", action="store_true", help="one configuration, one error, once")
    parser.add_argument("--only", nargs="+", choices=CAMPAIGNS, default=list(CAMPAIGNS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", type=Path, help="whose table is to be replaced")
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    if given.quick:
        _only_the_first()
    counts: list[Count] = []
    for name in given.only:
        if name in NEED_SHIM and shim() is None:
            print(f"{name}: left out, for want of a C compiler or of LD_PRELOAD", file=sys.stderr)
            continue
        counts += CAMPAIGNS[name](given.share, random.Random(given.seed))
    rows = [count.row for count in counts]
    if given.json:
        print(json.dumps([{**vars(count), "came": dict(count.came)} for count in counts]))
    else:
        print("\n".join([*HEAD, *rows]))
    for count in counts:
        for problem in count.short[:20]:
            print(f"{count.name}: {problem}", file=sys.stderr)
    if given.page:
        _replace_table(given.page, rows)
    return int(any(count.short for count in counts))


def _only_the_first() -> None:
    """One configuration and one error of the disk: enough for a test."""
    for name in list(CONFIGURATIONS)[1:]:
        del CONFIGURATIONS[name]
    del ERRORS[1:]


def _replace_table(page: Path, rows: list[str]) -> None:
    """Between the marks: these rows in place of those of the same campaigns; the others stay."""
    before, _, rest = page.read_text().partition(MARKS[0])
    stood, _, after = rest.partition(MARKS[1])
    by_name = {row.split("|")[1]: row for row in stood.splitlines() if row.startswith("| ")}
    by_name.pop(HEAD[0].split("|")[1], None)
    by_name.pop(HEAD[1].split("|")[1], None)
    by_name |= {row.split("|")[1]: row for row in rows}
    table = [*HEAD, *by_name.values()]
    page.write_text("\n".join([f"{before}{MARKS[0]}", "", *table, "", f"{MARKS[1]}{after}"]))


if __name__ == "__main__":
    if shim() is None:
        restart_with_shim(["-m", "benchmarks.reliability", *sys.argv[1:]])
    try:
        sys.exit(main())
    finally:
        remove_shim()
