"""Names inside a signed model: which are safe, which are ignored, which a loader could read.

Decides whether a name means the same file everywhere (OMS v1.0, sections 6.1.2 and 6.2), and
which ignored files are harmless. Ignoring hides a file from the signature, so a file counts
as readable by a loader unless it is known to be inert. The disk is left to `survey`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_IGNORED: Final = frozenset({".git", ".gitattributes", ".github", ".gitignore"})
"""What OMS leaves out at the root of every model, recorded or not."""
SELF_NAME: Final = "."
"""How model_signing 1.1 names the only file of a single-file model."""

_LENGTH_LIMIT: Final = 4096
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_GLOBS: Final = frozenset("*?[")
_INERT_SUFFIXES: Final = (
    ".md", ".rst", ".sig", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".pdf", ".bib",
    ".lock", ".metadata",
)  # fmt: skip
_INERT_NAMES: Final = frozenset(
    {".ds_store", ".gitattributes", ".gitignore", ".gitkeep", "authors", "cachedir.tag",
     "citation.cff", "copying", "license", "license.txt", "notice", "notice.txt", "readme",
     "readme.txt", "sha256sums", "use_policy.txt"}
)  # fmt: skip


def check_name(value: object, *, where: str) -> str:
    """The name of a file below the root of a model, as OMS writes it.

    Raises:
        MalformedEvidence: no text, absolute, not normal, leading out of the model, with a
            backslash or an unprintable character.
    """
    name = value if isinstance(value, str) else ""
    fault = _fault(name)
    if fault:
        message = f"{str(value)[:80]!r} is no name of a file in a model: {fault}"
        raise MalformedEvidence(message, where=where)
    return name


def check_ignored(value: object, *, where: str) -> str:
    """One entry of `ignore_paths`.

    Raises:
        MalformedEvidence: as `check_name`, or a pattern.
    """
    name = check_name(value, where=where)
    if _GLOBS & set(name):
        message = f"{name[:80]!r} is a pattern; ignored paths are exact"
        raise MalformedEvidence(message, where=where)
    return name


def is_below(name: str, paths: frozenset[str]) -> bool:
    """Whether a path or a folder above it is among `paths`."""
    return name in paths or any(
        name[:index] in paths for index, character in enumerate(name) if character == "/"
    )


def is_inert(name: str) -> bool:
    """Whether no loader reads a file of this name: prose, pictures, version control."""
    if is_below(name, DEFAULT_IGNORED):
        return True
    last = name.rsplit("/", 1)[-1].casefold()
    return last in _INERT_NAMES or last.endswith(_INERT_SUFFIXES)


def refuse_collisions(names: Iterable[str], *, where: str) -> None:
    """Refuse names that some file system would take for one another.

    Raises:
        MalformedEvidence: two names equal but for case or Unicode normalization.
    """
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
        other = seen.setdefault(folded, name)
        if other != name:
            message = f"{name[:80]!r} and {other[:80]!r} are one file on some systems"
            raise MalformedEvidence(message, where=where, hint="rename one of them")


def _fault(name: str) -> str:
    if not name or len(name) > _LENGTH_LIMIT:
        return f"need 1 to {_LENGTH_LIMIT} characters"
    if "\\" in name or not name.isprintable():
        return "a backslash or an unprintable character"
    if name.startswith("/") or _DRIVE.match(name):
        return "it is absolute"
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return "it is not normal"
    return ""
