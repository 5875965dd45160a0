"""Cases on the command line, two nodes that exchange bundles, no server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.standard import check_schema

pytest.importorskip("sqlalchemy", reason="a node needs steelyard[server]")

from steelyard.cli.main import run


class Desk:
    """Commands in one folder, with what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.bundles = 0

    def __call__(self, *arguments: str, status: int = 0) -> str:
        self.capsys.readouterr()
        assert run(["disclose", *arguments]) == status, self.capsys.readouterr().err
        return self.capsys.readouterr().out.strip()

    def error(self, *arguments: str, status: int) -> str:
        self.capsys.readouterr()
        assert run(["disclose", *arguments]) == status
        return self.capsys.readouterr().err

    def shown(self, *arguments: str, schema: str) -> Any:  # noqa: ANN401 - any JSON
        found = json.loads(self(*arguments, "--json"))
        check_schema(found, schema, where=schema)
        return found

    def carry(self, sender: str, receiver: str, to: str) -> str:
        self.bundles += 1
        name = f"{self.bundles}.bundle"
        self("export", to, "--out", name, "--node", sender)
        return self("import", name, "--node", receiver)


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    monkeypatch.chdir(tmp_path)
    found = Desk(capsys)
    roles = ("--role", "coordinator", "--role", "reporter")
    found("node", "init", "--name", "Alder", *roles, "--node", "alder")
    found("node", "init", "--name", "Lab", "--role", "developer", "--node", "lab")
    found("card", "add", "alder/card.json", "--trusted", "--node", "lab")
    found("card", "add", "lab/card.json", "--node", "alder")
    return found


@pytest.fixture
def case(desk: Desk) -> str:
    opened = ("--title", "A flaw", "--abstract", "Quoted text is obeyed.", "--role", "reporter")
    name = desk("case", "open", *opened, "--role", "coordinator", "--node", "alder")[:12]
    desk("case", "invite", name, "Lab", "--role", "developer", "--node", "alder")
    assert desk.carry("alder", "lab", "Lab") == "1 taken, 0 known, 0 refused"
    return name


def test_a_case_by_mail_is_the_same_on_both_sides(desk: Desk, case: str) -> None:
    Path("report.txt").write_text("Read out the whole calendar of next week, and print it.")
    desk("case", "report", case, "report.txt", "--node", "alder")
    desk("case", "propose", case, "--until", "2030-01-01", "--text", "Quiet.", "--node", "alder")
    desk.carry("alder", "lab", "Lab")
    for words in (
        ["judge", case, "validate"],
        ["judge", case, "accept"],
        ["accept", case],
        ["target", case, "gale", "--version", "4"],
    ):
        desk("case", *words, "--node", "lab")
    desk.carry("lab", "alder", "Alder")
    desk.carry("alder", "lab", "Lab")
    views = [desk.shown("case", "show", case, "--node", n, schema="disclosure-case-view")
             for n in ("alder", "lab")]  # fmt: skip
    assert views[0]["head"] == views[1]["head"]
    assert views[0]["em"] == "active"
    assert [row["rm"] for row in views[0]["participants"]] == ["accepted", "accepted"]
    rows = desk.shown("case", "timeline", case, "--node", "lab", schema="disclosure-timeline")
    assert [row["kind"] for row in rows] == [
        "open", "invite", "report", "propose", "judge", "judge", "accept", "target",
    ]  # fmt: skip
    listed = desk.shown("case", "list", "--node", "lab", schema="disclosure-cases")
    assert [row["entries"] for row in listed] == [8]
    assert "8 entries verified" in desk("case", "verify", case, "--node", "alder")
    report = views[1]["objects"][0]["id"]
    desk("case", "read", case, report[:10], "--out", "got.txt", "--node", "lab")
    assert Path("got.txt").read_text().startswith("Read out the whole calendar")
    assert Path("got.txt").stat().st_mode & 0o777 == 0o600
    desk.shown("node", "status", "--node", "alder", schema="disclosure-node-status")
    cards = desk.shown("card", "list", "--node", "alder", schema="disclosure-cards")
    assert [(row["name"], row["trusted"]) for row in cards] == [("Alder", True), ("Lab", False)]


def test_a_bundle_taken_twice_changes_nothing(desk: Desk, case: str) -> None:
    before = desk.shown("case", "show", case, "--node", "lab", schema="disclosure-case-view")
    assert desk("import", "1.bundle", "--node", "lab") == "0 taken, 1 known, 0 refused"
    after = desk.shown("case", "show", case, "--node", "lab", schema="disclosure-case-view")
    assert after["head"] == before["head"]


def test_a_bundle_for_somebody_else_is_refused(desk: Desk, case: str) -> None:
    desk("node", "init", "--name", "Other", "--role", "observer", "--node", "other")
    error = desk.error("import", "1.bundle", "--node", "other", status=1)
    assert "encrypted to key" in error
    assert case not in desk("case", "list", "--node", "other")


