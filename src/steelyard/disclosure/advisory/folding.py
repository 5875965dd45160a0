"""Folding text to what a reader takes in, and undoing encodings that hide it.

Decides which disguises are seen through (spec/disclosure-advisory.md, section 6): case, spacing,
punctuation, accents, look-alike letters, digits for letters, invisible characters; base64, base32,
hexadecimal, character codes, URL, HTML and string escapes, and gzip inside of them. Everything is
bounded: decodings together never yield more than a fixed number of characters.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import sys
import unicodedata
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Letters of other scripts that are drawn like Latin ones (Unicode TR 39, the common ones), after
# compatibility and case folding.
_DRAWN_LIKE: Final = {
    "a": "\u0430\u0251\u03b1",
    "b": "\u0432\u044c\u13cf",
    "c": "\u0441\u03f2\u13df",
    "d": "\u0501\u13a0",
    "e": "\u0435\u0454\u04bd\u0511\u13ac",
    "g": "\u0261\u0581\u050d",
    "h": "\u04bb\u0570",
    "i": "\u0456\u0457\u0131\u03b9\u0269",
    "j": "\u0458\u0575",
    "k": "\u043a\u03ba",
    "l": "\u04cf",
    "m": "\u043c\u13b7",
    "n": "\u0578\u043f\u03b7\u057c",
    "o": "\u043e\u03bf\u03c3\u0585",
    "p": "\u03c1\u0440",
    "q": "\u051b\u0563",
    "r": "\u0433\uab47",
    "s": "\u0455\u13da",
    "t": "\u0442\u03c4",
    "u": "\u03c5\u057d\u028b",
    "v": "\u0475\u03bd",
    "w": "\u051d\u03c9\u0461",
    "x": "\u0445\u03c7",
    "y": "\u0443\u04b1\u04af\u03b3",
    "z": "\u1d22\u13c3",
}
_LOOK_ALIKE: Final = {
    ord(other): letter for letter, others in _DRAWN_LIKE.items() for other in others
}
# Digits that stand for letters; l, i and 1 are one character, as each stands for the others.
_DIGITS: Final = str.maketrans("01345789l", "oieastbgi")
_DEEPEST: Final = 3
_MOST_VIEWS: Final = 256
_MOST_CHARACTERS: Final = 16 * 1024 * 1024
_LONGEST_INFLATED: Final = 1024 * 1024
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/_-][ \t\r\n\"'\\]{0,8}){16,}={0,2}")
_BASE32: Final = re.compile(r"(?:[A-Za-z2-7][ \t\r\n]{0,4}){24,}={0,6}")
_HEX: Final = re.compile(r"(?:(?:0x|\\x|%)?[0-9A-Fa-f]{2}[ \t\r\n:,-]{0,4}){12,}")
_ESCAPE: Final = re.compile(
    r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})"
    r"|([0-3]?[0-7]{1,2}))"
)
_HIDDEN: Final = re.compile(r"\\[nrt\"'/\\]")
# Decimal, octal or binary numbers of characters, one after the other.
_CODES: Final = re.compile(r"(?:(?:0o|0b)?[0-9]{2,8}[ \t\r\n,;.&#x-]{1,6}){12,}")
_BITS: Final = re.compile(r"(?:[01]{8}[ \t\r\n]{0,4}){12,}")
_NOT_HEX: Final = re.compile(r"0x|\\x|[^0-9A-Fa-f]")
_TAGS: Final = {0xE0000 + code: code for code in range(0x20, 0x7F)}
_SURROGATES: Final = range(0xD800, 0xE000)
_READABLE: Final = 0.85
_ODD: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")
_FOREIGN: Final = re.compile("[^\t\n\x20-\x7e\xa0-\u024f]")


def fold(text: str) -> str:
    """The letters and digits that a reader takes in, without case, accent, space or script."""
    plain = unicodedata.normalize("NFKD", text.translate(_TAGS)).casefold()
    plain = unicodedata.normalize("NFKD", plain).translate(_LOOK_ALIKE)
    return "".join(character for character in plain.translate(_DIGITS) if character.isalnum())


def shift_free(text: str) -> str:
    """Steps between the Latin letters of a text: the same after any shift, such as ROT13."""
    letters = [ord(character) - 97 for character in text.casefold() if "a" <= character <= "z"]
    steps = ((after - before) % 26 for before, after in pairwise(letters))
    return "".join(chr(97 + step) for step in steps)


def views(text: str) -> Iterator[tuple[str, str]]:
    """The text as it stands, and everything it decodes to, each with how it was read.

    At most 256 views, of 16 Mi characters together, three decodings deep.
    """
    seen = {text}
    budget = _MOST_CHARACTERS
    level = [("as it stands", text)]
    yield level[0]
    for _ in range(_DEEPEST):
        deeper: list[tuple[str, str]] = []
        for label, content in level:
            for how, decoded in _decoded(content):
                budget -= len(decoded)
                if decoded in seen or budget < 0 or len(seen) > _MOST_VIEWS:
                    continue
                seen.add(decoded)
                name = how if label == "as it stands" else f"{label}, then {how}"
                deeper.append((name, decoded))
                yield name, decoded
        level = deeper


def _decoded(text: str) -> Iterator[tuple[str, str]]:
    for how, decode in _WHOLE:
        plain = decode(text)
        if plain != text:
            yield how, plain
    for how, pattern, decode_run in _RUNS:
        parts = [part for match in pattern.finditer(text) for part in decode_run(match.group())]
        # Pieces of one message may be encoded one by one.
        if len(parts) > 1:
            yield how, "".join(parts)
        for part in parts[:_MOST_VIEWS]:
            yield how, part


def _without_percent(text: str) -> str:
    return unquote(text.replace("+", " "), errors="replace")


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        digits = next((group for group in match.groups()[:4] if group), "")
        code = int(digits, 16) if digits else int(match.group(5), 8)
        return chr(code) if code <= sys.maxunicode and code not in _SURROGATES else ""

    return _HIDDEN.sub(" ", _ESCAPE.sub(character, text))


def _base64_texts(run: str) -> Iterator[str]:
    letters = re.sub(r"[^A-Za-z0-9+/_-]", "", run).translate(str.maketrans("-_", "+/"))
    # A run may begin with letters that are not its own, so every alignment is tried.
    for start in range(4):
        block = letters[start : start + (len(letters) - start) // 4 * 4]
        tail = letters[start + len(block) :]
        padded = block + (tail + "=" * (4 - len(tail)) if len(tail) > 1 else "")
        yield from _readable(lambda data=padded: base64.b64decode(data))


def _base32_texts(run: str) -> Iterator[str]:
    letters = re.sub(r"[^A-Za-z2-7]", "", run).upper()
    block = letters[: len(letters) // 8 * 8]
    tail = letters[len(block) :]
    padded = block + (tail + "=" * (8 - len(tail)) if len(tail) in {2, 4, 5, 7} else "")
    yield from _readable(lambda: base64.b32decode(padded))


def _hex_texts(run: str) -> Iterator[str]:
    digits = _NOT_HEX.sub("", run)
    yield from _readable(lambda: bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _code_texts(run: str) -> Iterator[str]:
    numbers = re.findall(r"[0-9]+", run)
    for radix in (10, 8):
        yield from _readable(lambda base=radix: bytes(int(number, base) for number in numbers))


def _bit_texts(run: str) -> Iterator[str]:
    bits = re.sub(r"[^01]", "", run)
    octets = (bits[start : start + 8] for start in range(0, len(bits) // 8 * 8, 8))
    yield from _readable(lambda: bytes(int(octet, 2) for octet in octets))


def _readable(decode: Callable[[], bytes]) -> Iterator[str]:
    """What a decoding gives, if it is text for the most part, or is compressed text."""
    try:
        data = decode()
    except (binascii.Error, ValueError):
        return
    for content in (data, *_inflated(data)):
        for encoding in ("utf-8", "utf-16-le"):
            text = content.decode(encoding, errors="replace")
            # Any bytes are some text of two-byte characters: there, most must be Latin.
            odd = len((_FOREIGN if encoding == "utf-16-le" else _ODD).findall(text))
            if text and odd <= (1 - _READABLE) * len(text):
                yield text
                break


def _inflated(data: bytes) -> Iterator[bytes]:
    if data[:2] not in {b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"}:
        return
    try:
        yield zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data, _LONGEST_INFLATED)
    except zlib.error:
        return


_WHOLE: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("with URL escapes undone", _without_percent),
    ("with HTML escapes undone", html.unescape),
    ("with string escapes undone", _unescaped),
)
_RUNS: Final[tuple[tuple[str, re.Pattern[str], Callable[[str], Iterator[str]]], ...]] = (
    ("as base64", _BASE64, _base64_texts),
    ("as base32", _BASE32, _base32_texts),
    ("as hexadecimal", _HEX, _hex_texts),
    ("as character codes", _CODES, _code_texts),
    ("as bits", _BITS, _bit_texts),
)
