"""The broker over HTTP: bounded requests in, segments or a refusal out.

Decides paths, statuses and limits (spec/broker.md, section 6): few connections at once, fewer
from one address, a request soon there and an answer soon taken, so that slow clients cannot
hold the door. What may leave is decided by `broker`. Plain HTTP is for loopback and for a proxy
that ends TLS; requests are signed anyway.
"""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.attest.http_signatures import HttpRequest, normal_authority
from steelyard.kernel import canonical_json, parse_json_object
from steelyard.kernel.errors import (
    CannotVerify,
    DuplicateRecord,
    Expired,
    NotSatisfied,
    SteelyardError,
    StorageError,
    UnknownName,
    UsageError,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Mapping

    from steelyard.weights.broker.broker import Broker
    from steelyard.weights.broker.meter import Decision, Principal

_SEGMENTS: Final = re.compile(r"/v1/streams/(0|[1-9][0-9]{0,5})/segments/(\d{1,9})-(\d{1,9})")
_GRANT_QUERY: Final = re.compile(r"(?:grant=([0-9a-f]{64}))?")
_SIGNED_FIELDS: Final = ("signature", "signature-input", "content-digest", "host")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, or all of them, may use up.

    Attributes:
        connections: At once; more are turned away.
        address_connections: The same from one address, unless a proxy stands before.
        idle_s: How long a read or write may take.
        request_s: How long a request may take to be there, TLS and body included. Until then
            nobody has shown a key.
        connection_s: How long its answer may take.
        body_bytes: Of a request.
    """

    connections: int = 64
    address_connections: int = 16
    idle_s: float = 10.0
    request_s: float = 5.0
    connection_s: float = 120.0
    body_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: HTTPStatus
    body: bytes
    kind: str = "application/json"
    retry_after_s: int | None = None


class BrokerServer(ThreadingHTTPServer):
    """Serves one broker; `serve_forever` runs it and `shutdown` ends it.

    Args:
        address: Host and port; port 0 takes a free one.
        broker: What decides.
        limits: Of connections.
        tls: Where given, every connection is TLS.
        authority: Host and port that requests are signed for; its own address by default, so
            that a request to one broker is none to another.
        behind_proxy: Whether a proxy stands before: it ends TLS, and everybody comes from its
            address.

    Attributes:
        url: Where it listens.
        authority: Whom requests are signed for.
        scheme: That clients ask by.

    Raises:
        UsageError: no such address here, or it is taken.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        broker: Broker,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        authority: str = "",
        *,
        behind_proxy: bool = False,
    ) -> None:
        self.broker = broker
        self.limits = limits or Limits()
        self._tls = tls
        one_address = self.limits.connections if behind_proxy else self.limits.address_connections
        self._doors = _Doors(self.limits.connections, one_address)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        try:
            # As the system encodes it, which would say of a name that is none that a type is wrong.
            address[0].encode("idna")
            super().__init__(address, _Handler)
        except (OSError, UnicodeError) as error:
            detail = error.strerror or error if isinstance(error, OSError) else "no name of a host"
            message = f"cannot listen: {detail}"
            where = f"{address[0][:80]}:{address[1]}"
            raise UsageError(
                message, where=where, hint="choose another --host or --port"
            ) from error
        host, port = self.server_address[:2]
        own = f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"
        self.url = f"{'https' if tls else 'http'}://{own}"
        self.scheme = "https" if tls or behind_proxy else "http"
        self.authority = normal_authority(authority or own, self.scheme)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Start a thread for a connection, or turn it away."""
        if not self._doors.enter(client_address[0]):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:
            # No thread can be started: nobody else would give the place back.
            self._doors.leave(client_address[0])
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Serve a connection until it ends or its time is over."""
        try:
            wrapped = self._wrapped(request)
            if wrapped is not None:
                super().process_request_thread(wrapped, client_address)
        finally:
            self._doors.leave(client_address[0])

    def _wrapped(self, request: socket.socket) -> socket.socket | None:
        """The connection under TLS where that is asked for; None where it has ended meanwhile."""
        if self._tls is None:
            return request
        try:
            # Without the handshake, which could take for ever: it is part of the request's time.
            return self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        except OSError:
            self.shutdown_request(request)
            return None

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A client that goes away is no news."""
        del request, client_address


class _Doors:
    """Counts the connections that are open, in all and from one address."""

    def __init__(self, all_together: int, one_address: int) -> None:
        self._all, self._one = all_together, one_address
        self._lock = threading.Lock()
        self._open = Counter[str]()

    def enter(self, address: str) -> bool:
        """Count a connection, if there is room for it."""
        with self._lock:
            if self._open.total() >= self._all or self._open[address] >= self._one:
                return False
            self._open[address] += 1
            return True

    def leave(self, address: str) -> None:
        """Give a place back."""
        with self._lock:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]


def _cut(connection: socket.socket) -> None:
    try:
        # Not that of TLS, which forgets its keys first and would let a writer go on in the clear.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        connection.close()


class _Handler(BaseHTTPRequestHandler):
    server_version = "steelyard-broker"
    sys_version = ""
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self._server.limits.idle_s)
        self._timer = self._cut_after(self._server.limits.request_s)

    def finish(self) -> None:
        self._timer.cancel()
        super().finish()

    def _cut_after(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, _cut, [self.connection])
        timer.daemon = True
        timer.start()
        return timer

    @property
    def _server(self) -> BrokerServer:
        return cast("BrokerServer", self.server)

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > self._server.limits.body_bytes:
            self._send(_problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body has no fit length"))
            return
        self._answer(self.rfile.read(int(length)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The access log says who had what; the console stays silent."""

    def _answer(self, body: bytes) -> None:
        self._timer.cancel()
        self._timer = self._cut_after(self._server.limits.connection_s)
        path, _, query = self.path.partition("?")
        try:
            fields = self._fields()
            host = normal_authority(fields.get("host", ""), self._server.scheme)
            if host != self._server.authority:
                raise CannotVerify("the request is for another server", where="host")
            request = HttpRequest(self.command, self._server.authority, path, query, body)
            reply = _reply(self._server.broker, request, fields)
        except StorageError as error:
            # Where it lies is for who runs this, not for who asks.
            reply = _problem(HTTPStatus.SERVICE_UNAVAILABLE, error.message)
        except SteelyardError as error:
            reply = _problem(_status(error), str(error))
        self._send(reply)

    def _fields(self) -> Mapping[str, str]:
        found = {name: self.headers.get_all(name) or [] for name in _SIGNED_FIELDS}
        twice = [name for name, values in found.items() if len(values) > 1]
        if twice:
            raise CannotVerify("a field is there twice", where=twice[0])
        return {name: values[0] for name, values in found.items() if values}

    def _send(self, reply: Reply) -> None:
        self.close_connection = True
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Connection", "close")
        if reply.retry_after_s is not None:
            self.send_header("Retry-After", str(reply.retry_after_s))
        self.end_headers()
        self.wfile.write(reply.body)


