"""The story of the tutorial, with real nodes on loopback."""

from __future__ import annotations

import importlib
import json
import os
import re
import runpy
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="a node needs steelyard[server]")

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "tutorial" / "four_organizations.py"
STEELYARD = Path(sys.executable).with_name("steelyard")
LIMIT_SECONDS = 1500


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the story, and what was printed."""
    folder = tmp_path_factory.mktemp("four") / "story"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_SECONDS,
        env={**os.environ, "HOME": str(folder.parent)},
    )
    logs = "\n".join(file.read_text("utf-8")[-2000:] for file in folder.glob("*.log"))
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{logs}"
    return folder, done.stdout


def test_four_organizations(story: tuple[Path, str]) -> None:
    """One test, as the story takes minutes and workers would each tell it."""
    check_every_node_holds_the_same_head(story)
    check_verdicts_and_fixes_are_right(story)
    check_a_competitor_sees_that_others_answered_and_not_what(story)
    check_weights_of_anybody_are_not_called_mitigated(story)
    check_the_advisory_is_public_valid_and_has_its_dissent_beside_it(story)
    check_another_validator_takes_the_advisory(story)


def test_a_backup_has_what_a_database_in_use_has(tmp_path: Path) -> None:
    back_up = runpy.run_path(str(SCRIPT))["back_up"]
    with closing(sqlite3.connect(tmp_path / "used.db")) as used:
        used.execute("PRAGMA journal_mode = WAL")
        used.execute("CREATE TABLE entries (size INTEGER)")
        used.execute("INSERT INTO entries VALUES (7)")
        used.commit()
        back_up(tmp_path / "used.db", tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT size FROM entries").fetchall() == [(7,)]


def check_every_node_holds_the_same_head(story: tuple[Path, str]) -> None:
    folder, told = story
    heads = {
        json.loads(_steelyard(folder, "case", "show", _case(folder), "--node", name, "--json"))[
            "head"
        ]
        for name in ("alder", "northlight", "harbour", "tern")
    }
    assert len(heads) == 1
    assert told.rstrip().splitlines()[-5] == f"head {heads.pop()}"


def check_verdicts_and_fixes_are_right(story: tuple[Path, str]) -> None:
    folder, told = story
    verdicts = re.findall(r"^(steelyard/keeper\S*): (affected|not affected)$", told, re.MULTILINE)
    assert [verdict for _, verdict in verdicts] == ["affected", "affected", "not affected"]
    assert re.findall(r"^(not verified|verified)$", told, re.MULTILINE) == [
        "not verified",
        "verified",
    ]
    whole = _shown(folder, "alder")
    states = {row["handle"]: row["state"] for row in whole["targets"]}
    assert states == {
        "northlight-chat": "verified",
        "harbour-chat": "not_affected",
        "tern-chat": "affected",
    }


def check_a_competitor_sees_that_others_answered_and_not_what(story: tuple[Path, str]) -> None:
    states = {row["handle"]: row["state"] for row in _shown(story[0], "harbour")["targets"]}
    assert states == {
        "northlight-chat": "answered",
        "harbour-chat": "not_affected",
        "tern-chat": "answered",
    }


def check_weights_of_anybody_are_not_called_mitigated(story: tuple[Path, str]) -> None:
    rows = {row["name"]: row["vfd"] for row in _shown(story[0], "tern")["participants"]}
    assert rows["Tern"] == "VFd"
    assert rows["Northlight"] == "VFD"


def check_the_advisory_is_public_valid_and_has_its_dissent_beside_it(
    story: tuple[Path, str],
) -> None:
    folder, _ = story
    assert _shown(folder, "harbour")["pxa"] == "Pxa"
    (file,) = (folder / "public" / ".well-known" / "csaf").glob("*/alder-2026-0001.json")
    text = file.read_text("utf-8")
    assert "48-19-77" not in text
    document = json.loads(text)
    statuses = document["vulnerabilities"][0]["product_status"]
    assert {name: len(found) for name, found in statuses.items()} == {
        "fixed": 1,
        "known_affected": 1,
        "known_not_affected": 1,
    }
    dissents = json.loads((folder / "public" / "dissents" / "alder-2026-0001.json").read_text())
    assert [row["text"] for row in dissents["dissents"]] == ["We would have waited for Tern."]


def check_another_validator_takes_the_advisory(story: tuple[Path, str]) -> None:
    rules = importlib.import_module("csaf.csaf.v20")
    (file,) = (story[0] / "public" / ".well-known" / "csaf").glob("*/alder-2026-0001.json")
    assert rules.validate(json.loads(file.read_text("utf-8"))).overall_valid


def _shown(folder: Path, name: str) -> dict[str, Any]:
    return json.loads(_steelyard(folder, "case", "show", _case(folder), "--node", name, "--json"))


def _case(folder: Path) -> str:
    rows = json.loads(_steelyard(folder, "case", "list", "--node", "alder", "--json"))
    return rows[0]["case"][:12]


def _steelyard(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(STEELYARD), "disclose", *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
