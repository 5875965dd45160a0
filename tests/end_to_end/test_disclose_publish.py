"""The advisory of a case on the command line: drafted, published once, its files written again."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="a node needs steelyard[server]")

from steelyard.kernel import format_instant, utc_now

from .test_disclose_case import Desk

BASE = "https://alder.example"
NODE = ("--node", "alder")
ROLES = ("--role", "coordinator", "--role", "reporter")


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    monkeypatch.chdir(tmp_path)
    found = Desk(capsys)
    found("node", "init", "--name", "Alder", *ROLES, *NODE)
    return found


def drafted(desk: Desk, name: str) -> str:
    opened = ("--title", "A flaw", "--abstract", "Quoted text is obeyed.")
    case = desk("case", "open", *opened, *ROLES, *NODE)[:12]
    advisory = {
        "schema": "steelyard/advisory/1",
        "id": name,
        "title": "A model leaks",
        "status": "final",
        "tlp": "CLEAR",
        "publisher": {"name": "Alder", "category": "coordinator", "namespace": BASE},
        "revisions": [
            {"number": 1, "at": format_instant(utc_now() - timedelta(days=1)), "summary": "First"}
        ],
        "summary": "A model tells what it should not.",
        "targets": [{"id": "T1", "kind": "model", "vendor": "Lab", "name": "m1", "version": "1"}],
        "findings": [
            {
                "id": "F1",
                "title": "Leak",
                "description": "It leaks.",
                "affectedness": [{"target": "T1", "verdict": "affected"}],
            }
        ],
    }
    Path("advisory.json").write_text(json.dumps(advisory), "utf-8")
    desk("case", "draft", case, "advisory.json", *NODE)
    return case


def tree(folder: str) -> dict[str, bytes]:
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_same_cases_give_the_same_files(desk: Desk) -> None:
    case = drafted(desk, "ALDER-1")
    command = ("case", "publish", case, "--base-url", BASE, *NODE)
    desk(*command, "--out", "first")
    again = desk.error(*command, "--out", "second", status=0)
    assert "it is public: the files alone are written anew" in again
    assert ".well-known/csaf/provider-metadata.json" in tree("first")
    assert tree("second") == tree("first")
    assert "the advisory is public" in desk.error("case", "publish", case, *NODE, status=1)


def test_references_stay_as_they_were_published(desk: Desk) -> None:
    case = drafted(desk, "ALDER-1")
    first, second, third = (
        ("--reference", f"https://alder.example/{number}") for number in (1, 2, 3)
    )
    command = ("case", "publish", case, "--out", "site", "--base-url", BASE, *NODE)
    desk(*command, *first, *second)
    Path("site").rename("before")
    error = desk.error(*command, *first, *third, status=2)
    assert (
        "--reference: the advisory is public, and was published with "
        "https://alder.example/1, https://alder.example/2\n"
    ) in error
    assert "hint: leave --reference out" in error
    assert not Path("site").exists()
    desk(*command, *second, *first)
    assert tree("site") == tree("before")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--out", "site"], "--base-url: '' is no https address of a folder"),
        (
            ["--out", "site", "--base-url", "http://alder.example"],
            "--base-url: 'http://alder.example' is no https address of a folder",
        ),
        (["--base-url", BASE], "--base-url belongs to --out"),
    ],
)
def test_an_address_is_refused_before_anything_is_published(
    desk: Desk, more: list[str], told: str
) -> None:
    case = drafted(desk, "ALDER-1")
    assert f"error: {told}" in desk.error("case", "publish", case, *more, *NODE, status=2)
    whole = desk.shown("case", "show", case, *NODE, schema="disclosure-case-view")
    assert "P" not in whole["pxa"]
    assert not Path("site").exists()


def test_an_id_of_another_case_is_refused_in_words(desk: Desk) -> None:
    first, second = drafted(desk, "ALDER-1"), drafted(desk, "ALDER-1")
    desk("case", "publish", first, *NODE)
    error = desk.error("case", "publish", second, *NODE, status=1)
    assert "another case has an advisory ALDER-1" in error
    assert "hint: draft it under an id of its own" in error
    assert (
        "P" not in desk.shown("case", "show", second, *NODE, schema="disclosure-case-view")["pxa"]
    )


@pytest.mark.parametrize("act", [["approve"], ["dissent", "--text", "Too early."]])
def test_nobody_agrees_or_disagrees_without_a_draft(desk: Desk, act: list[str]) -> None:
    opened = ("--title", "A flaw", "--abstract", "Quoted text is obeyed.")
    case = desk("case", "open", *opened, *ROLES, *NODE)[:12]
    error = desk.error("case", act[0], case, *act[1:], *NODE, status=1)
    assert "there is no draft" in error
    assert "hint: write one first" in error
