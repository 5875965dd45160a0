"""The formats by name, and an export of one or all with the linter as its last step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.advisory.atom import affectedness_csv, atom
from steelyard.disclosure.advisory.avid import avid
from steelyard.disclosure.advisory.carried import not_carried
from steelyard.disclosure.advisory.csaf20 import csaf20
from steelyard.disclosure.advisory.csaf21 import csaf21
from steelyard.disclosure.advisory.cve import cve
from steelyard.disclosure.advisory.export import Export, ExportedFile
from steelyard.disclosure.advisory.linter import Payload, require_clean
from steelyard.disclosure.advisory.openvex import openvex
from steelyard.disclosure.advisory.osv import osv
from steelyard.disclosure.advisory.payloads import texts_in
from steelyard.kernel.errors import NotSatisfied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from steelyard.disclosure.advisory.export import Occasion
    from steelyard.disclosure.advisory.model import Advisory

FORMATS: Final[dict[str, Callable[[Advisory, Occasion], Export]]] = {
    "csaf": csaf20,
    "csaf21": csaf21,
    "openvex": openvex,
    "avid": avid,
    "cve": cve,
    "osv": osv,
    "atom": atom,
    "csv": affectedness_csv,
}
# Drafts of a standard are written when they are asked for by name.
ALL: Final = tuple(name for name in FORMATS if name != "csaf21")


def export(
    advisory: Advisory, formats: Iterable[str], occasion: Occasion, payloads: Iterable[Payload]
) -> Export:
    """Write an advisory in some formats, or none of them if one repeats a payload.

    Where several formats are asked for, one that has no place for the advisory is left out
    with its reason; where it was asked for alone, its refusal stands.

    Raises:
        NotSatisfied: a format refused, or a text repeats a payload above tier H0.
        UsageError: the export would be older than the advisory.
    """
    names = tuple(formats)
    files: list[ExportedFile] = []
    left_out: list[str] = []
    for name in names:
        try:
            made = _written(name, advisory, occasion)
        except NotSatisfied as refusal:
            if len(names) == 1:
                raise
            left_out.append(f"{name}: {refusal.message}")
            continue
        files += made.files
        left_out += (f"{name}: {reason}" for reason in made.left_out)
    lint_files(files, payloads)
    return Export(tuple(files), tuple(left_out))


def survey(advisory: Advisory, occasion: Occasion) -> dict[str, list[str]]:
    """What each format would leave out, or why it refuses; empty where it carries everything."""
    found: dict[str, list[str]] = {}
    for name in FORMATS:
        try:
            found[name] = list(_written(name, advisory, occasion).left_out)
        except NotSatisfied as refusal:
            found[name] = [refusal.message]
    return found


def _written(name: str, advisory: Advisory, occasion: Occasion) -> Export:
    """An advisory in a format, with what has no place in it."""
    made = FORMATS[name](advisory, occasion)
    missing = not_carried(advisory, made.files)
    return Export(made.files, (*made.left_out, missing) if missing else made.left_out)


def lint_files(files: Iterable[ExportedFile], payloads: Iterable[Payload]) -> None:
    """Refuse files that repeat a payload, as written and with their texts put together.

    Raises:
        NotSatisfied: naming file and payload.
    """
    kept = tuple(payloads)
    if kept:
        require_clean((text for file in files for text in texts_of(file)), kept)


def texts_of(file: ExportedFile) -> Iterator[tuple[str, str]]:
    """What a file says: its characters, and for JSON its texts without the names of fields."""
    text = file.data.decode("utf-8", errors="replace")
    yield file.path, text
    if file.path.endswith(".json"):
        yield file.path, "\n".join(texts_in(_parsed(text)))


def _parsed(text: str) -> object:
    """The document, or nothing where the file only has the name of one."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
