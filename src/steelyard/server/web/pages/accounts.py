"""Accounts of the people who sign in, for who manages them.

Decides what is asked to make one, to change it, and to add a key; a link is shown once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from steelyard.server.people.enrolling import NAME_LIMIT
from steelyard.server.people.permissions import role_meanings
from steelyard.server.web import addresses
from steelyard.server.web.forms import Button, Field, Form, Option
from steelyard.server.web.moments import Moment, moment
from steelyard.server.web.words import role_words

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from steelyard.server.storage.accounts import Account


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account in the list.

    Attributes:
        short: First digits of its id; names need not differ.
    """

    name: str
    short: str
    address: str
    roles: str
    keys: int
    made: Moment
    is_barred: bool


@dataclass(frozen=True, slots=True)
class AccountsPage:
    """Template `accounts`."""

    title: str
    rows: tuple[AccountRow, ...]
    form: Form


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Template `account`.

    Attributes:
        keys: Id of each key, and the form that removes it.
        link: By which a key is enrolled, whole; shown once, empty otherwise.
    """

    title: str
    made: Moment
    roles: str
    is_barred: bool
    keys: tuple[tuple[str, Form], ...]
    link: str
    until: Moment | None
    forms: tuple[Form, ...]


def present(
    accounts: Sequence[Account],
    keys: Mapping[str, Sequence[str]],
    now: datetime,
    name: str = "",
    roles: Collection[str] = (),
) -> AccountsPage:
    """All accounts for `accounts.html`; its form sends `name` and `roles`.

    Args:
        accounts: By name.
        keys: Ids of keys by account.
        now: The instant of the page.
        name: What was typed before.
        roles: What was ticked before.
    """
    fields = (Field("name", "Name", value=name, limit=NAME_LIMIT), _roles(roles))
    explains = "Its link, shown once, lets somebody enrol a key for it."
    return AccountsPage(
        title="Accounts",
        rows=tuple(
            AccountRow(
                name=item.name,
                short=item.id[:8],
                address=addresses.account(item.id),
                roles=role_words(item.roles),
                keys=len(keys.get(item.id, ())),
                made=moment(item.made, now),
                is_barred=item.disabled,
            )
            for item in accounts
        ),
        form=Form("account", "Make an account", addresses.ACCOUNTS, fields, explains=explains),
    )


def present_one(
    account: Account,
    keys: Sequence[str],
    now: datetime,
    link: str = "",
    until: datetime | None = None,
) -> AccountPage:
    """One account for `account.html`.

    Args:
        account: Whose.
        keys: Ids of its keys.
        now: The instant of the page.
        link: A link that was just made; empty for none.
        until: How long it is good.
    """
    here = addresses.account(account.id)
    barred = (Option("no", "may sign in", chosen=not account.disabled),
              Option("yes", "barred", chosen=account.disabled))  # fmt: skip
    change = Form(
        "change",
        "Change roles",
        here,
        (_roles(account.roles), Field("barred", "Standing", "radios", options=barred)),
        (Button("Change"),),
        "Its sessions end.",
    )
    enrol = Form(
        "enrol",
        "Make a link to enrol a key",
        addresses.account(account.id, "link"),
        buttons=(Button("Make a link"),),
        explains="An earlier link of this account becomes void.",
    )
    return AccountPage(
        title=f"Account {account.name}",
        made=moment(account.made, now),
        roles=role_words(account.roles),
        is_barred=account.disabled,
        keys=tuple((key, _removal(account, key)) for key in keys),
        link=link,
        until=moment(until, now) if until else None,
        forms=(change, enrol),
    )


def _roles(chosen: Collection[str]) -> Field:
    options = tuple(
        Option(name, name, meaning, name in chosen) for name, meaning in role_meanings().items()
    )
    return Field("roles", "Roles", "choices", options=options)


def _removal(account: Account, key: str) -> Form:
    return Form(
        f"remove-{key[:12]}",
        "Remove this key",
        addresses.account(account.id, "remove"),
        (Field("key", "Key", "hidden", key),),
        (Button("Remove", is_plain=True),),
    )
