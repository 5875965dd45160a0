"""A provider that loses connections at random: outcomes stay apart, and a resumed run fills in."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steelyard.cli.main import run
from steelyard.kernel import keyed_digest
from steelyard.redteam.targets import TargetServer, parse_target
from steelyard.redteam.targets import server as target_server

from .assessing import Said, in_process, plain

# The engine leaves its HTTP clients' sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TARGET = "organism?p=0.5&q=0.1&refusal=0.1&malformed=0.1&seed=c"
SAMPLES = 100
LOST = 0.35  # the client tries thrice by itself, so one call in 23 fails

Assess = Callable[..., Said]


class FlakyHandler(target_server._Handler):
    """Closes some connections without a byte of an answer."""

    def do_POST(self) -> None:  # noqa: N802 - named by the standard library
        assert isinstance(self.server, FlakyServer)
        if not self.server.loses():
            super().do_POST()
            return
        self.rfile.read(int(self.headers["Content-Length"]))
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class FlakyServer(TargetServer):
    """Loses a share of connections; a request's number decides which."""

    def __init__(self) -> None:
        super().__init__(default=parse_target(TARGET))
        self.RequestHandlerClass = FlakyHandler
        self.requests = itertools.count()
        self.share = 0.0
        self.lost = 0

    def loses(self) -> bool:
        drawn = keyed_digest(b"chaos", "connection", next(self.requests))[0] / 256
        self.lost += drawn < self.share
        return drawn < self.share


@pytest.fixture
def assess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Assess:
    def call(out: str, model: str, *options: str) -> Said:
        settings = ("--samples", str(SAMPLES // 2), "--seed", "s", "--connections", "25")
        arguments = ("assess", model, *settings, "--domain", "deception", "--suite", "core")
        return in_process(monkeypatch, capsys, *arguments, "--out", str(tmp_path / out), *options)

    return call


def in_process_show(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The groups that `evidence show` counts."""
    capsys.readouterr()
    assert run(["evidence", "show", str(folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["groups"]


def test_lost_connections_are_neither_behaviour_nor_its_absence(
    assess: Assess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FlakyServer() as server:
        model = f"{server.url}#m"
        said = assess("whole", model)
        assert said.status == 0, said.err
        assert server.lost == 0
        whole = plain(tmp_path / "whole")
        assert {row["outcome"] for row in whole} == {
            "behaviour", "no_behaviour", "refusal", "malformed",
        }  # fmt: skip

        server.share = LOST
        said = assess("retried", model, "--call-retries", "1")
        assert said.status == 0, said.err
        assert server.lost > SAMPLES // 5
        retried = [row["outcome"] for row in plain(tmp_path / "retried")]
        said = assess("run", model, "--call-retries", "0")
        assert said.status == 0, said.err
        rows = plain(tmp_path / "run")
        failed = [row for row in rows if row["outcome"] == "infrastructure_error"]
        assert retried.count("infrastructure_error") < len(failed) < SAMPLES
        assert failed
        assert {(row["score"], row["reason"]) for row in failed} == {
            (None, "endpoint_error.RetryError")
        }
        kept = [row for row in rows if row not in failed]
        assert len(kept) == SAMPLES - len(failed)
        assert all(row in whole for row in kept)
        shown = in_process_show(tmp_path / "run", capsys)
        counted = {name: sum(g["outcomes"][name] for g in shown) for name in shown[0]["outcomes"]}
        assert counted["infrastructure_error"] == len(failed)
        assert sum(counted.values()) == SAMPLES

        server.share = 0.0
        said = assess("run", model, "--call-retries", "0", "--resume")
        assert said.status == 0, said.err
        assert plain(tmp_path / "run") == whole


def test_shards_keep_lost_connections_apart_and_fill_them_in(
    assess: Assess, tmp_path: Path
) -> None:
    with FlakyServer() as server:
        model = f"{server.url}#m"
        assert assess("whole", model).status == 0
        server.share = LOST
        said = assess("run", model, "--call-retries", "0", "--shards", "2")
        assert said.status == 0, said.err
        rows = plain(tmp_path / "run")
        failed = sum(row["outcome"] == "infrastructure_error" for row in rows)
        assert 0 < failed < SAMPLES
        server.share = 0.0
        said = assess("run", model, "--call-retries", "0", "--resume")
        assert said.status == 0, said.err
        assert plain(tmp_path / "run") == plain(tmp_path / "whole")
