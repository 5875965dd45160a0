"""Which role of an account may do what, from one data file.

Decides by role alone. To somebody who may not, what is there looks as if it were not.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.kernel import parse_yaml
from steelyard.kernel.errors import ConfigurationError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_FILE: Final = "permissions.yaml"


@cache
def permissions() -> Mapping[str, frozenset[str]]:
    """Roles that have each permission."""
    rows = {row["id"]: frozenset(row["by"]) for row in _content()["permissions"]}
    unknown = {role for by in rows.values() for role in by} - set(role_meanings())
    if unknown or len(rows) != len(_content()["permissions"]):
        message = f"unknown roles {sorted(unknown)}, or a permission twice"
        raise ConfigurationError(message, where=_FILE)
    return rows


@cache
def role_meanings() -> Mapping[str, str]:
    """What each role is for."""
    return {row["id"]: row["meaning"] for row in _content()["roles"]}


def may(roles: Collection[str], permission: str) -> bool:
    """Whether one of some roles has a permission.

    Raises:
        ConfigurationError: there is no such permission.
    """
    allowed = permissions().get(permission)
    if allowed is None:
        raise ConfigurationError(f"no permission is called {permission!r}", where=_FILE)
    return bool(allowed & set(roles))


def require(roles: Collection[str], permission: str) -> None:
    """Refuse somebody who has no role for it, in words that do not tell what is there.

    Raises:
        UnknownName: as for something that does not exist.
    """
    if not may(roles, permission):
        raise UnknownName("nothing here for these roles")


@cache
def _content() -> dict[str, Any]:
    entry = files("steelyard.server.people") / _FILE
    return cast("dict[str, Any]", parse_yaml(entry.read_text("utf-8"), where=_FILE))


ROLES: Final = tuple(role_meanings())
"""Roles that an account may have."""