def _reply(broker: Broker, request: HttpRequest, fields: Mapping[str, str]) -> Reply:
    try:
        principal = broker.authenticate(request, fields)
    except Expired as error:
        return _problem(HTTPStatus.TOO_EARLY, str(error), retry_after_s=1)
    except CannotVerify as error:
        return _problem(HTTPStatus.UNAUTHORIZED, str(error))
    if request.method == "POST":
        return _take_grant(broker, request)
    found = _SEGMENTS.fullmatch(request.path)
    grant = _GRANT_QUERY.fullmatch(request.query)
    if found is not None and grant is not None:
        return _segments(broker, principal, [int(group) for group in found.groups()], grant[1])
    return _document(broker, principal, request)


def _take_grant(broker: Broker, request: HttpRequest) -> Reply:
    if (request.path, request.query) != ("/v1/grants", ""):
        raise UnknownName("no such path")
    grant = broker.accept_grant(list(_envelopes(request.body)))
    return Reply(HTTPStatus.OK, canonical_json({"grant": grant.digest}))


def _document(broker: Broker, principal: Principal, request: HttpRequest) -> Reply:
    match request.path, request.query:
        case "/v1/header", "":
            return Reply(HTTPStatus.OK, broker.store.header)
        case "/v1/leaves", "":
            return Reply(HTTPStatus.OK, broker.store.leaves, "application/octet-stream")
        case "/v1/status", "":
            return Reply(HTTPStatus.OK, canonical_json(broker.status(principal)))
        case _:
            raise UnknownName("no such path")


def _segments(broker: Broker, principal: Principal, numbers: list[int], grant: str | None) -> Reply:
    stream, first, last = numbers
    handed = broker.hand_out(principal, stream, first, last - first + 1, grant or "")
    if isinstance(handed, bytes):
        return Reply(HTTPStatus.OK, handed, "application/octet-stream")
    return _refusal(handed)


def _refusal(decision: Decision) -> Reply:
    # Which budget decided is for the ledger: it would tell a thief what others have had.
    if decision.verdict == "wait":
        seconds = int(decision.wait_s) + 1
        return _problem(HTTPStatus.TOO_MANY_REQUESTS, "new segments are slowed", seconds)
    if decision.verdict == "too_much":
        return _problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "ask for fewer segments")
    return _problem(HTTPStatus.FORBIDDEN, "no new segments until people have looked")


def _envelopes(body: bytes) -> Generator[bytes]:
    value = parse_json_object(body, where="body").get("approvals")
    for envelope in value if isinstance(value, list) else []:
        yield canonical_json(envelope)


def _problem(status: HTTPStatus, detail: str, retry_after_s: int | None = None) -> Reply:
    body = canonical_json({"status": status.value, "title": status.phrase, "detail": detail})
    return Reply(status, body, "application/problem+json", retry_after_s)


def _status(error: SteelyardError) -> HTTPStatus:
    if isinstance(error, UnknownName):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, DuplicateRecord):
        return HTTPStatus.CONFLICT
    if isinstance(error, NotSatisfied | Expired | CannotVerify):
        return HTTPStatus.FORBIDDEN
    return HTTPStatus.BAD_REQUEST
