from __future__ import annotations

import base64
import copy
import json
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.disclosure.intake import ClaimedTarget, IntakeReport, read_intake
from steelyard.disclosure.intake.report import Reading
from steelyard.kernel.errors import MalformedEvidence, SteelyardError
from steelyard.standard import check_schema

from .foreign import ALL, CSAF, FLARE, PLAIN, VINCE, Fields


def read(document: object) -> IntakeReport:
    return read_intake(json.dumps(document).encode(), where="r.json")


@pytest.mark.parametrize("name", ALL)
def test_a_format_is_recognized_and_its_claims_are_taken_over(name: str) -> None:
    report = read(ALL[name])
    assert report.format == name
    [flaw] = report.flaws
    assert flaw.targets
    assert flaw.description
    assert report.title
    document = report.to_json()
    check_schema(document, "disclosure-intake", where=name)
    assert json.loads(json.dumps(document)) == document


def test_csaf_keeps_statuses_and_notes_what_is_not_there() -> None:
    report = read(CSAF)
    assert report.flaws[0].targets == (
        ClaimedTarget(
            "Harbour AI Lantern 4",
            "Harbour AI",
            "4",
            ("pkg:generic/lantern@4", f"sha256:{'ab' * 32}"),
            "known_affected",
        ),
        ClaimedTarget("Lantern 5", "", "", (), "under_investigation"),
    )
    assert report.dropped == (
        "product_status: no product has the id 'C'",
        "references: an address that may not be shown",
    )
    assert report.sharing == "TLP:AMBER"
    assert report.contact == "Example Red Team, team@redteam.example"
    assert dict(report.dates)["discovery_date"] == "2026-04-01"


def test_an_ai_flaw_report_names_every_system() -> None:
    report = read(FLARE)
    assert [target.name for target in report.flaws[0].targets] == [
        "Desk", "Lantern 4", "Lantern 5",
    ]  # fmt: skip
    assert report.title == "Pictures steer the assistant"
    assert report.flaws[0].impact == "severityOfHarm: high\n\nharmTypes: privacy, security"
    assert report.dropped == ("report: field 'somethingNew' is not read",)


def test_vinces_form_names_every_vendor_and_credits_by_consent() -> None:
    report = read(VINCE)
    assert [target.vendor for target in report.flaws[0].targets] == [
        "Harbour AI", "Northwind Models", "Tern Open Weights",
    ]  # fmt: skip
    assert report.credits == ("B. Finder", "Example Red Team")
    assert read(VINCE | {"credit_release": False}).credits == ()
    assert report.dropped == (
        "report: field 'unknown_field' is not read",
        "user_file: a file is named, not carried; send it as an attachment",
        "public_references: an address that may not be shown",
    )


def test_text_is_cleaned_before_anything_else_sees_it() -> None:
    report = read(PLAIN | {"title": "\u202eevil\u202c\x1b[2J title\u200b", "description": "a\rb"})
    assert report.title == "evil[2J title"
    assert report.flaws[0].description == "a\nb"


def test_a_title_is_never_empty() -> None:
    assert read({**VINCE, "vul_description": ". It obeys quoted text."}).title == (
        ". It obeys quoted text."
    )
    with pytest.raises(MalformedEvidence, match="description is missing or empty"):
        read({**PLAIN, "description": " "})


def test_much_that_is_dropped_takes_time_linear_in_it() -> None:
    """Each address is compared with none of those dropped before."""
    reading = Reading("r")
    started = time.process_time()
    for number in range(200_000):
        reading.drop(f"field {number % 2_000:>400} is not read")
    assert time.process_time() - started < 1.0
    assert len(reading.dropped) == 1_000


def test_long_texts_are_cut_and_said_so() -> None:
    report = read(PLAIN | {"title": "x" * 600, "description": "y" * 60_000})
    assert (len(report.title), len(report.flaws[0].description)) == (512, 50_000)
    assert report.dropped == (
        "title: cut at 512 characters", "description: cut at 50000 characters",
    )  # fmt: skip


def test_long_lists_are_cut_and_said_so() -> None:
    report = read(PLAIN | {"credits": [f"n{number}" for number in range(1100)]})
    assert len(report.credits) == 1000
    assert report.dropped == ("credits: 100 entries beyond 1000",)


def test_attachments_inside_a_report_are_inspected() -> None:
    content = base64.b64encode(b"a log\n").decode()
    report = read(PLAIN | {"attachments": [{"name": "a.log", "content_base64": content}]})
    assert [(entry.name, entry.kind) for entry in report.attachments] == [("a.log", "text")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": ""}, "title is missing or empty"),
        ({"title": ["x"]}, "title is no text"),
        ({"targets": "x"}, "targets is no list"),
        ({"targets": ["x"]}, "targets is no object"),
        ({"targets": [{}]}, "target name is missing or empty"),
        (
            {"attachments": [{"name": "a", "content_base64": "%"}]},
            "content_base64 of an attachment is not base64",
        ),
        (
            {"attachments": [{"name": "a", "content_base64": "YQ=="}] * 17},
            "17 attachments, and at most 16 are taken",
        ),
    ],
)
def test_a_field_of_another_type_is_refused(change: Fields, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read(PLAIN | change)
    assert caught.value.message == message
    assert caught.value.where == "r.json"


def test_an_unknown_format_is_refused_with_its_fields() -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read({"b": 1, "a": 2})
    assert caught.value.message == "no known report format: fields ['a', 'b']"
    assert caught.value.hint == (
        "CSAF, AVID, OSV, GitHub, AI flaw report, VINCE, or title and description"
    )


def test_csaf_without_a_vulnerability_is_one_claim_of_its_notes() -> None:
    report = read({key: value for key, value in CSAF.items() if key != "vulnerabilities"})
    [flaw] = report.flaws
    assert flaw.description == "Text in a picture is obeyed."
    assert [target.name for target in flaw.targets] == ["Lantern 5", "Harbour AI Lantern 4"]
    assert report.dropped[0] == (
        "vulnerabilities: there is none; the document's notes are taken as one flaw"
    )


def test_csaf_without_a_vulnerability_or_a_note_is_refused() -> None:
    with pytest.raises(MalformedEvidence) as caught:
        read({"document": {"csaf_version": "2.0", "title": "x"}})
    assert caught.value.message == "the document describes no vulnerability"


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from(["name", "url"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def _places(value: object) -> list[tuple[object, object]]:
    """Every place in a document at which a value stands."""
    children = value.items() if isinstance(value, dict) else []
    children = enumerate(value) if isinstance(value, list) else children
    found: list[tuple[object, object]] = []
    for key, child in list(children):
        found += [(value, key), *_places(child)]
    return found


@settings(max_examples=400)
@given(st.sampled_from(sorted(ALL)), st.integers(0, 10_000), _values)
def test_any_value_at_any_place_is_read_or_refused_in_our_words(
    name: str, place: int, value: object
) -> None:
    document = copy.deepcopy(ALL[name])
    places = _places(document)
    parent, key = places[place % len(places)]
    parent[key] = value  # type: ignore[index]
    with suppress(SteelyardError):
        report = read(document)
        check_schema(report.to_json(), "disclosure-intake", where=name)
        assert report.flaws


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_in_our_words(data: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        read_intake(data, where="any")
