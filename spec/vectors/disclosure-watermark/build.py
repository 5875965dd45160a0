"""Writes the vectors of marks in prose: a text, a recipient's copy, and what tracing says.

    python spec/vectors/disclosure-watermark/build.py

The bits of `copy` are worked out here, from contexts that were listed by hand. `agree` says at how
many places each recipient agrees with it, channels of one value left out.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import hmac
import json
from pathlib import Path

FOLDER = Path(__file__).parent
SECRET = bytes(range(32))
NAMES = [f"org:{number:064x}" for number in (1, 2, 3)]
TEXT = 'We saw it in 3 of 7 runs. The model said "go on a bit. Then 5" twice.\nIt is fixed.\n'
# Where a gap begins, its channel, and the words around it: two of each, where there are so many.
PLACES = [
    (2, "tie", "we", "saw", "it"),
    (6, "tie", "we", "saw", "it", "in"),
    (9, "tie", "saw", "it", "in", "3"),
    (12, "tie", "it", "in", "3", "of"),
    (14, "tie", "in", "3", "of", "7"),
    (17, "tie", "3", "of", "7", "runs"),
    (19, "tie", "of", "7", "runs", "the"),
    (25, "sentence", "7", "runs", "the", "model"),
    (29, "tie", "runs", "the", "model", "said"),
    (72, "tie", "twice", "it", "is", "fixed"),
    (75, "tie", "it", "is", "fixed"),
]
FORMS = {"tie": (" ", "\N{NO-BREAK SPACE}"), "sentence": (" ", "  ")}


def bits(name: str) -> list[int]:
    """Of one recipient, at each place."""
    found: list[int] = []
    for _, *context in PLACES:
        parts = ("steelyard/disclosure-watermark/1", name, *map(str, context))
        framed = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)
        found.append(hmac.digest(SECRET, framed, "sha256")[0] & 1)
    return found


def copied(name: str) -> str:
    """One recipient's copy."""
    text = TEXT
    for (start, channel, *_), value in reversed(list(zip(PLACES, bits(name), strict=True))):
        text = text[:start] + FORMS[channel][value] + text[start + 1 :]
    return text


def agreeing(text: str, name: str) -> dict[str, int]:
    """At how many places of those that say anything each recipient agrees with a copy."""
    values = bits(name) if text != TEXT else [0] * len(PLACES)
    kept = [
        at
        for at, (_, channel, *_) in enumerate(PLACES)
        if len({v for v, (_, other, *_) in zip(values, PLACES, strict=True) if other == channel})
        > 1
    ]
    return {other: sum(bits(other)[at] == values[at] for at in kept) for other in NAMES}


def main() -> None:
    """Write every vector."""
    for number, name in enumerate(NAMES, 1):
        copy = copied(name)
        content = {
            "text": TEXT,
            "secret": SECRET.hex(),
            "organization": name,
            "copy": copy,
            "asked": NAMES,
            "agree": agreeing(copy, name),
        }
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (FOLDER / f"copy-{number}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
