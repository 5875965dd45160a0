"""Names that appear in files, paths and command lines, and what they may contain.

The checks raise ValueError with what was wrong; whoever knows the place of the
value (file, line, field) adds it.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,126}[a-z0-9])?")
_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")
_LABEL_LIMIT = 512
_SHOWN = 80


def check_name(value: object) -> None:
    """Refuse anything but a lower-case identifier of at most 128 characters.

    Raises:
        ValueError: empty, too long, no text, or with any other character.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        message = f"{_shown(value)} is no identifier (a-z, 0-9, '_', '-', '.')"
        raise ValueError(message)


def check_label(value: object) -> None:
    """Refuse anything but printable text of 1 to 512 characters on one line.

    Labels come from foreign formats (model names, item ids), so they are freer
    than names; control characters and line separators are not allowed.

    Raises:
        ValueError: empty, too long, no text, or unprintable.
    """
    if not isinstance(value, str) or not 0 < len(value) <= _LABEL_LIMIT or not value.isprintable():
        message = f"{_shown(value)} is no printable label of 1 to {_LABEL_LIMIT} characters"
        raise ValueError(message)


def check_sha256(value: object) -> None:
    """Refuse anything but 64 lower-case hex digits.

    Raises:
        ValueError: any other text or type.
    """
    if not isinstance(value, str) or not _HEX_SHA256.fullmatch(value):
        message = f"{_shown(value)} is no SHA-256 digest of 64 lower-case hex digits"
        raise ValueError(message)


def _shown(value: object) -> str:
    return repr(value)[:_SHOWN]
