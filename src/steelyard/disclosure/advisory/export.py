"""What a format makes of an advisory: files, and what it had to leave out with the reason."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.kernel.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from steelyard.disclosure.advisory.model import Advisory


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file to write: its path below the output folder, with forward slashes, and its bytes."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Export:
    """Files of one format, and one sentence for each thing that has no place in it."""

    files: tuple[ExportedFile, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Occasion:
    """When an export is made, and where it will be found.

    Attributes:
        at: The instant that the documents name as their making; never read from a clock here.
        self_url: Address of the CSAF document; empty where it is not published by address.
    """

    at: datetime
    self_url: str = ""


def json_bytes(value: object) -> bytes:
    """A document as indented JSON in UTF-8, keys in order: equal values give equal bytes."""
    return f"{json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)}\n".encode()


def check_occasion(advisory: Advisory, occasion: Occasion) -> None:
    """Refuse an export that would be older than what it exports.

    Raises:
        UsageError: the instant lies before the last revision.
    """
    if occasion.at < advisory.changed_at:
        message = "the date of the export lies before the last revision"
        raise UsageError(message, where="--at", hint="name a later date, or correct the revision")
