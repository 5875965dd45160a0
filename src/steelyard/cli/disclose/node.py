"""`steelyard disclose node` and `card`: an organization's node and the cards it knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.disclose.here import (
    DEFAULT_NODE,
    LEAST,
    NodeFolder,
    opened,
    organization_named,
    require_server,
)
from steelyard.cli.output import one_line, say, write, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from steelyard.server.storage.organizations import Known
    from steelyard.server.storage.post import DeadLetter, Health

app = typer.Typer(name="node", help="Your organization's node.", no_args_is_help=True)
cards = typer.Typer(name="card", help="Cards: who others are.", no_args_is_help=True)

_MOST_DEAD = 100_000
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


@app.command()
def init(
    name: Annotated[str, typer.Option(help="Name of the organization.")],
    role: Annotated[list[str], typer.Option(help="What it is, such as developer; repeatable.")],
    node: NodeFolder = DEFAULT_NODE,
    url: Annotated[str | None, typer.Option(help="Address of its server, if it has one.")] = None,
    duty: Annotated[
        list[str] | None, typer.Option(help="Address of the emergency duty; repeatable.")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="Model family that it watches; repeatable.")
    ] = None,
) -> None:
    """Make the keys, the card and the database of a new node."""
    require_server()
    from steelyard.kernel import utc_now
    from steelyard.server.node import About, create_identity, open_node
    from steelyard.server.web.settings import database_of

    database = database_of(node)
    about = About(
        name=name,
        roles=tuple(role),
        endpoint=url,
        contacts=tuple(("emergency", address) for address in duty or ()),
        families=tuple(family or ()),
    )
    identity = create_identity(node, about, utc_now())
    write(identity.organization)
    say(f"give others your card: {node / 'card.json'}")
    say(f"keep the root key elsewhere: {node / 'keys' / 'root.key'}")
    open_node(node, database).close()


@app.command()
def status(node: NodeFolder = DEFAULT_NODE, as_json: AsJson = False) -> None:
    """Show how the post goes, and what was found against hosts."""
    from steelyard.kernel import format_instant
    from steelyard.server.storage import cases, organizations, post

    with opened(node) as here, here.database.reading() as connection:
        health, dead = post.health(connection), post.dead_letters(connection)
        refused, faults = post.refused_letters(connection), cases.faults(connection)
        names = {
            item.card.organization: item.card.name for item in organizations.all_known(connection)
        }
    if as_json:
        write_json(
            {
                "destinations": [_health_json(item) for item in health],
                "dead_letters": [_letter_json(item) for item in dead],
                "refused": [_letter_json(item) for item in refused],
                "faults": [
                    {"case": item.case, "culprit": item.culprit, "kind": item.kind,
                     "text": item.text, "found": format_instant(item.found)}
                    for item in faults
                ],
            }
        )  # fmt: skip
        return
    for item in health:
        state = f"{item.waiting} waiting, {item.dead} given up"
        error = f"; last: {one_line(item.last_error)}" if item.last_error else ""
        write(f"{names.get(item.destination, item.destination[:20])}: {state}{error}")
    for letter in dead:
        write(f"given up {_letter_text(letter, 'for', names)}")
    for letter in refused:
        write(f"refused {_letter_text(letter, 'from', names)}")
    for fault in faults:
        write(f"{fault.kind} by {names.get(fault.culprit, fault.culprit[:20])}: {fault.text}")


@app.command()
def retry(
    parcel: Annotated[
        list[str], typer.Argument(help="A parcel that was given up: the beginning of its id.")
    ],
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Sign anew what parcels told that were given up, and send it."""
    from steelyard.server.node import retrying
    from steelyard.server.storage import post

    with opened(node) as here:
        with here.database.reading() as connection:
            dead = post.dead_letters(connection, limit=_MOST_DEAD)
        found = {_given_up(dead, text, node) for text in parcel}
        count = here.run(lambda connection: retrying.retry(here, connection, found))
    say(f"{count} to be sent again")


def _given_up(dead: Sequence[DeadLetter], text: str, node: Path) -> str:
    """The id of the parcel that a text begins."""
    from steelyard.kernel.errors import UnknownName
    from steelyard.server.node.timers import KEPT

    found = [item.parcel_id for item in dead if item.parcel_id.startswith(text.lower())]
    if len(text) < LEAST or len(found) != 1:
        given_up = f"parcels given up in the last {KEPT.days} days"
        message = f"{text[:80]!r} begins the id of {len(found)} {given_up}, need one"
        hint = f"those marked given up: steelyard disclose node status --node {node}"
        raise UnknownName(message, hint=hint)
    return found[0]


