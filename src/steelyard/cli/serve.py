"""`steelyard serve`: make a disclosure node, and run it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.links import new_link
from steelyard.cli.output import say, write

if TYPE_CHECKING:
    from steelyard.server.node import Node
    from steelyard.server.web.settings import Settings

_LINK_FOR = timedelta(hours=24)


def serve(
    folder: Annotated[Path, typer.Argument(help="Folder of the node: keys, card, database.")],
    init: Annotated[bool, typer.Option("--init", help="Make a new node, then serve it.")] = False,
    name: Annotated[str | None, typer.Option(help="Name of the organization, with --init.")] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="A role of the organization, with --init; repeatable.")
    ] = None,
    contact: Annotated[str | None, typer.Option(help="General contact, with --init.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Under which others reach the node.", show_default="its card")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="URL of the database; STEELYARD_DATABASE names it too.",
            show_default="one SQLite file in the folder",
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", show_default="8767"),
    ] = None,
    behind_proxy: Annotated[
        bool | None, typer.Option("--behind-proxy", help="A proxy ends TLS and names clients.")
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="Certificate, with or without its key, PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of the certificate, PEM.")] = None,
    allow_private: Annotated[
        bool | None,
        typer.Option("--allow-private", help="Send to private networks and by plain HTTP too."),
    ] = None,
    admin_link: Annotated[
        bool,
        typer.Option(
            "--admin-link",
            help="Print a new link that lets an administrator in, and serve nothing: "
            "the server takes it that runs, or is started next.",
        ),
    ] = False,
    restored: Annotated[
        bool,
        typer.Option("--restored", help="The database came from a backup: ask before ordering."),
    ] = False,
) -> None:
    """Serve a disclosure node until it is told to stop; --init makes one first."""
    from steelyard.kernel.errors import UsageError
    from steelyard.server.node import open_node
    from steelyard.server.web.serving import serve as run
    from steelyard.server.web.settings import read_settings

    if not init and (name or role or contact):
        raise UsageError("--name, --role and --contact belong to --init", hint="add --init")
    flags = {
        "url": url,
        "database": database,
        "host": host,
        "port": port,
        "behind_proxy": behind_proxy,
        "tls_certificate": str(tls_certificate) if tls_certificate else None,
        "tls_key": str(tls_key) if tls_key else None,
        "allow_private": allow_private,
    }
    settings = read_settings(folder, flags)
    if init:
        _make(folder, settings, name or "", tuple(role or ()), contact or "")
    node = open_node(folder, settings.database, restored=restored)
    try:
        if restored:
            _say_what_waits(node)
        if admin_link:
            _print_link(node, settings)
            return

        def ready(port: int) -> None:
            if init:
                _print_link(node, replace(settings, port=port))
            write(f"serving {node.organization} on port {port}")

        run(node, settings, ready)
    finally:
        node.close()


def _make(
    folder: Path, settings: Settings, name: str, roles: tuple[str, ...], contact: str
) -> None:
    from steelyard.kernel import utc_now
    from steelyard.kernel.errors import UsageError
    from steelyard.server.node import About, create_identity

    if not name or not roles:
        hint = '--init --name "Example Lab" --role developer --url https://node.example.org'
        raise UsageError("a new node needs --name and --role", hint=hint)
    contacts = (("general", contact),) if contact else ()
    identity = create_identity(
        folder, About(name, roles, settings.url or None, contacts), utc_now()
    )
    say(f"made {identity.organization}, keys in {folder / 'keys'}")
    say("keep keys/root.key elsewhere: it is needed to rotate keys alone")


def _print_link(node: Node, settings: Settings) -> None:
    """Print a link that lets an administrator in.

    Raises:
        UsageError: nobody knows yet where the node will be reached.
    """
    from steelyard.kernel.errors import UsageError
    from steelyard.server.people.enrolling import FIRST
    from steelyard.server.web.settings import base_of

    if not (settings.url or node.identity.card.endpoint or settings.port):
        raise UsageError("a link needs the port that the node listens on", hint="--port PORT")
    base = base_of(settings, node.identity.card)
    write(f"admin link: {new_link(node, base, FIRST, '', _LINK_FOR)}")
    say(f"it works once, within {_LINK_FOR // timedelta(hours=1)} hours")


def _say_what_waits(node: Node) -> None:
    from steelyard.server.node import restoring

    with node.database.reading() as connection:
        count = len(restoring.waiting(node, connection))
    say(f"{count} cases wait until their participants have said what they hold")
