"""Take a screenshot of every active page of TensorBoard in a real browser, and fail if a page
reports an error.

    python -m docs.screenshot --logdir runs --output docs/figures

It serves the runs on a port of this machine that is free, and opens each page in headless Chromium
with a profile of its own.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from docs.browser import NAMES, Browser, installed

FOUND_WITHIN_S, LOADED_WITHIN_S = 60, 60  # TensorBoard answers with a run; it has read all runs


def main(argv: list[str] | None = None) -> int:
    """Serve, open page after page, and say where the pictures are."""
    args = parse_args(argv)
    program = installed()
    if program is None:
        print(
            f"screenshot.py: expected one of {', '.join(NAMES)}, got none. Install Chromium.",
            file=sys.stderr,
        )
        return 2
    args.output.mkdir(parents=True, exist_ok=True)
    good = True
    with served(args.logdir) as address, Browser(program, *args.size) as browser:
        for page in args.pages or active(address):
            browser.open(f"{address}/#{page}")
            (args.output / f"{page}.png").write_bytes(browser.snapshot())
            good &= not browser.errors
            print(
                f"{page:<16} {args.output / page}.png",
                *(f"    error: {error}" for error in browser.errors),
                sep="\n",
            )
    return 0 if good else 1


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--logdir", type=Path, default=Path("runs"), help="folder of runs (default: runs)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("docs/figures"),
        help="folder of the pictures (default: docs/figures)",
    )
    parser.add_argument(
        "--pages",
        nargs="+",
        metavar="NAME",
        help="such as scalars hparams (default: all that have data)",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(1600, 1200),
        help="of the window, in pixels (default: 1600 1200)",
    )
    return parser.parse_args(argv)


@contextmanager
def served(logdir: Path) -> Iterator[str]:
    """The address of a TensorBoard that has read the runs, for as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "tensorboard.main",
        "--logdir",
        str(logdir),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    address = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=log, stderr=log) as server,
    ):
        try:
            wait_until(
                lambda: runs(address), FOUND_WITHIN_S, f"TensorBoard to find runs in {logdir}"
            )
            settle(address)
            yield address
        finally:
            server.terminate()


def wait_until(condition: Callable[[], object], limit_s: float, what: str) -> None:
    """Ask again and again, twice a second."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(
                f"screenshot.py: expected {what} within {limit_s} s, got nothing. Train first."
            )
        time.sleep(0.5)


def runs(address: str) -> list[str]:
    """What TensorBoard has found so far."""
    found = ask(f"{address}/data/runs")
    return found if isinstance(found, list) else []


def settle(address: str) -> None:
    """Wait until the list of active pages has been the same for three seconds: runs are read one
    after another."""
    end, since, before = time.monotonic() + LOADED_WITHIN_S, time.monotonic(), active(address)
    while time.monotonic() < end and not (before and time.monotonic() - since > 3):
        time.sleep(0.5)
        if (now := active(address)) != before:
            since, before = time.monotonic(), now


def active(address: str) -> list[str]:
    """The pages that have data, by TensorBoard's own names."""
    plugins = ask(f"{address}/data/plugins_listing")
    return (
        sorted(name for name, plugin in plugins.items() if plugin["enabled"])
        if isinstance(plugins, dict)
        else []
    )


def ask(address: str) -> object:
    """The JSON that TensorBoard answers, or None while it starts."""
    try:
        with urlopen(address, timeout=10) as answer:
            return json.load(answer)
    except (URLError, ConnectionError, TimeoutError):
        return None


if __name__ == "__main__":
    raise SystemExit(main())
