"""The OpenAPI description of the machine half: every path, answer and refusal.

Written by hand, as the routes take bytes and signatures and not models; the tests call what it
says and compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi

if TYPE_CHECKING:
    from fastapi import FastAPI

_HEX: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ORGANIZATION: Final = {"type": "string", "pattern": "^org:[0-9a-f]{64}$"}
_COUNT: Final = {"type": "integer", "minimum": 0}
_SIGNED: Final[list[dict[str, list[str]]]] = [{"httpSignature": []}]
_OCTETS: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_REFUSALS: Final = {
    "400": "The request makes no sense.",
    "401": "Not signed by an organization whose card is here.",
    "404": "Nothing here, or not for whoever asks.",
    "408": "The body took too long.",
    "409": "Everything was checked, and the answer is no.",
    "413": "The body is too large.",
    "421": "The request was signed for another node.",
    "422": "The body is malformed, or a signature in it does not verify.",
    "425": "The signature is too old, or older than this node remembers: sign anew.",
    "429": "Too many at once; Retry-After says when.",
    "503": "The node cannot do this now; Retry-After says when.",
}


def _object(**properties: object) -> dict[str, Any]:
    return {
        "type": "object",
        "required": sorted(properties),
        "properties": properties,
        "additionalProperties": False,
    }


_ENVELOPE: Final = _object(
    payload={"type": "string", "contentEncoding": "base64"},
    payloadType={"const": "application/vnd.in-toto+json"},
    signatures={
        "type": "array",
        "minItems": 1,
        "maxItems": 1,
        "items": _object(keyid=_HEX, sig={"type": "string"}),
    },
)
_ENTRY: Final = _object(
    index=_COUNT,
    previous=_HEX,
    ordered={"type": "string", "format": "date-time"},
    event=_ENVELOPE,
)
_PROBLEM: Final = {
    "type": "object",
    "required": ["status", "title", "type"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
        "error": {"type": "string", "description": "Name of the error in the tree of errors."},
    },
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description of an application."""
    found = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes
    )
    found["paths"] = {**found.get("paths", {}), **_paths()}
    components = found.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components["securitySchemes"] = {
        "httpSignature": {
            "type": "http",
            "scheme": "signature",
            "description": "RFC 9421 with Ed25519 and Content-Digest, as spec/disclosure-node.md.",
        }
    }
    return found


def _paths() -> dict[str, Any]:
    ordered = _json("Ordered, and on disk.", _object(index=_COUNT, hash=_HEX, head=_HEX))
    card = _object(organization=_ORGANIZATION, sequence=_COUNT)
    return {
        "/events": {
            "post": _operation(
                "Order an event that its author signed, of a case that this node hosts.",
                {"201": ordered, "200": {**ordered, "description": "It stands there already."}},
                "404 408 409 413 422 429 503",
                body=_body("application/json", _ENVELOPE),
            )
        },
        "/inbox": {
            "post": _operation(
                "Take a parcel, once however often it comes.",
                {"202": _json("Taken, now or before.", _taken())},
                "400 401 408 409 413 421 422 425 429 503",
                body={"required": True, "content": _OCTETS},
                security=_SIGNED,
            )
        },
        "/cards": {
            "post": _operation(
                "Make an organization known; nobody trusts it for that.",
                {"201": _json("New.", card), "200": _json("Known already.", card)},
                "408 413 422 429 503",
                body=_body("application/json", _ENVELOPE),
            )
        },
        "/card": {"get": _operation("The card of this node.", {"200": _json("It.", _ENVELOPE)})},
        "/cases/{case}/entries": {
            "get": _operation(
                "Entries of a case, for its participants.",
                {"200": _json("Some of them; ask again from there on.", _entries())},
                "400 401 404 421 425 429 503",
                parameters=[_case(), _from()],
                security=_SIGNED,
            )
        },
        "/cases/{case}/checkpoint": {
            "get": _operation(
                "The latest signed checkpoint of a case, for its participants.",
                {"200": {"description": "A signed note.", "content": _text("text/plain")}},
                "400 401 404 421 425 429 503",
                parameters=[_case()],
                security=_SIGNED,
            )
        },
        "/health": {
            "get": _operation(
                "Whether the node can read and write.",
                {"200": _json("It can.", _object(status={"const": "ok"}))},
                "503",
            )
        },
        "/atom.xml": {"get": _file("Advisories as an Atom feed.", "application/atom+xml")},
        "/.well-known/security.txt": {
            "get": _file("How to report, RFC 9116.", "text/plain")
        },
        "/.well-known/csaf/provider-metadata.json": {
            "get": _file("Where advisories are, CSAF 2.0 section 7.1.7.", "application/json")
        },
    }  # fmt: skip


def _operation(
    summary: str,
    answers: dict[str, Any],
    refusals: str = "",
    **more: object,
) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refused = {
        status: {"description": _REFUSALS[status], "content": content}
        for status in refusals.split()
    }
    return {"summary": summary, "responses": {**answers, **refused}, **more}


def _file(summary: str, media_type: str) -> dict[str, Any]:
    found = {"description": "The file.", "content": _text(media_type)}
    return _operation(summary, {"200": found}, "404")


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _body(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {media_type: {"schema": schema}}}


def _text(media_type: str) -> dict[str, Any]:
    return {media_type: {"schema": {"type": "string"}}}


def _taken() -> dict[str, Any]:
    return _object(parcel=_HEX, result={"enum": ["taken", "known"]})


def _entries() -> dict[str, Any]:
    return _object(case=_HEX, size=_COUNT, head=_HEX, entries={"type": "array", "items": _ENTRY})


def _case() -> dict[str, Any]:
    return {"name": "case", "in": "path", "required": True, "schema": _HEX}


def _from() -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 0, "maximum": 9_999_999_999, "default": 0}
    return {"name": "from", "in": "query", "required": False, "schema": schema}
