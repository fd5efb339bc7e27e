"""A headless Chromium that is driven through a pipe, by its DevTools protocol: open a page, see its
errors, take its picture.

The protocol's messages are JSON objects that end with a zero byte:
https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    # the projector draws with WebGL, which then needs no graphics card
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ANSWERS_WITHIN_S = 60
# The browser reads from file 3 and writes to file 4, whatever numbers the pipes have here; 10 is
# out of their way.
_EXCHANGE = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_TEXT = """
(function texts(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (["STYLE", "SCRIPT", "TEMPLATE"].includes(node.nodeName)) return "";
  if (node.contentDocument && node.contentDocument.body) return texts(node.contentDocument.body);
  const shadow = node.shadowRoot ? node.shadowRoot.childNodes : [];
  const inside = [...shadow, ...node.childNodes].map(texts);
  return [node.nodeName === "INPUT" ? node.value : "", ...inside].join(" ");
})(document.body).replace(/\\s+/g, " ")
"""


def installed() -> str | None:
    """The path of a browser, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One window, with a profile of its own that is thrown away: `with Browser(installed(), 1600,
    1200) as browser: ...`."""

    def __init__(self, program: str, width: int, height: int) -> None:
        self.program, self.size = program, (width, height)
        self.errors: list[str] = []

    def __enter__(self) -> Browser:
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        (theirs_in, self.to), (self.back, theirs_out) = os.pipe(), os.pipe()
        flags = [
            *FLAGS,
            f"--user-data-dir={self.profile.name}",
            "--remote-debugging-pipe",
            "about:blank",
        ]
        command = [
            sys.executable,
            "-c",
            _EXCHANGE,
            str(theirs_in),
            str(theirs_out),
            self.program,
            *flags,
        ]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, pass_fds=(theirs_in, theirs_out), stdin=quiet, stdout=quiet, stderr=quiet
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.unread, self.asked, self.session, self.loading = b"", 0, "", dict[str, float]()
        try:
            self._attach()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.process.terminate()
        self.process.wait(ANSWERS_WITHIN_S)
        os.close(self.to)
        os.close(self.back)
        self.profile.cleanup()

    def open(self, address: str, limit_s: float = 60.0, pause_s: float = 1.0) -> None:
        """Go there, and wait until nothing loads and the picture has stayed the same for three
        pauses.

        A page that moves for ever, such as the projector, which turns, is there when it has loaded
        nothing for ten pauses. Errors of an earlier page are forgotten; a page that goes on loading
        beyond the limit adds one.
        """
        # so that an address that differs after the # alone is loaded afresh
        self.ask("Page.navigate", url="about:blank")
        self.listen(0.2)
        self.errors, self.loading = [], {}
        self.ask("Page.navigate", url=address)
        end, calm, still, before = time.monotonic() + limit_s, 0, 0, b""
        while still < 3 and calm < 10:
            self.listen(pause_s)
            now = self.snapshot()
            calm = 0 if self._waiting() else calm + 1
            still = still + 1 if calm and now == before else 0
            before = now
            if time.monotonic() > end:
                self.errors.append(f"expected the page to settle within {limit_s:g} s, got more.")
                return

    def run(self, script: str) -> Any:
        """The value of some JavaScript in the page."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get(
            "value"
        )

    def text(self) -> str:
        """Every text of the page, those inside of web components, frames and fields that can be
        edited, too."""
        return str(self.run(_TEXT))

    def snapshot(self) -> bytes:
        """What the window shows, as the content of a PNG file."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer.

        Raises: RuntimeError if the browser refuses, ends, or doesn't answer.
        """
        self.asked += 1
        message = {"id": self.asked, "method": method, "params": parameters}
        os.write(
            self.to,
            json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode()
            + b"\0",
        )
        end = time.monotonic() + ANSWERS_WITHIN_S
        while time.monotonic() < end:
            for received in self._messages(0.1):
                if received.get("id") == self.asked:
                    if "error" in received:
                        raise RuntimeError(
                            f"{method}: expected an answer, got: {received['error']['message']}."
                        )
                    return received["result"]
        raise RuntimeError(f"{method}: expected an answer within {ANSWERS_WITHIN_S} s, got none.")

    def listen(self, seconds: float) -> None:
        """Take note of errors for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._messages(left)

    def _attach(self) -> None:
        page = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        width, height = self.size
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def _waiting(self) -> bool:
        """Whether something still loads. A request of more than 10 s is none: of a worker's, the
        page isn't told the end."""
        return any(time.monotonic() - sent < 10 for sent in self.loading.values())

    def _messages(self, wait_s: float) -> list[dict[str, Any]]:
        """What has arrived, after waiting for so long at most."""
        if select.select([self.back], [], [], wait_s)[0]:
            received = os.read(self.back, 1 << 16)
            if not received:
                raise RuntimeError(f"{self.program}: expected it to go on, got its end.")
            self.unread += received
        *whole, self.unread = self.unread.split(b"\0")
        messages = [json.loads(message) for message in whole]
        self.errors += [error for message in messages if (error := _error(message))]
        for message in messages:
            match message.get("method"):
                case "Network.requestWillBeSent":
                    self.loading[message["params"]["requestId"]] = time.monotonic()
                case "Network.loadingFinished" | "Network.loadingFailed":
                    self.loading.pop(message["params"]["requestId"], None)
        return messages


def _error(message: dict[str, Any]) -> str | None:
    """The text of a message that tells of an error in the page: thrown, printed, or something that
    could not be loaded."""
    details = message.get("params", {})
    match message.get("method"):
        case "Runtime.exceptionThrown":
            thrown = details["exceptionDetails"]
            return str(thrown.get("exception", {}).get("description", thrown["text"])).splitlines()[
                0
            ]
        case "Runtime.consoleAPICalled" if details["type"] in ("error", "assert"):
            return " ".join(
                str(argument.get("value", argument.get("description", "")))
                for argument in details["args"]
            )
        case "Log.entryAdded" if details["entry"]["level"] == "error":
            return f"{details['entry']['text']} {details['entry'].get('url', '')}".strip()
    return None
