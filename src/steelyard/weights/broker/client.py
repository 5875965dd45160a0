"""Asking a broker for segments: requests signed, answers bounded."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from steelyard.attest.http_signatures import (
    NONCE_BYTES,
    HttpRequest,
    normal_authority,
    sign_request,
)
from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import (
    CannotVerify,
    MalformedEvidence,
    TargetUnreachable,
    UsageError,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from steelyard.attest import PrivateKey

ANSWER_LIMIT_BYTES: Final = 80 << 20
_OK: Final = 200
_ADDRESS: Final = re.compile(
    r"https?://(?:(?=[^/]{1,253}\Z)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?"
    r"|\[[0-9A-Fa-f:.]{2,45}\])(?::(?:0|[1-9][0-9]{0,4}))?"
)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LAST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Answer:
    """What a broker said.

    Attributes:
        status: Of HTTP.
        body: Segments, a document, or a problem.
        retry_after_s: How long to wait, where it says so.
    """

    status: int
    body: bytes
    retry_after_s: float | None = None

    def require(self) -> bytes:
        """The body of an answer that is no refusal.

        Raises:
            CannotVerify: with the broker's own words.
        """
        if self.status != _OK:
            detail = parse_json_object(self.body, where="broker").get("detail", "")
            raise CannotVerify(f"the broker answers {self.status}: {str(detail)[:200]}")
        return self.body


@dataclass(frozen=True, slots=True)
class BrokerClient:
    """One principal at one broker.

    Attributes:
        url: Of the broker, without a path.
        key: The principal's.
        clock: Seconds since 1970.
        tls: For https; certificates of the client are set there.
        timeout_s: Of each read and write.
    """

    url: str
    key: PrivateKey
    clock: Callable[[], float]
    tls: ssl.SSLContext | None = None
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse an address that no request could be signed for.

        Raises:
            UsageError: with more than a scheme, a host and a port, or another scheme.
        """
        if not _ADDRESS.fullmatch(self.url) or not _is_address(self.url):
            message = f"{self.url[:80]!r} is no address of a broker"
            hint = "http:// or https://, a host and a port, and no path"
            raise UsageError(message, where="URL", hint=hint)

    def segments(self, stream: int, first: int, last: int, grant: str = "") -> Answer:
        """Encrypted segments `first` to `last` of a stream."""
        query = f"grant={grant}" if grant else ""
        return self.ask("GET", f"/v1/streams/{stream}/segments/{first}-{last}", query)

    def header(self) -> bytes:
        """The header of the sealed weights."""
        return self.ask("GET", "/v1/header").require()

    def leaves(self) -> bytes:
        """Digests of all its segments."""
        return self.ask("GET", "/v1/leaves").require()

    def status(self) -> dict[str, object]:
        """What this principal has had and may have."""
        return dict(parse_json_object(self.ask("GET", "/v1/status").require(), where="status"))

    def hand_in(self, approvals: Sequence[bytes]) -> str:
        """Hand in a grant; returns its digest.

        Raises:
            MalformedEvidence: an approval that is no JSON object.
            CannotVerify: the broker refuses, or its answer names no grant.
        """
        return grant_of(self.ask("POST", "/v1/grants", "", approvals_body(approvals)))

    def ask(self, method: str, path: str, query: str = "", body: bytes = b"") -> Answer:
        """Sign and send one request.

        Raises:
            TargetUnreachable: no answer, or none that is bounded.
        """
        request = HttpRequest(method, self.authority, path, query, body)
        fields = sign_request(
            request, self.key, created=int(self.clock()), nonce=secrets.token_bytes(NONCE_BYTES)
        )
        return self.send(request, fields)

    def send(self, request: HttpRequest, fields: dict[str, str]) -> Answer:
        """Send a request that is signed already; errors as `ask`."""
        place = urlsplit(self.url)
        if place.scheme == "https":
            connection: HTTPConnection = HTTPSConnection(
                place.netloc, timeout=self.timeout_s, context=self.tls
            )
        else:
            connection = HTTPConnection(place.netloc, timeout=self.timeout_s)
        target = f"{request.path}?{request.query}" if request.query else request.path
        try:
            connection.request(request.method, target, request.body or None, fields)
            response = connection.getresponse()
            data = response.read(ANSWER_LIMIT_BYTES + 1)
        except (OSError, HTTPException, ValueError) as error:
            message = f"the broker does not answer: {error}"
            raise TargetUnreachable(message, where=self.url) from error
        finally:
            connection.close()
        if len(data) > ANSWER_LIMIT_BYTES:
            raise TargetUnreachable("the broker's answer has no end", where=self.url)
        wait = response.headers.get("Retry-After", "")
        return Answer(response.status, data, float(wait) if wait.isdecimal() else None)

    @property
    def authority(self) -> str:
        """Whom its requests are signed for."""
        place = urlsplit(self.url)
        return normal_authority(place.netloc, place.scheme)


def approvals_body(approvals: Sequence[bytes]) -> bytes:
    """The body in which approvals are handed in.

    Raises:
        MalformedEvidence: one that is no JSON object.
    """
    envelopes = [
        parse_json_object(one, where=f"approval {n}") for n, one in enumerate(approvals, 1)
    ]
    return json.dumps({"approvals": envelopes}).encode()


def grant_of(answer: Answer) -> str:
    """The digest of the grant that a broker took.

    Raises:
        CannotVerify: it refuses, or names none.
    """
    grant = parse_json_object(answer.require(), where="broker").get("grant")
    if not isinstance(grant, str) or not _DIGEST.fullmatch(grant):
        raise MalformedEvidence("the broker's answer names no grant", where="broker")
    return grant


def _is_address(url: str) -> bool:
    """Whether what has the form of an address is one: the port, and what stands in brackets."""
    try:
        return (urlsplit(url).port or 0) <= _LAST_PORT
    except ValueError:
        return False
