"""Asking a foreign harness for items: a command that reads names and writes scores.

The command gets one JSON object a line, `{"item": NAME}`, on its standard input, and writes one
a line, `{"item": NAME, "score": NUMBER}`, on its standard output, in any order. Contract:
`spec/certified-score.md`. It runs with the caller's rights and environment, outside any sandbox:
it is the caller's own.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import MalformedEvidence, TargetUnreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LONGEST_OUTPUT = 64 << 20
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
            keep: Takes each valid answer, also those before a failure.

        Raises:
            UsageError: there is no such program.
            TargetUnreachable: it failed, took too long, or left an item without a score.
            MalformedEvidence: a line that is no answer to what was asked.
        """
        asked = "".join(json.dumps({"item": item}) + "\n" for item in items)
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command
                self.command, input=asked.encode(), stdout=subprocess.PIPE, check=False,
                timeout=self.timeout_s,
            )  # fmt: skip
        except OSError as error:
            message = f"the command cannot be started: {error.strerror}"
            raise UsageError(message, where=self.command[0]) from error
        except subprocess.TimeoutExpired as error:
            message = f"no scores within {self.timeout_s:g} s"
            raise TargetUnreachable(message, where=self.command[0], hint=_HINT) from error
        left = self._take(done.stdout, set(items), keep)
        if done.returncode != 0:
            message = f"the command ended with {done.returncode}"
            raise TargetUnreachable(message, where=self.command[0], hint=_HINT)
        if left:
            message = f"{len(left)} items without a score, {min(left)!r} among them"
            raise TargetUnreachable(message, where=self.command[0], hint=_HINT)

    def _take(
        self, output: bytes, open_items: set[str], keep: Callable[[str, float], None]
    ) -> set[str]:
        """Keep the valid answers; returns the items without one."""
        if len(output) > _LONGEST_OUTPUT:
            raise self._malformed(f"more than {_LONGEST_OUTPUT >> 20} MiB of answers")
        for line in output.splitlines():
            if not line.strip():
                continue
            value = parse_json_object(line, where=self.command[0])
            item, score = value.get("item"), value.get("score")
            if value.keys() != {"item", "score"} or not isinstance(item, str):
                raise self._malformed(f"not an item and its score: {line[:_TAIL]!r}")
            if item not in open_items:
                raise self._malformed(f"an answer to {item!r}, which is not open")
            if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
                raise self._malformed(f"{item!r} has score {score!r}, not a number from 0 to 1")
            open_items.remove(item)
            keep(item, float(score))
        return open_items

    def _malformed(self, message: str) -> MalformedEvidence:
        return MalformedEvidence(message, where=self.command[0], hint=_HINT)
