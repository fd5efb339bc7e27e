"""What becomes of a run, and of a command, when everything goes wrong.

    python -m benchmarks.reliability [--share 1.0] [--quick] [--only NAME ...] [--seed 0] [--json]
    [--page docs/reliability.md]

Kills before, after and within every call that changes a run's files, in four configurations; a disk
that fails once or stays full at every one of them; bits flipped in every file of a run; mutated
tables, pictures and run files; command lines at random; signals at random moments. Each trial is a
process in a folder of its own, which is removed. The disk that fails is compiled where there is a
compiler (faulty_disk.c); elsewhere its two campaigns are left out, and that is said.
Exit code 1 if anything fell short.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

import torch

from benchmarks.reliability import broken_off, commands, damaged
from benchmarks.reliability.counted import Count, Extent
from benchmarks.reliability.trials import remove_shim, restart_with_shim, shim

HEAD = ("| campaign | tried | what came | fell short |", "| --- | --- | --- | --- |")
MARKS = ("<!-- campaign -->", "<!-- /campaign -->")
CAMPAIGNS = {
    "kills": broken_off.kills,
    "errors": broken_off.errors,
    "flips": damaged.flips,
    "mutations": damaged.mutations,
    "lines": commands.lines,
    "signals": commands.signals,
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
    extent = Extent(given.share, given.quick)
    counts: list[Count] = []
    for name in given.only:
        if name in NEED_SHIM and shim() is None:
            print(f"{name}: left out, for want of a C compiler or of LD_PRELOAD", file=sys.stderr)
            continue
        counts += CAMPAIGNS[name](extent, random.Random(given.seed))
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
