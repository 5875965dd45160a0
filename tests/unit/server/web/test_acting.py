"""Acting in a case by forms: what follows, what is refused beside the form, who sees what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from steelyard.attest import generate_key
from steelyard.disclosure.case import View
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.server.node import About, create_identity, publishing, saying
from steelyard.server.node.checking import check
from steelyard.server.web.settings import Settings

from .others import Other, answer, join, open_case, say
from .visits import Browser, Files, Site, text_of

ADVISORY = """\
schema: steelyard/advisory/1
id: HUB-2026-1
title: A model leaks
status: final
tlp: CLEAR
publisher: {name: Hub, category: coordinator, namespace: "https://hub.example"}
revisions: [{number: 1, at: "2026-11-02T09:00:00Z", summary: First}]
summary: A model tells what it should not.
targets: [{id: T1, kind: model, vendor: Lab, name: m1, version: "1"}]
findings:
  - {id: F1, title: Leak, description: It leaks., affectedness: [{target: T1, verdict: affected}]}
"""


def view_of(site: Site, case: str) -> View:
    with site.node.database.reading() as connection:
        return site.node.chains.get(connection, case).view


def act(
    browser: Browser,
    case: str,
    kind: str,
    files: Files | None = None,
    **values: str | list[str],
) -> str:
    """Fill in the form of an act, send it, and see what comes."""
    path = f"/cases/{case}/acts/{kind}"
    browser.get(path)
    return browser.send(path, files, **values).text


def test_a_whole_case_is_run_by_forms(site: Site, ana: Browser, lab: Other) -> None:
    case = open_case(site)
    act(ana, case, "invite", organization=lab.id, roles=["developer"])
    act(ana, case, "note", audience="everybody", tier="h1", text="The report itself.")
    payload = next(iter(view_of(site, case).payloads))
    act(ana, case, "report", object=payload, to=[lab.id])
    page = act(ana, case, "propose", until="2026-12-24T12:00", text="Nobody tells.")
    assert "embargo proposed" in page
    terms = view_of(site, case).table
    assert terms is not None
    assert f"{terms.until:%Y-%m-%d %H:%M}" == "2026-12-24 12:00"
    say(site, lab, case, "accept", terms=terms.digest)
    assert "embargo in force" in ana.get(f"/cases/{case}/embargo").text
    act(ana, case, "world", event="A", evidence="Seen in logs.")
    act(ana, case, "emergency", facts="Stop the agent.", told="CSIRT A\nCSIRT B")
    assert view_of(site, case).emergencies[0].told == ("CSIRT A", "CSIRT B")
    draft = {"advisory_file": ("advisory.yaml", ADVISORY.encode())}
    act(ana, case, "draft", files=draft)
    assert "It leaks." in ana.get(f"/cases/{case}/publication").text
    say(site, lab, case, "dissent", advisory=view_of(site, case).publication.advisory, text="No.")
    act(ana, case, "terminate", reason="attacks")
    page = act(ana, case, "publish", references="https://hub.example/1\nhttps://hub.example/2")
    assert "The advisory is public" in page
    assert view_of(site, case).publication.references[1] == "https://hub.example/2"
    for path in ("/advisories", "/advisories/HUB-2026-1"):
        assert "A model leaks" in site.browser().get(path).text
    assert "No." in site.browser().get("/advisories/HUB-2026-1").text
    assert "Act by" in text_of(ana.get(f"/cases/{case}/deadlines").text)


def test_published_files_are_for_anybody_to_save(site: Site, ana: Browser) -> None:
    case = open_case(site)
    act(ana, case, "draft", files={"advisory_file": ("a.yaml", ADVISORY.encode())})
    act(ana, case, "publish")
    reader = site.browser()
    for form in ("csaf", "openvex", "avid", "csv", "atom"):
        answer = reader.get(f"/advisories/HUB-2026-1/{form}")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert reader.get("/advisories/HUB-2026-1/exe").status_code == 404
    assert reader.get("/advisories/HUB-2026-2").status_code == 404
    feed = reader.get("/advisories/feed.atom")
    assert feed.headers["content-type"].startswith("application/atom+xml")
    assert "HUB-2026-1" in feed.text


def test_where_the_node_has_an_https_address_it_is_a_provider_of_advisories(
    open_site: Callable[..., Site],
) -> None:
    site = open_site(Settings(Path(), url="https://node.example"))
    case = open_case(site)
    node, folder = site.node, site.settings.public_folder
    with node.database.reading() as connection:
        checked = check(node, connection, case, ADVISORY.encode())
    node.run(lambda c: publishing.draft(node, c, case, checked))
    ana = site.person("coordinator")
    act(ana, case, "publish")
    reader = site.browser()
    metadata = reader.get("/.well-known/csaf/provider-metadata.json")
    assert metadata.status_code == 200
    assert metadata.json()["publisher"]["name"] == "Hub"
    assert any(path.suffix == ".json" for path in folder.rglob("*hub-2026-1*"))


def test_a_vendor_that_gets_the_report_is_aware_and_reads_the_same(
    site: Site, ana: Browser, lab: Other
) -> None:
    case = open_case(site, lab)
    act(ana, case, "note", audience="chosen", to=[lab.id], tier="h2", text="the words")
    first = next(iter(view_of(site, case).payloads))
    act(ana, case, "report", object=first, to=[lab.id])
    view = view_of(site, case)
    assert view.states.participant(lab.id).rm == "received"
    sent = next(item for item in view.payloads.values() if item.id != first)
    assert (sent.tier, set(sent.recipients)) == ("h2", {lab.id, site.node.organization})
    with site.node.database.reading() as connection:
        assert saying.read_object(site.node, connection, sent.id).plaintext == b"the words"


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("propose", {"until": "tomorrow", "text": "kept words"}, ("is no instant", "kept words")),
        ("propose", {"until": "2026-02-30T12:00", "text": "kept words"}, ("is no instant", "kept")),
        ("propose", {"until": "2020-01-01T00:00", "text": "kept words"}, ("", "kept words")),
        ("world", {"event": "Q", "evidence": "kept words"}, ("is none of P, X, A", "kept words")),
        ("world", {"event": "A", "evidence": "kept\u202ewords"}, ("cannot be printed", "kept")),
        ("note", {"audience": "chosen", "tier": "h1", "text": "kept words"}, ("nobody", "kept")),
        ("note", {"audience": "everybody", "tier": "h1", "text": " "}, ("the note is empty", "")),
        ("emergency", {"facts": "kept words", "told": "x" * 201}, ("200 characters", "kept words")),
    ],
)
def test_a_refusal_stands_beside_the_form_and_nothing_typed_is_lost(
    site: Site, lab: Other, kind: str, values: dict[str, str], words: tuple[str, str]
) -> None:
    ana, (told, kept) = site.person("coordinator"), words
    case = open_case(site, lab)
    size = view_of(site, case).size
    page = act(ana, case, kind, **values)
    assert ana.page is not None
    assert ana.page.status_code == 422
    assert told in page
    assert kept in "".join(ana.form(f"/cases/{case}/acts/{kind}").fields[_main(values)])
    assert view_of(site, case).size == size


def _main(values: dict[str, str]) -> str:
    return next(name for name in ("text", "evidence", "facts") if name in values)


def test_a_refusal_of_the_rules_has_message_and_hint(site: Site, ana: Browser, lab: Other) -> None:
    case = open_case(site, lab)
    ana.get(f"/cases/{case}/acts/invite")
    page = act(ana, case, "invite", organization=lab.id, roles=["developer"])
    assert "Lab is, or was, in this case" in page
    page = act(ana, case, "invite", organization="", roles=["developer"])
    assert "nobody was chosen" in page
    assert "choose an organization, or give its card" in page


def test_an_organization_is_invited_by_a_card_in_a_file(
    site: Site, ana: Browser, tmp_path: Path
) -> None:
    identity = create_identity(tmp_path / "new", About("New", ("developer",)), site.clock.at)
    case = open_case(site)
    files = {"card": ("card.json", identity.card.envelope)}
    act(ana, case, "invite", organization="", roles=["developer"], files=files)
    assert identity.organization in view_of(site, case).members


def test_silent_and_not_checked_look_different(
    site: Site, lab: Other, tmp_path: Path, reproducer: bytes
) -> None:
    ana = site.person("coordinator")
    other = join(site, tmp_path / "quiet", "Quiet", "developer")
    case = open_case(site, lab, other)
    act(ana, case, "query", level="verdict", until="2026-11-20T10:00", to=[lab.id, other.id],
        files={"reproducer": ("flaw.json", reproducer)})  # fmt: skip
    say(site, lab, case, "target", handle="m1", version="1", commitment=None, guardrail="")
    say(site, lab, case, "progress", target="m1", event="acknowledge")
    page = ana.get(f"/cases/{case}").text
    assert 'class="chip silent"' in page
    assert 'class="chip not-checked"' in page
    assert 'href="#s-silent"' in page
    assert 'href="#s-not-checked"' in page
    assert "not checked" in text_of(page)


@pytest.mark.parametrize(
    ("tier", "role", "shown"),
    [
        ("h1", "coordinator", "shown"),
        ("h1", "analyst", "shown"),
        ("h1", "viewer", ""),
        ("h2", "analyst", ""),
        ("h2", "coordinator", "shown"),
        ("h3", "coordinator", ""),
    ],
)
def test_sealed_words_are_opened_for_their_tier(
    site: Site, lab: Other, tier: str, role: str, shown: str
) -> None:
    case = open_case(site, lab)
    node, material = site.node, saying.Material(b"sealed words", "text/plain", tier, (lab.id,))

    def put(connection: Connection) -> str:
        reference = saying.put_object(node, connection, case, material)
        saying.say(node, connection, case, "note", {"object": reference, "about": None})
        return str(reference["id"])

    name = node.run(put)
    person = site.person(role)
    assert ("sealed words" in person.get(f"/cases/{case}/timeline").text) is bool(shown)
    fetched = person.get(f"/cases/{case}/payloads/{name}")
    assert fetched.status_code == (200 if shown else 404)
    if shown:
        assert fetched.content == b"sealed words"
        assert fetched.headers["content-disposition"].startswith("attachment; ")
        assert fetched.headers["content-type"] == "application/octet-stream"
        assert fetched.headers["x-content-type-options"] == "nosniff"
    for tab in ("", "/payloads", "/publication", "/affectedness", "/acts/hazard"):
        assert "sealed words" not in person.get(f"/cases/{case}{tab}").text


@pytest.mark.parametrize("kind", ["answer", "nothing"])
def test_there_is_no_act_but_those_that_a_form_does(site: Site, ana: Browser, kind: str) -> None:
    case = open_case(site)
    assert ana.get(f"/cases/{case}/acts/note").status_code == 200
    assert ana.get(f"/cases/{case}/acts/{kind}").status_code == 404


def test_a_private_calendar_is_read_without_a_session_until_it_is_void(
    site: Site, ana: Browser
) -> None:
    case = open_case(site, title="Shared documents")
    act(ana, case, "world", event="A", evidence="seen")
    first, second = (calendar_link(ana) for _ in range(2))
    reader = site.browser()
    answer = reader.get(second)
    assert answer.headers["content-type"].startswith("text/calendar")
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.text.count("BEGIN:VEVENT") >= 2
    assert answer.text.count("BEGIN:VCALENDAR") == answer.text.count("END:VCALENDAR") == 1
    assert "Shared documents" in answer.text.replace("\r\n ", "")
    assert reader.get(first).status_code == 404
    assert reader.get(f"/calendar/{'x' * 43}.ics").status_code == 404
    assert ana.get("/deadlines.ics").text == answer.text
    site.clock.forward(days=367)
    assert reader.get(second).status_code == 404


def calendar_link(browser: Browser) -> str:
    browser.get("/deadlines/link")
    page = browser.send("/deadlines/link").text
    return "/calendar/" + page.split("/calendar/")[1].split(".ics")[0] + ".ics"


def test_facts_of_a_case_start_deadlines_and_refusals_keep_the_text(
    site: Site, ana: Browser
) -> None:
    case = open_case(site)
    path = f"/cases/{case}/facts"
    ana.get(path)
    begun = ana.form(path).fields["facts"][0]
    assert begun.startswith("schema: steelyard/disclosure-facts/1")
    refused = ana.send(path, facts=f"{begun}  - no such thing")
    assert refused.status_code == 422
    assert "no such thing" in ana.form(path).fields["facts"][0]
    event = '  - {event: severe-incident-aware, at: "2026-11-01T09:00:00Z"}'
    page = ana.send(path, facts=f"{begun}{event}\n")
    assert "Running" in page.text or "Missed" in page.text
    assert "severe-incident" in ana.get(path).text


def test_a_card_is_taken_in_and_compared_by_its_last_digits(
    site: Site, ana: Browser, tmp_path: Path
) -> None:
    card = create_identity(tmp_path / "new", About("New", ("developer",)), site.clock.at).card
    ana.get("/organizations")
    assert ana.send("/organizations", {"card": ("c.json", b"{}")}).status_code == 422
    ana.get("/organizations")
    page = ana.send("/organizations", {"card": ("c.json", card.envelope)}).text
    path = f"/organizations/{card.organization.replace(':', '%3A')}"
    assert "not compared" in page
    wrong = "00000000" if card.organization[-8:] != "00000000" else "11111111"
    assert "the digits do not agree" in ana.send(path, digits=wrong).text
    assert "compared with its owner" in ana.send(path, digits=card.organization[-8:]).text


def test_somebody_always_manages_accounts(site: Site) -> None:
    ana = site.first()
    path = "/accounts/" + ana.get("/accounts").text.split('href="/accounts/')[1].split('"')[0]
    ana.get(path)
    refused = ana.send(path, roles=["viewer"], barred="no")
    assert "nobody would be left to manage accounts" in refused.text
    assert ana.send(path, roles=["admin", "viewer"], barred="yes").status_code == 409


def test_a_barred_account_is_out_at_once_and_a_new_one_enrols_by_its_link(site: Site) -> None:
    ana, bo = site.first(), site.browser()
    ana.get("/accounts")
    page = ana.send("/accounts", name="bo", roles=["viewer"]).text
    link = "/link/" + page.split("/link/")[1].split("<")[0]
    bo.get(link)
    bo.send(link, key=generate_key().public_key.pem.decode())
    assert bo.get("/cases").status_code == 200
    listed = ana.get("/accounts").text
    path = next(
        f"/accounts/{part.split(chr(34))[0]}"
        for part in listed.split('href="/accounts/')[1:]
        if "<bdi>bo</bdi>" in part[:80]
    )
    ana.get(path)
    ana.send(path, roles=["viewer"], barred="yes")
    assert bo.get("/cases").status_code == 303
    assert site.browser().get(link).status_code == 404


@pytest.mark.parametrize(
    ("own", "role", "shown"),
    [
        (("coordinator", "reporter"), "coordinator", "shown"),
        (("coordinator", "reporter"), "analyst", "shown"),
        (("coordinator", "reporter"), "viewer", ""),
        (("reporter",), "coordinator", ""),
    ],
)
def test_what_was_found_is_for_coordinators_in_both_senses(
    site: Site, lab: Other, reproducer: bytes, own: tuple[str, ...], role: str, shown: str
) -> None:
    case = open_case(site, lab)
    chief, person = site.person("coordinator"), site.person(role)
    act(chief, case, "query", level="verdict", until="2026-11-20T10:00", to=[lab.id],
        files={"reproducer": ("flaw.json", reproducer)})  # fmt: skip
    say(site, lab, case, "target", handle="m1", version="1", commitment=None, guardrail="")
    answer(site, lab, case, Verdict.AFFECTED)
    view = view_of(site, case)
    if own != site.node.identity.card.roles:
        member = replace(view.members[site.node.organization], roles=frozenset(own))
        chain = site.node.chains.held(case)
        assert chain is not None
        chain._view = view.with_member(site.node.organization, member)
    page = person.get(f"/cases/{case}/affectedness").text
    assert ('class="chip affected"' in page) is bool(shown)
