"""Which attachments of a report are reproducers, and what each could show: checked, never run.

Decides what triage is told of one: that it is valid, with how many tries and which verdicts can
come of it, or why it is not. Running it is for people, where it may be run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from steelyard.disclosure.reproducer.document import (
    SCHEMA,
    SIZE_LIMIT_BYTES,
    YAML_LIMIT_BYTES,
    read_reproducer,
)
from steelyard.disclosure.reproducer.preview import preview, summary
from steelyard.kernel.errors import SteelyardError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.kernel import JsonObject

_ENDINGS: Final = (".json", ".yaml", ".yml")
_WORDS_LIMIT: Final = 500


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of an attachment that says it is a reproducer.

    Attributes:
        refused: Why it is none; empty where it is valid.
        summary: As `steelyard disclose check --json` tells it; empty where it is none.
    """

    name: str
    sha256: str
    refused: str
    summary: Mapping[str, Any]

    def to_json(self) -> JsonObject:
        """The check as it is kept with its report."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "refused": self.refused,
            "summary": {**self.summary},
        }


def check(name: str, sha256: str, data: bytes) -> Check | None:
    """Check an attachment; None where it does not say that it is a reproducer."""
    if SCHEMA.encode() not in data or not name.lower().endswith(_ENDINGS):
        return None
    limit = SIZE_LIMIT_BYTES if name.lower().endswith(".json") else YAML_LIMIT_BYTES
    if len(data) > limit:
        return Check(name, sha256, f"{len(data):,} bytes, and at most {limit:,} are read", {})
    try:
        document = read_reproducer(data, where=name)
        found = summary(document, preview(document))
    except SteelyardError as error:
        return Check(name, sha256, error.message[:_WORDS_LIMIT], {})
    return Check(name, sha256, "", found)


def read_check(item: Mapping[str, Any]) -> Check:
    """A check as it was kept."""
    return Check(item["name"], item["sha256"], item["refused"], item["summary"])
