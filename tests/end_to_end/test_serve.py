"""`steelyard serve` as a process: the first start, later ones, stopping, hostile bodies."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from steelyard.attest.http_signatures import HttpRequest, sign_request
from steelyard.kernel import sha256_hex, utc_now
from steelyard.server.node import About, create_identity, open_node, saying
from steelyard.server.node.identity import load_identity_of, load_root, rotate_keys
from steelyard.server.node.saying import Invitation, Opening
from steelyard.server.storage import organizations as cards

HOSTILE_BYTES = 10_000_000
LIMIT_S, LIMIT_MIB = 1.0, 200
RUN = [sys.executable, "-c", "from steelyard.cli.main import main; main()", "serve"]
INIT = ["--init", "--name", "Example Lab", "--role", "developer", "--url", "https://node.example"]


@dataclass
class Running:
    """A node in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    said: list[str]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def post(self, path: str, body: bytes, headers: dict[str, str], *, chunked: bool) -> int:
        """The status, once all of the body was sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        pieces = (body[at : at + 65536] for at in range(0, len(body), 65536))
        try:
            content = pieces if chunked else body
            connection.request("POST", path, content, headers, encode_chunked=chunked)
            return connection.getresponse().status
        finally:
            connection.close()

    def most_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        found = re.search(r"VmHWM:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) / 1024


def start(folder: Path, *arguments: str) -> Running:
    command = [*RUN, str(folder), "--port", "0", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line.rstrip())
        if found := re.fullmatch(r"serving org:[0-9a-f]{64} on port (\d+)", said[-1]):
            return Running(process, int(found[1]), said)
    assert process.stderr is not None
    pytest.fail(process.stderr.read())


def ended(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*RUN, str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def refused(folder: Path, *arguments: str) -> tuple[int, str]:
    done = ended(folder, *arguments)
    return done.returncode, done.stderr


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[Path, Running]]:
    folder = tmp_path / "node"
    running = start(folder, *INIT)
    yield folder, running
    running.process.kill()
    running.process.wait()


def test_the_first_start_prints_one_link_that_is_kept_as_a_digest(
    node: tuple[Path, Running],
) -> None:
    folder, running = node
    links = [line for line in running.said if line.startswith("admin link: ")]
    found = re.fullmatch(r"admin link: https://node\.example/link/([\w-]{43})", links[0])
    assert found is not None
    assert len(links) == 1
    with sqlite3.connect(folder / "steelyard.db") as connection:
        rows = connection.execute("SELECT digest, kind FROM links").fetchall()
    assert rows == [(sha256_hex(found[1].encode()), "admin")]
    assert (folder / "keys" / "root.key").stat().st_mode & 0o777 == 0o600
    assert running.stop() == 0
    again = start(folder)
    assert not [line for line in again.said if line.startswith("admin link")]
    assert again.said[-1].split()[1] == running.said[-1].split()[1]
    assert again.stop() == 0


def test_a_node_without_an_address_is_entered_where_it_listens(tmp_path: Path) -> None:
    running = start(tmp_path / "node", "--init", "--name", "Lab", "--role", "developer")
    try:
        link = running.said[0].removeprefix("admin link: ")
        base = f"http://127.0.0.1:{running.port}"
        assert link.startswith(f"{base}/link/")
        connection = http.client.HTTPConnection("127.0.0.1", running.port)
        connection.request("GET", link.removeprefix(base))
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        running.stop()


def test_answers_do_not_name_the_server(node: tuple[Path, Running]) -> None:
    _, running = node
    connection = http.client.HTTPConnection("127.0.0.1", running.port)
    connection.request("GET", "/health")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b'{"status":"ok"}')
    assert response.headers["server"] is None
    connection.close()


def test_hostile_bodies_of_ten_megabytes_are_refused_soon_and_in_little_memory(
    node: tuple[Path, Running],
) -> None:
    folder, running = node
    deep, wide = b"[" * HOSTILE_BYTES, b'{"a":[' + b"{}," * (HOSTILE_BYTES // 3)
    for path, refusal in (("/events", 413), ("/cards", 413), ("/inbox", 421)):
        for body in (deep, wide):
            for chunked in (False, True):
                begun = time.perf_counter()
                status = running.post(path, body, {}, chunked=chunked)
                assert time.perf_counter() - begun < LIMIT_S
                assert status == refusal
    # From a known key the inbox reads all of it.
    key = load_identity_of(folder).key
    request = HttpRequest("POST", "node.example", "/inbox", body=deep)
    time.sleep(3)  # what was signed before the node began is refused
    signed = sign_request(request, key, created=int(time.time()), nonce=os.urandom(16))
    begun = time.perf_counter()
    headers = {"Host": "node.example", **signed}
    assert running.post("/inbox", deep, headers, chunked=False) == 422
    assert time.perf_counter() - begun < LIMIT_S
    assert running.most_mib() < LIMIT_MIB


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ("--host", "0.0.0.0"),  # noqa: S104
            "error: 0.0.0.0 can be reached by others, and this would be plain HTTP",
            "hint: add --tls-certificate FILE, or --behind-proxy where a proxy ends TLS",
        ),
        ((), "error: {folder}: no node is here", "hint: steelyard serve --init makes one"),
        (
            ("--init", "--name", "Lab"),
            "error: a new node needs --name and --role",
            'hint: --init --name "Example Lab" --role developer --url https://node.example.org',
        ),
        (
            ("--name", "Lab"),
            "error: --name, --role and --contact belong to --init",
            "hint: add --init",
        ),
    ],
)
def test_what_cannot_be_served_is_said(
    tmp_path: Path, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    folder = tmp_path / "node"
    status, said = refused(folder, *arguments)
    assert status == 2
    assert said.splitlines() == [message.format(folder=folder), hint]
    assert not folder.exists()


def test_a_port_that_is_taken_is_said(node: tuple[Path, Running]) -> None:
    folder, running = node
    status, said = refused(folder, "--port", str(running.port))
    assert status == 2
    assert said.startswith(
        f"error: 127.0.0.1:{running.port}: cannot listen: Address already in use"
    )


def test_a_link_is_made_beside_the_node_that_runs(node: tuple[Path, Running]) -> None:
    folder, running = node
    done = ended(folder, "--admin-link", "--port", str(running.port))
    assert done.returncode == 0
    assert done.stderr == "it works once, within 24 hours\n"
    link = done.stdout.removeprefix("admin link: https://node.example").rstrip()
    connection = http.client.HTTPConnection("127.0.0.1", running.port)
    connection.request("GET", link, headers={"Host": "node.example"})
    assert connection.getresponse().status == 200
    connection.close()


def test_a_first_start_that_could_not_listen_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    init = ("--init", "--name", "Lab", "--role", "developer")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, said = refused(folder, *init, "--port", port)
        assert status == 2
        assert "cannot listen: Address already in use" in said
    status, said = refused(folder, *init, "--port", "0")
    assert status == 2
    assert said.splitlines() == [
        f"error: {folder}: a node is here already",
        f"hint: steelyard serve {folder} --admin-link prints a link that lets you in",
    ]
    done = ended(folder, "--admin-link", "--port", "8767")
    assert done.stdout.startswith("admin link: http://127.0.0.1:8767/link/")
    status, said = refused(folder, "--admin-link", "--port", "0")
    assert status == 2
    assert said == ("error: a link needs the port that the node listens on\nhint: --port PORT\n")
    again = start(folder)
    assert again.stop() == 0


def test_a_host_that_came_back_orders_nothing_as_it_starts(tmp_path: Path) -> None:
    folder, other = tmp_path / "node", About("Other", ("developer",))
    create_identity(folder, About("Host", ("coordinator",)), utc_now())
    guest = create_identity(tmp_path / "other", other, utc_now()).card
    host = open_node(folder)
    opening = Opening("A flaw", "What was found.", ("coordinator",))
    case = host.run(lambda c: saying.open_case(host, c, opening)).case
    host.run(lambda c: cards.keep(c, guest, host.now(), trusted=True))
    invited = Invitation(guest.organization, ("developer",))
    host.run(lambda c: saying.invite(host, c, case, invited))
    host.close()
    rotate_keys(folder, load_root(folder), utc_now(), revoke=False)
    running = start(folder, "--restored")
    assert running.stop() == 0
    assert running.process.stderr is not None
    waiting = "1 cases wait until their participants have said what they hold"
    assert waiting in running.process.stderr.read().splitlines()
    with sqlite3.connect(folder / "steelyard.db") as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchall() == [(2,)]


def test_a_certificate_that_is_none_is_named(node: tuple[Path, Running]) -> None:
    folder, running = node
    running.stop()
    status, said = refused(folder, "--tls-certificate", str(folder / "card.json"))
    assert status == 2
    assert said.startswith(f"error: {folder / 'card.json'}: cannot use for TLS: ")
