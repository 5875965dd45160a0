"""Which node, case and organization a command means.

Decides how they are named on the command line: a node by its folder, a case by the beginning of
its id, an organization by its name, its id or the beginning of it, never by a name that two have.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.kernel.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from sqlalchemy import Connection

    from steelyard.server.node import Node

LEAST = 4
"""Characters of an id that may stand for it."""

NodeFolder = Annotated[
    Path,
    typer.Option("--node", envvar="STEELYARD_NODE", help="Folder of the node."),
]
Case = Annotated[str, typer.Argument(help="The case: the beginning of its id.")]
DEFAULT_NODE = Path("node")


@contextmanager
def opened(folder: Path) -> Generator[Node]:
    """The node of a folder, closed afterwards.

    Its database is the one that its server would open.

    Raises:
        ConfigurationError: the server's packages are absent, or no node is there.
    """
    require_server()
    from steelyard.server.node import open_node
    from steelyard.server.web.settings import database_of

    node = open_node(folder, database_of(folder))
    try:
        yield node
    finally:
        node.close()


def require_server() -> None:
    """Refuse to go on without the packages of a node.

    Raises:
        ConfigurationError: with what to install.
    """
    from importlib.util import find_spec

    from steelyard.kernel.errors import ConfigurationError

    if find_spec("sqlalchemy") is None or find_spec("alembic") is None:
        message = "a node needs packages that are not installed"
        raise ConfigurationError(message, hint="pip install 'steelyard[server]'")


def case_named(connection: Connection, text: str) -> str:
    """The id of the case that a text begins.

    Raises:
        UnknownName: none, or several.
    """
    from steelyard.server.storage import cases

    rows = cases.list_cases(connection)
    found = [row for row in rows if row.id.startswith(text.lower())]
    if len(text) < LEAST or len(found) != 1:
        known = ", ".join(row.id[:12] for row in rows[:6]) or "none"
        message = f"{text[:80]!r} begins the id of {len(found)} cases, need one"
        raise UnknownName(message, hint=f"known: {known}")
    return found[0].id


def organization_named(connection: Connection, text: str) -> str:
    """The id of the organization that a text names.

    Raises:
        UnknownName: none, or several.
    """
    from steelyard.server.storage import organizations

    names = {item.card.organization: item.card.name for item in organizations.all_known(connection)}
    return _organization(names, text)


def _organization(names: Mapping[str, str], text: str) -> str:
    exact = [key for key, name in names.items() if name == text]
    begun = [key for key in names if len(text) >= LEAST and _begins(key, text)]
    found = set(exact or begun)
    if len(found) != 1:
        listed = ", ".join(f"{name} ({key[:12]})" for key, name in list(names.items())[:8])
        message = f"{text[:80]!r} names {len(found)} organizations, need one"
        raise UnknownName(message, hint=f"known: {listed or 'none'}")
    return found.pop()


def _begins(key: str, text: str) -> bool:
    return key.startswith(text.lower()) or key.removeprefix("org:").startswith(text.lower())


def read_text(text: str, file: Path | None, what: str) -> str:
    """A text that is given, or the content of a file.

    Raises:
        UsageError: both or neither.
    """
    from steelyard.kernel import read_bytes

    if (file is None) == (not text):
        raise UsageError(f"give {what} or a file of it")
    if file is None:
        return text
    try:
        return read_bytes(file, limit_bytes=1 << 20).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("not UTF-8", where=str(file)) from error
