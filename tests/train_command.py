"""train.py in this process and the current folder: its exit code, what it leaves, and a refusal
that costs nothing."""

import re
from pathlib import Path

from backproof import train
from backproof.model.checkpoint import load_model, load_state

BARS = ["--data", "bars", "--hidden", "5"]


def run(*argv):
    """Exit code of train.py in this process, a refusal by argparse included."""
    try:
        return train.main(list(map(str, argv)))
    except SystemExit as refused:
        return refused.code


def weights(folder):
    """Everything that training changed, bit by bit: of the model, and of the checkpoint with the
    optimizer's state."""
    model, (arrays, facts) = load_model(Path(folder)), load_state(Path(folder))
    layers = {
        f"{name}.{layer}": array for name in "Wb" for layer, array in getattr(model, name).items()
    }
    return (
        {
            name: (array.shape, array.dtype, array.tobytes())
            for name, array in (layers | arrays).items()
        },
        model.facts,
        facts,
    )


def tree():
    """Every file and folder here, with what is in it."""
    return {
        path: path.read_bytes() if path.is_file() else None for path in sorted(Path().rglob("*"))
    }


def refused(capsys, *argv):
    """The one line of a refusal that cost nothing: exit code 2, nothing printed, nothing on disk
    changed."""
    before = tree()
    capsys.readouterr()
    assert run(*argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert re.match(r"train\.py: .*expected .*, got.*\. [A-Z].*\.\n", err), err
    assert tree() == before
    return err.removeprefix("train.py: ").rstrip("\n")
