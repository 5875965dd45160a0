"""Messages, tool calls and tools, in the least form that every engine can carry.

Conversion to and from an engine's or an endpoint's own types belongs to the
adapters; a dialogue here has no identifiers and no times, so that its canonical
JSON is the transcript that records commit to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from steelyard.kernel import JsonObject, JsonValue, canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as the model made it; arguments are not yet checked."""

    name: str
    arguments: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `calls` only for the assistant, `tool` only for a tool's answer."""

    role: Role
    text: str
    calls: tuple[Call, ...] = ()
    tool: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    Attributes:
        text: Free text; recorded, never the endpoint.
        calls: Tool calls in order.
        blocked: Whether the endpoint reported that a content filter stopped it.
    """

    text: str
    calls: tuple[Call, ...] = ()
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """A typed tool: every parameter is required and has a JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])


def parameter(
    kind: str, description: str, *, options: tuple[str, ...] = (), **limits: int
) -> JsonObject:
    """JSON Schema of one tool parameter.

    Args:
        kind: `string` or `integer`.
        description: For the model.
        options: Allowed values, for an enumeration.
        limits: `minimum` and `maximum` of an integer.
    """
    schema: JsonObject = {"type": kind, "description": description, **limits}
    if options:
        schema["enum"] = list(options)
    return schema


def transcript_bytes(messages: list[Message]) -> bytes:
    """Canonical JSON of a dialogue: what a record's commitment covers."""
    return canonical_json(
        [
            {
                "role": m.role,
                "text": _carriable(m.text),
                "calls": [{"name": c.name, "arguments": dict(c.arguments)} for c in m.calls],
                "tool": m.tool,
            }
            for m in messages
        ]
    )


def _carriable(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 text can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
