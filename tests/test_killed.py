"""A run that is killed in the middle of an epoch: its event file is whole up to the last finished
one, and resuming goes on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_dashboard import events, scalars

from backproof import train
from backproof.model.checkpoint import CHECKPOINT

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("after_s", [0.3, 1.7])
def test_every_scalar_has_one_value_a_step_after_a_kill_and_a_resume(tmp_path, after_s):
    folder = tmp_path / "run"
    command = [
        sys.executable,
        "train.py",
        "--epochs",
        "100000",
        "--no-check",
        "--run-dir",
        str(folder),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while (
            not (folder / CHECKPOINT).exists() and process.poll() is None and time.monotonic() < end
        ):
            time.sleep(0.05)
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    killed = sorted(scalars(folder)["loss/train"])
    assert killed == list(range(len(killed)))
    # TensorBoard's own reader finds as many
    assert [event.step for event in events(folder).Scalars("loss/train")] == killed
    assert train.main(["--resume", str(folder), "--epochs", str(killed[-1] + 3), "--no-check"]) == 0
    every, read = set(range(killed[-1] + 4)), events(folder)
    for tag, values in scalars(folder).items():  # which fails where a step comes twice
        first = 1 if tag.split("/")[0] in ("gradient_norm", "update_ratio") else 0
        often = tag.split("/")[0] not in (
            "saturation",
            "distinct_units",
            "cancellation",
            "output_spread",
        )
        assert (
            values.keys() == {step for step in every if step >= first}
            if often
            else values.keys() <= every
        )
        assert [event.step for event in read.Scalars(tag)] == sorted(values)
