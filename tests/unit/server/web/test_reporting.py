"""Reports by anybody: steps, codes, attachments, quotas, the private link, the case after it."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text as sql

from steelyard.attest import generate_key
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import NotSatisfied
from steelyard.server.desk import drafts, reports
from steelyard.server.people.tickets import sign_ticket
from steelyard.server.web.settings import Quotas, Settings

from .visits import BASE, WORDS, Browser, Site, begun, number_of, report, send_draft, text_of


def code_of(browser: Browser) -> str:
    browser.get("/report/abstract")
    return browser.html.split("<strong>Resume code</strong> <code>")[1].split("</code>")[0]


def test_the_code_of_a_report_that_was_sent_is_forgotten(open_site: Callable[..., Site]) -> None:
    browser = begun(open_site(Settings(Path(), url="https://node.example")))
    browser.get("/report/send")
    cookies = browser.post("/report/send", go="send").headers.get_list("set-cookie")
    forgotten = next(item for item in cookies if item.startswith("__Secure-steelyard-draft="))
    assert "Max-Age=0" in forgotten
    assert "Secure" in forgotten.replace("__Secure", "")


def test_a_report_needs_an_abstract_alone_and_no_account(site: Site) -> None:
    follow = report(site.browser())
    shown = site.browser("198.51.100.9").get(follow)
    assert shown.status_code == 200
    assert "Received, and waits to be read." in shown.text


def test_the_abstract_comes_first(site: Site) -> None:
    browser = site.browser()
    for step in ("details", "models", "attachments", "hazard", "contact", "send"):
        assert browser.get(f"/report/{step}").headers["location"] == "/report/abstract"
    assert browser.get("/report/elsewhere").status_code == 404


def test_what_is_missing_or_too_long_is_said_beside_its_field_and_kept(site: Site) -> None:
    browser = site.browser()
    browser.get("/report/abstract")
    answer = browser.send("/report/abstract", title="", summary="x" * 4001, go="next")
    assert answer.status_code == 422
    assert "This is needed." in answer.text
    assert "At most 4,000 characters; these are 4,001." in answer.text
    assert browser.form("/report/abstract").fields["summary"] == ["x" * 4001]
    assert "<strong>Resume code" not in answer.text


def test_every_step_is_kept_shown_again_and_sent(site: Site) -> None:
    browser = begun(site)
    browser.send("/report/details", description="Long story", reproduction="9 of 10",
                 impact="Leaks", weaknesses="CWE-1427", references="https://a.example/x",
                 go="next")  # fmt: skip
    filled = {"target-1-name": "Model M", "target-1-vendor": "Lab"}
    browser.send("/report/models", go="more", **filled)
    browser.send("/report/models", go="next", **{"target-2-name": "Model N"})
    browser.send("/report/attachments", go="next")
    browser.send("/report/hazard", hazard_tier="h2", sharing="nobody else", go="next")
    browser.send("/report/contact", contact="signal: x", credits="Xu", go="next")
    review = text_of(browser.html)
    for words in ("Long story", "9 of 10", "Model M", "Lab", "Model N", "H2", "Xu", "CWE-1427"):
        assert words in review
    follow = send_draft(browser)
    coordinator = site.person("coordinator")
    page = coordinator.get(f"/reports/{number_of(coordinator)}").text
    for words in ("Long story", "9 of 10", "Model M, Lab", "Model N", "H2", "Xu", "CWE-1427"):
        assert words in text_of(page)
    assert site.browser().get(follow).status_code == 200


def test_a_saved_report_is_resumed_by_its_code_however_it_is_typed(site: Site) -> None:
    first = begun(site)
    code = code_of(first)
    assert len(code.replace("-", "")) == 26
    for typed in (code, code.lower(), code.replace("-", " "), f" {code.replace('-', '')} "):
        other = site.browser("198.51.100.9")
        other.get("/report/abstract")
        assert WORDS in other.send("/report/resume", code=typed).text


def test_a_code_that_is_none_is_refused_and_counted(site: Site) -> None:
    browser = site.browser("198.51.100.9")
    statuses: list[int] = []
    for _ in range(11):
        browser.get("/report/abstract")
        statuses.append(browser.send("/report/resume", code="00000-00000").status_code)
    assert statuses == [422] * 10 + [429]


def test_a_draft_is_forgotten_after_a_month(site: Site) -> None:
    browser = begun(site)
    code = code_of(browser)
    site.clock.forward(days=31)
    other = site.browser("198.51.100.9")
    other.get("/report/abstract")
    assert other.send("/report/resume", code=code).status_code == 422
    begun(site)
    with site.node.database.reading() as connection:
        assert connection.execute(sql("SELECT count(*) FROM drafts")).scalar_one() == 1


def test_nothing_of_a_draft_or_report_is_in_the_database_in_the_clear(site: Site) -> None:
    browser = begun(site, title=f"Title of {WORDS}")
    browser.get("/report/attachments")
    browser.send("/report/attachments", {"attachment": ("a.txt", WORDS.encode())}, go="next")
    code = code_of(browser)
    assert_hidden(site, WORDS, code, code.replace("-", ""))
    follow = send_draft(browser)
    browser.get(follow)
    browser.send(follow, text=f"And {WORDS}")
    assert_hidden(site, WORDS, follow.rpartition("/")[2])


def assert_hidden(site: Site, *words: str) -> None:
    with site.node.database.reading() as connection:
        connection.execute(sql("PRAGMA wal_checkpoint(TRUNCATE)"))
    stored = b"".join(path.read_bytes() for path in site.settings.folder.glob("steelyard.db*"))
    assert len(stored) > 10_000
    for word in words:
        assert word.encode() not in stored


def test_attachments_are_told_by_their_content_and_can_be_taken_back(site: Site) -> None:
    browser = begun(site)
    browser.get("/report/attachments")
    page = browser.send("/report/attachments", {"attachment": ("x.png", b"plain text")}, go="more")
    assert "text, 10 bytes" in text_of(page.text)
    digest = sha256_hex(b"plain text")
    browser.send("/report/attachments", remove=digest)
    assert "text, 10 bytes" not in text_of(browser.html)


def bomb() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 5_000_000)
    return made.getvalue()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x7fELF\x02\x01\x01", "a file of kind ELF is not taken"),
        (b"%PDF-1.7", "a file of kind PDF is not taken"),
        (b"text\x00with", "text with control characters"),
        (bomb(), "unpacks to"),
        (b"x" * (10 * 1024 * 1024 + 1), "an attachment has 1 to 10,485,760"),
    ],
    ids=["program", "pdf", "control", "bomb", "large"],
)
def test_a_dangerous_attachment_is_refused_in_words(site: Site, data: bytes, told: str) -> None:
    browser = begun(site)
    browser.get("/report/attachments")
    answer = browser.send("/report/attachments", {"attachment": ("a.bin", data)}, go="more")
    assert answer.status_code == 422
    assert told in text_of(answer.text)
    browser.get("/report/attachments")
    assert "SHA-256" not in browser.html


def test_a_body_beyond_every_limit_is_not_read(site: Site) -> None:
    browser = begun(site)
    browser.get("/report/attachments")
    files = {"attachment": ("a.txt", b"x" * (12 << 20))}
    assert browser.post("/report/attachments", files, go="more").status_code == 413
    browser.get("/report/details")
    assert browser.post("/report/details", description="x" * (2 << 20)).status_code == 413


def test_an_attachment_is_on_no_disk_before_it_is_sealed(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    browser = begun(site)
    browser.get("/report/attachments")
    files = {"attachment": ("a.txt", b"x" * (4 << 20))}
    assert browser.send("/report/attachments", files, go="more").status_code == 200
    assert "a.txt" in browser.html


def test_attachments_have_limits_together(site: Site) -> None:
    browser = begun(site)
    for place in range(4):
        browser.get("/report/attachments")
        data = bytes([65 + place]) * (9 << 20)
        answer = browser.send("/report/attachments", {"attachment": ("a.txt", data)}, go="more")
    assert "attachments have at most 32 MiB in all" in text_of(answer.text)


def test_attachments_of_everybody_have_a_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "ROOM_BYTES", 4000)
    statuses: list[int] = []
    for data in (b"a" * 1500, b"b" * 1500):
        browser = begun(site)
        browser.get("/report/attachments")
        answer = browser.send("/report/attachments", {"attachment": ("a.txt", data)}, go="more")
        statuses.append(answer.status_code)
    assert statuses == [200, 422]
    assert "there is no room for attachments now" in text_of(answer.text)
    send_draft(browser)


def few(**quotas: int) -> Settings:
    return Settings(Path(), quotas=replace(Quotas(), **quotas))


def test_anybody_has_a_quota_and_a_polite_answer(open_site: Callable[..., Site]) -> None:
    site = open_site(few(reports_per_day=3, reports_per_day_per_address=2))
    for address, expected in (("a1", 200), ("a1", 200), ("a1", 429), ("b2", 200), ("c3", 429)):
        browser = begun(site, address)
        browser.get("/report/send")
        answer = browser.send("/report/send", go="send")
        assert answer.status_code == expected, address
    assert "too many for now; the next can come in " in text_of(answer.text).casefold()
    assert "saved under its resume code" in text_of(answer.text)
    wait_s = int(answer.headers["retry-after"])
    assert 0 < wait_s <= 86_400 // 3 + 1
    site.clock.forward(seconds=wait_s)
    assert browser.send("/report/send", go="send").status_code == 200


def test_a_key_that_is_known_has_a_quota_of_its_own(open_site: Callable[..., Site]) -> None:
    site = open_site(few(reports_per_day=1, reports_per_day_per_key=1))
    site.first()
    report(site.browser("198.51.100.1"))
    stranger = generate_key()
    for key, expected in ((stranger, 429), (site.keys["ana"], 200), (site.keys["ana"], 429)):
        browser = begun(site)
        browser.get("/report/send")
        assert browser.send("/report/send", go="send").status_code == 429
        ticket = sign_ticket(key, BASE, "a" * 64, site.clock.at)
        assert browser.send("/report/send", ticket=ticket, go="send").status_code == expected


def test_a_restart_gives_nobody_a_fresh_start(open_site: Callable[..., Site]) -> None:
    site = open_site(few(reports_per_day_per_address=1))
    report(site.browser("198.51.100.1"))
    with site.node.database.reading() as connection:
        names = connection.execute(sql("SELECT name FROM buckets")).scalars().all()
    assert any(name.startswith("report ") for name in names)
    assert not any("198.51.100.1" in name for name in names)
    site.close()
    again = Site(site.settings.folder, site.settings)
    for address, expected in (("198.51.100.1", 429), ("198.51.100.2", 200)):
        browser = begun(again, address)
        browser.get("/report/send")
        assert browser.send("/report/send", go="send").status_code == expected
    again.close()


def test_messages_go_both_ways_and_are_limited(site: Site) -> None:
    reporter = site.browser()
    follow = report(reporter)
    coordinator = site.person("coordinator")
    path = f"/reports/{number_of(coordinator)}"
    coordinator.get(path)
    coordinator.send(f"{path}/answer", text="Which version?")
    assert "Which version?" in reporter.get(follow).text
    reporter.send(follow, text="The one of May.")
    assert "The one of May." in coordinator.get(path).text
    reporter.get(follow)
    too_long = reporter.send(follow, text="y" * 4001)
    assert too_long.status_code == 422
    assert reporter.form(follow).fields["text"] == ["y" * 4001]
    statuses: list[int] = []
    for count in range(20):
        reporter.get(follow)
        statuses.append(reporter.send(follow, text=f"more {count}").status_code)
    assert statuses[-1] == 429


@pytest.mark.parametrize("link", ["x" * 43, "", "%00", "../reports"])
def test_a_link_that_is_none_shows_nothing(site: Site, link: str) -> None:
    assert site.browser().get(f"/report/follow/{link}").status_code in {404, 405}


def test_the_receipt_is_shown_in_the_browser_that_sent_and_for_ten_minutes(site: Site) -> None:
    browser = site.browser()
    report(browser)
    assert browser.get("/report/receipt").status_code == 200
    assert site.browser().get("/report/receipt").status_code == 404


def test_a_report_is_sent_once(site: Site) -> None:
    browser = begun(site)
    browser.get("/report/send")
    twin = site.browser()
    twin.client.cookies.update(dict(browser.client.cookies))
    twin.get("/report/send")
    browser.send("/report/send", go="send")
    again = twin.send("/report/send", go="send")
    assert "This report was taken" not in again.text
    coordinator = site.person("coordinator")
    assert coordinator.get("/reports").text.count('href="/reports/R') == 1


def test_a_report_that_was_changed_while_it_was_checked_is_not_sent(site: Site) -> None:
    browser, node = begun(site), site.node
    code = code_of(browser)
    with node.database.reading() as connection:
        draft = drafts.find(node, connection, code)
        assert draft is not None
        prepared = reports.prepare(node, connection, draft)
    node.run(lambda c: drafts.fill(node, c, code, {"title": "Another one"}))
    with pytest.raises(NotSatisfied, match="the report was changed meanwhile"):
        node.run(lambda c: reports.send(node, c, prepared))
