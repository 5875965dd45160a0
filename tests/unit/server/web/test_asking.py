"""Asking who is affected, and answering, by the forms of the pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steelyard.cli.main import app
from steelyard.disclosure.reproducer.commitment import Root
from steelyard.disclosure.reproducer.query import Counts, Query, Ran, sign_query
from steelyard.disclosure.reproducer.verdict import Finding, Verdict
from steelyard.kernel import format_instant, parse_json_object
from steelyard.server.node import About, create_identity, open_node, queries

from .others import Other, join, open_case, say
from .test_acting import act, view_of
from .visits import START, Browser, Site, text_of


def test_asking_sends_the_reproducer_to_who_is_ticked(
    site: Site, ana: Browser, lab: Other, reproducer: bytes
) -> None:
    case = open_case(site, lab)
    files = {"reproducer": ("flaw.json", reproducer)}
    page = act(ana, case, "query", level="verdict", until="2026-11-20T10:00", to=[lab.id],
               files=files)  # fmt: skip
    query = next(iter(view_of(site, case).queries.values()))
    assert query.asked == {lab.id}
    assert format_instant(query.until) == "2026-11-20T10:00:00Z"
    assert "silent" in page
    missing = act(ana, case, "query", level="verdict", until="2026-11-20T10:00", to=[lab.id])
    assert "a file is missing" in missing


@pytest.mark.parametrize(
    ("until", "told"),
    [
        ("2026-11-31T10:00", "'2026-11-31T10:00' is no instant"),
        ("in a week", "'in a week' is no instant"),
        ("2026-11-02T09:00", "the time to answer is over already"),
    ],
)
def test_a_question_lapses_at_an_instant_to_come(
    site: Site, ana: Browser, lab: Other, reproducer: bytes, until: str, told: str
) -> None:
    case = open_case(site, lab)
    files = {"reproducer": ("flaw.json", reproducer)}
    page = act(ana, case, "query", level="verdict", until=until, to=[lab.id], files=files)
    assert told in text_of(page)
    assert not view_of(site, case).queries


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[Site]:
    """A developer's node, which hosts its case and coordinates it."""
    folder = tmp_path / "maker"
    create_identity(folder, About("Maker", ("developer", "coordinator")), START)
    open_node(folder).close()
    made = Site(folder)
    yield made
    made.close()


@pytest.fixture
def asked(maker: Site, tmp_path: Path) -> str:
    """A case in which a coordinator has asked about the maker's target m1."""
    chief = join(maker, tmp_path / "chief", "Chief", "coordinator")
    case, at = open_case(maker, chief), maker.clock.at
    act(maker.person("coordinator"), case, "target", handle="m1", version="1")
    query = Query(case, "a" * 64, "verdict", "0" * 32, at, at + timedelta(days=7))
    envelope = parse_json_object(sign_query(query, chief.identity.key))
    say(maker, chief, case, "query", query=envelope, to=[maker.node.organization])
    return case


def answer(maker: Site, case: str, verdict: Verdict) -> None:
    """The maker's own answer about m1, as the command makes it of a run."""
    finding = Finding(verdict, 0.5, 0.3, 0.7, 20, 0.0, None, "")
    ran = Ran("a" * 64, "m1", "steelyard/1", finding, Counts(10, 20, 20), Root("b" * 64, 40))
    node, given = maker.node, queries.Given("m1", "", "verdict")
    node.run(lambda c: queries.answer(node, c, case, given, ran))


def test_what_is_answered_by_a_command_alone_is_said_with_it(maker: Site, asked: str) -> None:
    ana, path = maker.person("coordinator"), f"/cases/{asked}/affectedness"
    query = next(iter(view_of(maker, asked).queries))
    command = "steelyard disclose case answer"
    told = f"{command} {asked[:16]} m1 RUN --query {query[:16]}"
    assert told in text_of(ana.get(path).text)
    assert CliRunner().invoke(app, [*command.split()[1:], "--help"]).exit_code == 0
    answer(maker, asked, Verdict.AFFECTED)
    assert command not in text_of(ana.get(path).text)


def test_no_command_is_offered_once_the_time_to_answer_is_over(maker: Site, asked: str) -> None:
    maker.clock.forward(days=7)
    page = maker.person("coordinator").get(f"/cases/{asked}/affectedness").text
    assert "disclose case answer" not in page
    assert "disclose case counts" in page


def test_a_sealed_step_of_a_target_is_told_by_a_form(maker: Site, asked: str) -> None:
    ana = maker.person("coordinator")
    early = ana.get(f"/cases/{asked}/acts/status").text
    assert "no target of your organization has answered" in early
    answer(maker, asked, Verdict.AFFECTED)
    page = act(ana, asked, "status", target="m1", event="mitigate", note="A filter is built.")
    assert "m1 1 mitigating" in text_of(page)
    assert "A filter is built." not in page
