"""Asking a foreign harness for items: a command that reads names and writes scores.

The command gets one JSON object a line, `{"item": NAME}`, on its standard input, and writes one
a line, `{"item": NAME, "score": NUMBER}`, on its standard output, in any order. Contract:
`spec/certified-score.md`. It runs with the caller's rights and environment, outside any sandbox:
it is the caller's own.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import IO, TYPE_CHECKING, Any

from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import MalformedEvidence, TargetUnreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from steelyard.kernel import JsonObject

_LONGEST_LINE = 1 << 20
_CHUNK = 1 << 16
_LOOK_MS = 100
_STOPPING = (signal.SIGTERM, signal.SIGHUP)
_TAIL = 300
_HINT = "mend the command, then go on with --resume: answers so far are kept"


@dataclass(frozen=True, slots=True)
class Asker:
    """A command that scores items.

    Attributes:
        command: The program and its arguments; no shell.
        timeout_s: Seconds that one wave may take.
    """

    command: Sequence[str]
    timeout_s: float

    def ask(self, items: Sequence[str], keep: Callable[[str, float], None]) -> None:
        """Ask for the scores of some items.

        Args:
            items: Their names.
            keep: Takes each valid answer as it comes, also those before a failure.

        Raises:
            UsageError: there is no such program.
            TargetUnreachable: it failed, took too long, or left an item without a score.
            MalformedEvidence: a line that is no answer to what was asked.
        """
        left, ends = set(items), monotonic() + self.timeout_s
        with tempfile.TemporaryFile() as asked:
            asked.write("".join(json.dumps({"item": item}) + "\n" for item in items).encode())
            asked.seek(0)
            process = self._started(asked)
        with _ended_with_us(process):
            for line in self._lines(process, ends):
                self._take(line, left, keep)
            try:
                status = process.wait(max(0.0, ends - monotonic()))
            except subprocess.TimeoutExpired as error:
                raise self._failed(f"no end within {self.timeout_s:g} s") from error
        if status != 0:
            raise self._failed(f"the command ended with {status}")
        if left:
            raise self._failed(f"{len(left)} items without a score, {min(left)!r} among them")

    def _lines(self, process: subprocess.Popen[bytes], ends: float) -> Iterator[bytes]:
        """What the command says, until it ends or its time is over.

        What it left running may hold its output open for ever, and is not waited for.
        """
        source = process.stdout
        if source is None:
            return
        os.set_blocking(source.fileno(), False)
        poll = select.poll()
        poll.register(source, select.POLLIN)
        begun = b""
        while monotonic() < ends:
            over = process.poll() is not None
            if not poll.poll(_LOOK_MS):
                if over:
                    break
                continue
            part = os.read(source.fileno(), _CHUNK)
            if not part:
                break
            *whole, begun = (begun + part).split(b"\n")
            yield from whole
            if len(begun) > _LONGEST_LINE:
                raise self._malformed(f"a line of more than {_LONGEST_LINE} bytes")
        yield begun

    def _started(self, asked: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - the user's own command
                self.command, stdin=asked, stdout=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            message = f"the command cannot be started: {error.strerror}"
            raise UsageError(message, where=self.command[0]) from error

    def _take(self, line: bytes, left: set[str], keep: Callable[[str, float], None]) -> None:
        """Keep one answer, and strike its item off."""
        if not line.strip():
            return
        item, score = answer_of(parse_json_object(line, where=self.command[0]), self.command[0])
        if item not in left:
            raise self._malformed(f"an answer to {item!r}, which is not open")
        left.remove(item)
        keep(item, score)

    def _failed(self, message: str) -> TargetUnreachable:
        return TargetUnreachable(message, where=self.command[0], hint=_HINT)

    def _malformed(self, message: str) -> MalformedEvidence:
        return MalformedEvidence(message, where=self.command[0], hint=_HINT)


def answer_of(value: JsonObject, where: str, hint: str = _HINT) -> tuple[str, float]:
    """An item and its score.

    Raises:
        MalformedEvidence: other fields, or no number from 0 to 1.
    """
    item, score = value.get("item"), value.get("score")
    if value.keys() != {"item", "score"} or not isinstance(item, str):
        message = f"not an item and its score: {str(value)[:_TAIL]}"
        raise MalformedEvidence(message, where=where, hint=hint)
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        message = f"{item[:_TAIL]!r} has score {str(score)[:_TAIL]}, not a number from 0 to 1"
        raise MalformedEvidence(message, where=where, hint=hint)
    return item, float(score)


@contextmanager
def _ended_with_us(process: subprocess.Popen[bytes]) -> Generator[None]:
    """End the command and its session when this block ends, also by a signal to stop."""

    def stop(number: int, _: object) -> None:
        sys.exit(128 + number)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        for number, handler in before.items():
            signal.signal(number, handler)
