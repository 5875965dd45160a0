"""Memory for what was secret on disk, and a process that does not give it away.

Decides where plaintext may live: anonymous pages that core dumps leave out, in huge pages
where the kernel has them. What it cannot do: root on the same host reads any process, and
Python keeps no promise to wipe what it has copied.
"""

from __future__ import annotations

import ctypes
import mmap
import resource
from typing import Final

from steelyard.kernel.errors import StorageError

_HUGE_PAGE_BYTES: Final = 2 << 20
_SET_DUMPABLE: Final = 4


def secret_memory(size_bytes: int) -> memoryview:
    """Zeroed, writable memory that core dumps leave out; freed with its last view.

    Raises:
        StorageError: there is not so much memory.
    """
    if size_bytes == 0:
        return memoryview(bytearray())
    rounded = -(-size_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
    if rounded >= _HUGE_PAGE_BYTES:
        rounded = -(-size_bytes // _HUGE_PAGE_BYTES) * _HUGE_PAGE_BYTES
    try:
        region = mmap.mmap(-1, rounded, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        message = f"cannot have {size_bytes} bytes of memory: {error.strerror or error}"
        hint = "read single tensors, or rows of them"
        raise StorageError(message, hint=hint) from error
    for advice in ("MADV_HUGEPAGE", "MADV_DONTDUMP"):
        # A hint to the kernel: one without the feature says no, and nothing depends on it.
        if hasattr(mmap, advice):
            _advise(region, getattr(mmap, advice))
    return memoryview(region)[:size_bytes]


def harden_process() -> None:
    """Keep this process out of core dumps and debuggers.

    Raises:
        StorageError: the kernel refused.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise StorageError("the kernel refused to make this process undumpable")


def _advise(region: mmap.mmap, advice: int) -> None:
    try:
        region.madvise(advice)
    except OSError:
        return
