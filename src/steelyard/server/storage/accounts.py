"""Accounts of people, their keys and sessions, and links that let somebody in once, as rows.

Decides that of the secret of a link or a session only its digest is kept, and that a link works
once. Who may sign in, and for how long, is for `server.people`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from steelyard.kernel import sha256_hex
from steelyard.server.storage.cases import instant, seconds
from steelyard.server.storage.tables import (
    ACCOUNT_KEYS,
    ACCOUNTS,
    IDENTITIES,
    LINKS,
    SESSIONS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from sqlalchemy import Connection, Row

_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is for.

    Attributes:
        kind: What it lets somebody do, as `admin`.
        subject: Whom or what it is about; empty where the kind says it all.
    """

    kind: str
    subject: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who signs in."""

    id: str
    name: str
    roles: frozenset[str]
    made: datetime
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has signed in."""

    account: str
    made: datetime
    used: datetime


def new_secret(random: Callable[[int], bytes]) -> str:
    """What a link ends in: 256 bits that nobody can guess, in 43 characters."""
    return base64.urlsafe_b64encode(random(_SECRET_BYTES)).rstrip(b"=").decode()


def add_link(connection: Connection, secret: str, link: Link) -> None:
    """Keep a link under the digest of its secret."""
    row = {
        "digest": digest_of(secret),
        "kind": link.kind,
        "subject": link.subject,
        "expires": seconds(link.expires),
    }
    connection.execute(insert(LINKS), row)


def find_link(
    connection: Connection, secret: str, kinds: Collection[str], at: datetime
) -> Link | None:
    """What a link of some kinds is for, without using it up.

    Returns:
        None for one that is unknown, of another kind, used or expired.
    """
    which = (LINKS.c.digest == digest_of(secret)) & LINKS.c.kind.in_(kinds)
    row = connection.execute(select(LINKS).where(which)).first()
    if row is None or row.expires < seconds(at):
        return None
    return Link(row.kind, row.subject, instant(row.expires))


def take_link(
    connection: Connection, secret: str, kinds: Collection[str], at: datetime
) -> Link | None:
    """As `find_link`, once; a link of another kind stays as it is."""
    found = find_link(connection, secret, kinds, at)
    is_taken = (LINKS.c.digest == digest_of(secret)) & LINKS.c.kind.in_(kinds)
    connection.execute(delete(LINKS).where(is_taken | (LINKS.c.expires < seconds(at))))
    return found


def drop_links(connection: Connection, kind: str, subject: str) -> None:
    """Make links of a kind about somebody void."""
    which = (LINKS.c.kind == kind) & (LINKS.c.subject == subject)
    connection.execute(delete(LINKS).where(which))


def add_account(connection: Connection, account: Account) -> None:
    """Keep a new account."""
    row = {
        "id": account.id,
        "name": account.name,
        "roles": _joined(account.roles),
        "made": seconds(account.made),
        "disabled": account.disabled,
    }
    connection.execute(insert(ACCOUNTS), row)


def change_account(connection: Connection, account: Account) -> None:
    """Keep name, roles and standing of an account anew."""
    connection.execute(
        update(ACCOUNTS)
        .where(ACCOUNTS.c.id == account.id)
        .values(name=account.name, roles=_joined(account.roles), disabled=account.disabled)
    )


def find_account(connection: Connection, account: str) -> Account | None:
    """An account by its id."""
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.id == account)).first()
    return None if row is None else _account(row)


def all_accounts(connection: Connection) -> tuple[Account, ...]:
    """Every account, by name."""
    rows = connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name, ACCOUNTS.c.id))
    return tuple(_account(row) for row in rows)


def add_key(connection: Connection, key_id: str, raw: bytes, account: str, at: datetime) -> None:
    """Keep a key that signs an account in."""
    row = {"key_id": key_id, "account": account, "raw": raw, "made": seconds(at)}
    connection.execute(insert(ACCOUNT_KEYS), row)


def find_key(connection: Connection, key_id: str) -> tuple[str, bytes] | None:
    """The account that a key signs in, and its 32 bytes."""
    row = connection.execute(select(ACCOUNT_KEYS).where(ACCOUNT_KEYS.c.key_id == key_id)).first()
    return None if row is None else (row.account, row.raw)


def keys_by_account(connection: Connection) -> dict[str, list[str]]:
    """Ids of the keys of every account."""
    found: dict[str, list[str]] = {}
    for row in connection.execute(select(ACCOUNT_KEYS).order_by(ACCOUNT_KEYS.c.made)):
        found.setdefault(row.account, []).append(row.key_id)
    return found


def drop_key(connection: Connection, key_id: str) -> None:
    """Forget a key."""
    connection.execute(delete(ACCOUNT_KEYS).where(ACCOUNT_KEYS.c.key_id == key_id))


def identity_of(connection: Connection, issuer: str, subject: str) -> str | None:
    """The account that a provider's subject has here."""
    query = select(IDENTITIES.c.account).where(
        IDENTITIES.c.issuer == issuer, IDENTITIES.c.subject == subject
    )
    return connection.execute(query).scalar()


def add_identity(connection: Connection, issuer: str, subject: str, account: str) -> None:
    """Keep that a provider's subject has an account here."""
    row = {"issuer": issuer, "subject": subject, "account": account}
    connection.execute(insert(IDENTITIES), row)


def accounts_with_identity(connection: Connection) -> frozenset[str]:
    """Accounts that a provider vouches for."""
    return frozenset(connection.execute(select(IDENTITIES.c.account)).scalars())


def add_session(connection: Connection, token: str, account: str, at: datetime) -> None:
    """Keep a session under the digest of its token."""
    row = {
        "digest": digest_of(token),
        "account": account,
        "made": seconds(at),
        "used": seconds(at),
    }
    connection.execute(insert(SESSIONS), row)


def find_session(connection: Connection, token: str) -> Session | None:
    """The session of a token."""
    row = connection.execute(select(SESSIONS).where(SESSIONS.c.digest == digest_of(token))).first()
    return None if row is None else Session(row.account, instant(row.made), instant(row.used))


def use_session(connection: Connection, token: str, at: datetime) -> None:
    """Keep that a session is in use."""
    connection.execute(
        update(SESSIONS).where(SESSIONS.c.digest == digest_of(token)).values(used=seconds(at))
    )


def drop_session(connection: Connection, token: str) -> None:
    """Forget a session."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == digest_of(token)))


def drop_sessions(connection: Connection, account: str) -> None:
    """Forget every session of an account."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.account == account))


def drop_old_sessions(connection: Connection, made: datetime, used: datetime) -> None:
    """Forget sessions that were made or last used before an instant."""
    connection.execute(
        delete(SESSIONS).where(
            (SESSIONS.c.made < seconds(made)) | (SESSIONS.c.used < seconds(used))
        )
    )


def digest_of(secret: str) -> str:
    """What is kept of a secret that has 256 bits."""
    return sha256_hex(secret.encode())


def _joined(roles: frozenset[str]) -> str:
    return " ".join(sorted(roles))


def _account(row: Row[Any]) -> Account:
    roles = frozenset(row.roles.split())
    return Account(row.id, row.name, roles, instant(row.made), row.disabled)
