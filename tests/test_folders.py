"""The folders of runs: which is the newest, which is free, and what may not be read."""

import os
import shlex
import subprocess
import sys

import pytest
from saved_runs import ROOT, a_model, refusal, save_both

from backproof.model.checkpoint import (
    CHECKPOINT,
    MODEL,
)
from backproof.model.folders import claim_run, newest_run
from backproof.model.pasted import script


def test_the_newest_run_is_the_one_whose_weights_were_written_last(tmp_path):
    for age, name in enumerate(["digits-10", "digits-9", "bars-1"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / MODEL).touch()
        os.utime(tmp_path / name / MODEL, ns=(0, 1000 - age))
    (tmp_path / "unfinished").mkdir()
    assert newest_run(tmp_path) == tmp_path / "digits-10"


def test_no_run_at_all_is_refused(tmp_path):
    expected = (
        f"expected a run in {tmp_path}/, got none. Train one with "
        f"{shlex.join(script('train'))}, or name one with --run."
    )
    assert refusal(newest_run, tmp_path) == expected


def test_runs_are_numbered_and_fill_gaps(tmp_path):
    assert claim_run(tmp_path / "none", "digits") == tmp_path / "none" / "digits-1"
    for name in ("digits-1", "digits-3", "bars-2", "digits-x"):
        (tmp_path / name).mkdir()
    assert claim_run(tmp_path, "digits") == tmp_path / "digits-2"
    assert claim_run(tmp_path, "bars") == tmp_path / "bars-1"
    assert claim_run(tmp_path, "/some where/flowers.csv") == tmp_path / "flowers-1"


def test_a_claimed_run_is_nobody_elses(tmp_path):
    assert [claim_run(tmp_path, "digits").name for _ in range(3)] == [
        "digits-1",
        "digits-2",
        "digits-3",
    ]


@pytest.mark.skipif(
    not hasattr(os, "setuid") or os.getuid() != 0, reason="only root may be another"
)
@pytest.mark.parametrize("what", [".", MODEL, CHECKPOINT])
def test_what_may_not_be_read_is_not_called_missing(tmp_path, what):
    save_both(tmp_path, a_model())
    (tmp_path / what).chmod(0)
    program = (
        "import os, sys; from pathlib import Path; from backproof.model import checkpoint\n"
        "os.setuid(65534)\n"
        "try: print(checkpoint.load_model(Path(sys.argv[1])).remarks)\n"
        "except checkpoint.BadInput as error: print(error)"
    )
    tmp_path.parent.chmod(0o755)
    tmp_path.parent.parent.chmod(0o755)
    tmp_path.parent.parent.parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    (tmp_path / what).chmod(0o755)
    assert "Permission denied" in done.stdout, done.stderr
    assert "No such file" not in done.stdout
