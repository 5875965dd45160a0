"""Strict base64: the one text that a byte sequence has (RFC 4648, section 4).

Refuses what lenient readers take: letters of another alphabet, breaks, missing padding, and the
bits of a last letter that no byte holds. A second spelling of a signed text would be a second
document under one signature.
"""

from __future__ import annotations

import base64
from typing import cast

from steelyard.kernel.errors import MalformedEvidence


def read_base64(text: object, what: str, *, where: str = "") -> bytes:
    """The bytes of a text that somebody else wrote.

    Args:
        text: Letters, or their ASCII bytes.
        what: What the text is, for the error.
        where: Where it stands, for the error.

    Raises:
        MalformedEvidence: no text, not base64, or another spelling of the same bytes.
    """
    try:
        data = base64.b64decode(cast("str | bytes", text), validate=True)
    except (ValueError, TypeError) as error:
        raise MalformedEvidence(f"{what} is not base64", where=where) from error
    spelled = base64.b64encode(data)
    if text not in (spelled, spelled.decode("ascii")):
        raise MalformedEvidence(f"{what} is not in canonical base64", where=where)
    return data
