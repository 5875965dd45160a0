"""A report while its reporter still writes it: values by field, attachments, a code to resume.

Decides how long a draft is kept, how much may be attached, and which values are taken. A file is
looked into before anything is written, so that nobody waits for it. Who wrote a draft is not
known, and not asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.disclosure.intake.attachments import Attachment, inspect_attachment
from steelyard.kernel.errors import NotSatisfied, UnknownName
from steelyard.server.desk import vault
from steelyard.server.desk.codes import code_digest, new_code
from steelyard.server.storage import reports as rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.server.node import Node

KEPT: Final = timedelta(days=30)
ATTACHMENTS_LIMIT: Final = 16
ATTACHED_LIMIT_BYTES: Final = 32 << 20
ROOM_BYTES: Final = 4 << 30
"""For attachments of all drafts and reports: anybody can send some."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A report that was not sent yet.

    Attributes:
        code: With which it is resumed.
        values: By field name.
    """

    code: str
    values: Mapping[str, str]
    attachments: tuple[Attachment, ...]
    saved: datetime
    owner: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class File:
    """A file that was checked."""

    about: Attachment
    sealed: bytes = field(repr=False)


def begin(node: Node, connection: Connection, values: Mapping[str, str]) -> Draft:
    """Keep a new draft under a new code; drafts that nobody came back to go."""
    now = node.now()
    for digest in rows.old_drafts(connection, now - KEPT):
        rows.drop_files(connection, _owner(digest))
        rows.drop_draft(connection, digest)
    draft = Draft(new_code(node.random), values, (), now)
    return _kept(node, connection, draft)


def find(node: Node, connection: Connection, code: str) -> Draft | None:
    """The draft of a code."""
    digest = code_digest(code)
    row = rows.find_draft(connection, digest)
    if row is None or node.now() - row.saved > KEPT:
        return None
    content = vault.unseal_json(node, row.sealed)
    attached = tuple(read_attachment(item) for item in content["attachments"])
    return Draft(content["code"], content["values"], attached, row.saved, _owner(digest))


def fill(node: Node, connection: Connection, code: str, values: Mapping[str, str]) -> Draft:
    """Keep what was filled in, beside what was before.

    Raises:
        UnknownName: no such draft.
    """
    draft = _existing(node, connection, code)
    merged = {name: text for name, text in {**draft.values, **values}.items() if text}
    return _kept(node, connection, replace(draft, values=merged, saved=node.now()))


def inspect(node: Node, name: str, data: bytes) -> File:
    """Check a file, and seal it to the node.

    Raises:
        MalformedEvidence, UnsafeArchive: a file that is not taken.
    """
    return File(inspect_attachment(name, data), vault.seal(node, data))


def attach(node: Node, connection: Connection, code: str, file: File) -> Draft:
    """Keep a file with a draft; the same file twice is one.

    Raises:
        UnknownName: no such draft.
        NotSatisfied: too many, or too much in all.
    """
    draft, found = _existing(node, connection, code), file.about
    others = tuple(item for item in draft.attachments if item.sha256 != found.sha256)
    if len(others) >= ATTACHMENTS_LIMIT:
        message = f"a report has at most {ATTACHMENTS_LIMIT} attachments"
        raise NotSatisfied(message, hint="send a zip of them")
    if sum(item.size_bytes for item in (*others, found)) > ATTACHED_LIMIT_BYTES:
        message = f"attachments have at most {ATTACHED_LIMIT_BYTES >> 20} MiB in all"
        raise NotSatisfied(message, hint="attach what shows the flaw alone")
    if rows.files_bytes(connection) + found.size_bytes > ROOM_BYTES:
        message = "there is no room for attachments now"
        raise NotSatisfied(message, hint="send the report without it, and add it later")
    rows.keep_file(connection, draft.owner, found.sha256, file.sealed)
    kept = replace(draft, attachments=(*others, found), saved=node.now())
    return _kept(node, connection, kept)


def detach(node: Node, connection: Connection, code: str, sha256: str) -> Draft:
    """Take an attachment back.

    Raises:
        UnknownName: no such draft.
    """
    draft = _existing(node, connection, code)
    rows.drop_file(connection, draft.owner, sha256)
    kept = tuple(item for item in draft.attachments if item.sha256 != sha256)
    return _kept(node, connection, replace(draft, attachments=kept, saved=node.now()))


def read_attachment(item: Mapping[str, Any]) -> Attachment:
    """An attachment as a sealed document lists it."""
    members = tuple(cast("list[str]", item["members"]))
    return Attachment(item["name"], item["kind"], item["size_bytes"], item["sha256"], members)


def _existing(node: Node, connection: Connection, code: str) -> Draft:
    found = find(node, connection, code)
    if found is None:
        raise UnknownName("no report is saved under this code", hint="begin a new one")
    return found


def _kept(node: Node, connection: Connection, draft: Draft) -> Draft:
    digest = code_digest(draft.code)
    sealed = vault.seal_json(
        node,
        {
            "code": draft.code,
            "values": {**draft.values},
            "attachments": [item.to_json() for item in draft.attachments],
        },
    )
    rows.keep_draft(connection, digest, sealed, draft.saved)
    return replace(draft, owner=_owner(digest))


def _owner(digest: str) -> str:
    return f"draft:{digest}"
