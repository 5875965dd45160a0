"""What is taken over from a foreign report: claims, cleaned, each labelled as what it is.

Decides the common form of spec/disclosure-advisory.md, section 8. Everything here is the sender's
word: an id, a verdict or a date found in a file proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.advisory.escape import check_url, clean_line, clean_text
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steelyard.disclosure.intake.attachments import Attachment

LINE_LIMIT: Final = 512
TEXT_LIMIT: Final = 50_000
LIST_LIMIT: Final = 1_000

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClaimedTarget:
    """A product that the report names.

    Attributes:
        name: As the report names it.
        vendor: Empty where unsaid.
        version: Empty where unsaid.
        identifiers: purl, CPE, model id or digest, each as the report writes it.
        status: The report's word for what is known of it; empty where unsaid.
    """

    name: str
    vendor: str = ""
    version: str = ""
    identifiers: tuple[str, ...] = ()
    status: str = ""


@dataclass(frozen=True, slots=True)
class ClaimedFlaw:
    """A flaw that the report describes."""

    title: str
    description: str
    ids: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()
    targets: tuple[ClaimedTarget, ...] = ()
    impact: str = ""
    reproduction: str = ""
    mitigations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IntakeReport:
    """A foreign report in the common form.

    Attributes:
        format: Name of the format it came in.
        title: One line.
        summary: A paragraph; empty for none.
        flaws: At least one.
        references: Addresses that may be shown; others are in `dropped`.
        credits: Names and organizations that want to be named.
        contact: How to reach the reporter; empty for an anonymous report.
        dates: Date texts by what they claim to date.
        sharing: TLP label or wish of the reporter; empty where unsaid.
        attachments: What came with it, checked and not unpacked.
        dropped: What was not taken over, one sentence each.
    """

    format: str
    title: str
    summary: str
    flaws: tuple[ClaimedFlaw, ...]
    references: tuple[str, ...] = ()
    credits: tuple[str, ...] = ()
    contact: str = ""
    dates: tuple[tuple[str, str], ...] = ()
    sharing: str = ""
    attachments: tuple[Attachment, ...] = ()
    dropped: tuple[str, ...] = ()

    def to_json(self) -> Fields:
        """The document that `steelyard disclose import --json` prints."""
        return {
            "schema": "steelyard/intake/1",
            "format": self.format,
            "title": self.title,
            "summary": self.summary,
            "flaws": [_flaw(flaw) for flaw in self.flaws],
            "references": list(self.references),
            "credits": list(self.credits),
            "contact": self.contact,
            "dates": dict(self.dates),
            "sharing": self.sharing,
            "attachments": [entry.to_json() for entry in self.attachments],
            "dropped": list(self.dropped),
        }


@dataclass(slots=True)
class Reading:
    """Reads fields of a foreign document, cleans them, and keeps count of what it drops."""

    where: str
    dropped: dict[str, None] = field(default_factory=dict[str, None])

    def line(self, value: object, name: str) -> str:
        """One line of text, cut at 512 characters; empty for nothing."""
        return self._cut(clean_line(self._text(value, name)), LINE_LIMIT, name)

    def text(self, value: object, name: str) -> str:
        """A paragraph, cut at 50,000 characters; empty for nothing."""
        return self._cut(clean_text(self._text(value, name)), TEXT_LIMIT, name)

    def required(self, value: object, name: str) -> str:
        """One line that must not be empty.

        Raises:
            MalformedEvidence: it is.
        """
        line = self.line(value, name)
        if not line:
            raise MalformedEvidence(f"{name} is missing or empty", where=self.where)
        return line

    def fields(self, value: object, name: str) -> Fields:
        """An object; an empty one where there is none.

        Raises:
            MalformedEvidence: something else.
        """
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise MalformedEvidence(f"{name} is no object", where=self.where)
        return cast("Fields", value)

    def entries(self, value: object, name: str) -> list[Any]:
        """A list, cut at 1,000 entries; an empty one where there is none.

        Raises:
            MalformedEvidence: something else.
        """
        if value is None:
            return []
        if not isinstance(value, list):
            raise MalformedEvidence(f"{name} is no list", where=self.where)
        entries = cast("list[Any]", value)
        if len(entries) > LIST_LIMIT:
            self.drop(f"{name}: {len(entries) - LIST_LIMIT} entries beyond {LIST_LIMIT}")
        return entries[:LIST_LIMIT]

    def objects(self, value: object, name: str) -> list[Fields]:
        """A list of objects."""
        return [self.fields(entry, name) for entry in self.entries(value, name)]

    def lines(self, value: object, name: str) -> tuple[str, ...]:
        """A list of lines, or one line, without the empty ones and repetitions."""
        entries = [value] if isinstance(value, str) else self.entries(value, name)
        lines = (self.line(entry, name) for entry in entries)
        return tuple(dict.fromkeys(line for line in lines if line))

    def addresses(self, values: Iterable[object], name: str) -> tuple[str, ...]:
        """The addresses that may be shown; nothing here is ever fetched."""
        kept: dict[str, None] = {}
        for value in values:
            try:
                kept[check_url(value, where=name)] = None
            except MalformedEvidence:
                self.drop(f"{name}: an address that may not be shown")
        return tuple(kept)

    def drop(self, sentence: str) -> None:
        """Note what is not taken over."""
        if len(self.dropped) < LIST_LIMIT:
            self.dropped[sentence] = None

    def drop_unknown(self, fields: Fields, known: Iterable[str], name: str) -> None:
        """Note the fields that nothing reads."""
        for key in sorted(set(fields) - set(known))[:LIST_LIMIT]:
            if fields[key] not in (None, "", [], {}):
                self.drop(f"{name}: field {clean_line(key)[:64]!r} is not read")

    def _text(self, value: object, name: str) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int | float):
            return f"{value:g}" if isinstance(value, float) else str(value)
        if not isinstance(value, str):
            raise MalformedEvidence(f"{name} is no text", where=self.where)
        return value

    def _cut(self, text: str, limit: int, name: str) -> str:
        if len(text) > limit:
            self.drop(f"{name}: cut at {limit} characters")
        return text[:limit]


def _flaw(flaw: ClaimedFlaw) -> Fields:
    return {
        "title": flaw.title,
        "description": flaw.description,
        "ids": list(flaw.ids),
        "weaknesses": list(flaw.weaknesses),
        "targets": [
            {
                "name": target.name,
                "vendor": target.vendor,
                "version": target.version,
                "identifiers": list(target.identifiers),
                "status": target.status,
            }
            for target in flaw.targets
        ],
        "impact": flaw.impact,
        "reproduction": flaw.reproduction,
        "mitigations": list(flaw.mitigations),
    }
