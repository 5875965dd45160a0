"""The digest that stands for a model: its weights, or a commitment to an endpoint.

Decides what `model-identity` is about (spec/statements.md, section Model
identity). A weights folder is fixed file by file; a hosted model can only be
committed to, and no signature shows what its endpoint serves.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from steelyard.attest.commitment import require_salt
from steelyard.attest.merkle import merkle_root
from steelyard.kernel import canonical_json, digest_file
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from steelyard.kernel import JsonObject

_ENDPOINT_DOMAIN: Final = b"steelyard/endpoint/1\x00"


def manifest_root(folder: Path) -> str:
    """Merkle root over path, size and SHA-256 of every file below `folder`.

    Leaves are canonical JSON objects in the order of their POSIX relative
    paths (by code point).

    Raises:
        MalformedEvidence: no folder, no file, a symbolic link or a special file.
    """
    if not folder.is_dir() or folder.is_symlink():
        message = "expected a folder with weights"
        raise MalformedEvidence(message, where=str(folder))
    paths = sorted(path.relative_to(folder).as_posix() for path in _regular_files(folder))
    if not paths:
        message = "the folder holds no file"
        raise MalformedEvidence(message, where=str(folder))
    return files_root(_entry(folder, path) for path in paths)


def files_root(files: Iterable[tuple[str, int, str]]) -> str:
    """The same root from path, size and SHA-256 (hex) of each file, in the order of paths."""
    return merkle_root(
        canonical_json({"path": path, "sha256": sha256, "size": size})
        for path, size, sha256 in files
    )


def endpoint_commitment(salt: bytes, description: JsonObject) -> str:
    """SHA-256 over domain, a 32-byte salt and the canonical JSON of a description.

    Raises:
        ConfigurationError: the salt has not exactly 32 bytes.
    """
    require_salt(salt)
    return hashlib.sha256(_ENDPOINT_DOMAIN + salt + canonical_json(description)).hexdigest()


def _entry(folder: Path, path: str) -> tuple[str, int, str]:
    file = folder / path
    return path, file.stat().st_size, digest_file(file)


def _regular_files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from _regular_files(Path(entry.path))
            elif stat.S_ISREG(mode):
                yield Path(entry.path)
            else:
                message = "symbolic links and special files have no place among weights"
                raise MalformedEvidence(
                    message, where=entry.path, hint="copy the file itself into the folder"
                )
