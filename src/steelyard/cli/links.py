"""Links that let somebody in at a node once, made where the node is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from steelyard.server.node import Node


def new_link(node: Node, base: str, kind: str, subject: str, good_for: timedelta) -> str:
    """The address of a new link; the node keeps a digest of its secret alone.

    Args:
        node: That will take the link.
        base: Under which the node is reached.
        kind: What the link is for, as the node names it.
        subject: Whom it is for; empty for nobody yet.
        good_for: How long it works.
    """
    from steelyard.server.storage.accounts import Link, add_link, new_secret
    from steelyard.server.web.addresses import LINK

    secret = new_secret(node.random)
    link = Link(kind, subject, node.now() + good_for)
    node.run(lambda connection: add_link(connection, secret, link))
    return f"{base}{LINK.format(secret=secret)}"
