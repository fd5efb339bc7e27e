"""CUDA without a card: the same numbers on an imitated one, which refuses what a card refuses."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("on_imitated_card.py")


def test_training_and_checking_on_an_imitated_card_and_its_planted_faults():
    """In a process of its own: torch is told of a new device for good."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    caught, planted = done.stdout.split()[1], done.stdout.split()[3]
    assert caught == planted != "0"
