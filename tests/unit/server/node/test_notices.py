"""Mail and webhooks: told once, tried again, and nothing in them that is not for everybody."""

from __future__ import annotations

import asyncio
import email.message
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from smtplib import SMTPServerDisconnected

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from tests.unit.server.abuse.listening import endless, listening, plain

from steelyard.kernel import format_instant, parse_json_object
from steelyard.server.node import About, legal, notices, timers
from steelyard.server.node.mailing import Mail, send_mail
from steelyard.server.node.telling import MOST_ATTEMPTS, Teller
from steelyard.server.storage import notices as rows
from steelyard.server.storage.notices import Notice
from steelyard.server.storage.tables import NOTICES

from .federation import Federation

TITLE = "a title"
LIMIT_S = 30
DUTY, DESK = "duty@lab-a.example", "desk@lab-a.example"


class Mailbox(Message):
    """Takes mail, or refuses it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.refuses = 0

    def handle_message(self, message: email.message.Message) -> None:
        if self.refuses:
            self.refuses -= 1
            raise ValueError("not now")
        self.messages.append(message.as_string())


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, Mail]]:
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, Mail("127.0.0.1", port, "node@lab-a.example", starttls=False)
    controller.stop()


class Hook(BaseHTTPRequestHandler):
    """A webhook; `/away` sends its callers elsewhere."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append((self.path, body))  # type: ignore[attr-defined]
        self.send_response(307 if self.path == "/away" else 204)
        self.send_header("location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.bodies = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def told(federate: object) -> tuple[Federation, str]:
    """A case whose lab-a has contacts."""
    contacts = (("emergency", DUTY), ("general", DESK))
    roles = {"coord": ("coordinator",), "lab-a": ("developer",)}
    pair = federate(roles, about={"lab-a": About("lab-a", ("developer",), contacts=contacts)})  # type: ignore[operator]
    pair.clock.forward(days=1)
    case = pair.open("coord", "lab-a", silent_days=10)
    pair.settle()
    return pair, case


def tell(federation: Federation, mail: Mail | None = None, *, allow_private: bool = True) -> None:
    asyncio.run(tell_once(Teller(federation["lab-a"], mail, allow_private=allow_private)))


async def tell_once(teller: Teller) -> None:
    """Send what is due now, to the end."""
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        await teller.begin(group)


def texts(federation: Federation) -> list[tuple[str, str]]:
    with federation["lab-a"].database.reading() as connection:
        due = rows.due(connection, federation.clock.at + timedelta(days=400), 1000)
    return [(item.address, item.text) for item in due]


def states(federation: Federation) -> list[tuple[str, int, str]]:
    with federation["lab-a"].database.reading() as connection:
        found = connection.execute(NOTICES.select().order_by(NOTICES.c.number))
        return [(row.state, row.attempts, row.reason) for row in found]


def test_an_emergency_reaches_the_duty_contact_and_everybody_sees_who_was_told(
    told: tuple[Federation, str], mailbox: tuple[Mailbox, Mail]
) -> None:
    federation, case = told
    box, mail = mailbox
    federation.say("coord", case, "emergency", facts="It burns.", told=["The authority"])
    federation.settle()
    for _ in range(3):
        sum(timers.tick(federation["lab-a"]))
        tell(federation, mail)
    [message] = box.messages
    assert f"To: {DUTY}" in message
    assert "An emergency was called" in message
    assert not any(word in message for word in (TITLE, "It burns", "coord", "The authority"))
    [seen] = federation.chain("lab-a", case).view.emergencies
    assert seen.told == ("The authority",)


def test_mail_that_is_refused_is_sent_again_and_given_up_in_the_end(
    told: tuple[Federation, str], mailbox: tuple[Mailbox, Mail]
) -> None:
    federation, _ = told
    box, mail = mailbox
    first = Notice("first", DESK, "one")
    federation["lab-a"].run(lambda c: rows.add(c, first, federation.clock.at))
    box.refuses = 2
    for minutes, tried in ((0, 1), (0, 1), (1, 2), (1, 2)):
        federation.clock.forward(minutes=minutes)
        tell(federation, mail)
        assert states(federation) == [("waiting", tried, "SMTPDataError")]
    federation.clock.forward(minutes=1)
    tell(federation, mail)
    assert states(federation) == [("sent", 3, "")]
    assert len(box.messages) == 1
    second = Notice("second", DESK, "two")
    federation["lab-a"].run(lambda c: rows.add(c, second, federation.clock.at))
    for _ in range(MOST_ATTEMPTS + 2):
        tell(federation, None)
        federation.clock.forward(days=1)
    assert states(federation)[1] == ("dead", MOST_ATTEMPTS, "the node has no mail server")


def test_what_is_due_survives_a_restart(told: tuple[Federation, str]) -> None:
    federation, case = told
    until = format_instant(federation.clock.at + timedelta(days=30))
    federation.say("coord", case, "propose", until=until, text="Say nothing.")
    federation.settle()
    sum(timers.tick(federation["lab-a"]))
    federation.restart("lab-a")
    sum(timers.tick(federation["lab-a"]))
    [(address, text)] = texts(federation)
    assert address == DESK
    assert "asks for an answer until" in text


def test_a_deadline_that_somebody_entered_is_told_and_its_case_is_looked_after(
    told: tuple[Federation, str], mailbox: tuple[Mailbox, Mail], caplog: pytest.LogCaptureFixture
) -> None:
    federation, case = told
    box, mail = mailbox
    begun = federation.clock.at
    event = f'  - {{event: severe-incident-aware, at: "{format_instant(begun)}"}}\n'
    facts = federation.run("lab-a", lambda _, c: legal.entered(c, case)) + event
    facts = facts.replace("conditions: {}", "conditions: {eu-product-manufacturer: true}")
    federation.run("lab-a", lambda n, c: legal.enter(n, c, legal.read_entered(case, facts)))
    for _ in range(2):
        sum(timers.tick(federation["lab-a"]))
    addresses, written = zip(*texts(federation), strict=True)
    assert set(addresses) == {DESK}
    assert len(set(written)) == len(written)
    due = format_instant(begun + timedelta(hours=24))
    expected = f"act by {due} in case {case[:16]}"
    assert any(expected in text for text in written)
    assert "is not looked after" not in caplog.text
    tell(federation, mail)
    assert len(written) == len(box.messages)
    mailed = [email.message_from_string(item).get_payload(decode=True) for item in box.messages]
    assert any(expected.encode() in text for text in mailed if isinstance(text, bytes))


def test_a_host_that_goes_on_and_on_fills_no_mailbox(told: tuple[Federation, str]) -> None:
    federation, case = told
    chain = federation.chain("lab-a", case)
    many = [notices.Matter(f"{case}:{number}", "general", "again") for number in range(500)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notices, "matters", lambda *_: iter(many))
        for _ in range(3):
            federation.run("lab-a", lambda n, c: notices.write(n, c, chain))
    assert len(texts(federation)) == notices.MOST_A_DAY


def test_a_webhook_is_called_where_it_is_allowed_and_follows_nothing(
    told: tuple[Federation, str], hook: HTTPServer
) -> None:
    federation, _ = told
    base = f"http://127.0.0.1:{hook.server_port}"
    for path in ("/here?token=1", "/away"):
        notice = Notice(path, f"{base}{path}", "something is due")
        federation["lab-a"].run(lambda c, n=notice: rows.add(c, n, federation.clock.at))
    tell(federation, allow_private=False)
    assert hook.bodies == []  # type: ignore[attr-defined]
    assert [reason for _, _, reason in states(federation)] == [
        "AddressDenied: http scheme: need https"
    ] * 2
    federation.clock.forward(hours=1)
    tell(federation)
    calls = sorted(hook.bodies)  # type: ignore[attr-defined]
    assert [path for path, _ in calls] == ["/away", "/here?token=1"]
    assert parse_json_object(calls[1][1]) == {
        "matter": "/here?token=1",
        "text": "something is due",
    }
    assert [state for state, _, _ in states(federation)] == ["sent", "waiting"]
    assert states(federation)[1][2] == "answered 307"


@pytest.mark.parametrize(
    "address",
    ["https://localhost/x", "https://127.0.0.1/x", "https://[::1]/x", "https://10.0.0.1/x",
     "https://169.254.169.254/latest", "https://user:secret@192.0.2.1/", "ftp://192.0.2.1/"],
)  # fmt: skip
def test_a_webhook_never_reaches_what_lies_behind_the_wall(
    told: tuple[Federation, str], address: str
) -> None:
    federation, _ = told
    notice = Notice("matter", address, "text")
    federation["lab-a"].run(lambda c: rows.add(c, notice, federation.clock.at))
    tell(federation, allow_private=False)
    [(state, attempts, reason)] = states(federation)
    assert (state, attempts) == ("waiting", 1)
    assert reason.startswith("AddressDenied") or reason == "the node has no mail server"
    assert "secret" not in reason


def add(federation: Federation, matter: str, address: str) -> None:
    notice = Notice(matter, address, "something is due")
    federation["lab-a"].run(lambda c: rows.add(c, notice, federation.clock.at))


def test_of_what_a_webhook_answers_nothing_is_read_but_the_status(
    told: tuple[Federation, str],
) -> None:
    federation, _ = told

    async def go() -> None:
        async with listening(endless(b"x" * 65_536)) as there:
            add(federation, "matter", there.url)
            await tell_once(Teller(federation["lab-a"], allow_private=True))

    asyncio.run(go())
    assert states(federation) == [("waiting", 1, "answered 500")]


def test_a_webhook_that_does_not_answer_holds_no_other_address(
    told: tuple[Federation, str],
) -> None:
    federation, _ = told

    async def go() -> None:
        bound, called = asyncio.timeout(None), asyncio.Event()
        bounds = iter([bound, asyncio.timeout(LIMIT_S)])

        async def silent(_: asyncio.StreamWriter) -> None:
            await called.wait()
            bound.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()

        async def quick(writer: asyncio.StreamWriter) -> None:
            called.set()
            await plain("204 No Content")(writer)

        async with listening(silent) as slow, listening(quick) as other:
            for matter, url in (("one", slow.url), ("two", slow.url), ("three", other.url)):
                add(federation, matter, url)
            teller = Teller(federation["lab-a"], allow_private=True, bounded=lambda: next(bounds))
            await tell_once(teller)

    asyncio.run(go())
    assert states(federation) == [
        ("waiting", 1, "TimeoutError"),
        ("waiting", 0, ""),
        ("sent", 1, ""),
    ]


@dataclass
class Ticking:
    """A mail server that says one thing for as long as somebody listens; time flies meanwhile."""

    line: bytes
    pass_s: float
    now_s: float = 0.0

    def clock(self) -> float:
        return self.now_s

    def serve(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            while True:
                self.now_s += self.pass_s
                connection.sendall(self.line)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (Ticking(b"2", 1), "no whole answer in time"),
        (Ticking(b"220-wait\r\n", 1), "no whole answer in time"),
        (Ticking(b"220-wait\r\n", 0), "the mail server says too much"),
    ],
)
def test_a_mail_server_that_never_ends_is_left(server: Ticking, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.serve, args=(listener,))
        thread.start()
        mail = Mail("127.0.0.1", listener.getsockname()[1], "node@lab-a.example", starttls=False)
        with pytest.raises(SMTPServerDisconnected, match=reason):
            send_mail(mail, Notice("matter", DESK, "text"), server.clock)
        thread.join()
