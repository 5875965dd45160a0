from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.disclosure.advisory import advisory_from, read_advisory
from steelyard.disclosure.advisory.model import Tally
from steelyard.kernel.errors import ConfigurationError, MalformedEvidence, SteelyardError

from .samples import Fields, advisory, documents, full

_MINIMAL = b"""
schema: steelyard/advisory/1
id: EX-1
title: "  A  title "
status: draft
tlp: AMBER
publisher: {name: Example, category: vendor, namespace: "https://example.example"}
revisions: [{number: 0, at: "2026-10-01", summary: Draft}]
summary: "One\\r\\ntwo\\u202E\\u200B"
targets: [{id: T, kind: model, vendor: V, name: M, version: "1"}]
findings:
  - {id: F, title: T, description: D, affectedness: [{target: T, verdict: not_checked}]}
"""


def test_a_minimal_advisory_is_read_and_cleaned() -> None:
    read = read_advisory(_MINIMAL, where="a.yaml")
    assert (read.title, read.summary, read.lang) == ("A title", "One\ntwo", "en")
    assert read.version == 0
    assert read.target("T").full_name == "V M 1"
    assert read.findings[0].rows[0].shown_rate is None


def test_rates_and_bands_are_shown_as_far_as_their_owner_agreed() -> None:
    document = full()
    row = document["findings"][0]["affectedness"][0]
    shown = {}
    for publish in ("verdict", "band", "counts"):
        row["publish"] = publish
        read = advisory(document).findings[0].rows[0]
        shown[publish] = (read.shown_band, read.shown_rate and read.shown_rate.successes)
    assert shown == {
        "verdict": (None, None),
        "band": ((0.5, 1.0), None),
        "counts": ((0.5, 1.0), 31),
    }


@pytest.mark.parametrize(
    ("tally", "shown"),
    [
        (Tally(), {}),
        (Tally(affected=2, not_affected=2, undetermined=2, silent=2), {}),
        (Tally(affected=3, silent=2), {"affected": 3}),
        (Tally(not_affected=4, silent=3), {"not affected": 4, "silent": 3}),
    ],
)
def test_counts_below_three_are_not_shown(tally: Tally, shown: dict[str, int]) -> None:
    assert tally.shown() == shown


def changed(path: str, value: object) -> Fields:
    """The full document with one value put at a dotted path."""
    document = full()
    *parents, last = path.split(".")
    place: Any = document
    for key in parents:
        place = place[int(key) if key.isdigit() else key]
    place[int(last) if last.isdigit() else last] = value
    return document


_F1 = "findings.0"
_CASES = [
    ("revisions.1.number", 3, "revisions are numbered 1, 2, 3 and so on; found [1, 3]"),
    ("revisions.1.at", "2026-10-01T09:00:00Z", "every revision is later than the one before"),
    ("status", "draft", "a draft has one revision, number 0; found [1, 2]"),
    ("targets.1.id", "T1", "two targets are called 'T1'"),
    ("targets.2.version", "5", "two names of targets are called 'Harbour AI Lantern 5'"),
    ("targets.0.version", "before 2026", "'before' makes the version a range"),
    ("targets.0.version", "<= 4", "'<' makes the version a range"),
    ("targets.1.purl", "pkg:huggingface/a b", ("'pkg:huggingface/a b' is no package URL"
     " without qualifiers")),
    ("targets.1.purl", "pkg:huggingface/a/b@1.0", ("the version of a huggingface purl is a commit,"
     " found '1.0'")),
    ("targets.0.kind", "package", "a target of kind package, and no other, has the field package"),
    ("targets.5.package.last_affected", "0.9.1", "a package has fixed or last_affected, not both"),
    ("targets.0.uris.0.uri", "javascript:alert(1)", ("'javascript:alert(1)' is no address that may"
     " be published")),
    ("publisher.namespace", "https://user:x@example.example", ("'https://user:x@example.example' is"
     " no address that may be published")),
    ("references.0.url", "file:///etc/passwd", ("'file:///etc/passwd' is no address that may be"
     " published")),
    (f"{_F1}.affectedness.0.target", "T9", "no target has the id 'T9'"),
    (f"{_F1}.affectedness.1.target", "T1", "two rows of one target are called 'T1'"),
    (f"{_F1}.affectedness.0.rate.successes", 2, ("2 of 40 lies outside the interval 0.615 to"
     " 0.892")),
    (f"{_F1}.affectedness.0.band", [0.5, 0.5], "a band has a lower and a higher end"),
    (f"{_F1}.affectedness.1.publish", "counts", ("publish is 'counts', and there is neither band"
     " nor rate")),
    (f"{_F1}.affectedness.3.why", "x", ("a target that is 'not_checked' has no band, rate or"
     " reason")),
    (f"{_F1}.affectedness.3.asked_at", "2026-07-02", ("whose owner was asked and did not answer is"
     " silent, not not_checked")),
    (f"{_F1}.affectedness.3.verdict", "silent", "who is silent was asked: asked_at is missing"),
    (f"{_F1}.affectedness.0.justification", "component_not_present", ("only a target that is not"
     " affected has a justification")),
    (f"{_F1}.mitigations.0.targets", ["T2"], "'T2' is 'not_affected' and has a mitigation"),
    (f"{_F1}.mitigations.0.targets", ["P1"], ("a mitigation names 'P1', of which affectedness says"
     " nothing")),
    ("findings.1.id", "F1", "two findings are called 'F1'"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), _CASES)
def test_an_advisory_that_contradicts_itself_is_refused(
    path: str, value: object, message: str
) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        advisory(changed(path, value))
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("first", "second"),
    [("none_available", "vendor_fix"), ("no_fix_planned", "none_available")],
)
def test_mitigations_that_exclude_each_other_are_refused(first: str, second: str) -> None:
    document = full()
    document["findings"][0]["mitigations"] = [
        {"category": category, "details": "x", "targets": ["T1"]} for category in (first, second)
    ]
    with pytest.raises(MalformedEvidence) as caught:
        advisory(document)
    lower, higher = sorted((first, second))
    assert caught.value.message == f"'T1' has both {lower!r} and {higher!r}"


def test_a_text_that_is_empty_once_cleaned_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        advisory(full() | {"title": "\u200b\u202e"})
    assert caught.value.message == "title: '' should be non-empty"
    assert caught.value.hint == "see spec/disclosure-advisory.schema.json"


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError) as caught:
        advisory(full() | {"payload": "x"})
    assert caught.value.message.startswith("top level: Additional properties are not allowed")


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_advisory(b"\xff", where="a.yaml")
    assert str(caught.value) == "a.yaml: not UTF-8"


@settings(max_examples=60)
@given(documents())
def test_every_document_of_the_rules_is_read(document: Fields) -> None:
    read = advisory_from(document, where="any")
    assert len(read.findings) == len(document["findings"])


@settings(max_examples=150)
@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_arbitrary_bytes_are_refused_in_our_words(data: bytes) -> None:
    with pytest.raises(SteelyardError):
        read_advisory(data, where="any")


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.sampled_from(sorted(full())), _values)
def test_a_field_of_any_type_is_read_or_refused_in_our_words(name: str, value: object) -> None:
    with suppress(SteelyardError):
        assert advisory_from(full() | {name: value}, where="any").findings
