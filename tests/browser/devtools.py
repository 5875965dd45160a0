"""A real Chromium, spoken to over a pipe in the Chrome DevTools Protocol."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--remote-debugging-pipe", "about:blank",
)  # fmt: skip
PATIENCE_S = 60.0
# The browser reads requests from descriptor 3 and writes answers to 4.
START = """
import fcntl, os, sys
to, back = (fcntl.fcntl(int(name), fcntl.F_DUPFD, 10) for name in sys.argv[1:3])
os.dup2(to, 3)
os.dup2(back, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Tab:
    """One page of the browser.

    Args:
        to: File descriptor of requests.
        back: File descriptor of answers and events.
    """

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._number = 0
        self._session = ""
        self._unread = b""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401
        """The result of a method."""
        self._number += 1
        request: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            request["sessionId"] = self._session
        os.write(self._to, json.dumps(request).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                return message["result"]
            self.events.append(message)

    def show(
        self, url: str, *, width: int = 1400, dark: bool = False, scripts: bool = True
    ) -> None:
        """Load a page at a width, in light or dark, with scripts or without."""
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Page.navigate", url=url)
        self.wait("Page.loadEventFired")

    def wait(self, event: str) -> dict[str, Any]:
        """The next event of a name that was not waited for yet."""
        while True:
            for place, message in enumerate(self.events):
                if message.get("method") == event:
                    return self.events.pop(place)
            self.events.append(self._next())

    def ask(self, expression: str) -> Any:  # noqa: ANN401
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                          awaitPromise=True)  # fmt: skip
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key such as `Tab` or `Enter`."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        named: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **named, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def picture(self, target: Path, *, whole: bool = True) -> bytes:
        """A screenshot as PNG, also written to a file."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        data = base64.b64decode(found["data"])
        target.write_bytes(data)
        return data

    def complaints(self) -> list[str]:
        """What the console and the log of the page say since it was loaded."""
        self.ask("new Promise(done => setTimeout(done, 50))")
        said: list[str] = []
        for message in self.events:
            params = message.get("params", {})
            if message.get("method") == "Log.entryAdded":
                said.append(params["entry"]["text"])
            elif message.get("method") == "Runtime.exceptionThrown":
                said.append(params["exceptionDetails"]["text"])
        return said

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._back], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"the browser said nothing for {PATIENCE_S} s"
            part = os.read(self._back, 1 << 16)
            assert part, "the browser has ended"
            self._unread += part
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)


@contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """A tab of a browser with a fresh profile; the browser ends with the block."""
    assert BROWSER is not None
    its_in, to = os.pipe()
    back, its_out = os.pipe()
    command = [sys.executable, "-c", START, str(its_in), str(its_out),
               BROWSER, *FLAGS[:-1], f"--user-data-dir={profile}", FLAGS[-1]]  # fmt: skip
    process = subprocess.Popen(command, pass_fds=(its_in, its_out), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    os.close(its_in)
    os.close(its_out)
    try:
        yield Tab(to, back)
    finally:
        os.close(to)
        os.close(back)
        process.terminate()
        process.wait(timeout=30)
