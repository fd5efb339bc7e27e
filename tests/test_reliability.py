"""A share of the campaign of docs/reliability.md: nothing falls short."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARE = "0.003"


def test_a_small_share_of_the_campaign_falls_short_nowhere():
    command = [sys.executable, "-m", "benchmarks.reliability", "--quick", "--json"]
    names = ["kills", "errors", "flips", "mutations", "lines"]
    command += ["--share", SHARE]
    done = subprocess.run(
        [*command, "--seed", "1", "--only", *names],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout)
    left_out = done.stderr.count("left out")
    assert len(counts) == len(names) - left_out
    assert all(count["tried"] >= 2 and not count["short"] for count in counts)


WRONG = """
import random, sys
from backproof.model import checkpoint
from benchmarks.reliability import broken_off, trials
from benchmarks.reliability.counted import Extent
if trials.shim() is None:
    trials.restart_with_shim(sys.argv)
    sys.exit("no compiler")
checkpoint._model_in_checkpoint = lambda run: checkpoint._read_model(run)[0]
broken_off.KILLS = {"after": -2}
broken_off.positions = lambda calls, extent, seed: range(1, calls + 1, 6)
short = next(broken_off.kills(Extent(quick=True), random.Random(0))).short
trials.remove_shim()
print(len(short))
"""


def test_a_model_that_is_older_than_its_checkpoint_is_noticed(tmp_path):
    """The wrong version: model.safetensors is taken as it is, whatever the checkpoint says."""
    source = tmp_path / "wrong.py"
    source.write_text(WRONG)
    done = subprocess.run(
        [sys.executable, str(source)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert "no compiler" in done.stderr or int(done.stdout) >= 1, done.stderr
