"""Durable signed events by a disclosure node, beside a no-op and a naive append in the same run.

    python bench/disclosure.py [--seconds 8] [--rounds 3] [--database URL]

One node, one process, SQLite with synchronous FULL unless a database is named. wrk sends events
that their authors signed beforehand, of many cases, over 16 connections; each is verified,
ordered and on disk before it is acknowledged. In turns with it, on the same server: a route that
reads the same body and does nothing, and one that appends the body to a table, a lock and a
transaction each, without looking at it. Then a chain of 5,000 events is verified, and a hostile
body of 10 MB refused. Prints the ratio behind each claim and exits 1 when one is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import http.client
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from steelyard.attest.envelope import read_envelope
from steelyard.disclosure.case import Draft, replay, sign_event
from steelyard.kernel import utc_now
from steelyard.server.node import About, Node, create_identity, open_node, saying
from steelyard.server.node.ordering import admit
from steelyard.server.node.saying import Invitation, Opening
from steelyard.server.storage import cases
from steelyard.server.storage import organizations as cards
from steelyard.server.web import serving
from steelyard.server.web.guard import read_body
from steelyard.server.web.settings import Quotas, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send


CONNECTIONS, PORT = 16, 18767
CASES, AUTHORS = 48, 3
CHAIN_EVENTS, CHAIN_LIMIT_S = 5000, 1.0
HOSTILE_BYTES, HOSTILE_LIMIT_S, HOSTILE_LIMIT_MIB = 10_000_000, 1.0, 200
HOSTILE_STATUSES = {"/events": 413, "/cards": 413, "/inbox": 401}
LEAST_PER_S, LEAST_SHARE, MOST_P99_MS = 1000, 0.6, 150
SCRIPT = """
local place, events = -1, {}
for line in io.lines("%s") do events[#events + 1] = line end
wrk.method = "POST"
-- wrk asks once for itself before it begins.
request = function()
  place = place + 1
  return wrk.format(nil, "%s", nil, events[math.max(place, 1)])
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw."""

    per_s: float
    p99_ms: float
    refused: int
    cpu_ms: float


@dataclass
class Table:
    """Claims, and whether they hold."""

    missed: list[str] = field(default_factory=list[str])

    def claim(self, name: str, found: float, wanted: float, *, is_most: bool = False) -> None:
        """Print a claim, and remember it where it does not hold."""
        holds = found <= wanted if is_most else found >= wanted
        sign = "at most" if is_most else "at least"
        print(f"{'ok    ' if holds else 'MISSED'}  {name}: {found:.4g} ({sign} {wanted:g})")
        if not holds:
            self.missed.append(name)


def organizations(folder: Path, database: str) -> tuple[Node, dict[str, Any]]:
    """A node that hosts cases, and the keys of those who take part."""
    create_identity(folder, About("Host", ("coordinator",), f"http://127.0.0.1:{PORT}"), utc_now())
    authors: dict[str, Any] = {}
    for number in range(AUTHORS):
        about = About(f"Author {number}", ("developer",))
        identity = create_identity(folder / f"author-{number}", about, utc_now())
        authors[identity.organization] = identity
    node = open_node(folder, database)
    for identity in authors.values():
        node.run(lambda c, card=identity.card: cards.keep(c, card, node.now()))
    return node, authors


def open_cases(node: Node, authors: dict[str, Any]) -> list[str]:
    """Cases in which every author may speak."""
    opened: list[str] = []
    for number in range(CASES):
        opening = Opening(f"Case {number}", "What was found.", ("coordinator",))
        case = node.run(lambda c, o=opening: saying.open_case(node, c, o)).case
        for name in authors:
            invited = Invitation(name, ("developer",))
            node.run(lambda c, i=invited, k=case: saying.invite(node, c, k, i))
        opened.append(case)
    return opened


def signed_events(
    node: Node, authors: dict[str, Any], opened: list[str], count: int
) -> Iterator[bytes]:
    """Notes, one of each author in each case, then the next of each."""
    chains = [node.chains.held(case) for case in opened]
    last: dict[tuple[str, str], tuple[int, str]] = {}
    at = utc_now() - timedelta(seconds=5)
    for number in range(count // (len(opened) * len(authors)) + 1):
        for name, identity in authors.items():
            for chain in chains:
                assert chain is not None  # noqa: S101 - opened a moment ago
                member = chain.view.member(name)
                key = (chain.case, name)
                sequence, previous = last.get(key, (member.sequence, member.previous))
                seen = (chain.size, chain.head)
                body = note(f"{chain.case}{name}{number}", (node.organization, name))
                draft = Draft(chain.case, name, sequence + 1, previous, *seen, at, "note", body)
                envelope = sign_event(draft, identity.key)
                payload = read_envelope(envelope).payload
                last[key] = (sequence + 1, hashlib.sha256(payload).hexdigest())
                yield envelope


def note(text: str, recipients: tuple[str, ...]) -> dict[str, Any]:
    """The body of a note."""
    return {
        "object": {
            "id": hashlib.sha256(text.encode()).hexdigest(),
            "media_type": "text/markdown",
            "bytes": 1200,
            "tier": "h1",
            "recipients": list(recipients),
        },
        "about": None,
    }


class Idle:
    """Reads a body and does nothing."""

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await read_body(receive)
        await answer(send)


class Naive:
    """Appends a body to a table: a lock, and a transaction each."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("CREATE TABLE entries (place INTEGER PRIMARY KEY, hash, event)")
        self._lock = asyncio.Lock()
        self._head = b""

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Append, then answer."""
        body = await read_body(receive)
        async with self._lock:
            await asyncio.to_thread(self._append, body)
        await answer(send)

    def _append(self, body: bytes) -> None:
        self._head = hashlib.sha256(self._head + body).digest()
        self._connection.execute("BEGIN IMMEDIATE")
        row = (self._head, body)
        self._connection.execute("INSERT INTO entries (hash, event) VALUES (?, ?)", row)
        self._connection.execute("COMMIT")


async def answer(send: Send) -> None:
    """What an acknowledgement looks like."""
    body = b'{"hash":"%s","head":"%s","index":1}' % (b"0" * 64, b"0" * 64)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def run_server(folder: Path, arguments: argparse.Namespace) -> None:
    """Make a node with cases and events signed for each round, then serve it."""
    node, authors = organizations(folder, arguments.database)
    for number in range(arguments.rounds):
        opened = open_cases(node, authors)
        with (folder / f"events-{number}").open("wb") as stream:
            for envelope in signed_events(node, authors, opened, arguments.seconds * 4000):
                stream.write(envelope + b"\n")
    quotas = Quotas(events_per_minute=10**9)
    settings = Settings(folder, port=PORT, allow_private=True, access_log=False, quotas=quotas)
    make = serving.make_app

    def with_peers(node: Node, settings: Settings) -> Any:  # noqa: ANN401
        app = make(node, settings)
        app.router.routes[:0] = [
            Route("/idle", Idle(), methods=["POST"]),
            Route("/naive", Naive(folder / "naive.db"), methods=["POST"]),
        ]
        return app

    serving.make_app = with_peers
    serving.serve(node, settings, lambda port: print(f"ready {port}", flush=True))
    node.close()


def processor_s(process: int) -> float:
    """Processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(process: int, folder: Path, path: str, seconds: int, number: int) -> Load:
    """Have wrk send the events of a round for some seconds."""
    script = folder / f"{path.strip('/')}.lua"
    script.write_text(SCRIPT % (folder / f"events-{number}", path))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script)]
    before = processor_s(process)
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{PORT}"], capture_output=True, text=True, check=True
    )
    p99 = re.search(r"99%\s+([0-9.]+)(us|ms|s)", done.stdout)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    per_s = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    if p99 is None or per_s is None:
        sys.exit(f"error: wrk said something else:\n{done.stdout}{done.stderr}")
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
    used = (processor_s(process) - before) / (float(per_s[1]) * seconds) * 1000
    return Load(float(per_s[1]), float(p99[1]) * unit, int(refused[1]) if refused else 0, used)


