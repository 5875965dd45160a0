"""The highest release of each model that was opened here (spec/sealed-weights.md, section 7).

Decides whether a release is older than one seen before. The mark is local: that a later
release exists somewhere, only a log that others keep can show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.kernel import canonical_json, parse_json_object, read_bytes, write_atomically
from steelyard.kernel.errors import CannotVerify, MalformedEvidence, StorageError
from steelyard.kernel.locks import locked

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.weights.sealed.header import Expect, SealedHeader

_LIMIT_BYTES: Final = 16 << 20
_WAIT_S: Final = 10.0


def require_fresh(marks: Path | None, header: SealedHeader, expect: Expect) -> None:
    """Refuse a release below the highest that was opened.

    Raises:
        CannotVerify: it is older.
        MalformedEvidence: the file of marks was damaged.
    """
    if marks is None:
        return
    highest = _read(marks).get(_name(header, expect), 0)
    if header.core.release < highest:
        message = f"release {header.core.release} of {header.core.model}, opened {highest} before"
        hint = f"somebody put back an old release; if that was meant, edit {marks}"
        raise CannotVerify(message, hint=hint)


def remember_release(marks: Path | None, header: SealedHeader, expect: Expect) -> None:
    """Raise the mark to a release that was opened.

    Raises:
        StorageError: the mark cannot be kept.
    """
    if marks is None or _read(marks).get(_name(header, expect), 0) >= header.core.release:
        return
    busy = StorageError("another process holds the marks", where=str(marks))
    with locked(marks.parent / f".{marks.name}.lock", busy=busy, wait_s=_WAIT_S):
        highest = _read(marks)
        name = _name(header, expect)
        highest[name] = max(highest.get(name, 0), header.core.release)
        write_atomically(marks, canonical_json(highest), mode=0o600)


def _name(header: SealedHeader, expect: Expect) -> str:
    return f"{expect.signer.key_id} {header.core.model}"


def _read(marks: Path) -> dict[str, int]:
    if not marks.exists():
        return {}
    found = parse_json_object(read_bytes(marks, limit_bytes=_LIMIT_BYTES), where=str(marks))
    highest: dict[str, int] = {}
    for name, release in found.items():
        if not isinstance(release, int) or isinstance(release, bool):
            raise MalformedEvidence("a mark is a whole number", where=str(marks))
        highest[name] = release
    return highest
