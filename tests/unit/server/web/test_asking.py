"""Asking who is affected, and answering, by the forms of the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.kernel import format_instant

from .others import Other, join, open_case
from .test_acting import act, view_of
from .visits import Browser, Site, text_of


@pytest.fixture
def lab(site: Site, tmp_path: Path) -> Other:
    return join(site, tmp_path / "lab", "Lab", "developer", "deployer")


@pytest.fixture
def ana(site: Site) -> Browser:
    return site.person("coordinator")


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
