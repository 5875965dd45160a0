"""Signing in and out: by a key, by a provider, by a link that works once.

Decides what a browser goes through. Whether a ticket, a token or a link holds is for
`server.people`.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.responses import RedirectResponse

from steelyard.attest import PublicKey
from steelyard.kernel import canonical_json, keyed_digest, parse_json_object, read_bytes
from steelyard.kernel.errors import (
    BrokenSeal,
    SteelyardError,
    TargetUnreachable,
    UnknownName,
)
from steelyard.server import people
from steelyard.server.people import enrolling, id_tokens, provider, tickets
from steelyard.server.storage import accounts
from steelyard.server.storage.accounts import Link
from steelyard.server.web import addresses
from steelyard.server.web.pages import Problem, sign_in
from steelyard.server.web.routes import quotas
from steelyard.server.web.routes.shell import own_path
from steelyard.server.web.settings import SECRET_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from sqlalchemy import Connection
    from starlette.responses import Response
    from starlette.routing import Route

    from steelyard.server.people.tickets import Ticket
    from steelyard.server.storage.accounts import Account
    from steelyard.server.web.routes.asked import Asked
    from steelyard.server.web.routes.shell import Shell

_LINKS: Final = frozenset({enrolling.FIRST, enrolling.ENROL, tickets.SIGN_IN_LINK})
_Told = TypeVar("_Told")
_REQUEST: Final = "provider"
_USED: Final = "ticket"
_REQUEST_FOR: Final = timedelta(minutes=10)
_TOKEN_BYTES: Final = 32
_ASKING: Final = threading.BoundedSemaphore(2)
_UNKNOWN: Final = "no account here is signed in by this"
_GONE: Final = "this link was used, or has expired"


@dataclass(frozen=True, slots=True)
class SigningIn:
    """Handlers of these pages."""

    shell: Shell

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        shell = self.shell
        return [
            shell.page(addresses.SIGN_IN, self.show),
            shell.form(addresses.SIGN_IN, self.by_ticket),
            shell.page(addresses.TICKET, self.show_ticket),
            shell.form(addresses.TICKET, self.by_link_ticket),
            shell.page(addresses.LINK, self.show_link),
            shell.form(addresses.LINK, self.by_link),
            shell.form(addresses.SIGN_OUT, self.sign_out),
            shell.page(addresses.PROVIDER, self.to_provider),
            shell.page(addresses.PROVIDER_BACK, self.from_provider),
        ]

    def show(self, asked: Asked) -> Response:
        """The page to sign in."""
        if asked.visitor.account is not None:
            return self.shell.done(own_path(asked.query.get("next", "")))
        return self._page(asked, own_path(asked.query.get("next", "")))

    def by_ticket(self, asked: Asked) -> Response:
        """A ticket that answers the challenge of the page."""
        next_path = own_path(asked.value("next"))
        self._throttle(asked)
        try:
            ticket = tickets.open_ticket(
                asked.value("ticket"), self.shell.base(asked), self.shell.node.now()
            )
            if ticket.nonce not in self._challenges(asked):
                message = "the ticket answers another challenge"
                raise BrokenSeal(message, hint="run the command anew")
            account = self.shell.node.run(lambda connection: self._take(connection, ticket))
        except SteelyardError as error:
            refused = Problem(error.message, error.hint)
            return self._page(asked, next_path, refused, asked.value("ticket"))
        return self._signed_in(asked, account.id, next_path)

    def show_ticket(self, asked: Asked) -> Response:
        """Before a link with a ticket signs somebody in: as whom."""
        node = self.shell.node
        ticket = tickets.open_ticket(asked.parts["ticket"], self.shell.base(asked), node.now())
        with node.database.reading() as connection:
            account = self._account_of(connection, ticket)
        page = sign_in.present_ticket(asked.path, account.name)
        return self.shell.html("link", page, asked)

    def by_link_ticket(self, asked: Asked) -> Response:
        """A ticket in a link."""
        self._throttle(asked)
        node = self.shell.node
        ticket = tickets.open_ticket(asked.parts["ticket"], self.shell.base(asked), node.now())
        account = node.run(lambda connection: self._take(connection, ticket))
        return self._signed_in(asked, account.id, addresses.HOME)

    def show_link(self, asked: Asked) -> Response:
        """What a link is for; it is not used up by looking."""
        return self._link_page(asked)

    def by_link(self, asked: Asked) -> Response:
        """Use a link up."""
        self._throttle(asked)
        node, secret = self.shell.node, asked.parts["secret"]
        link = self._link(secret)
        if link.kind == tickets.SIGN_IN_LINK:
            taken = node.run(lambda c: accounts.take_link(c, secret, (link.kind,), node.now()))
            if taken is None:
                raise UnknownName(_GONE)
            return self._signed_in(asked, taken.subject, addresses.HOME)
        name, key = asked.value("name"), asked.value("key")
        try:
            account = node.run(
                lambda c: enrolling.enrol(c, secret, name, key, node.random, node.now())
            )
        except SteelyardError as error:
            return self._link_page(asked, Problem(error.message, error.hint))
        return self._signed_in(asked, account.id, addresses.HOME)

    def sign_out(self, asked: Asked) -> Response:
        """End the session, and forget the cookie."""
        self.shell.node.run(lambda c: people.sign_out(c, asked.visitor.token))
        response = self.shell.done(addresses.SIGN_IN, "signed-out")
        self.shell.drop_cookie(response, "session")
        return response

    def to_provider(self, asked: Asked) -> Response:
        """Send a browser to the provider."""
        self._throttle(asked)
        node, client = self.shell.node, self._client()
        request = provider.Request(
            state=node.random(_TOKEN_BYTES).hex(),
            nonce=node.random(_TOKEN_BYTES).hex(),
            verifier=node.random(_TOKEN_BYTES).hex(),
            redirect=f"{self.shell.base(asked)}{addresses.PROVIDER_BACK}",
        )
        try:
            endpoints = _asked(provider.discover(client))
        except SteelyardError as error:
            return self._page(asked, addresses.HOME, Problem(error.message, error.hint))
        subject = canonical_json(
            {
                "nonce": request.nonce,
                "verifier": request.verifier,
                "redirect": request.redirect,
                "next": own_path(asked.query.get("next", "")),
                "visitor": accounts.digest_of(asked.visitor.token),
            }
        ).decode()
        link = Link(_REQUEST, subject, node.now() + _REQUEST_FOR)
        node.run(lambda connection: accounts.add_link(connection, request.state, link))
        return RedirectResponse(provider.address(client, endpoints, request), 303)

    def from_provider(self, asked: Asked) -> Response:
        """Take what the provider answers, once, in the browser that asked."""
        self._throttle(asked)
        node, state = self.shell.node, asked.query.get("state", "")
        link = node.run(lambda c: accounts.take_link(c, state, (_REQUEST,), node.now()))
        try:
            if link is None:
                raise BrokenSeal("nobody asked the provider for this", hint="sign in again")
            told = parse_json_object(link.subject.encode())
            account = self._vouched(asked, told, state)
        except SteelyardError as error:
            return self._page(asked, addresses.HOME, Problem(error.message, error.hint))
        return self._signed_in(asked, account.id, own_path(str(told["next"])))

    def _vouched(self, asked: Asked, told: dict[str, Any], state: str) -> Account:
        node, client, query = self.shell.node, self._client(), asked.query
        if told["visitor"] != accounts.digest_of(asked.visitor.token):
            raise BrokenSeal("another browser asked the provider for this", hint="sign in again")
        if query.get("iss", client.issuer) != client.issuer:
            raise BrokenSeal("another provider answers", hint="sign in again")
        code = query.get("code", "")
        if not code:
            raise BrokenSeal("the provider did not sign you in", hint="try again, or use a key")
        request = provider.Request(state, told["nonce"], told["verifier"], told["redirect"])
        token, keys = _asked(_redeemed(client, request, code))
        expected = id_tokens.Expected(client.issuer, client.id, request.nonce)
        claims = id_tokens.verify(token, keys, expected, node.now())
        settings = self.shell.settings.oidc
        who = enrolling.Vouched(
            client.issuer,
            claims["sub"],
            _name(claims),
            enrolling.mapped_roles(claims, settings.claim, settings.roles),
        )
        return node.run(lambda c: enrolling.vouched(c, who, node.random, node.now()))

    def _page(
        self, asked: Asked, next_path: str, refused: Problem | None = None, ticket: str = ""
    ) -> Response:
        oidc = self.shell.settings.oidc
        where = addresses.with_query(addresses.PROVIDER, next=next_path)
        providers = [(oidc.name or oidc.issuer, where)] if oidc.issuer else []
        challenge = self._challenges(asked)[0]
        base = self.shell.base(asked)
        page = sign_in.present(base, challenge, next_path, ticket, providers)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refused else HTTPStatus.OK
        return self.shell.html("sign_in", page, asked, status, refused)

    def _link_page(self, asked: Asked, refused: Problem | None = None) -> Response:
        link = self._link(asked.parts["secret"])
        with self.shell.node.database.reading() as connection:
            account = accounts.find_account(connection, link.subject)
        name = account.name if account else ""
        if link.kind == tickets.SIGN_IN_LINK:
            page = sign_in.present_ticket(asked.path, name)
        else:
            typed = asked.value("name"), asked.value("key")
            page = sign_in.present_enrolment(asked.path, name, *typed)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if refused else HTTPStatus.OK
        return self.shell.html("link", page, asked, status, refused)

    def _link(self, secret: str) -> Link:
        node = self.shell.node
        with node.database.reading() as connection:
            found = accounts.find_link(connection, secret, _LINKS, node.now())
        if found is None:
            raise UnknownName(_GONE)
        return found

    def _take(self, connection: Connection, ticket: Ticket) -> Account:
        """The account of a ticket, once."""
        account = self._account_of(connection, ticket)
        used, name = Link(_USED, "", ticket.made + 2 * tickets.GOOD_FOR), f"{_USED} {ticket.nonce}"
        if accounts.find_link(connection, name, (_USED,), self.shell.node.now()) is not None:
            raise BrokenSeal("this ticket was used already", hint="sign another one")
        accounts.add_link(connection, name, used)
        return account

    def _account_of(self, connection: Connection, ticket: Ticket) -> Account:
        """The account that a ticket's key signs in; the signature was checked before."""
        known = accounts.find_key(connection, ticket.public_key.key_id)
        account = accounts.find_account(connection, known[0]) if known else None
        is_same = known is not None and PublicKey(known[1]) == ticket.public_key
        if account is None or account.disabled or not is_same:
            raise BrokenSeal(_UNKNOWN, hint="ask who manages accounts for a link")
        return account

    def _signed_in(self, asked: Asked, account: str, next_path: str) -> Response:
        node, before = self.shell.node, asked.visitor.token
        token = node.run(lambda c: people.sign_in(c, before, account, node.random, node.now()))
        response = self.shell.done(next_path)
        self.shell.set_cookie(response, "session", token)
        return response

    def _challenges(self, asked: Asked) -> tuple[str, str]:
        """What a ticket of this browser may answer now: the challenge of this slot, and before."""
        slot = int(self.shell.node.now().timestamp() // tickets.GOOD_FOR.total_seconds())
        key = bytes.fromhex(asked.visitor.token)
        now, before = (keyed_digest(key, "steelyard challenge", n).hex() for n in (slot, slot - 1))
        return now, before

    def _throttle(self, asked: Asked) -> None:
        node = self.shell.node
        quotas.take(node, quotas.of_address(node, "sign-in", asked.client), quotas.SIGN_IN)

    def _client(self) -> provider.Client:
        settings = self.shell.settings.oidc
        if not settings.issuer:
            raise UnknownName("no provider signs people in here")
        return provider.Client(
            issuer=settings.issuer,
            id=settings.client_id,
            secret=_secret(self.shell.settings.folder, settings.client_secret_file),
            scope=settings.scope,
            hosts=tuple(settings.hosts.split()),
            allow_private=self.shell.settings.allow_private,
        )


def _asked(call: Coroutine[Any, Any, _Told]) -> _Told:
    """What the provider says; while it is slow, few wait for it, and the pages go on.

    Raises:
        TargetUnreachable: others wait already.
    """
    if not _ASKING.acquire(blocking=False):
        call.close()
        raise TargetUnreachable("the provider is slow, and others wait", hint="try again soon")
    try:
        return asyncio.run(call)
    finally:
        _ASKING.release()


async def _redeemed(
    client: provider.Client, request: provider.Request, code: str
) -> tuple[str, Any]:
    endpoints = await provider.discover(client)
    return await provider.redeem(client, endpoints, request, code)


def _name(claims: dict[str, Any]) -> str:
    for claim in ("name", "preferred_username", "email", "sub"):
        value = claims.get(claim)
        if isinstance(value, str) and value.strip():
            return value
    return str(claims["sub"])


def _secret(folder: Path, name: str) -> str:
    if not name:
        return ""
    return read_bytes(folder / name, limit_bytes=SECRET_LIMIT_BYTES).decode().strip()
