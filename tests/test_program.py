"""Streams that are closed, full or of few letters; signals; parents that die: one line, the right
exit code, and nothing left running."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backproof.model import program

ROOT = Path(__file__).parents[1]
TRAIN = [sys.executable, str(ROOT / "train.py"), "--data", "bars", "--no-check", "--device", "cpu"]
LABEL = [sys.executable, str(ROOT / "label.py")]
# a few lines that do what a program does, without torch
SMALL = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from backproof.model.program import as_program
"""


def small(body, **how):
    """A program of our own making, to its end."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    text = f"{SMALL}def main():\n{lines}sys.exit(as_program(main, 'small'))"
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60} | how
    return subprocess.run([sys.executable, "-c", text], check=False, **how)


def closed(*descriptors):
    def close():
        for descriptor in descriptors:
            os.close(descriptor)

    return close


@pytest.mark.parametrize("descriptors", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_streams_are_open_on_nothing_and_no_file_takes_their_number(tmp_path, descriptors):
    body = f"""
file = open({str(tmp_path / "f")!r}, "w")
print("out"); print("err", file=sys.stderr); sys.stdin.read()
file.write("mine"); file.close()
return 0"""
    done = small(body, preexec_fn=closed(*descriptors), stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    assert (tmp_path / "f").read_text() == "mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_full_device_is_one_line_and_bad_input(stream):
    with open("/dev/full", "w") as full:
        done = small("print('x'); print('y', file=sys.stderr)\nreturn 0", **{stream: full})
    assert done.returncode == 2
    if stream == "stdout":
        assert done.stderr.removeprefix(b"y\n") == (
            b"small: the output: expected something that can be used, got: No space left on "
            b"device. Name another.\n"
        )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_help_that_nobody_can_take_is_no_success(unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*LABEL, "--help"], stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert done.returncode == 2
    assert b"No space left" in done.stderr


def test_a_reader_who_has_gone_is_no_error():
    command = f"""{SMALL}
def main():
    for _ in range(100_000):
        print("line")
    return 0
sys.exit(as_program(main, "small"))"""
    first = subprocess.Popen(
        [sys.executable, "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with first:
        first.stdout.readline()
        first.stdout.close()
        assert first.stderr.read() == b""
    assert first.returncode == 130


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_no_console_has_too_few_letters(encoding):
    body = "print('é 漢 \\udcff'); print('é 漢 \\udcff', file=sys.stderr)\nreturn 0"
    done = small(body, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert done.returncode == 0
    assert b"\\udcff" in done.stdout
    assert b"\\udcff" in done.stderr


ESCAPES = {
    "KeyboardInterrupt": (130, "small: interrupted."),
    "MemoryError": (2, "small: expected memory enough, got none."),
    "OSError(28, 'No space left', 'f')": (2, "small: f: expected something that can be used, got:"),
    "ZeroDivisionError": (2, "small: this is a fault of Backproof's own"),
    "SystemExit('text')": (2, ""),
    "SystemExit(1)": (1, ""),
}


@pytest.mark.parametrize("error", ESCAPES)
def test_whatever_escapes_has_an_exit_code_that_is_not_wrong(error):
    done = small(f"raise {error}")
    code, line = ESCAPES[error]
    assert done.returncode == code
    assert line in done.stderr.decode()


@pytest.mark.usefixtures("as_in_a_terminal")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_cleans_up_and_then_ends_the_process(tmp_path, name):
    number = getattr(signal, name)
    done = small(
        f"import os\ntry:\n    os.kill(os.getpid(), {int(number)}); time.sleep(30)\n"
        f"finally:\n    open({str(tmp_path / 'cleaned')!r}, 'w')"
    )
    assert done.returncode == -number
    assert done.stderr.decode() == f"small: ended by {name}.\n"
    assert (tmp_path / "cleaned").exists()


@pytest.mark.usefixtures("as_in_a_terminal")
def test_a_second_ctrl_c_does_no_harm_to_what_the_first_began(tmp_path):
    """It comes while the state is being saved."""
    done = small(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT); time.sleep(30)\n"
        "finally:\n    os.kill(os.getpid(), signal.SIGINT); time.sleep(0.1)\n"
        f"    open({str(tmp_path / 'saved')!r}, 'w')"
    )
    assert done.returncode == 130
    assert done.stderr == b"small: interrupted.\n"
    assert (tmp_path / "saved").exists()


@pytest.mark.usefixtures("as_in_a_terminal")
def test_ctrl_c_in_an_import_is_one_line(tmp_path):
    (tmp_path / "slow_module.py").write_text(
        "import os, signal, time\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT); time.sleep(30)\n"
        "except BaseException:\n    raise ImportError('swallowed')\n"
    )
    done = small(
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from backproof.model.command_line import importing\n"
        "with importing():\n    import slow_module"
    )
    assert (done.returncode, done.stderr) == (130, b"small: interrupted.\n")


def test_an_ignored_signal_stays_ignored():
    done = small(
        "import os, signal\nos.kill(os.getpid(), signal.SIGHUP)\nreturn 0",
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert done.returncode == 0


PARENT = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from backproof.model import program
if sys.argv[1] == "thread":
    program.SET_PARENT_DEATH_SIGNAL = -1
program.die_with_parent()
print("ready", flush=True)
time.sleep(60)
''', sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("way", ["kernel", "thread"])
def test_a_child_does_not_outlive_a_parent_that_was_killed(way):
    with subprocess.Popen([sys.executable, "-c", PARENT, way], stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        os.kill(child, 0)  # it is there
        parent.kill()
    end = time.monotonic() + 20
    while _runs(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(number):
    """Whether a process does anything: one that is dead and not yet buried does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_training_that_is_told_to_end_saves_and_says_so(tmp_path):
    command = [*TRAIN, "--epochs", "1000000", "--run-dir", str(tmp_path / "r")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "r" / "model.safetensors").exists() and process.poll() is None:
            time.sleep(0.02)
        process.terminate()
        _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert err == b"train.py: ended by SIGTERM.\n"
    assert not list((tmp_path / "r").glob(".*"))


def test_a_name_that_is_not_utf8_is_trained_labelled_and_refused_like_any_other(tmp_path):
    name = os.fsencode(tmp_path) + b"/d\xff.csv"
    with open(name, "w") as file:
        file.write("1,2,a\n3,4,b\n5,6,a\n7,8,b\n")
    run = os.fsencode(tmp_path) + b"/r\xfe"
    train = [part if isinstance(part, bytes) else part.encode() for part in TRAIN]
    train[3] = name
    done = subprocess.run(
        [*train, b"--epochs", b"2", b"--run-dir", run], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    labelled = subprocess.run([*LABEL, b"--run", run, b"1", b"2"], capture_output=True, check=False)
    assert re.match(rb"[ab] 0\.\d+\n", labelled.stdout)
    refused = subprocess.run([*LABEL, b"--run", run, b"\xff"], capture_output=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.count(b"\n") == 1


def test_a_program_in_a_program_changes_no_signal():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with program.abandoning():
        pass
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
