"""`steelyard disclose node sign-in`: tickets and links that the pages take."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from steelyard.attest import generate_key, save_key
from steelyard.cli.main import app
from steelyard.kernel import utc_now
from steelyard.server.node import About, Node, create_identity, open_node
from steelyard.server.people.tickets import open_ticket
from steelyard.server.storage.accounts import Account, add_account, find_link

BASE = "https://node.example"
COMMAND = ["disclose", "node", "sign-in", "--at", f"{BASE}/"]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    create_identity(tmp_path / "node", About("Hub", ("coordinator",)), utc_now())
    return open_node(tmp_path / "node")


def test_a_key_signs_a_link_for_the_node_that_is_named(tmp_path: Path) -> None:
    key = generate_key()
    save_key(key, tmp_path / "me.key")
    done = CliRunner().invoke(app, [*COMMAND, "--key", str(tmp_path / "me.key")])
    assert done.exit_code == 0
    link, ticket = done.stdout.strip().rsplit("/", 1)
    assert link == f"{BASE}/sign-in/ticket"
    assert open_ticket(ticket, BASE, utc_now()).public_key == key.public_key


def test_a_challenge_is_answered_by_the_ticket_alone(tmp_path: Path) -> None:
    save_key(generate_key(), tmp_path / "me.key")
    command = [*COMMAND, "--key", str(tmp_path / "me.key"), "--challenge", "a" * 64]
    done = CliRunner().invoke(app, command)
    assert open_ticket(done.stdout.strip(), BASE, utc_now()).nonce == "a" * 64


def test_who_runs_the_node_makes_a_link_for_an_account(node: Node, tmp_path: Path) -> None:
    account = Account("b" * 32, "ana", frozenset({"admin"}), utc_now())
    node.run(lambda connection: add_account(connection, account))
    folder = str(tmp_path / "node")
    done = CliRunner().invoke(app, [*COMMAND, "--account", "ana", "--node", folder])
    secret = done.stdout.strip().removeprefix(f"{BASE}/link/")
    with node.database.reading() as connection:
        link = find_link(connection, secret, ("sign-in",), utc_now())
    node.close()
    assert link is not None
    assert (link.kind, link.subject) == ("sign-in", account.id)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["disclose", "node", "sign-in", "--at", BASE], "give your key, or an account"),
        (["disclose", "node", "sign-in", "--account", "x"], "give the node's address"),
        ([*COMMAND, "--account", "nobody"], "'nobody' names 0 accounts, need one"),
        ([*COMMAND, "--account", "x", "--challenge", "a" * 64], "a challenge is answered with a"),
    ],
)
def test_what_is_missing_is_told(
    node: Node, tmp_path: Path, arguments: list[str], told: str
) -> None:
    node.close()
    command = [*arguments, "--node", str(tmp_path / "node")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code != 0
    assert told in str(done.exception)
