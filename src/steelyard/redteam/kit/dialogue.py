"""Messages, tool calls and tools, in the least form that every engine can carry.

Conversion to and from an engine's or an endpoint's own types belongs to the
adapters; a dialogue here has no identifiers and no times, so that its canonical
JSON is the transcript that records commit to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from steelyard.kernel import JsonObject, JsonValue, canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]

_FIRST_INEXACT_INTEGER = 2**53
_DEEPEST = 64


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
                "text": _encodable(m.text),
                "calls": [
                    {"name": _encodable(c.name), "arguments": _carriable(dict(c.arguments))}
                    for c in m.calls
                ],
                "tool": _encodable(m.tool),
            }
            for m in messages
        ]
    )


def _carriable(value: Any, depth: int = 0) -> JsonValue:  # noqa: ANN401 - whatever a model sent
    """The value with whatever canonical JSON cannot carry replaced, never refused.

    A model chooses its arguments, so nothing in them may stop a run: lone
    surrogates become `?`; integers of 2**53 and beyond hexadecimal text; floats of
    that size, what has no JSON form, and all below the deepest level, text.
    """
    if isinstance(value, list | dict) and depth >= _DEEPEST:
        return "(nested too deep)"
    if isinstance(value, list):
        return [_carriable(entry, depth + 1) for entry in cast("list[Any]", value)]
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return {_encodable(str(k)): _carriable(v, depth + 1) for k, v in pairs}
    if isinstance(value, int) and abs(value) >= _FIRST_INEXACT_INTEGER:
        return hex(value)
    # NaN and the infinities compare as beyond, too.
    small = isinstance(value, int | float) and abs(value) < _FIRST_INEXACT_INTEGER
    return value if small or value is None else _encodable(str(value))


def _encodable(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 text can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
