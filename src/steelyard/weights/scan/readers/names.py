"""Names inside archives and configurations: which ones stay where they are put."""

from __future__ import annotations

import re
from typing import Final

_DRIVE: Final = re.compile(r"[A-Za-z]:")
_NAME_LIMIT: Final = 1024


def name_fault(name: str) -> str | None:
    """What is wrong with a path that should lie below the place it is relative to."""
    if not name or len(name) > _NAME_LIMIT:
        return "is empty" if not name else "is too long"
    if name.startswith("/") or _DRIVE.match(name):
        return "is an absolute path"
    if ".." in name.split("/"):
        return "leads outside"
    if "\\" in name:
        return "has a backslash, which is a folder on some systems"
    if any(ord(character) < 0x20 or character == "\x7f" for character in name):  # noqa: PLR2004
        return "has control characters"
    return None
