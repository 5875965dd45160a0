"""Asking a broker for segments: requests signed, answers bounded."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from steelyard.attest.http_signatures import NONCE_BYTES, HttpRequest, sign_request
from steelyard.kernel import parse_json_object
from steelyard.kernel.errors import CannotVerify, TargetUnreachable, UsageError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from steelyard.attest import PrivateKey

ANSWER_LIMIT_BYTES: Final = 80 << 20
_OK: Final = 200


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
        """Hand in a grant; returns its digest."""
        body = json.dumps({"approvals": [json.loads(one) for one in approvals]}).encode()
        answer = parse_json_object(self.ask("POST", "/v1/grants", "", body).require())
        return str(answer["grant"])

    def ask(self, method: str, path: str, query: str = "", body: bytes = b"") -> Answer:
        """Sign and send one request.

        Raises:
            TargetUnreachable: no answer, or none that is bounded.
        """
        request = HttpRequest(method, self._authority, path, query, body)
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
        elif place.scheme == "http":
            connection = HTTPConnection(place.netloc, timeout=self.timeout_s)
        else:
            raise UsageError("a broker's address begins with http:// or https://", where=self.url)
        target = f"{request.path}?{request.query}" if request.query else request.path
        try:
            connection.request(request.method, target, request.body or None, fields)
            response = connection.getresponse()
            data = response.read(ANSWER_LIMIT_BYTES + 1)
        except (OSError, HTTPException) as error:
            message = f"the broker does not answer: {error}"
            raise TargetUnreachable(message, where=self.url) from error
        finally:
            connection.close()
        if len(data) > ANSWER_LIMIT_BYTES:
            raise TargetUnreachable("the broker's answer has no end", where=self.url)
        wait = response.headers.get("Retry-After", "")
        return Answer(response.status, data, float(wait) if wait.isdecimal() else None)

    @property
    def _authority(self) -> str:
        return urlsplit(self.url).netloc.lower()
