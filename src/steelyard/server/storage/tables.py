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
    Column("sender", _ID, nullable=False, server_default="", index=True),
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
    Column("body", Text, nullable=False, server_default=""),
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

# What people are told by mail or webhook; of each matter and address once.
NOTICES: Final = Table(
    "notices",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("matter", String(200), nullable=False),
    Column("address", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("matter", "address", name="uq_notices"),
    Index("ix_notices_due", "state", "next_at"),
)

# What was entered of a case that follows from no event, and what was answered about deadlines.
DEADLINES: Final = Table(
    "deadlines",
    METADATA,
    Column("case_id", _DIGEST, primary_key=True),
    Column("facts", Text, nullable=False),
    Column("record", Text, nullable=False),
)

_ACCOUNT: Final = String(32)

ACCOUNTS: Final = Table(
    "accounts",
    METADATA,
    Column("id", _ACCOUNT, primary_key=True),
    Column("name", String(120), nullable=False),
    Column("roles", String(120), nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("disabled", Boolean, nullable=False),
)

ACCOUNT_KEYS: Final = Table(
    "account_keys",
    METADATA,
    Column("key_id", _DIGEST, primary_key=True),
    Column("account", _ACCOUNT, nullable=False, index=True),
    Column("raw", LargeBinary, nullable=False),
    Column("made", BigInteger, nullable=False),
)

# Accounts that a provider of identities vouches for.
IDENTITIES: Final = Table(
    "identities",
    METADATA,
    Column("issuer", String(255), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("account", _ACCOUNT, nullable=False, index=True),
)

# Of the token in a cookie, only the digest is kept.
SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("digest", _DIGEST, primary_key=True),
    Column("account", _ACCOUNT, nullable=False, index=True),
    Column("made", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
)

# How much somebody may still ask for, in thousandths.
BUCKETS: Final = Table(
    "buckets",
    METADATA,
    Column("name", String(120), primary_key=True),
    Column("left_milli", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# Reports that their reporter has not sent yet, sealed to this node, by the digest of their code.
DRAFTS: Final = Table(
    "drafts",
    METADATA,
    Column("digest", _DIGEST, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("saved", BigInteger, nullable=False),
)

REPORTS: Final = Table(
    "reports",
    METADATA,
    Column("number", String(16), primary_key=True),
    Column("follow", _DIGEST, nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("case_id", String(64), nullable=False),
    Index("ix_reports_state", "state", "received"),
)

# Attachments of drafts and reports, sealed to this node.
REPORT_FILES: Final = Table(
    "report_files",
    METADATA,
    Column("owner", String(80), primary_key=True),
    Column("sha256", _DIGEST, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

REPORT_MESSAGES: Final = Table(
    "report_messages",
    METADATA,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("number", String(16), nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("from_reporter", Boolean, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
