"""An answer that is given once: on disk without its name before the record, named after it.

Decides what a stop or a refusing disk leaves between the two (spec/weights-quorum.md, section 5):
an answer that waits in the folder where it was to be given, and is given by the next attempt if
it is the one that was recorded. Who compares it with the record is `recorded_opening`.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel import read_bytes, sha256_hex, write_atomically
from steelyard.kernel.files import require_absent, storage_errors, sync_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_LIMIT_BYTES: Final = 1 << 20
_HINT: Final = "nothing was given; free space, then repeat it into the same folder"


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """Where an answer waits, and the name that it gets.

    Attributes:
        place: A name of its request alone, beside `out`.
        out: The name under which it is given.
    """

    place: Path
    out: Path

    def digest(self) -> str | None:
        """SHA-256 of the answer that waits; None where none does.

        Raises:
            MalformedEvidence: unreadable.
        """
        if not self.place.exists():
            return None
        return sha256_hex(read_bytes(self.place, limit_bytes=_LIMIT_BYTES))

    def hold(self, data: bytes) -> str:
        """Put an answer on disk, in place of one that was never recorded; its digest.

        Raises:
            StorageError: the disk refused.
        """
        write_atomically(self.place, data, mode=0o600, hint=_HINT)
        return sha256_hex(data)

    def give(self) -> None:
        """Give the answer its name.

        Raises:
            UsageError: something has that name by now; the answer still waits.
            StorageError: the disk refused.
        """
        require_absent(self.out)
        with storage_errors(self.out, hint=_HINT):
            self.place.rename(self.out)
            sync_folder(self.out.parent)

    def drop(self) -> None:
        """Remove an answer that was not recorded."""
        self.place.unlink(missing_ok=True)


@contextmanager
def held_answer(out: Path, request: str) -> Generator[HeldAnswer]:
    """The place of an answer, kept from other processes that answer into the same folder.

    Args:
        out: Name under which it is given.
        request: Digest of what is answered, hex.

    Raises:
        StorageError: the disk refused.
    """
    with storage_errors(out, hint=_HINT):
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(out.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with storage_errors(out, hint=_HINT):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield HeldAnswer(out.parent / f".{request}.held", out)
    finally:
        os.close(folder)
