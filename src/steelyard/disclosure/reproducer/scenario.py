"""Scenarios: what a model is shown, with places for a variant's values.

Decides how a variant fills a scenario (spec/reproducer.md, section Scenario). A place is
written `[[name]]`. Values are put in once and never read again, so that no value can bring
a place of its own. Tools are stubs: each answers with one fixed text and does nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.reproducer.declarative import require_inert
from steelyard.kernel.errors import MalformedEvidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from steelyard.kernel import JsonObject

_PLACE: Final = re.compile(r"\[\[([^\[\]]*)\]\]")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Variant:
    """One wording of a flaw: the unit of evidence.

    Attributes:
        name: Identifier, unique in the document.
        values: Text of each variable.
    """

    name: str
    values: Mapping[str, str]

    def to_json(self) -> JsonObject:
        """The variant as the document holds it."""
        return {"id": self.name, "values": dict(self.values)}


@dataclass(frozen=True, slots=True)
class Stub:
    """A tool that the model may call and that does nothing.

    Attributes:
        parameters: Description of each text parameter by name; all are required.
        result: What every call is answered with.
    """

    name: str
    description: str
    parameters: Mapping[str, str]
    result: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A dialogue as far as its author fixed it.

    Attributes:
        system: System message; empty for none.
        turns: User messages, each sent when the model has answered the one before.
        tools: Stubs offered throughout.
    """

    system: str
    turns: tuple[str, ...]
    tools: tuple[Stub, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that may hold places."""
        stubs = [text for s in self.tools for text in (s.description, s.result)]
        return (self.system, *self.turns, *stubs)

    def filled(self, variant: Variant) -> Scenario:
        """The scenario with a variant's values in its places, checked again as a whole.

        Raises:
            MalformedEvidence: the pieces make up code, an address or a path.
        """

        def put(text: str) -> str:
            whole = fill(text, variant.values)
            require_inert(whole, f"variant {variant.name}")
            return whole

        return self._mapped(put)

    def _mapped(self, put: Callable[[str], str]) -> Scenario:
        tools = tuple(
            replace(tool, description=put(tool.description), result=put(tool.result))
            for tool in self.tools
        )
        return Scenario(put(self.system), tuple(map(put, self.turns)), tools)


def fill(text: str, values: Mapping[str, str]) -> str:
    """A text with values in its places, in one pass."""
    return _PLACE.sub(lambda found: values[found[1]], text)


def require_places(text: str, variables: frozenset[str], where: str) -> None:
    """Refuse a place that names no variable.

    Raises:
        MalformedEvidence: naming it.
    """
    for found in _PLACE.finditer(text):
        if found[1] not in variables:
            message = f"{found[0][:60]!r} names no variable"
            hint = f"variables: {', '.join(sorted(variables)) or 'none'}"
            raise MalformedEvidence(message, where=where, hint=hint)


def places(text: str) -> frozenset[str]:
    """Names of the places of a text."""
    return frozenset(found[1] for found in _PLACE.finditer(text))


def check_variable(name: str, where: str) -> None:
    """Refuse a name that no place can hold.

    Raises:
        MalformedEvidence: naming it.
    """
    if not _NAME.fullmatch(name):
        message = f"{name[:60]!r} is no name of a variable (a-z, 0-9, '_')"
        raise MalformedEvidence(message, where=where)
