"""Writing an opened model out as plain files, where somebody asked for that.

Decides how plaintext on the disk is kept to its owner, that a request to stop leaves none of it
behind, and that files are those of the manifest root, where there is one.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from steelyard.attest import files_root
from steelyard.kernel.errors import BrokenSeal
from steelyard.kernel.files import storage_errors
from steelyard.weights.staging import SPACE_HINT, staged_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from steelyard.weights.sealed.reader import TensorReader

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700


def restore(reader: TensorReader, out: Path, progress: Callable[[int, int], None]) -> int:
    """Write every file of a model into the new folder `out`, readable by its owner only.

    Args:
        reader: The opened model.
        out: Must not exist.
        progress: Called with files written and files in all.

    Returns:
        Number of files.

    Raises:
        UsageError: `out` exists.
        BrokenSeal: what is sealed was changed, or is not what its manifest root names.
        StorageError: the disk refused; nothing is left behind.
    """
    files, root = reader.index.files, reader.index.manifest_root
    found: list[tuple[str, int, str]] = []
    with _stoppable(), staged_folder(out) as folder:
        for done, file in enumerate(files, start=1):
            data = reader.read(file.path)
            path = folder / file.path
            with storage_errors(path, hint=SPACE_HINT):
                path.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
                with os.fdopen(os.open(path, _FLAGS, _FILE_MODE), "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
            if root is not None:
                found.append((file.path, len(data), hashlib.sha256(data).hexdigest()))
            progress(done, len(files))
        if root is not None and files_root(found) != root:
            message = "the files are not those of the manifest root that the publisher committed to"
            raise BrokenSeal(message, where=reader.header.core.model)
    return len(files)


@contextmanager
def _stoppable() -> Generator[None]:
    """Make a request to end unwind, so that plaintext is removed on the way out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