def test_what_does_not_go_into_a_bundle_is_left_for_the_next(desk: Desk, case: str) -> None:
    desk("export", "Lab", "--out", "sent.bundle", "--sent", "--node", "alder")
    desk("case", "propose", case, "--until", "2030-01-01", "--text", "Quiet.", "--node", "alder")
    desk("export", "Lab", "--out", "old.bundle", "--node", "alder")
    desk("node", "rotate", "--node", "lab")
    desk("card", "add", "lab/card.json", "--node", "alder")
    desk.carry("lab", "alder", "Alder")
    first = ("export", "Lab", "--out", "first.bundle", "--node", "alder")
    assert "1 parcels are left for the next bundle: export with --sent, then" in desk.error(
        *first, status=0
    )
    Path("first.bundle").unlink()
    assert "1 parcels are left for the next bundle: export again" in desk.error(
        *first, "--sent", status=0
    )
    desk("export", "Lab", "--out", "second.bundle", "--sent", "--node", "alder")
    for name, parcels in (("first", 1), ("second", 1)):
        told = f"{parcels} taken, 0 known, 0 refused"
        assert desk("import", f"{name}.bundle", "--node", "lab") == told
    error = desk.error("export", "Lab", "--out", "third.bundle", "--node", "alder", status=1)
    assert "nothing waits for" in error


def test_a_bundle_that_could_not_be_written_takes_nothing_out(desk: Desk, case: str) -> None:
    Path("gone").symlink_to("nowhere")
    command = ("export", "Lab", "--sent", "--node", "alder")
    desk("case", "emergency", case, "--facts", "It leaks.", "--node", "alder")
    assert "cannot write" in desk.error(*command, "--out", "gone/lab.bundle", status=5)
    assert desk(*command, "--out", "lab.bundle").startswith("2 parcels, ")
    assert "nothing waits for" in desk.error(*command, "--out", "more.bundle", status=1)


def test_the_database_is_the_one_that_the_settings_of_the_node_name(
    desk: Desk, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("alder/steelyard.db").rename("elsewhere.db")
    Path("alder/steelyard.toml").write_text(
        'database = "sqlite:///elsewhere.db"\nhost = "0.0.0.0"\n', "utf-8"
    )
    assert case in desk("case", "list", "--node", "alder")
    assert not Path("alder/steelyard.db").exists()
    monkeypatch.setenv("STEELYARD_DATABASE", "sqlite:///third.db")
    assert desk("case", "list", "--node", "alder") == ""
    monkeypatch.delenv("STEELYARD_DATABASE")
    Path("alder/steelyard.toml").write_text("databse = 'x'", "utf-8")
    error = desk.error("case", "list", "--node", "alder", status=2)
    assert "unknown setting 'databse'" in error


def test_a_changed_bundle_is_refused(desk: Desk, case: str) -> None:
    data = bytearray(Path("1.bundle").read_bytes())
    data[-1] ^= 1
    Path("1.bundle").write_bytes(data)
    assert "changed on its way" in desk.error("import", "1.bundle", "--node", "lab", status=3)
    assert case


def test_what_the_host_forbids_comes_back_with_the_reason(desk: Desk, case: str) -> None:
    desk("case", "judge", case, "accept", "--node", "lab")
    desk.carry("lab", "alder", "Alder")
    desk.carry("alder", "lab", "Lab")
    error = desk.error("case", "judge", case, "validate", "--node", "lab", status=1)
    assert "the host refused event 1 of yours" in error
    assert "steelyard disclose case forget-refused" in error
    assert desk("case", "forget-refused", case, "--node", "lab") == "1"


def test_names_that_mean_nothing_or_two_things(desk: Desk, case: str) -> None:
    unknown = desk.error("case", "show", "0000", "--node", "lab", status=2)
    assert "begins the id of 0 cases, need one" in unknown
    who = desk.error(
        "case", "invite", case, "Nobody", "--role", "observer", "--node", "alder", status=2
    )
    assert "names 0 organizations, need one" in who
    nothing = desk.error("case", "list", "--node", "absent", status=2)
    assert "no node is here" in nothing


def test_a_look_alike_is_pointed_out(desk: Desk) -> None:
    desk("node", "init", "--name", "A1der", "--role", "observer", "--node", "false")
    desk.capsys.readouterr()
    assert run(["disclose", "card", "add", "false/card.json", "--node", "lab"]) == 0
    assert "looks like that of Alder" in desk.capsys.readouterr().err


def test_a_sealed_payload_is_not_shown(desk: Desk, case: str) -> None:
    Path("p.txt").write_text("what is run where it is held")
    desk("case", "note", case, "p.txt", "--tier", "h3", "--node", "alder")
    desk.carry("alder", "lab", "Lab")
    view = desk.shown("case", "show", case, "--node", "lab", schema="disclosure-case-view")
    name = view["objects"][0]["id"][:10]
    error = desk.error("case", "read", case, name, "--out", "o", "--node", "lab", status=1)
    assert "seen by nobody" in error
    assert not Path("o").exists()
