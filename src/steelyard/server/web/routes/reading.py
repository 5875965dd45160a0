"""What a page of a case may open for its reader, by the tier of each object and the reader's roles.

Decides that an object of tier H3 is opened for no page and no file, and that findings are opened
for who may see them alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from steelyard.kernel.errors import SteelyardError
from steelyard.server import people
from steelyard.server.node import saying

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from steelyard.disclosure.case import View
    from steelyard.disclosure.case.view import Payload
    from steelyard.server.node import Node

_TIERS: Final[Mapping[str, str]] = {"h0": "see", "h1": "read-h1", "h2": "read-h2"}
_TEXT: Final = "text/plain"
_SHOWN: Final = 20_000
_OPENED_BYTES: Final = 256 * 1024
"""What is larger is no answer and no note: it is fetched as a file, or not opened for a page."""


def may_read(roles: Collection[str], payload: Payload, own: str) -> bool:
    """Whether somebody of an organization may see an object of a case."""
    permission = _TIERS.get(payload.tier, "")
    if not permission or own not in payload.recipients:
        return False
    return people.may(roles, permission) and (not payload.finding or people.may(roles, "findings"))


@dataclass(frozen=True, slots=True)
class Texts(Mapping[str, str]):
    """Texts of sealed objects by id, each opened when it is asked for.

    Attributes:
        roles: Of the reader.
    """

    node: Node
    connection: Connection
    view: View
    roles: Collection[str]

    def __getitem__(self, name: str) -> str:
        """The text of an object.

        Raises:
            KeyError: there is none that this reader may read here.
        """
        payload = self.view.payloads.get(name)
        if payload is None or payload.media_type != _TEXT or payload.finding:
            raise KeyError(name)
        is_small = payload.size_bytes <= _OPENED_BYTES
        if not is_small or not may_read(self.roles, payload, self.node.organization):
            raise KeyError(name)
        try:
            plaintext = saying.read_object(self.node, self.connection, name).plaintext
        except SteelyardError as error:
            raise KeyError(name) from error
        return plaintext.decode("utf-8", "replace")[:_SHOWN]

    def __iter__(self) -> Iterator[str]:
        """Ids of all objects; those that are no text are absent all the same."""
        return iter(self.view.payloads)

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self.view.payloads)


def findings(
    node: Node, connection: Connection, view: View, roles: Collection[str]
) -> dict[str, bytes]:
    """Sealed answers and updates that this reader may have opened; one that does not open stays."""
    payloads = view.payloads
    names = [
        name
        for name in saying.named_here(node, connection, view)
        if payloads[name].finding
        and payloads[name].size_bytes <= _OPENED_BYTES
        and may_read(roles, payloads[name], node.organization)
    ]
    return saying.readable(node, connection, view, names)
