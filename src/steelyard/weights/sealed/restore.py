"""Writing an opened model out as plain files, where somebody asked for that.

Decides how plaintext on the disk is kept to its owner, and that a request to stop leaves none
of it behind.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

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
        ConfigurationError: `out` exists.
        BrokenSeal: what is sealed was changed.
        StorageError: the disk refused; nothing is left behind.
    """
    files = reader.index.files
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
            progress(done, len(files))
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
