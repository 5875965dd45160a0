"""Mail and webhooks: told once, tried again, and nothing in them that is not for everybody."""

from __future__ import annotations

import asyncio
import email.message
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from steelyard.kernel import format_instant, parse_json_object
from steelyard.server.node import About, legal, notices, timers
from steelyard.server.node.telling import MOST_ATTEMPTS, Mail, Teller
from steelyard.server.storage import notices as rows
from steelyard.server.storage.notices import Notice
from steelyard.server.storage.tables import NOTICES

from .federation import Federation

TITLE = "a title"
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


def tell(federation: Federation, mail: Mail | None = None, *, allow_private: bool = True) -> int:
    teller = Teller(federation["lab-a"], mail, allow_private=allow_private)
    return asyncio.run(teller.once())


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
        federation.run("lab-a", timers.tick)
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
    assert tell(federation, mail) == 1
    assert tell(federation, mail) == 0
    federation.clock.forward(minutes=1)
    assert tell(federation, mail) == 1
    federation.clock.forward(minutes=2)
    assert tell(federation, mail) == 1
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
    federation.run("lab-a", timers.tick)
    federation.restart("lab-a")
    federation.run("lab-a", timers.tick)
    [(address, text)] = texts(federation)
    assert address == DESK
    assert "asks for an answer until" in text


def test_a_deadline_that_somebody_entered_is_told_and_its_case_is_looked_after(
    told: tuple[Federation, str], caplog: pytest.LogCaptureFixture
) -> None:
    federation, case = told
    begun = federation.clock.at
    event = f'  - {{event: severe-incident-aware, at: "{format_instant(begun)}"}}\n'
    facts = federation.run("lab-a", lambda _, c: legal.entered(c, case)) + event
    facts = facts.replace("conditions: {}", "conditions: {eu-product-manufacturer: true}")
    federation.run("lab-a", lambda n, c: legal.enter(n, c, case, facts))
    for _ in range(2):
        federation.run("lab-a", timers.tick)
    addresses, written = zip(*texts(federation), strict=True)
    assert set(addresses) == {DESK}
    assert len(set(written)) == len(written)
    due = format_instant(begun + timedelta(hours=24))
    assert any(f"act by {due} in case {case[:16]}" in text for text in written)
    assert "is not looked after" not in caplog.text


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
    calls = hook.bodies  # type: ignore[attr-defined]
    assert [path for path, _ in calls] == ["/here?token=1", "/away"]
    assert parse_json_object(calls[0][1]) == {
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
