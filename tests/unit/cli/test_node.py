"""`steelyard disclose node init` and `rotate`: what fails half way can be gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.cli.main import run
from steelyard.server.node.identity import load_identity_of

INIT = ("disclose", "node", "init", "--name", "Lab", "--role", "developer", "--node")
SETTINGS = "steelyard.toml"


def said(capsys: pytest.CaptureFixture[str], status: int, *command: str) -> tuple[str, str]:
    assert run(list(command)) == status
    told = capsys.readouterr()
    return told.out, told.err


def test_a_mistake_in_the_settings_is_told_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / SETTINGS).write_text("databse = 'x'")
    _, error = said(capsys, 2, *INIT, str(tmp_path))
    assert "unknown setting 'databse'" in error
    assert [path.name for path in tmp_path.iterdir()] == [SETTINGS]
    (tmp_path / SETTINGS).unlink()
    made, _ = said(capsys, 0, *INIT, str(tmp_path))
    assert made.strip() == load_identity_of(tmp_path).organization


def test_a_node_that_was_made_is_named_even_if_its_database_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / SETTINGS).write_text("database = 'mysql://db.example/node'")
    made, error = said(capsys, 2, *INIT, str(tmp_path))
    assert made.strip() == load_identity_of(tmp_path).organization
    assert "is no database that a node can use" in error
    _, error = said(capsys, 2, *INIT, str(tmp_path))
    assert "a node is here already" in error
    (tmp_path / SETTINGS).unlink()
    listed, _ = said(capsys, 0, "disclose", "card", "list", "--node", str(tmp_path))
    assert listed.startswith(made.strip())


def test_a_root_key_that_is_kept_elsewhere_is_asked_for_and_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, kept = tmp_path / "node", tmp_path / "kept.key"
    rotate = ("disclose", "node", "rotate", "--node", str(folder))
    _, error = said(capsys, 2, *rotate)
    assert "no node is here" in error
    said(capsys, 0, *INIT, str(folder))
    (folder / "keys" / "root.key").rename(kept)
    _, error = said(capsys, 2, *rotate)
    where = folder / "keys" / "root.key"
    assert error.splitlines() == [
        f"error: {where}: the root key is not here",
        "hint: say where it is kept: --root FILE",
    ]
    said(capsys, 0, *rotate, "--root", str(kept))
    assert load_identity_of(folder).card.sequence == 2
