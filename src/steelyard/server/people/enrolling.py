"""Accounts: the first one, further ones, their keys, and those that a provider vouches for.

Decides that the last who manages accounts by a key stays, as a provider can take a role away at
any time, and where nobody does so by a key, the last who manages them at all; that a changed
account signs in anew; and that a provider's roles are those of the last time it was asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest.keys import parse_public_key
from steelyard.disclosure.advisory.escape import clean_line
from steelyard.disclosure.case import shapes
from steelyard.kernel.errors import NotSatisfied, UnknownName, UsageError
from steelyard.server.people.permissions import ROLES
from steelyard.server.storage import accounts
from steelyard.server.storage.accounts import Account, Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

FIRST: Final = "admin"
"""Kind of the link of the first start: it makes the first account."""
ENROL: Final = "enrol"
"""Kind of a link that adds a key to an account."""
_FIRST_ROLES: Final = frozenset({"admin", "coordinator"})
NAME_LIMIT: Final = 120
_KEYS_LIMIT: Final = 16
_ID_BYTES: Final = 16
_GONE: Final = "this link was used, or has expired"


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a provider says of somebody.

    Attributes:
        roles: After the mapping of the settings.
    """

    issuer: str
    subject: str
    name: str
    roles: frozenset[str]


def enrol(
    connection: Connection,
    secret: str,
    name: str,
    pem: str,
    random: Callable[[int], bytes],
    at: datetime,
) -> Account:
    """Add a key by a link, and the first account with it.

    Args:
        connection: In a transaction.
        secret: Of the link, which is used up.
        name: Of the first account; an account that exists keeps its own.
        pem: Public key.
        random: For the id of the account.
        at: Now.

    Raises:
        UnknownName: the link was used, or has expired.
        MalformedEvidence, ConfigurationError: no key.
        NotSatisfied: a key that is known already.
    """
    link = accounts.take_link(connection, secret, (FIRST, ENROL), at)
    if link is None:
        raise UnknownName(_GONE, hint="ask for another one")
    if link.kind == FIRST:
        account = Account(random(_ID_BYTES).hex(), _named(name), _FIRST_ROLES, at)
        accounts.add_account(connection, account)
    else:
        account = _existing(connection, link.subject)
    add_key(connection, account.id, pem, at)
    return account


def add_key(connection: Connection, account: str, pem: str, at: datetime) -> None:
    """Let a key sign an account in.

    Raises:
        MalformedEvidence, ConfigurationError: no key.
        NotSatisfied: a key that is known already, or too many.
    """
    data = pem.replace("\r\n", "\n").strip() + "\n"
    key = parse_public_key(data.encode(), where="key")
    shapes.signing_key(key.pem.decode(), "key")
    if accounts.find_key(connection, key.key_id) is not None:
        raise NotSatisfied("this key is in use already", hint="use another one")
    if len(accounts.keys_by_account(connection).get(account, ())) >= _KEYS_LIMIT:
        raise NotSatisfied(f"an account has at most {_KEYS_LIMIT} keys", hint="remove one first")
    accounts.add_key(connection, key.key_id, key.raw, account, at)


def add_account(
    connection: Connection,
    name: str,
    roles: Iterable[str],
    random: Callable[[int], bytes],
    at: datetime,
) -> Account:
    """Make an account that nobody can sign in to yet.

    Raises:
        UsageError: no name, or roles that are none.
    """
    account = Account(random(_ID_BYTES).hex(), _named(name), _roles(roles), at)
    accounts.add_account(connection, account)
    return account


def enrolment(connection: Connection, account: str, secret: str, expires: datetime) -> None:
    """Keep a link by which somebody adds a key to an account; earlier ones are void.

    Raises:
        UnknownName: no such account.
    """
    _existing(connection, account)
    accounts.drop_links(connection, ENROL, account)
    accounts.add_link(connection, secret, Link(ENROL, account, expires))


def change(
    connection: Connection, account: str, roles: Iterable[str], *, disabled: bool
) -> Account:
    """Give an account other roles, or bar it; its sessions end.

    Raises:
        UnknownName: no such account.
        UsageError: roles that are none.
        NotSatisfied: nobody would be left to manage accounts.
    """
    after = replace(_existing(connection, account), roles=_roles(roles), disabled=disabled)
    if FIRST not in after.roles or disabled:
        _require_another_keeper(connection, account)
    accounts.change_account(connection, after)
    accounts.drop_sessions(connection, account)
    return after


def remove_key(connection: Connection, account: str, key: str) -> None:
    """Take a key away from an account; its sessions end.

    Raises:
        UnknownName: no such key of it.
        NotSatisfied: nobody would be left to manage accounts.
    """
    known = accounts.keys_by_account(connection).get(account, [])
    if key not in known:
        raise UnknownName("no such key")
    if len(known) == 1 and account not in accounts.accounts_with_identity(connection):
        _require_another_keeper(connection, account)
    accounts.drop_key(connection, key)
    accounts.drop_sessions(connection, account)


def vouched(
    connection: Connection, who: Vouched, random: Callable[[int], bytes], at: datetime
) -> Account:
    """The account of somebody that a provider vouches for, made where it is new.

    Raises:
        NotSatisfied: no role here, or an account that is barred.
    """
    if not who.roles:
        hint = "ask who manages accounts at the provider"
        raise NotSatisfied("the provider gives you no role at this node", hint=hint)
    known = accounts.identity_of(connection, who.issuer, who.subject)
    if known is None:
        account = Account(random(_ID_BYTES).hex(), _named(who.name), who.roles, at)
        accounts.add_account(connection, account)
        accounts.add_identity(connection, who.issuer, who.subject, account.id)
        return account
    account = _existing(connection, known)
    if account.disabled:
        raise NotSatisfied("this account is barred", hint="ask who manages accounts")
    if account.roles != who.roles:
        account = replace(account, roles=who.roles)
        accounts.change_account(connection, account)
        accounts.drop_sessions(connection, account.id)
    return account


def mapped_roles(claims: Mapping[str, Any], claim: str, roles: Mapping[str, str]) -> frozenset[str]:
    """Roles that the values of a claim stand for."""
    value = claims.get(claim)
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    return frozenset(roles[item] for item in values if isinstance(item, str) and item in roles)


def _require_another_keeper(connection: Connection, account: str) -> None:
    """Refuse what takes an account from those who manage accounts by a key, where it is the last.

    One that a provider vouches for is none of them: its roles are the provider's to take away.
    Where there are none of them, the last who can sign in and manages accounts stays.
    """
    by_key = accounts.keys_by_account(connection).keys()
    vouched_for = accounts.accounts_with_identity(connection)
    managing = {
        item.id
        for item in accounts.all_accounts(connection)
        if FIRST in item.roles and not item.disabled and item.id in by_key | vouched_for
    }
    if (managing - vouched_for or managing) == {account}:
        raise NotSatisfied(
            "nobody would be left to manage accounts by a key",
            hint="give another account the role admin, and a key",
        )


def _existing(connection: Connection, account: str) -> Account:
    found = accounts.find_account(connection, account)
    if found is None:
        raise UnknownName("no such account")
    return found


def _roles(roles: Iterable[str]) -> frozenset[str]:
    found = frozenset(roles)
    if not found or found - set(ROLES):
        raise UsageError("an account has one role or more", hint=f"known: {', '.join(ROLES)}")
    return found


def _named(name: str) -> str:
    found = clean_line(name)[:NAME_LIMIT]
    if not found:
        raise UsageError("an account has a name", hint="the name that colleagues know")
    return found
