"""A whole script, run as it is under the recorder until a few of its updates were seen."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Sequence

from backproof.checks.candidates.inside import loading
from backproof.checks.candidates.inside.frames import Arrays, Header
from backproof.checks.candidates.inside.recorder import Enough, Recorder, is_in_folder
from backproof.checks.candidates.inside.recording import pack
from backproof.checks.candidates.inside.standins import StandIns
from backproof.checks.candidates.inside.unattended import Asked, Unattended
from backproof.checks.candidates.inside.wording import raised, syntax_error

MOST_LINES = 4_000  # of a script; a network of lists takes hundreds for one update
LONGEST_S = 8.0
# take a second or more to import, which is not to be taken from that
SLOW = ("matplotlib.pyplot", "pandas", "scipy", "sklearn", "torch")


def watched_script(path: str, pieces: Sequence[loading.Piece]) -> tuple[Header, Arrays]:
    """Run it as Python runs a script; what its lines made, and how it ended."""
    module = loading.module_named_after(path)
    module.__name__ = "__main__"
    sys.modules["__main__"] = module
    standins = StandIns()
    sys.meta_path.append(standins)
    unattended = Unattended(path)
    unattended.install()
    _import_slow_ones(loading.text_of(pieces))
    recorder = Recorder(is_in_folder(os.path.dirname(path) + os.sep), MOST_LINES, LONGEST_S)
    reply: Header = {}
    try:
        with recorder:
            loading.run(pieces, module, definitions_only=False)
    except Enough:
        pass
    except SystemExit as error:
        if error.code:
            reply["exited"] = error.code if isinstance(error.code, str) else ""
            reply["complaint"] = raised(error, path)
    except Asked:
        pass  # where it was is told in any case
    except BaseException as error:
        reply["complaint"] = syntax_error(error, path) or raised(error, path)
    reply["replaced"] = list(standins.used)
    if unattended.asked:
        reply["asked"] = unattended.asked
    reply["recorded"], arrays = pack(recorder)
    return reply, arrays


def _import_slow_ones(text: str) -> None:
    """Those that the script mentions, before it is watched."""
    for name in SLOW:
        if re.search(rf"^\s*(import|from)\s+{name.partition('.')[0]}\b", text, re.MULTILINE):
            with contextlib.suppress(Exception):  # then it fails in the script, with its line
                importlib.import_module(name)
