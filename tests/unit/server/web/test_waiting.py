"""What is sent to a node is read before its one writer is asked: nobody waits for what it costs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from steelyard.cli.main import app
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.desk import drafts, reports, reproducers, vault
from steelyard.server.node import About, checking, create_identity, legal, queries, saying, sealing
from steelyard.server.web.routes import act_bodies

from .others import answer, join, open_case, say
from .test_acting import ADVISORY, act, view_of
from .visits import START, Site, begun, number_of, send_draft

READERS: tuple[tuple[ModuleType, str], ...] = (
    (drafts, "inspect_attachment"),
    (reports, "read_intake"),
    (reproducers, "read_reproducer"),
    (act_bodies, "read_reproducer"),
    (act_bodies, "open_card"),
    (legal, "read_facts"),
    (checking, "read_advisory"),
    (checking, "export_formats"),
    (checking, "lint_files"),
)


Noted = Callable[..., dict[str, set[str]]]


@pytest.fixture
def note(monkeypatch: pytest.MonkeyPatch) -> Noted:
    """Has calls of functions noted: names of the threads in which each is called."""

    def watch(*watched: tuple[ModuleType, str]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}

        def noted(name: str, reader: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
                found.setdefault(name, set()).add(threading.current_thread().name)
                return reader(*arguments, **named)

            return call

        for module, name in watched:
            whole = f"{module.__name__}.{name}"
            monkeypatch.setattr(module, name, noted(whole, getattr(module, name)))
        return found

    return watch


def require_beside(found: dict[str, set[str]], *watched: tuple[ModuleType, str]) -> None:
    """Require that everything watched was called, and nothing of it by the writer."""
    assert set(found) == {f"{module.__name__}.{name}" for module, name in watched}
    assert not [name for name, threads in found.items() if "writer" in threads]


def test_what_is_sent_is_read_before_the_writer_is_asked(
    site: Site, tmp_path: Path, reproducer: bytes, note: Noted
) -> None:
    read = note(*READERS)
    reporter, ana = begun(site), site.person("coordinator")
    reporter.get("/report/attachments")
    reporter.send("/report/attachments", {"attachment": ("flaw.json", reproducer)}, go="next")
    send_draft(reporter)
    path = f"/reports/{number_of(ana)}"
    ana.get(path)
    ana.send(f"{path}/answer", text="We look.")
    ana.send(f"{path}/sort", state="scope")
    ana.get(f"{path}/case")
    ana.send(f"{path}/case")
    lab = join(site, tmp_path / "lab", "Lab", "developer")
    case = open_case(site, lab)
    act(ana, case, "query", level="verdict", until="2026-11-20T10:00", to=[lab.id],
        files={"reproducer": ("flaw.json", reproducer)})  # fmt: skip
    stranger = create_identity(tmp_path / "stranger", About("Late Lab", ("developer",)), START)
    act(ana, case, "invite", organization="", roles=["developer"],
        files={"card": ("card.json", stranger.card.envelope)})  # fmt: skip
    facts = f"/cases/{case}/facts"
    ana.get(facts)
    event = '  - {event: severe-incident-aware, at: "2026-11-01T09:00:00Z"}'
    ana.send(facts, facts=f"{ana.form(facts).fields['facts'][0]}{event}\n")
    assert "The facts are kept." in ana.html
    act(ana, case, "draft", files={"advisory_file": ("a.yaml", ADVISORY.encode())})
    assert "The advisory is public" in act(ana, case, "publish")
    require_beside(read, *READERS)


def test_a_report_is_sealed_for_its_case_before_the_writer_is_asked(
    site: Site, reproducer: bytes, note: Noted
) -> None:
    reporter, ana = begun(site), site.person("coordinator")
    reporter.get("/report/attachments")
    reporter.send("/report/attachments", {"attachment": ("flaw.json", reproducer)}, go="next")
    send_draft(reporter)
    path = f"/reports/{number_of(ana)}"
    ana.get(f"{path}/case")
    watched = ((vault, "unseal"), (sealing, "seal_object"))
    made = note(*watched)
    assert "The case is open." in ana.send(f"{path}/case").text
    require_beside(made, *watched)


def test_answers_are_opened_and_counted_before_the_writer_is_asked_to_tell_it(
    site: Site, tmp_path: Path, reproducer: bytes, note: Noted
) -> None:
    labs = [join(site, tmp_path / name, name, "developer") for name in ("one", "two", "three")]
    ana, case = site.person("coordinator"), open_case(site, *labs)
    act(ana, case, "query", level="verdict", until="2026-11-20T10:00", to=[lab.id for lab in labs],
        files={"reproducer": ("flaw.json", reproducer)})  # fmt: skip
    watched = ((saying, "readable"), (queries, "find"))
    counted, command = note(*watched), ["disclose", "case", "counts", case[:16], "--node"]
    command.append(str(site.settings.folder))
    for number, lab in enumerate(labs):
        early = CliRunner().invoke(app, command)
        assert isinstance(early.exception, NotSatisfied), number
        say(site, lab, case, "target", handle="m1", version="1", commitment=None, guardrail="")
        answer(site, lab, case, Verdict.AFFECTED)
    assert CliRunner().invoke(app, command).exit_code == 0
    require_beside(counted, *watched)
    [told] = view_of(site, case).counts.values()
    assert (told["answers"], told["by_verdict"]["affected"]) == (3, 3)
