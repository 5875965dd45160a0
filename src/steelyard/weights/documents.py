"""Holding what others wrote against its schema, and reading the instants in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steelyard.kernel import format_instant, parse_instant
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence, UsageError
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from datetime import datetime


def require_schema(value: object, schema: str, *, where: str) -> None:
    """Refuse foreign evidence that breaks the named schema.

    Raises:
        MalformedEvidence: naming the path inside the document and the rule.
    """
    try:
        check_schema(value, schema, where=where)
    except ConfigurationError as error:
        raise MalformedEvidence(error.message, where=where, hint=error.hint) from error


def evidence_instant(text: str, *, where: str) -> datetime:
    """An instant that somebody else wrote, in the one form that we write.

    Raises:
        MalformedEvidence: no instant, or another spelling of one.
    """
    try:
        instant = parse_instant(text, where=where)
    except UsageError as error:
        raise MalformedEvidence(error.message, where=where) from error
    if format_instant(instant) != text:
        raise MalformedEvidence(f"{text!r:.60} is another spelling of an instant", where=where)
    return instant
