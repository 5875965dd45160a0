"""A folder that appears whole or not at all.

Decides how a crash leaves the disk: what was begun lies under a name that nobody can guess,
open to its owner only, until every byte of it is on disk. What a killed attempt left is known
by its mark and its owner, and the next attempt removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from steelyard.kernel.files import require_absent, storage_errors, sync_folder

if TYPE_CHECKING:
    from collections.abc import Generator

SPACE_HINT: Final = "nothing was left behind; free space, or choose another disk"
_MARK: Final = ".being-written"
_SUFFIX: Final = ".part"
_OWN_MODE: Final = 0o700


@contextmanager
def staged_folder(out: Path) -> Generator[Path]:
    """A new folder to fill; it is renamed to `out` when the block ends without an error.

    Raises:
        UsageError: `out` exists.
        StorageError: the disk refused.
    """
    require_absent(out)
    with storage_errors(out, hint=SPACE_HINT):
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(out)
        part = Path(tempfile.mkdtemp(suffix=_SUFFIX, prefix=_prefix(out), dir=out.parent))
        lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with storage_errors(out, hint=SPACE_HINT):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (part / _MARK).touch(mode=0o600)
        yield part
        with storage_errors(out, hint=SPACE_HINT):
            os.fsync(lock)
            require_absent(out)
            part.rename(out)
            (out / _MARK).unlink()
            os.fsync(lock)
            sync_folder(out.parent)
    finally:
        if part.exists():
            shutil.rmtree(part, ignore_errors=True)
        os.close(lock)


def _prefix(out: Path) -> str:
    return f".{out.name[:64]}."


def _remove_leftovers(out: Path) -> None:
    """Remove what killed attempts of this user left under this name, and nothing else."""
    for path in out.parent.iterdir():
        if not path.name.startswith(_prefix(out)) or not path.name.endswith(_SUFFIX):
            continue
        status = path.lstat()
        ours = status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == _OWN_MODE
        if stat.S_ISDIR(status.st_mode) and ours and _abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def _abandoned(part: Path) -> bool:
    """Whether a folder is empty or bears the mark, and no process holds it."""
    names = {entry.name for entry in part.iterdir()}
    if names and _MARK not in names:
        return False
    lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
