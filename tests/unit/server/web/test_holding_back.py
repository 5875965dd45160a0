"""What is not shown yet, or not at all: drafts under an embargo, what its host has not ordered."""

from __future__ import annotations

import secrets

from steelyard.disclosure.delivery.sealed_object import object_id, seal_object
from steelyard.server.node import Node, saying
from steelyard.server.storage import advisories, objects
from steelyard.server.storage.advisories import AdvisoryRow
from steelyard.server.storage.objects import Stored

from .others import Other, open_case, say
from .test_acting import ADVISORY, act, view_of
from .visits import Browser, Site, text_of

CASE_PATHS = (
    "", "/timeline", "/embargo", "/affectedness", "/deadlines", "/deadlines.ics", "/publication",
    "/payloads", "/payloads/x", "/acts", "/acts/note", "/facts",
)  # fmt: skip


def test_under_an_embargo_the_form_that_publishes_names_who_has_to_agree(
    site: Site, ana: Browser, lab: Other
) -> None:
    case = open_case(site, lab)
    act(ana, case, "propose", until="2026-12-24T12:00", text="Nobody tells.")
    terms = view_of(site, case).table
    assert terms is not None
    say(site, lab, case, "accept", terms=terms.digest)
    act(ana, case, "draft", files={"advisory_file": ("a.yaml", ADVISORY.encode())})
    told = "an embargo is in force, and these have not agreed: \u2068Lab\u2069"
    assert told in text_of(ana.get(f"/cases/{case}/acts/publish").text)
    say(site, lab, case, "approve", advisory=view_of(site, case).publication.advisory)
    assert told not in text_of(ana.get(f"/cases/{case}/acts/publish").text)
    assert "The advisory is public" in act(ana, case, "publish")


def test_what_its_case_has_not_published_is_on_no_public_page(site: Site, ana: Browser) -> None:
    case, node = open_case(site), site.node
    row = AdvisoryRow("HUB-2026-1", case, ADVISORY.encode())
    node.run(lambda c: advisories.keep(c, row, site.clock.at))
    reader = site.browser()
    assert "HUB-2026-1" not in reader.get("/advisories").text
    for path in ("/advisories/HUB-2026-1", "/advisories/HUB-2026-1/csaf", "/advisories/feed.atom"):
        assert reader.get(path).status_code == 404
    act(ana, case, "draft", files={"advisory_file": ("a.yaml", ADVISORY.encode())})
    act(ana, case, "publish")
    assert reader.get("/advisories/HUB-2026-1").status_code == 200


def test_an_answer_that_does_not_open_stays_sealed_beside_those_that_do(
    site: Site, ana: Browser, lab: Other, reproducer: bytes
) -> None:
    case = open_case(site, lab)
    act(ana, case, "query", level="verdict", until="2026-11-20T10:00", to=[lab.id],
        files={"reproducer": ("flaw.json", reproducer)})  # fmt: skip
    say(site, lab, case, "target", handle="m2", version="1", commitment=None, guardrail="")
    sealed = seal_object(
        b"x", media_type="text/plain", recipients={lab.id: lab.identity.card.recipient},
        random=secrets.token_bytes,
    )  # fmt: skip
    name, node = object_id(sealed), site.node
    node.run(lambda c: objects.put(c, name, Stored(case, lab.id, sealed), site.clock.at))
    reference = {
        "id": name, "media_type": "application/vnd.in-toto+json", "bytes": 1, "tier": "h1",
        "recipients": sorted([node.organization, lab.id]),
    }  # fmt: skip
    query = next(iter(view_of(site, case).queries))
    say(site, lab, case, "answer", target="m2", query=query, object=reference)
    path = f"/cases/{case}/affectedness"
    assert ana.get(path).status_code == 200
    assert "sealed answer, not opened" in text_of(ana.html)


def test_a_case_that_is_not_here_looks_as_one_that_is_not_shown(
    site: Site, ana: Browser, lab: Other
) -> None:
    elsewhere = Node(lab.identity, site.node.database, site.clock)
    opening = saying.Opening("a title of others", "x", ("developer",))
    hidden = elsewhere.run(lambda c: saying.open_case(elsewhere, c, opening)).case
    elsewhere.writer.close()
    absent = "0" * 64
    ana.get("/organizations")
    token = ana.form("/sign-out").fields["csrf_token"][0]

    def seen(case: str, path: str, sent: dict[str, str] | None = None) -> tuple[int, str]:
        address = f"/cases/{case}{path}"
        if sent is None:
            found = ana.client.get(address)
        else:
            found = ana.client.post(address, data={"csrf_token": token, **sent})
        return found.status_code, found.text.replace(case, "CASE")

    for path in CASE_PATHS:
        assert seen(hidden, path) == seen(absent, path), path
        assert seen(hidden, path)[0] == 404, path
    for path, sent in (("/acts/leave", {"reason": ""}), ("/facts", {"facts": "kept words"})):
        assert seen(hidden, path, sent) == seen(absent, path, sent), path
        assert seen(hidden, path, sent)[0] == 404, path
