"""The highest release and edition of each model that was opened here.

Decides whether a header is older than one seen before (spec/sealed-weights.md, section 7). The
mark is local: that a later release exists somewhere, only a log that others keep can show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from steelyard.kernel import canonical_json, parse_json_object, read_bytes, write_atomically
from steelyard.kernel.errors import CannotVerify, MalformedEvidence, StorageError
from steelyard.kernel.locks import locked
from steelyard.weights.staging import SPACE_HINT

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.weights.sealed.header import Expect, SealedHeader

Mark = tuple[int, int]
_MARK: Final = ("release", "edition")
_LIMIT_BYTES: Final = 16 << 20
_WAIT_S: Final = 10.0


def require_fresh(marks: Path | None, header: SealedHeader, expect: Expect) -> None:
    """Refuse a release, or an edition of it, below the highest that was opened.

    Raises:
        CannotVerify: it is older.
        MalformedEvidence: the file of marks is unreadable or was damaged.
    """
    if marks is None:
        return
    highest = _read(marks).get(_name(header, expect), (0, 0))
    if _mark(header) < highest:
        core = header.core
        message = (
            f"release {core.release}, edition {header.edition} of {core.model}; "
            f"release {highest[0]}, edition {highest[1]} was opened before"
        )
        hint = f"somebody put back an old one; if that was meant, edit {marks}"
        raise CannotVerify(message, hint=hint)


def remember_release(marks: Path | None, header: SealedHeader, expect: Expect) -> None:
    """Raise the mark to what was opened.

    Raises:
        StorageError: the mark cannot be kept.
    """
    name = _name(header, expect)
    if marks is None or _read(marks).get(name, (0, 0)) >= _mark(header):
        return
    busy = StorageError("another process holds the marks", where=str(marks))
    with locked(marks.parent / f".{marks.name}.lock", busy=busy, wait_s=_WAIT_S):
        highest = _read(marks)
        highest[name] = max(highest.get(name, (0, 0)), _mark(header))
        plain = {key: list(mark) for key, mark in highest.items()}
        write_atomically(marks, canonical_json(plain), mode=0o600, hint=SPACE_HINT)


def _mark(header: SealedHeader) -> Mark:
    return header.core.release, header.edition


def _name(header: SealedHeader, expect: Expect) -> str:
    return f"{expect.signer.key_id} {header.core.model}"


def _read(marks: Path) -> dict[str, Mark]:
    try:
        data = read_bytes(marks, limit_bytes=_LIMIT_BYTES)
    except MalformedEvidence as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return {}
        raise
    highest: dict[str, Mark] = {}
    for name, value in parse_json_object(data, where=str(marks)).items():
        pair = cast("list[object]", value) if isinstance(value, list) else []
        match [entry for entry in pair if isinstance(entry, int) and not isinstance(entry, bool)]:
            case [release, edition] if len(pair) == len(_MARK):
                highest[name] = (release, edition)
            case _:
                raise MalformedEvidence("a mark is two whole numbers", where=str(marks))
    return highest
