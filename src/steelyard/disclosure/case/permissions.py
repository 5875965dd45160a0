"""Who may say what: kinds of events and the roles that may use them, from one data file.

Decides by role alone (spec/disclosure-case.md, section Permissions). That an author speaks only
of itself, and whether the states allow it, is for the acts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from steelyard.disclosure.states.tables import load_tables
from steelyard.kernel import parse_yaml
from steelyard.kernel.errors import ConfigurationError, NotSatisfied
from steelyard.standard import check_schema

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event.

    Attributes:
        by: `anybody`, `host`, or roles that may say it.
        message: The message of the formal model that it carries; empty where it has none.
    """

    id: str
    by: frozenset[str]
    message: str
    meaning: str


@cache
def load_kinds() -> Mapping[str, Kind]:
    """The kinds that ship with this package, by id."""
    entry = files("steelyard.disclosure.case") / "data" / "kinds.yaml"
    return read_kinds(entry.read_text("utf-8"), where=str(entry))


def read_kinds(text: str, *, where: str) -> Mapping[str, Kind]:
    """Kinds from strict YAML, by id.

    Raises:
        ConfigurationError: not strict YAML, against its schema, a kind twice, or a message that
            the tables of the states do not have.
    """
    content = cast("dict[str, Any]", parse_yaml(text, where=where))
    check_schema(content, "disclosure-kinds", where=where)
    kinds = {
        row["id"]: Kind(row["id"], frozenset(row["by"]), row["message"], row["meaning"])
        for row in content["kinds"]
    }
    if len(kinds) != len(content["kinds"]):
        raise ConfigurationError("a kind stands twice", where=where)
    known = load_tables().messages
    for kind in kinds.values():
        if kind.message and kind.message not in known:
            raise ConfigurationError(f"no message {kind.message!r}", where=where)
    return kinds


def require_permission(kind: str, roles: Collection[str], *, is_host: bool) -> None:
    """Refuse an event by somebody whose roles do not allow it.

    Raises:
        NotSatisfied: with who may say it.
    """
    allowed = load_kinds()[kind].by
    if "anybody" in allowed or (is_host and "host" in allowed) or allowed & set(roles):
        return
    found = ", ".join(sorted(roles)) or "no role"
    raise NotSatisfied(
        f"{kind!r} is for {', '.join(sorted(allowed))}; the author is {found}",
        where=kind,
        hint="ask somebody of that role",
    )