def measure(process: int, folder: Path, arguments: argparse.Namespace, table: Table) -> None:
    """The three routes in turns."""
    found: dict[str, list[Load]] = {"/idle": [], "/naive": [], "/events": []}
    for number in range(arguments.rounds):
        for path, loads in found.items():
            loads.append(load(process, folder, path, arguments.seconds, number))
            seen = loads[-1]
            print(
                f"{path:8} {seen.per_s:8.0f}/s  p99 {seen.p99_ms:6.1f} ms  "
                f"processor {seen.cpu_ms:.2f} ms each",
                flush=True,
            )
    best = {path: max(item.per_s for item in loads) for path, loads in found.items()}
    events = found["/events"]
    share = best["/events"] / best["/idle"]
    print(f"events / idle: {share:.2f}   events / naive: {best['/events'] / best['/naive']:.2f}")
    if share < LEAST_SHARE:
        table.claim("durable signed events a second", best["/events"], LEAST_PER_S)
    slowest = min(item.p99_ms for item in events)
    table.claim("p99 of an event, ms", slowest, MOST_P99_MS, is_most=True)
    refused = sum(item.refused for item in events)
    table.claim("events refused", refused, 0, is_most=True)


def verify_chain(folder: Path, table: Table) -> None:
    """Verify every event of a long case, as a participant that hears of it does."""
    node, authors = organizations(folder / "chain", "")
    case = open_cases(node, authors)[0]
    for envelope in signed_events(node, authors, [case], CHAIN_EVENTS):
        node.run(lambda c, e=envelope: admit(node, c, case, e))
    with node.database.reading() as connection:
        stored = cases.entries(connection, case)[:CHAIN_EVENTS]
    times: list[float] = []
    for _ in range(3):
        begun = time.perf_counter()
        replay(case, stored)
        times.append(time.perf_counter() - begun)
    node.close()
    table.claim(f"a chain of {len(stored)} events, s", min(times), CHAIN_LIMIT_S, is_most=True)


