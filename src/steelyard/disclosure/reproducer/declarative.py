"""Texts of a reproducer: no code, no address, no path, nothing that hides.

A reproducer is data. No field of it is executed, fetched or opened, whatever it holds; this
check keeps it from being a vehicle for those who would (spec/reproducer.md, section Texts).
It reads the text as a careless reader would: in compatibility form, so that a full-width
colon is a colon.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.kernel import JsonValue

_ALLOWED_CONTROLS: Final = frozenset("\n\t")
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
# No expression begins with a repetition, so that a hostile text takes time linear in its length.
_REFUSED: Final = tuple(
    (what, re.compile(pattern, re.IGNORECASE | re.ASCII))
    for what, pattern in (
        ("an address", r":[/\\]{2}"),
        ("an address", r"\b(?:mailto|javascript|vbscript|data|urn|magnet|onion|tel|file):\S"),
        ("an address", r"\bwww\d?\.[a-z0-9-]"),
        ("an address", r"[a-z0-9_%+-]@[a-z0-9-]{1,63}\.[a-z]"),
        ("an address", r"[a-z0-9-]\.(?:com|org|net|io|dev|ai|app|info|onion|gov|edu)\b"),
        ("an address", r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"),
        ("an address", r"\[[0-9a-f]{0,4}:[0-9a-f:]+\]"),
        ("a path", r"(?<![\w.])\.{1,2}[/\\]"),
        ("a path", r"(?<!\w)~[a-z0-9_-]{0,32}/"),
        ("a path", r"(?<![\w/<])/[\w.-]{2,}"),
        ("a path", r"\b[a-z]:[\\/]"),
        ("a path", r"\\\\[\w.-]+\\"),
        ("a path", r"\w/[\w.-]{1,64}/[\w.-]"),
        (
            "a path",
            r"\w\.(?:py|sh|exe|dll|so|js|bat|ps1|pkl|zip|tar|gz|json|yaml|txt)\b",
        ),
        ("code", r"`{3}|^#!|<\?|<%|\{\{|\{%|\$\(|\$\{"),
        ("code", r"<\s{0,8}/?\s{0,8}(?:script|iframe|object|embed|svg|img|style|link|meta)\b"),
        ("code", r"\b(?:eval|exec|system|popen|import_module|compile|getattr)\s*\("),
        ("code", r"^\s*(?:import\s+\w+\s*$|from\s+[\w.]+\s+import\b|def\s+\w+\s*\(|#include\b)"),
        ("code", r"__\w+__|\blambda\s+\w+\s*:|\brm\s+-\w|\bsudo\s+\w"),
    )
)


@dataclass(frozen=True, slots=True)
class PlacedText:
    """A text of a document.

    Attributes:
        path: Keys and positions from the top to it.
        text: What it says.
        is_key: Whether it is the last key of its path itself.
    """

    path: tuple[str, ...]
    text: str
    is_key: bool = False


def texts_of(value: JsonValue, path: tuple[str, ...] = ()) -> Iterator[PlacedText]:
    """Every text of a document with its place: keys and values, depth first."""
    if isinstance(value, str):
        yield PlacedText(path, value)
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from texts_of(entry, (*path, str(number)))
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield PlacedText((*path, key), key, is_key=True)
            yield from texts_of(entry, (*path, key))


def require_inert(text: str, where: str, *, pattern: bool = False) -> None:
    """Refuse a text that holds code, an address, a path or characters that do not show.

    Args:
        text: Any text of a reproducer, after its variables were filled in too.
        where: Its place.
        pattern: Whether it is a pattern, in which backslashes and `?` are no code.

    Raises:
        MalformedEvidence: saying which of them, and where.
    """
    for character in text:
        if unicodedata.category(character) in _HIDDEN and character not in _ALLOWED_CONTROLS:
            message = f"holds the character U+{ord(character):04X}, which does not show"
            raise MalformedEvidence(message, where=where, hint="write visible text")
    read = unicodedata.normalize("NFKC", text)
    # What a pattern escapes is searched for as it stands; a path may hide behind "\/".
    read = read.replace("\\", "") if pattern else read
    for line in read.split("\n"):
        for what, expression in _REFUSED:
            if found := expression.search(line):
                message = f"holds {what}: {found.group()[:40]!r}"
                hint = "a reproducer is data: no code, no address, no path"
                raise MalformedEvidence(message, where=where, hint=hint)
