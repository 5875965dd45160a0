"""An Atom feed (RFC 4287) of advisories, and the table of who is affected.

Decides the mapping of spec/disclosure-advisory.md, sections 4.7 and 4.8. Texts are plain text: no
markup of an advisory's author reaches a reader's page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from steelyard.disclosure.advisory import csaf, wording
from steelyard.disclosure.advisory.escape import clean_line, csv_cell, html_text
from steelyard.disclosure.advisory.export import Export, ExportedFile, check_occasion
from steelyard.kernel import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from steelyard.disclosure.advisory.export import Occasion
    from steelyard.disclosure.advisory.model import Advisory, AffectednessRow, Finding

_HEAD: Final = (
    "advisory", "revision", "finding", "cve", "vendor", "product", "version", "kind", "purl",
    "verdict", "rate", "note",
)  # fmt: skip


def atom(advisory: Advisory, occasion: Occasion) -> Export:
    """A feed with the one entry of this advisory.

    Raises:
        UsageError: the export would be older than the advisory.
    """
    check_occasion(advisory, occasion)
    data = atom_feed([(advisory, occasion.self_url)], self_url="")
    return Export((ExportedFile("atom.xml", data),))


def atom_feed(advisories: Iterable[tuple[Advisory, str]], *, self_url: str) -> bytes:
    """A feed of advisories of one publisher, the latest first.

    Args:
        advisories: Each with the address of its document, empty for none.
        self_url: Address of the feed, empty for none.
    """
    entries = sorted(advisories, key=lambda entry: (entry[0].changed_at, entry[0].id), reverse=True)
    publisher = entries[0][0].publisher
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<id>{html_text(_tag(publisher.namespace, 'feed'))}</id>",
        f"<title>{html_text(clean_line(publisher.name))}: advisories</title>",
        f"<updated>{format_instant(entries[0][0].changed_at)}</updated>",
        f"<author><name>{html_text(clean_line(publisher.name))}</name></author>",
        *([f'<link rel="self" href="{html_text(self_url)}"/>'] if self_url else []),
        *(line for advisory, url in entries for line in _entry(advisory, url)),
        "</feed>",
    ]
    return ("\n".join(lines) + "\n").encode()


def affectedness_csv(advisory: Advisory, occasion: Occasion) -> Export:
    """One line for each finding and target, in cells that no spreadsheet calculates.

    Raises:
        UsageError: the export would be older than the advisory.
    """
    check_occasion(advisory, occasion)
    rows = [_HEAD, *(_cells(advisory, f, row) for f in advisory.findings for row in f.rows)]
    text = "".join(",".join(map(csv_cell, row)) + "\r\n" for row in rows)
    name = csaf.file_name(advisory.id).removesuffix(".json")
    return Export((ExportedFile(f"csv/{name}.csv", text.encode()),))


def _entry(advisory: Advisory, url: str) -> list[str]:
    label = f"{advisory.id}: {advisory.title}"
    return [
        "<entry>",
        f"<id>{html_text(_tag(advisory.publisher.namespace, advisory.id))}</id>",
        f'<title type="text">{html_text(label)}</title>',
        f"<published>{format_instant(advisory.released_at)}</published>",
        f"<updated>{format_instant(advisory.changed_at)}</updated>",
        *([f'<link rel="alternate" href="{html_text(url)}"/>'] if url else []),
        f'<summary type="text">{html_text(advisory.summary)}</summary>',
        f'<content type="text">{html_text(_content(advisory))}</content>',
        "</entry>",
    ]


def _content(advisory: Advisory) -> str:
    parts = [f"TLP:{advisory.tlp.value}", advisory.summary]
    for finding in advisory.findings:
        parts += [
            finding.title,
            finding.description,
            wording.affectedness_text(advisory, finding),
        ]
    return "\n\n".join(parts)


def _tag(namespace: str, name: str) -> str:
    """A tag URI (RFC 4151): the same in every revision, whatever the addresses become."""
    host = urlsplit(namespace).hostname or "localhost"
    return f"tag:{host},2026:{quote(name)}"


def _cells(advisory: Advisory, finding: Finding, row: AffectednessRow) -> tuple[str, ...]:
    target = advisory.target(row.target)
    return (
        advisory.id,
        str(advisory.version),
        finding.id,
        finding.cve,
        target.vendor,
        target.name,
        target.version,
        target.kind.value,
        target.purl,
        row.verdict.value,
        wording.rate_text(row),
        wording.row_text(row),
    )
