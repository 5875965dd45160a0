"""A copy of a text for each reader, and whose leaked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steelyard.standard import check_schema

pytest.importorskip("sqlalchemy", reason="a node needs steelyard[server]")

from steelyard.cli.main import run

PROSE = "\n\n".join(
    f"In week {n} the assistant of desk {n} read note {n}. It then did what line {n + 7} asked, "
    f"although room {n} had told it otherwise. We saw this {n + 2} times; nobody was harmed."
    for n in range(20)
)


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("Alder", "Lab", "Tern"):
        init = ["node", "init", "--name", name, "--role", "developer", "--node", name.lower()]
        assert run(["disclose", *init]) == 0
    for name in ("lab", "tern"):
        add = ["card", "add", f"{name}/card.json", "--node", "alder"]
        assert run(["disclose", *add]) == 0
    Path("prose.md").write_text(PROSE)
    made = ["mark", "prose.md", "--to", "Lab", "--to", "Tern", "--out", "out", "--node", "alder"]
    assert run(["disclose", *made]) == 0
    return tmp_path / "out"


def traced(leaked: str, capsys: pytest.CaptureFixture[str], *, status: int) -> dict[str, object]:
    capsys.readouterr()
    asked = ["trace", leaked, "--marks", "out/marks.json", "--original", "prose.md", "--json"]
    assert run(["disclose", *asked]) == status
    found = json.loads(capsys.readouterr().out)
    check_schema(found, "copy-trace", where="trace")
    return found


def test_a_part_of_a_copy_names_its_reader(
    marked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = json.loads((marked / "marks.json").read_text())
    check_schema(kept, "marked-copies", where="marks")
    for who, name in kept["copies"].items():
        copy = (marked / name).read_text()
        assert copy.split() == PROSE.split()
        Path("leak.md").write_text(copy[len(copy) // 3 :])
        assert traced("leak.md", capsys, status=0)["named"] == [who]
    assert (marked / "marks.json").stat().st_mode & 0o777 == 0o600


def test_the_original_names_nobody(marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert marked.is_dir()
    assert traced("prose.md", capsys, status=1)["named"] == []


def test_another_original_is_refused(marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert marked.is_dir()
    Path("other.md").write_text(PROSE + "\n")
    asked = ["trace", "prose.md", "--marks", "out/marks.json", "--original", "other.md"]
    assert run(["disclose", *asked]) == 3
    assert "this is not the text that was marked" in capsys.readouterr().err


def test_a_text_too_short_to_name_anybody_is_told_so(
    marked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert marked.is_dir()
    Path("short.md").write_text("One line. Another line.")
    capsys.readouterr()
    short = ["mark", "short.md", "--to", "Lab", "--out", "few", "--node", "alder"]
    assert run(["disclose", *short]) == 0
    assert "too few to name anybody" in capsys.readouterr().err


def test_a_reproducer_is_never_marked(marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert marked.is_dir()
    Path("r.json").write_text('{"schema": "steelyard/reproducer/1"}')
    asked = ["mark", "r.json", "--to", "Lab", "--out", "none", "--node", "alder"]
    assert run(["disclose", *asked]) == 2
    assert not Path("none").exists()
    assert capsys.readouterr().err.startswith("error: ")
