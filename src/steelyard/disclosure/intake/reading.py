"""Which foreign format a file is in, and its report in the common form.

Decides the order in which formats are recognized (spec/disclosure-advisory.md, section 8). A file
is read as data: no address in it is fetched, no text of it is run or shown as it came.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.intake import csaf, forms, osv
from steelyard.disclosure.intake.attachments import inspect_attachment
from steelyard.disclosure.intake.bounds import parse_bounded
from steelyard.disclosure.intake.report import Reading
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Callable

    from steelyard.disclosure.intake.attachments import Attachment
    from steelyard.disclosure.intake.report import Fields, IntakeReport

_MOST_ATTACHMENTS: Final = 16
_FORMATS: Final[
    tuple[tuple[Callable[[Fields], bool], Callable[[Fields, Reading], IntakeReport]], ...]
] = (
    (csaf.is_csaf, csaf.read_csaf),
    (forms.is_avid, forms.read_avid),
    (osv.is_github, osv.read_github),
    (osv.is_osv, osv.read_osv),
    (forms.is_flare, forms.read_flare),
    (forms.is_vince, forms.read_vince),
    (forms.is_plain, forms.read_plain),
)


def read_intake(
    data: bytes, *, where: str, files: tuple[tuple[str, bytes], ...] = ()
) -> IntakeReport:
    """The report in a foreign JSON file.

    Args:
        data: Bytes of the file.
        where: Name of the file in messages.
        files: Names and bytes of what came with it.

    Raises:
        MalformedEvidence: over a limit, no strict JSON, no known format, or a field of another
            type than its format gives it.
        UnsafeArchive: an attachment that is dangerous to open.
    """
    document: Fields = parse_bounded(data, where=where)
    reading = Reading(where)
    for recognizes, read in _FORMATS:
        if recognizes(document):
            report = read(document, reading)
            break
    else:
        message = f"no known report format: fields {sorted(document)[:6]}"
        hint = "CSAF, AVID, OSV, GitHub, AI flaw report, VINCE, or title and description"
        raise MalformedEvidence(message, where=where, hint=hint)
    inspected = _attachments(document, reading, files)
    return replace(report, attachments=inspected, dropped=tuple(reading.dropped))


def _attachments(
    document: Fields, reading: Reading, files: tuple[tuple[str, bytes], ...]
) -> tuple[Attachment, ...]:
    carried = [
        (reading.required(entry.get("name"), "attachment name"), _decoded(entry, reading))
        for entry in reading.objects(document.get("attachments"), "attachments")
    ]
    everything = [*carried, *files]
    if len(everything) > _MOST_ATTACHMENTS:
        message = f"{len(everything)} attachments, and at most {_MOST_ATTACHMENTS} are taken"
        raise MalformedEvidence(message, where=reading.where)
    return tuple(inspect_attachment(name, data) for name, data in everything)


def _decoded(entry: Fields, reading: Reading) -> bytes:
    content = entry.get("content_base64")
    try:
        return base64.b64decode(content or "", validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        message = "content_base64 of an attachment is not base64"
        raise MalformedEvidence(message, where=reading.where) from error
