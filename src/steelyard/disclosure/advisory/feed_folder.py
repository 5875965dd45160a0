"""Reading a folder of published advisories, within bounds, for `feed`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory.feed import SUFFIXES
from steelyard.kernel import read_bytes
from steelyard.kernel.errors import MalformedEvidence, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_FILE_LIMIT_BYTES: Final = 4 << 20
_FILES_LIMIT: Final = 8192
_TOTAL_LIMIT_BYTES: Final = 256 << 20


def feed_files(folder: Path) -> dict[str, bytes]:
    """The files of a feed by their paths below the folder; links are passed over.

    Raises:
        UsageError: no such folder.
        MalformedEvidence: a file cannot be read, or there is more than any feed has.
    """
    if not folder.is_dir():
        raise UsageError("is no folder", where=str(folder), hint="name the folder of a provider")
    files: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        if not path.name.endswith(SUFFIXES) or path.is_symlink() or not path.is_file():
            continue
        data = read_bytes(path, limit_bytes=_FILE_LIMIT_BYTES)
        total += len(data)
        if len(files) >= _FILES_LIMIT or total > _TOTAL_LIMIT_BYTES:
            message = f"more than {_FILES_LIMIT} files or {_TOTAL_LIMIT_BYTES} bytes"
            raise MalformedEvidence(message, where=str(folder), hint="keep one feed in one folder")
        files[path.relative_to(folder).as_posix()] = data
    return files
