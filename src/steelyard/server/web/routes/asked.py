"""A request as the handlers of pages see it: who asks, what was filled in, which files came.

Decides how a body is read and within which bounds, and whether it came from a page of this node:
by its origin here, by the token in the form where the visitor is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from steelyard.server.web.guard import read_body
from steelyard.server.web.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from steelyard.server.people import Visitor

_FIELDS_LIMIT: Final = 1000
_FILES_LIMIT: Final = 4
_PART_LIMIT_BYTES: Final = 256 * 1024
_FORM: Final = "application/x-www-form-urlencoded"
_FILES: Final = "multipart/form-data"
_ELSEWHERE: Final = "this was sent from a page of another site"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """What a form sent.

    Attributes:
        fields: Every value of every field, in order.
    """

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    files: Mapping[str, Upload] = field(default_factory=dict[str, Upload])


@dataclass(frozen=True, slots=True)
class Asked:
    """A request.

    Attributes:
        parts: Of the path, by name.
        host: To which it was sent, as its header says.
        client: Address of whoever asks.
        refused: Why what was sent is not acted on; empty where it may be.
    """

    path: str
    parts: Mapping[str, str]
    query: Mapping[str, str]
    cookies: Mapping[str, str]
    host: str
    client: str
    visitor: Visitor
    sent: Sent
    refused: str = ""

    def value(self, name: str) -> str:
        """What stands in a field; empty for nothing."""
        return next(iter(self.sent.fields.get(name, ())), "")

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of a field."""
        return self.sent.fields.get(name, ())


def require_own_origin(request: Request) -> None:
    """Refuse what a page of another site sends.

    Browsers say where a request comes from in `Sec-Fetch-Site`, and in `Origin`, which is `null`
    under our referrer policy; no page can write either.

    Raises:
        HTTPException: 403.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        allowed = site == "same-origin"
    else:
        allowed = origin is not None and _is_own(origin, request.headers.get("host", ""))
    if not allowed:
        raise refusal(HTTPStatus.FORBIDDEN, _ELSEWHERE)


async def read_sent(request: Request) -> Sent:
    """What a form sent.

    Raises:
        HTTPException: 400 or 415 for what is no form, or too much of one.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _FORM:
        return _plain(await read_body(request.receive))
    if kind == _FILES:
        return await _with_files(request)
    raise refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "this takes a form")


def _is_own(origin: str, host: str) -> bool:
    parts = urlsplit(origin)
    return bool(host) and parts.scheme in {"http", "https"} and parts.netloc == host


def _plain(body: bytes) -> Sent:
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS_LIMIT
        )
    except ValueError as error:
        raise refusal(HTTPStatus.BAD_REQUEST, "this is no form, or too long a one") from error
    return Sent(_grouped(pairs))


class _InMemory(MultiPartParser):
    """Keeps files where the limit of a body holds them, and no part of them on a disk."""

    spool_max_size = 0  # no size at which a file moves to a disk


async def _with_files(request: Request) -> Sent:
    pairs: list[tuple[str, str]] = []
    files: dict[str, Upload] = {}
    parser = _InMemory(
        request.headers,
        request.stream(),
        max_files=_FILES_LIMIT,
        max_fields=_FIELDS_LIMIT,
        max_part_size=_PART_LIMIT_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise refusal(HTTPStatus.BAD_REQUEST, error.message) from error
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            pairs.append((name, value))
        elif value.filename:
            files[name] = Upload(value.filename, await value.read())
    await form.close()
    return Sent(_grouped(pairs), files)


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        # Browsers send line breaks as CR LF.
        found[name] = (*found.get(name, ()), value.replace("\r\n", "\n"))
    return found
