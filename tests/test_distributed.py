"""Two processes do what one does, and one that is left says so and leaves a usable run."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from backproof import train
from backproof.model.checkpoint import load_state
from backproof.model.distributed import LostProcess, Processes, noticing_loss

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def shared_and_alone():
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "tests/two_processes.py",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_two_processes_end_with_the_weights_of_one(shared_and_alone):
    assert shared_and_alone["world"] == 2
    # four heads, two backwards, two optimizers; an epoch's last batch has one sample
    assert len(shared_and_alone["cases"]) == 16
    for case in shared_and_alone["cases"]:
        # 12 steps whose gradients are sums of at most 8 terms in another order: a few hundred eps
        # of numbers near 1.
        assert case["weights"] <= 1e-13, case


def test_two_processes_count_each_sample_once(shared_and_alone):
    for case in shared_and_alone["cases"]:
        assert case["accuracy"][0] == case["accuracy"][1], case
        # a sum of 41 losses in another order
        assert case["loss"][0] == pytest.approx(case["loss"][1], rel=1e-12), case


def start(rank, port, folder):
    """One of two processes as torchrun would start it, but with nobody to end it when the other
    dies."""
    environment = {
        "RANK": rank,
        "WORLD_SIZE": 2,
        "LOCAL_RANK": rank,
        "LOCAL_WORLD_SIZE": 2,
        "MASTER_ADDR": "127.0.0.1",
    }
    environment = {
        **ENVIRONMENT,
        **{name: str(value) for name, value in environment.items()},
        "MASTER_PORT": str(port),
    }
    command = [
        sys.executable,
        "train.py",
        "--data",
        "bars",
        "--epochs",
        "1000000",
        "--no-check",
        "--run-dir",
        str(folder),
    ]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_dead_process_ends_the_run_with_one_line_and_a_run_that_goes_on(tmp_path, capsys):
    folder = tmp_path / "run"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    leader, other = start(0, port, folder), start(1, port, folder)
    try:
        deadline = time.monotonic() + 240
        while not (folder / "model.safetensors").exists() and leader.poll() is None:
            assert time.monotonic() < deadline, "the run did not begin"
            time.sleep(0.05)
        other.kill()
        # the contract: a dead worker ends the run within 30 s
        out, err = leader.communicate(timeout=30)
    finally:
        for process in (leader, other):
            process.kill()
            process.communicate()
    assert leader.returncode == 1, out + err
    lines = [line for line in err.splitlines() if line.startswith("train.py: ")]
    assert len(lines) == 1
    assert "expected 2 processes until the end" in lines[0]
    assert f"--resume {folder}" in lines[0]
    assert "Traceback" not in err
    saved = load_state(folder)[1]["epoch"]
    assert train.main(["--resume", str(folder), "--epochs", str(saved + 1), "--no-check"]) == 0
    assert f"resumed after epoch {saved}" in capsys.readouterr().out


def test_fewer_samples_a_batch_than_processes_is_bad_input(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "backproof.model.distributed.join", lambda device: Processes(rank=0, world=3)
    )
    assert (
        train.main(["--data", "bars", "--batch-size", "2", "--run-dir", str(tmp_path / "run")]) == 2
    )
    assert (
        "--batch-size: expected a sample or more for each of 3 processes, got 2."
        in capsys.readouterr().err
    )


def test_a_message_without_a_receiver_is_a_lost_process():
    with pytest.raises(LostProcess, match="Connection closed by peer"), noticing_loss():
        raise RuntimeError("Connection closed by peer")


def test_one_process_alone_adds_up_nothing():
    tensor = torch.ones(3)
    assert Processes().add_up(tensor) is tensor
    assert torch.equal(tensor, torch.ones(3))
    assert not Processes().any(False)
    assert Processes().any(True)
