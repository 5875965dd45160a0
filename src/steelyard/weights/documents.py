"""Holding what others wrote against its schema."""

from __future__ import annotations

from steelyard.kernel.errors import ConfigurationError, MalformedEvidence
from steelyard.standard import check_schema


def require_schema(value: object, schema: str, *, where: str) -> None:
    """Refuse foreign evidence that breaks the named schema.

    Raises:
        MalformedEvidence: naming the path inside the document and the rule.
    """
    try:
        check_schema(value, schema, where=where)
    except ConfigurationError as error:
        raise MalformedEvidence(error.message, where=where, hint=error.hint) from error
