"""The tables of a node, as SQLAlchemy sees them; `migrations` makes them.

Instants are whole seconds since 1970 in UTC: they compare and sort alike in every database.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA: Final = MetaData()
_ID: Final = String(80)
_DIGEST: Final = String(64)
# SQLite numbers rows by itself only in a column of exactly this type.
_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")

SETTINGS: Final = Table(
    "settings",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

ORGANIZATIONS: Final = Table(
    "organizations",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("name", String(120), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("card", LargeBinary, nullable=False),
    Column("trusted", Boolean, nullable=False),
    Column("added", BigInteger, nullable=False),
)

CASES: Final = Table(
    "cases",
    METADATA,
    Column("id", _DIGEST, primary_key=True),
    Column("title", String(200), nullable=False),
    Column("host", _ID, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("head", _DIGEST, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("ordered", BigInteger, nullable=False),
    Index("ix_cases_ordered", "ordered"),
)

ENTRIES: Final = Table(
    "entries",
    METADATA,
    Column("case_id", _DIGEST, primary_key=True),
    Column("place", BigInteger, primary_key=True),
    Column("previous", _DIGEST, nullable=False),
    Column("ordered", BigInteger, nullable=False),
    Column("digest", _DIGEST, nullable=False),
    Column("event", LargeBinary, nullable=False),
    UniqueConstraint("case_id", "digest", name="uq_entries_digest"),
)

CHECKPOINTS: Final = Table(
    "checkpoints",
    METADATA,
    Column("case_id", _DIGEST, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("head", _DIGEST, primary_key=True),
    Column("host", _ID, nullable=False),
    Column("signed", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
)

FAULTS: Final = Table(
    "faults",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("case_id", _DIGEST, nullable=False, index=True),
    Column("culprit", _ID, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("first", LargeBinary, nullable=False),
    Column("second", LargeBinary, nullable=False),
    Column("found", BigInteger, nullable=False),
    UniqueConstraint("case_id", "culprit", "kind", "text", name="uq_faults"),
)

OBJECTS: Final = Table(
    "objects",
    METADATA,
    Column("id", _DIGEST, primary_key=True),
    Column("case_id", _DIGEST, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("stored", BigInteger, nullable=False),
)

# Votes for another host of a case that this organization would become.
VOTES: Final = Table(
    "votes",
    METADATA,
    Column("case_id", _DIGEST, primary_key=True),
    Column("author", _ID, primary_key=True),
    Column("digest", _DIGEST, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Column("received", BigInteger, nullable=False),
)

# Events of this organization on their way to a host, until they stand in the case.
PENDING: Final = Table(
    "pending",
    METADATA,
    Column("case_id", _DIGEST, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("author", _ID, primary_key=True),
    Column("digest", _DIGEST, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("refused", Text, nullable=False, server_default=""),
)

# How much of a case each participant is known to hold; kept by its host.
FOLLOWERS: Final = Table(
    "followers",
    METADATA,
    Column("case_id", _DIGEST, primary_key=True),
    Column("organization", _ID, primary_key=True),
    Column("queued", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("heard", BigInteger, nullable=True),
)

OUTBOX: Final = Table(
    "outbox",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("parcel_id", _DIGEST, nullable=False, unique=True),
    Column("destination", _ID, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("case_id", _DIGEST, nullable=False),
    Column("parcel", LargeBinary, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_outbox_due", "state", "next_at"),
    Index("ix_outbox_destination", "destination", "state"),
)

DESTINATIONS: Final = Table(
    "destinations",
    METADATA,
    Column("name", _ID, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("not_before", BigInteger, nullable=True),
    Column("last_error", Text, nullable=False),
    Column("last_delivered", BigInteger, nullable=True),
)

INBOX: Final = Table(
    "inbox",
    METADATA,
    Column("parcel_id", _DIGEST, primary_key=True),
    Column("sender", _ID, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("case_id", _DIGEST, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_inbox_outcome", "outcome", "received"),
)

# What came too early: entries beyond a gap, events beyond a gap of their author.
GAPS: Final = Table(
    "gaps",
    METADATA,
    Column("case_id", _DIGEST, primary_key=True),
    Column("line", _ID, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("digest", _DIGEST, nullable=False),
    Column("item", LargeBinary, nullable=False),
    Column("received", BigInteger, nullable=False),
)

ADVISORIES: Final = Table(
    "advisories",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("case_id", _DIGEST, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("published", BigInteger, nullable=False),
)

# Links that let somebody in once; of the secret in one, only its digest is kept.
LINKS: Final = Table(
    "links",
    METADATA,
    Column("digest", _DIGEST, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
)
