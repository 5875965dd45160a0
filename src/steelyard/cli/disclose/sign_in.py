"""`steelyard disclose node sign-in`: a one-time link, or the answer to a challenge of the page."""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from steelyard.cli.disclose.here import DEFAULT_NODE, NodeFolder, opened, require_server
from steelyard.cli.links import new_link
from steelyard.cli.output import say, write

_SECRET_BYTES = 32
_LINK_FOR = timedelta(minutes=10)


def sign_in(
    key: Annotated[
        Path | None, typer.Option(help="Your key, enrolled at the node; signs a ticket.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="Name or id of an account, where you run the node yourself.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Address of the node.")] = None,
    challenge: Annotated[
        str | None,
        typer.Option(help="The challenge of the page; prints what to paste, not a link."),
    ] = None,
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Print a link that signs you in to a node's pages once, or the answer to their challenge."""
    from steelyard.kernel.errors import UsageError

    require_server()
    if (key is None) == (not account):
        raise UsageError("give your key, or an account", hint="--key FILE or --account NAME")
    if challenge and key is None:
        raise UsageError("a challenge is answered with a key", hint="--key FILE")
    if not at:
        raise UsageError("give the node's address", hint="--at https://node.example.org")
    base = at.rstrip("/")
    if key is not None:
        _ticket(key, base, challenge)
        return
    write(_link(node, base, account or ""))
    say(f"it works once, within {_LINK_FOR.seconds // 60} minutes")


def _ticket(key: Path, base: str, challenge: str | None) -> None:
    from steelyard.attest import load_private_key
    from steelyard.kernel import utc_now
    from steelyard.server.people.tickets import GOOD_FOR, sign_ticket
    from steelyard.server.web.addresses import TICKET

    nonce = challenge or secrets.token_hex(_SECRET_BYTES)
    ticket = sign_ticket(load_private_key(key), base, nonce, utc_now())
    write(ticket if challenge else f"{base}{TICKET.format(ticket=ticket)}")
    say(f"it works once, within {GOOD_FOR.seconds // 60} minutes")


def _link(folder: Path, base: str, account: str) -> str:
    from steelyard.kernel.errors import UnknownName
    from steelyard.server.people.tickets import SIGN_IN_LINK
    from steelyard.server.storage.accounts import all_accounts

    with opened(folder) as here:
        with here.database.reading() as connection:
            known = all_accounts(connection)
        found = [item for item in known if account in {item.name, item.id} and not item.disabled]
        if len(found) != 1:
            names = ", ".join(item.name for item in known[:8]) or "none"
            message = f"{account[:80]!r} names {len(found)} accounts, need one"
            raise UnknownName(message, hint=f"known: {names}")
        return new_link(here, base, SIGN_IN_LINK, found[0].id, _LINK_FOR)
