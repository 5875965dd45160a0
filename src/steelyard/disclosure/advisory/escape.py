"""Text that may leave: what is taken out of it, and how each carrier quotes it.

Decides the sanitising of spec/disclosure-advisory.md, section 5. What the text says is its
author's business; whether it repeats a payload is that of `linter`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import urlsplit

from steelyard.kernel.errors import MalformedEvidence

# Directional overrides, isolates and marks: they make a line read otherwise than it is stored
# (CVE-2021-42574). Zero-width and tag characters carry text that nobody sees.
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff]"
)
# C0, C1 and DEL but tab and line feed; surrogates and the non-characters XML has no place for.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_BREAKS: Final = re.compile("\r\n|[\r\u0085\u2028\u2029]")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_HTML: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEMES: Final = ("https", "http", "mailto", "tel")
_URL_LIMIT: Final = 2048


def clean_text(text: str) -> str:
    """The text in NFC, line breaks as LF, without control, directional or unseen characters."""
    plain = _BREAKS.sub("\n", text)
    plain = _UNSEEN.sub("", _CONTROL.sub("", plain))
    return unicodedata.normalize("NFC", plain).strip()


def clean_line(text: str) -> str:
    """`clean_text` on one line, runs of white space as one space."""
    return " ".join(clean_text(text).split())


def csv_cell(text: str) -> str:
    """A cell that a spreadsheet shows and does not calculate (CWE-1236), quoted by RFC 4180.

    An apostrophe is put before a cell that begins like a formula, also after white space, as
    some programs skip it.
    """
    plain = clean_text(text)
    if plain.startswith(_FORMULA):
        plain = f"'{plain}"
    quoted = plain.replace('"', '""')
    return f'"{quoted}"'


def html_text(text: str) -> str:
    """The text for HTML or XML, as element content or between double quotes."""
    return "".join(_HTML.get(character, character) for character in clean_text(text))


def terminal_text(text: str) -> str:
    """The text with every escape sequence and unseen character written out."""
    return "".join(map(_visible, text))


def check_url(text: object, *, where: str) -> str:
    """An absolute address that is only an address.

    Raises:
        MalformedEvidence: no https, http, mailto or tel address (RFC 3986), one with user and
            password, or over 2,048 characters.
    """
    if not isinstance(text, str) or len(text) > _URL_LIMIT or not _URL.fullmatch(text):
        raise _no_url(text, where)
    try:
        parts = urlsplit(text)
        host, has_user = parts.hostname, parts.username is not None
    except ValueError as error:
        raise _no_url(text, where) from error
    needs_host = parts.scheme in {"https", "http"}
    if parts.scheme not in _SCHEMES or (needs_host and (not host or has_user)):
        raise _no_url(text, where)
    if _BAD_PERCENT.search(text) or any(mark in text.partition(":")[2] for mark in "[]"):
        raise _no_url(text, where)
    return text


def _visible(character: str) -> str:
    unseen = _CONTROL.match(character) or _UNSEEN.match(character) or character in "\u2028\u2029"
    if unseen:
        return character.encode("unicode_escape").decode("ascii")
    return character


def _no_url(text: object, where: str) -> MalformedEvidence:
    message = f"{str(text)[:80]!r} is no address that may be published"
    return MalformedEvidence(message, where=where, hint="write https://HOST/PATH without a user")
