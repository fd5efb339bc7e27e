"""The folders of runs: whose turn it is to write one, what a killed program left in it, which is
the newest and what the next is called."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import shutil
import sys
from pathlib import Path
from types import TracebackType

from backproof.model.atomic import temporaries_of
from backproof.model.checkpoint import CHECKPOINT, MODEL, SAMPLES
from backproof.model.command_line import BadInput
from backproof.model.pasted import script
from backproof.model.run_config import CONFIG, load_config

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = ".lock"  # where a folder itself cannot be locked
EVENTS = "events.out.tfevents."
PROJECTOR = "projector"
PROJECTOR_CONFIG = "projector_config.pbtxt"
OURS = (CONFIG, SAMPLES, PROJECTOR, PROJECTOR_CONFIG, LOCK)


class Claim:
    """The right to write a run's folder. It ends with `release` or with the process, however that
    ends.

    Args:
        folder: the run's.
    Raises: BadInput if another program has it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor: int | None = None
        taken = _locked(folder)
        if taken is None:
            raise BadInput(
                f"{folder}: expected a run that nobody writes, got one that another program is "
                "writing. Wait until it has ended, or stop it."
            )
        self._descriptor = taken

    def release(self) -> None:
        """Let others write."""
        if self._descriptor is not None and self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()


UNLOCKABLE = -1  # a folder of a file system that knows no locks


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the lock; UNLOCKABLE where nothing can be locked; None where
    somebody else holds it."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:  # a network's file system: a file in the folder may do
            os.close(descriptor)
    return _locked_file(folder / LOCK)


def _locked_file(path: Path) -> int | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return UNLOCKABLE
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        return UNLOCKABLE
    return descriptor


def is_unfinished(folder: Path) -> bool:
    """Whether a run was stopped in this folder after its settings were written and before anything
    else was saved."""
    if any((folder / name).exists() for name in (MODEL, CHECKPOINT)):
        return False
    try:
        return bool(load_config(folder).run)
    except BadInput:
        return False


def clear_unfinished(folder: Path) -> None:
    """Remove what a run left that was stopped before it saved anything; whatever else lies in the
    folder stays."""
    for path in folder.iterdir():
        if path.name.startswith(EVENTS) or path.name in OURS:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name not in (LOCK, CONFIG):  # the settings go when the next are written
                path.unlink()
    sweep(folder)


def sweep(folder: Path) -> None:
    """Remove the temporary files of programs that were killed while they wrote."""
    names = [MODEL, CHECKPOINT, CONFIG, SAMPLES, PROJECTOR_CONFIG]
    names += [f"{PROJECTOR}/{name}" for name in ("activations.tsv", "samples.tsv", "sprites.png")]
    left = map(temporaries_of, map(folder.joinpath, names))
    for path in itertools.chain.from_iterable(left):
        with contextlib.suppress(OSError):
            path.unlink()


def newest_run(folder: Path) -> Path:
    """The run below a folder whose weights were written last.

    Raises: BadInput if there is none.
    """
    written: dict[Path, int] = {}
    for path in itertools.chain(folder.glob(f"*/{MODEL}"), folder.glob(f"*/{CHECKPOINT}")):
        with contextlib.suppress(OSError):
            written[path.parent] = max(written.get(path.parent, 0), path.stat().st_mtime_ns)
    if not written:
        raise BadInput(
            f"expected a run in {folder}/, got none. Train one with "
            f"{shlex.join(script('train'))}, or name one with --run."
        )
    return max(sorted(written), key=lambda run: written[run])


def claim_run(folder: Path, data: str) -> Path:
    """Make the folder of the next run of a data set, by name or file: runs/digits-1, runs/digits-2,
    ...

    Raises: OSError if it cannot be made; two that ask at once get two.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        run = folder / f"{Path(data).stem}-{number}"
        with contextlib.suppress(FileExistsError):
            run.mkdir()
            return run
    raise AssertionError("itertools.count never ends")
