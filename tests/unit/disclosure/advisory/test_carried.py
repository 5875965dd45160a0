"""What is said to be left out is what the files do not hold, no more and no less."""

from __future__ import annotations

from datetime import timedelta

import pytest

from steelyard.disclosure.advisory import FORMATS, Occasion, export
from steelyard.disclosure.advisory.formats import survey

from .samples import AT, OCCASION, Fields, advisory, full


def marked() -> Fields:
    """The full advisory, with a text of its own in each of some fields."""
    document = full()
    document |= {"details": "mark-details", "impact": "mark-impact", "legal": "mark-legal"}
    document["timeline"][0]["text"] = "mark-timeline"
    document["references"][0]["url"] = "https://coordination.example/mark-references"
    document["credits"] = [{"names": ["mark-credits"]}]
    document["revisions"][0]["summary"] = "mark-revisions"
    document["publisher"]["contact"] = "mark-publisher.contact"
    finding = document["findings"][1]
    finding["flaw_class"] = "mark-flaw_class"
    finding["description"] = "mark-description"
    finding["mitigations"] = [
        {"category": "mitigation", "details": "mark-mitigations", "targets": ["P1"],
         "verification": "mark-mitigations.verification"},
    ]  # fmt: skip
    return document


MARKS = (
    "details", "impact", "legal", "timeline", "references", "credits", "revisions",
    "publisher.contact", "flaw_class", "description", "mitigations", "mitigations.verification",
)  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_field_is_in_the_files_or_said_to_be_left_out(name: str) -> None:
    made = export(advisory(marked()), (name,), OCCASION, ())
    text = "\n".join(file.data.decode() for file in made.files)
    sentences = [s.rpartition("no place for ")[2] for s in made.left_out if "no place for" in s]
    missing = set(sentences[0].split(", ")) if sentences else set[str]()
    held = {mark for mark in MARKS if f"mark-{mark}" in text.replace("mark-mitigations.v", "")}
    if "mark-mitigations.verification" in text:
        held.add("mitigations.verification")
    assert held == set(MARKS) - missing


def test_each_format_says_what_it_has_no_place_for() -> None:
    document = full()
    del document["findings"][0]
    found = {
        name: reasons[-1].removeprefix("no place for ")
        for name, reasons in survey(advisory(document), OCCASION).items()
    }
    assert found["csaf"] == "package, osv_id"
    assert found["openvex"] == (
        "tlp, publisher.contact, publisher.authority, revisions, timeline, summary, details, "
        "impact, legal, references, credits, package, description, cwe, osv_id"
    )
    assert found["cve"] == (
        "tlp, publisher.contact, publisher.authority, revisions, summary, details, impact, "
        "legal, sentences of affectedness, cve, osv_id"
    )
    assert found["osv"] == (
        "tlp, publisher.contact, publisher.authority, revisions, timeline, summary, details, "
        "impact, legal"
    )


def test_an_advisory_with_little_in_it_leaves_little_out() -> None:
    document = full()
    for field in ("timeline", "details", "impact", "legal", "references", "credits"):
        del document[field]
    document["publisher"] = {
        name: document["publisher"][name] for name in ("name", "category", "namespace")
    }
    document["findings"] = document["findings"][:1]
    found = survey(advisory(document), OCCASION)
    assert found["csaf"] == ["no place for package, avid"]


def test_the_date_of_an_export_is_in_it() -> None:
    """The same file and date give the same bytes, another date others."""
    made = [
        export(advisory(), ("csaf",), Occasion(at), ()).files[0].data
        for at in (AT, AT, AT + timedelta(days=1))
    ]
    assert made[0] == made[1]
    assert b'"date": "2026-11-02T12:00:00Z"' in made[2]
    assert made[2].replace(b"2026-11-02T12", b"2026-11-01T12") == made[0]
