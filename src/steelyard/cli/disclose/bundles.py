"""`steelyard disclose export`, and bundles in `import`: exchange by mail, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steelyard.cli.disclose.here import DEFAULT_NODE, NodeFolder, opened, organization_named
from steelyard.cli.output import say, write


def export(
    to: Annotated[str, typer.Argument(help="Name or id of the organization.")],
    out: Annotated[Path, typer.Option(help="New file for the bundle.")],
    sent: Annotated[
        bool,
        typer.Option("--sent", help="Take what it holds out of the outbox, once it is written."),
    ] = False,
    node: NodeFolder = DEFAULT_NODE,
) -> None:
    """Write what waits for an organization into one signed, encrypted file."""
    from steelyard.cli.places import require_absent
    from steelyard.kernel.files import write_atomically
    from steelyard.server.node import bundles

    require_absent(out)
    with opened(node) as here:
        with here.database.reading() as connection:
            who = organization_named(connection, to)
        made = here.run(lambda c: bundles.export_bundle(here, c, who))
        write_atomically(out, made.data)
        if sent:
            here.run(lambda c: bundles.mark_sent(here, c, made))
    write(f"{len(made.parcels)} parcels, {len(made.data):,} bytes")
    if made.left:
        how = "export again" if sent else "export with --sent, then again"
        say(f"{made.left} parcels are left for the next bundle: {how}")


def is_bundle(file: Path) -> bool:
    """Whether a file begins as a bundle does."""
    from steelyard.disclosure.delivery.bundle import MAGIC

    try:
        with file.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def import_bundle(file: Path, node: Path) -> None:
    """Take the parcels of a bundle into a node.

    Raises:
        NotSatisfied: none of them could be taken.
    """
    from steelyard.disclosure.delivery.bundle import BUNDLE_LIMIT_BYTES
    from steelyard.kernel import read_bytes
    from steelyard.kernel.errors import NotSatisfied
    from steelyard.server.node import bundles

    data = read_bytes(file, limit_bytes=BUNDLE_LIMIT_BYTES)
    with opened(node) as here:
        outcomes = here.run(lambda c: bundles.import_bundle(here, c, data))
    taken = [item for item in outcomes if item.result == "taken"]
    known = [item for item in outcomes if item.result == "known"]
    refused = [item for item in outcomes if item.result == "refused"]
    write(f"{len(taken)} taken, {len(known)} known, {len(refused)} refused")
    for item in refused:
        say(f"refused: {item.reason}")
    if refused and not taken and not known:
        raise NotSatisfied("nothing of the bundle could be taken", where=str(file))
