"""The mail server of the settings reaches what sends notices."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from starlette.testclient import TestClient

from steelyard.kernel.errors import ConfigurationError
from steelyard.server.node import About, create_identity, open_node
from steelyard.server.storage import notices
from steelyard.server.storage.notices import Notice
from steelyard.server.web.app import mail_of, make_app
from steelyard.server.web.settings import Settings, Smtp


class Sink(Message):
    """Keeps what it is handed."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []
        self.came = threading.Event()

    def handle_message(self, message: object) -> None:
        self.kept.append(str(message))
        self.came.set()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_notice_leaves_by_the_mail_server_of_the_settings(tmp_path: Path) -> None:
    about = About("Lab", ("developer",), contacts=(("general", "mailto:psirt@lab.example"),))
    create_identity(tmp_path, about, datetime.now(UTC))
    sink = Sink()
    port = _free_port()
    server = Controller(sink, hostname="127.0.0.1", port=port)
    server.start()
    node = open_node(tmp_path)
    try:
        smtp = Smtp("127.0.0.1", port, sender="node@lab.example", starttls=False)
        app = make_app(node, Settings(tmp_path, smtp=smtp))
        told = Notice("a:b", "mailto:psirt@lab.example", "Something waits.")
        node.run(lambda connection: notices.add(connection, told, node.now()))
        with TestClient(app):
            assert sink.came.wait(60)
    finally:
        server.stop()
        node.close()
    assert len(sink.kept) == 1
    assert "Something waits." in sink.kept[0]
    assert "From: node@lab.example" in sink.kept[0]


def test_the_password_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse\n")
    mail = mail_of(Smtp("mail.example", 587, "user", str(tmp_path / "secret"), "n@lab.example"))
    assert mail is not None
    assert mail.password == "correct horse"  # noqa: S105 - what the file holds
    assert mail.starttls


def test_without_a_host_there_is_no_mail() -> None:
    assert mail_of(Smtp()) is None


@pytest.mark.parametrize("smtp", [Smtp("mail.example"), Smtp("m", 25, "user", "", "n@lab.example")])
def test_half_a_mail_server_is_refused(smtp: Smtp) -> None:
    with pytest.raises(ConfigurationError, match="a mail server needs a sender"):
        mail_of(smtp)