@app.command()
def rotate(
    node: NodeFolder = DEFAULT_NODE,
    root: Annotated[Path | None, typer.Option(help="The root key, if kept elsewhere.")] = None,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="The old signing key is in wrong hands.")
    ] = False,
) -> None:
    """Make new keys; every case hears of the new card, and a running server speaks with them."""
    require_server()
    from steelyard.attest import load_private_key
    from steelyard.server.node import rotation
    from steelyard.server.node.identity import load_root

    with opened(node) as here:
        key = load_private_key(root) if root else load_root(node)
        count = here.run(
            lambda connection: rotation.rotate(here, connection, node, key, revoke=revoke)
        )
        card = here.identity.card
    write(card.digest)
    say(f"card {card.sequence}, told in {count} cases")


@cards.command()
def add(
    file: Annotated[Path, typer.Argument(help="The card of an organization.")],
    node: NodeFolder = DEFAULT_NODE,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="You compared the fingerprint with its owner.")
    ] = False,
) -> None:
    """Keep the card of an organization."""
    from steelyard.disclosure.case.organization import look_alikes, open_card
    from steelyard.kernel import read_bytes
    from steelyard.server.node.identity import CARD_LIMIT_BYTES
    from steelyard.server.storage import organizations

    card = open_card(read_bytes(file, limit_bytes=CARD_LIMIT_BYTES))
    with opened(node) as here:
        with here.database.reading() as connection:
            names = {
                item.card.organization: item.card.name
                for item in organizations.all_known(connection)
                if item.card.organization != card.organization
            }
        here.run(
            lambda connection: organizations.keep(
                connection, card, here.now(), trusted=trusted or None
            )
        )
    write(f"{card.organization}  {card.name}")
    for other in look_alikes(card.name, names):
        say(f"warning: its name looks like that of {names[other]} ({other[:20]})")
    if not trusted:
        say("compare the id with its owner, then add it with --trusted")


@cards.command("list")
def list_(node: NodeFolder = DEFAULT_NODE, as_json: AsJson = False) -> None:
    """List the organizations that the node knows."""
    from steelyard.server.storage import organizations

    with opened(node) as here, here.database.reading() as connection:
        known = organizations.all_known(connection)
    if as_json:
        write_json([_card_json(item) for item in known])
        return
    for item in known:
        trust = "trusted" if item.trusted else "not compared"
        card = item.card
        write(f"{card.organization}  {card.name}  {', '.join(card.roles)}  {trust}")


@cards.command()
def show(
    organization: Annotated[str, typer.Argument(help="Name or id.")],
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Print the signed card of an organization."""
    from steelyard.server.storage import organizations

    with opened(node) as here, here.database.reading() as connection:
        found = organizations.find(connection, organization_named(connection, organization))
    if found is not None:
        write(found.card.envelope.decode())


def _card_json(item: Known) -> dict[str, object]:
    card = item.card
    return {
        "organization": card.organization,
        "name": card.name,
        "sequence": card.sequence,
        "roles": list(card.roles),
        "endpoint": card.endpoint,
        "trusted": item.trusted,
    }


def _health_json(item: Health) -> dict[str, object]:
    from steelyard.kernel import format_instant

    return {
        "destination": item.destination,
        "waiting": item.waiting,
        "oldest": format_instant(item.oldest) if item.oldest else None,
        "given_up": item.dead,
        "failures": item.failures,
        "last_error": item.last_error,
        "last_delivered": format_instant(item.last_delivered) if item.last_delivered else None,
    }


def _letter_text(letter: DeadLetter, direction: str, names: Mapping[str, str]) -> str:
    peer = one_line(names.get(letter.peer, letter.peer[:20]))
    return f"{letter.parcel_id[:12]} {direction} {peer}: {letter.kind}, {one_line(letter.reason)}"


def _letter_json(item: DeadLetter) -> dict[str, object]:
    from steelyard.kernel import format_instant

    return {
        "parcel": item.parcel_id,
        "peer": item.peer,
        "kind": item.kind,
        "case": item.case,
        "at": format_instant(item.at),
        "reason": item.reason,
    }
