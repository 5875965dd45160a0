"""Accounts: made, changed, barred, given a link to enrol a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import SteelyardError, UnknownName
from steelyard.server.people import enrolling
from steelyard.server.storage import accounts as rows
from steelyard.server.web import addresses
from steelyard.server.web.pages import Problem, accounts

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import Route

    from steelyard.server.web.routes.asked import Asked
    from steelyard.server.web.routes.shell import Shell

_LINK_FOR: Final = timedelta(hours=24)
_MANAGES: Final = "accounts"


@dataclass(frozen=True, slots=True)
class Accounts:
    """Handlers of these pages."""

    shell: Shell

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        shell, one = self.shell, f"{addresses.ACCOUNTS}/{{account}}"
        return [
            shell.page(addresses.ACCOUNTS, self.show, _MANAGES),
            shell.form(addresses.ACCOUNTS, self.add, _MANAGES, keeps=True),
            shell.page(one, self.show_one, _MANAGES),
            shell.form(one, self.change, _MANAGES),
            shell.form(f"{one}/link", self.link, _MANAGES),
            shell.form(f"{one}/remove", self.remove, _MANAGES),
        ]

    def show(self, asked: Asked, refused: Problem | None = None) -> Response:
        """All accounts."""
        with self.shell.node.database.reading() as connection:
            found, keys = rows.all_accounts(connection), rows.keys_by_account(connection)
        now, typed = self.shell.node.now(), (asked.value("name"), asked.values("roles"))
        page = accounts.present(found, keys, now, *typed)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refused or asked.refused else HTTPStatus.OK
        return self.shell.html("accounts", page, asked, status, refused)

    def add(self, asked: Asked) -> Response:
        """Make an account, and show its link."""
        if asked.refused:
            return self.show(asked)
        node, name, roles = self.shell.node, asked.value("name"), asked.values("roles")
        try:
            made = node.run(
                lambda c: enrolling.add_account(c, name, roles, node.random, node.now())
            )
        except SteelyardError as error:
            return self.show(asked, Problem(error.message, error.hint))
        return self._linked(asked, made.id)

    def show_one(self, asked: Asked, refused: Problem | None = None) -> Response:
        """One account."""
        status = HTTPStatus.CONFLICT if refused else HTTPStatus.OK
        page = self._page(asked.parts["account"])
        return self.shell.html("account", page, asked, status, refused)

    def change(self, asked: Asked) -> Response:
        """Give it other roles, or bar it."""
        account, roles = asked.parts["account"], asked.values("roles")
        barred = asked.value("barred") == "yes"
        try:
            self.shell.node.run(lambda c: enrolling.change(c, account, roles, disabled=barred))
        except UnknownName:
            raise
        except SteelyardError as error:
            return self.show_one(asked, Problem(error.message, error.hint))
        return self.shell.done(addresses.account(account), "account")

    def link(self, asked: Asked) -> Response:
        """Make a link to enrol a key."""
        return self._linked(asked, asked.parts["account"])

    def remove(self, asked: Asked) -> Response:
        """Remove a key; whoever signed in with it signs in anew."""
        account, key = asked.parts["account"], asked.value("key")
        try:
            self.shell.node.run(lambda c: enrolling.remove_key(c, account, key))
        except UnknownName:
            raise
        except SteelyardError as error:
            return self.show_one(asked, Problem(error.message, error.hint))
        return self.shell.done(addresses.account(account), "account")

    def _linked(self, asked: Asked, account: str) -> Response:
        node = self.shell.node
        secret = rows.new_secret(node.random)
        until = node.now() + _LINK_FOR
        node.run(lambda connection: enrolling.enrolment(connection, account, secret, until))
        link = f"{self.shell.base(asked)}{addresses.LINK.format(secret=secret)}"
        return self.shell.html("account", self._page(account, link), asked)

    def _page(self, account: str, link: str = "") -> accounts.AccountPage:
        node = self.shell.node
        with node.database.reading() as connection:
            found = rows.find_account(connection, account)
            keys = rows.keys_by_account(connection)
        if found is None:
            raise UnknownName("no such account")
        until = node.now() + _LINK_FOR if link else None
        return accounts.present_one(found, keys.get(account, ()), node.now(), link, until)
