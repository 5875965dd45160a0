"""Places in prose where one of two spaces may stand, and what is never touched.

Decides spec/disclosure-delivery.md, section 7.1: which gaps between words are places, how a place
is known again in another copy, and which media types, lines and quotations are no prose. Which
space a recipient gets is for `watermark`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from steelyard.kernel import parse_json
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT_LIMIT_CHARACTERS: Final = 1 << 20
NO_BREAK_SPACE: Final = "\N{NO-BREAK SPACE}"
Channel = Literal["sentence", "tie"]
_PROSE_TYPES: Final = ("text/plain", "text/markdown")
_WORD: Final = re.compile(r"\S+")
_FORMS: Final = {
    "sentence": (" ", "  "),
    "tie": (" ", NO_BREAK_SPACE),
}
_SENTENCE_END: Final = re.compile(r".*[.!?][)\]'\N{RIGHT SINGLE QUOTATION MARK}]?", re.DOTALL)
_SHORT_LETTERS: Final = 3
_CONTEXT_WORDS: Final = 2
# Code and quotations may be payloads, which must reach everybody with the same bytes.
_QUOTED: Final = re.compile(
    r"`[^`\n]*`|\"[^\"\n]*\"|\N{LEFT DOUBLE QUOTATION MARK}[^\n]*?\N{RIGHT DOUBLE QUOTATION MARK}"
)
_MARKS: Final = re.compile('[`"\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}{}<>]')
_FENCE: Final = re.compile(r"\s*(?:```|~~~)")


@dataclass(frozen=True, slots=True)
class Place:
    """A gap between two words of a line.

    Attributes:
        start: Index of its first character; `end` is that after its last one.
        channel: `sentence` takes one space or two, `tie` a space or a no-break space.
        context: The words around it, by which it is known in another copy.
        value: 0 or 1 for its two forms.
    """

    start: int
    end: int
    channel: Channel
    context: tuple[str, ...]
    value: int


def require_prose(text: str, media_type: str) -> None:
    """Refuse what must reach everybody with the same bytes.

    Raises:
        ConfigurationError: a media type that is not prose's, JSON, or a text that is too long.
    """
    if media_type not in _PROSE_TYPES:
        message = f"{media_type[:80]!r} is not marked: only {' and '.join(_PROSE_TYPES)} are"
        hint = "a reproducer reaches everybody as it is; mark the prose around it"
        raise ConfigurationError(message, hint=hint)
    require_length(text)
    if text.lstrip()[:1] in {"{", "["} and _is_json(text):
        message = "the text is JSON, whatever its media type says"
        raise ConfigurationError(message, hint="a document reaches everybody as it is")


def require_length(text: str) -> None:
    """Refuse a text that would take long.

    Raises:
        ConfigurationError: more than 2^20 characters.
    """
    if len(text) > TEXT_LIMIT_CHARACTERS:
        message = f"{len(text):,} characters, and at most {TEXT_LIMIT_CHARACTERS:,} are looked at"
        raise ConfigurationError(message, hint="give it in parts")


def find_places(text: str, *, everywhere: bool = False) -> list[Place]:
    """Every place of a text, in order; `everywhere` finds them in code and quotations too."""
    words = list(_WORD.finditer(text))
    plain = [_plain(word.group()) for word in words]
    closed = iter(()) if everywhere else _closed_spans(text)
    places: list[Place] = []
    span = next(closed, None)
    for number in range(1, len(words)):
        start, end = words[number - 1].end(), words[number].start()
        while span is not None and span[1] <= start:
            span = next(closed, None)
        if span is not None and span[0] < end:
            continue
        channel = _channel(words[number - 1].group(), words[number].group())
        if channel is None or text[start:end] not in _FORMS[channel]:
            continue
        first = max(number - _CONTEXT_WORDS, 0)
        context = (channel, *plain[first : number + _CONTEXT_WORDS])
        value = _FORMS[channel].index(text[start:end])
        places.append(Place(start, end, channel, context, value))
    return places


def set_places(text: str, values: list[tuple[Place, int]]) -> str:
    """The text with other values at some of its places, given in order."""
    pieces: list[str] = []
    at = 0
    for place, value in values:
        pieces += (text[at : place.start], _FORMS[place.channel][value])
        at = place.end
    return "".join((*pieces, text[at:]))


def _channel(before: str, after: str) -> Channel | None:
    if _SENTENCE_END.fullmatch(before):
        return "sentence" if after[0].isupper() or after[0].isdigit() else None
    if not before[-1].isalnum():
        return None
    letters = before.isalpha() and len(before) <= _SHORT_LETTERS
    return "tie" if letters or before[-1].isdigit() or after[0].isdigit() else None


def _plain(word: str) -> str:
    """A word without case and punctuation, so that small edits keep it."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(character for character in folded if character.isalnum())


def _closed_spans(text: str) -> Iterator[tuple[int, int]]:
    """Stretches that are left as they are: code, quotations, and lines with a stray mark."""
    at = 0
    fenced = False
    for line in text.splitlines(keepends=True):
        start, at = at, at + len(line)
        fence = _FENCE.match(line) is not None
        indented = line.startswith(("\t", "    "))
        if fence or fenced or indented or _MARKS.search(_QUOTED.sub("", line)):
            yield start, at
        else:
            yield from ((start + m.start(), start + m.end()) for m in _QUOTED.finditer(line))
        fenced ^= fence


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except MalformedEvidence:
        return False
    return True