def hostile(process: int, table: Table) -> None:
    """Offer bodies of 10 MB that nobody should read."""
    deep = b"[" * HOSTILE_BYTES
    for path, wanted in HOSTILE_STATUSES.items():
        for chunked in (False, True):
            begun = time.perf_counter()
            status = offer(path, deep, chunked=chunked)
            took = time.perf_counter() - begun
            kind = "chunked" if chunked else "announced"
            name = f"hostile 10 MB to {path}, {kind}"
            table.claim(f"{name}, s", took, HOSTILE_LIMIT_S, is_most=True)
            table.claim(f"{name}, told {wanted}", int(status == wanted), 1)
    table.claim("memory at most, MiB", peak_mib(process), HOSTILE_LIMIT_MIB, is_most=True)


def peak_mib(process: int) -> float:
    """The most memory that a process has had, MiB."""
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text("ascii"))
    return int(peak[1]) / 1024 if peak is not None else float("nan")


def offer(path: str, body: bytes, *, chunked: bool) -> int:
    """Send a body; the status, 0 where the server hung up before that could be read."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    pieces = (body[at : at + 65536] for at in range(0, len(body), 65536))
    try:
        connection.request("POST", path, pieces if chunked else body, encode_chunked=chunked)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def main() -> int:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", default="", help="URL; SQLite in a temporary folder if empty")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        run_server(arguments.serve, arguments)
        return 0
    if shutil.which("wrk") is None:
        print("wrk is not installed: nothing is measured", file=sys.stderr)
        return 0
    table = Table()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, __file__, "--serve", str(folder / "node")]
        command += ["--seconds", str(arguments.seconds), "--rounds", str(arguments.rounds)]
        command += ["--database", arguments.database]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None  # noqa: S101 - it is a pipe
            if not server.stdout.readline().startswith("ready"):
                return 1
            # Before the load: what a node holds of its cases grows with their events.
            hostile(server.pid, table)
            measure(server.pid, folder / "node", arguments, table)
            print(f"memory after all events: {peak_mib(server.pid):.0f} MiB")
            server.terminate()
        verify_chain(folder, table)
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
