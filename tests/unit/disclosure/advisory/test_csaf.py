from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from steelyard.disclosure.advisory import Occasion, advisory_from
from steelyard.disclosure.advisory.csaf import file_name
from steelyard.disclosure.advisory.csaf20 import csaf20
from steelyard.disclosure.advisory.csaf21 import csaf21, extension_schema, extension_url
from steelyard.kernel.errors import NotSatisfied, UsageError

from .samples import AT, DIGEST, OCCASION, Fields, advisory, documents, full


@pytest.fixture(scope="module")
def document() -> Fields:
    return json.loads(csaf20(advisory(), OCCASION).files[0].data)


def test_tracking_tells_the_revisions(document: Fields) -> None:
    tracking = document["document"]["tracking"]
    assert tracking["id"] == "EX-SA-2026-0001"
    assert tracking["version"] == "2"
    assert tracking["initial_release_date"] == "2026-10-01T09:00:00Z"
    assert tracking["current_release_date"] == "2026-10-08T09:00:00Z"
    assert [entry["number"] for entry in tracking["revision_history"]] == ["1", "2"]


def test_targets_need_no_cpe(document: Fields) -> None:
    vendors = document["product_tree"]["branches"]
    assert [vendor["name"] for vendor in vendors] == [
        "Northwind Models", "Tern Open Weights", "Harbour AI",
    ]  # fmt: skip
    gale = vendors[0]["branches"][0]["branches"][0]["product"]
    assert gale == {
        "name": "Northwind Models Gale 2026-06-30",
        "product_id": "T1",
        "product_identification_helper": {
            "x_generic_uris": [
                {
                    "namespace": "https://northwind.example/models",
                    "uri": "urn:example:northwind:gale-2026-06-30",
                }
            ]
        },
    }
    tern = vendors[1]["branches"][0]["branches"][0]["product"]["product_identification_helper"]
    assert tern["hashes"] == [
        {
            "filename": "model.safetensors",
            "file_hashes": [{"algorithm": "sha256", "value": DIGEST}],
        }
    ]
    assert "cpe" not in json.dumps(document)


def test_statuses_follow_the_verdicts_and_nothing_is_read_into_silence(document: Fields) -> None:
    first = document["vulnerabilities"][0]
    assert first["product_status"] == {
        "known_affected": ["T1"],
        "known_not_affected": ["T2"],
        "under_investigation": ["T3", "T4", "T5"],
    }
    assert first["notes"][1]["text"] == (
        "Northwind Models Gale 2026-06-30: affected (31 of 40 tries, 0.615 to 0.892 at 95 %).\n"
        "Tern Open Weights Tern-7B 1.2: not affected (No try succeeded).\n"
        "Harbour AI Lantern 4: silent: its owner was asked at 2026-07-02T00:00:00Z and has not"
        " answered.\n"
        "Harbour AI Lantern 5: not checked: nobody was asked about it and it was not tested.\n"
        "Harbour AI Desk 7: undetermined: it was tested, and the results allow no verdict"
        " (the rate lies between 0 and 0.2).\n"
        "Targets that are not named: 4 affected, 3 silent; counts below three are not shown.\n"
        "Neither silence nor the absence of a test says that a target is affected or is not."
    )


def test_every_affected_target_has_a_remediation(document: Fields) -> None:
    first, second = document["vulnerabilities"]
    assert first["remediations"] == [
        {
            "category": "mitigation",
            "date": "2026-10-07T00:00:00Z",
            "details": "Mark quoted text, and ask before sending.\n"
            "Verified: At most 3 % of 60 sealed variants at 95 %.",
            "product_ids": ["T1"],
            "url": "https://northwind.example/notes/7",
        }
    ]
    assert second["remediations"] == [
        {
            "category": "none_available",
            "details": "No mitigation is known to the publisher.",
            "product_ids": ["P1"],
        }
    ]


def test_no_justification_is_made_up(document: Fields) -> None:
    first = document["vulnerabilities"][0]
    assert "flags" not in first
    assert first["threats"] == [
        {"category": "impact", "details": "No try succeeded.", "product_ids": ["T2"]}
    ]


def test_what_is_fixed_without_an_affected_version_makes_a_vex(document: Fields) -> None:
    assert document["document"]["category"] == "csaf_vex"
    changed = full()
    changed["findings"][1]["affectedness"].pop()
    value = json.loads(csaf20(advisory(changed), OCCASION).files[0].data)
    assert value["document"]["category"] == "csaf_security_advisory"


def test_a_second_weakness_is_left_out_of_csaf_2_0_and_said_so() -> None:
    changed = full()
    changed["findings"][0]["cwe"].append({"id": "CWE-200", "name": "x"})
    assert csaf20(advisory(changed), OCCASION).left_out == (
        "EX-SA-2026-0001#F1: CSAF 2.0 carries one CWE; CWE-200 left out",
    )


def test_amber_strict_is_refused_rather_than_weakened() -> None:
    with pytest.raises(NotSatisfied) as caught:
        csaf20(advisory(full() | {"tlp": "AMBER+STRICT"}), OCCASION)
    assert caught.value.message == (
        "CSAF 2.0 has no label for TLP:AMBER+STRICT, and a weaker one would mislead"
    )
    assert caught.value.hint == "use --format csaf21"


def test_an_export_is_not_older_than_its_advisory() -> None:
    with pytest.raises(UsageError) as caught:
        csaf20(advisory(), Occasion(AT - timedelta(days=60)))
    assert caught.value.message == "the date of the export lies before the last revision"


@pytest.mark.parametrize(
    ("advisory_id", "name"),
    [("EX-SA-2026-0001", "ex-sa-2026-0001.json"), ("Ex.1__2", "ex_1_2.json")],
)
def test_file_names_follow_the_standard(advisory_id: str, name: str) -> None:
    assert file_name(advisory_id) == name


def test_rates_stand_in_an_extension_of_csaf_2_1_that_follows_its_schema() -> None:
    made = csaf21(advisory(), OCCASION)
    assert [file.path for file in made.files] == [
        "csaf21/ex-sa-2026-0001.json",
        "csaf21/extensions/reproduction-rate_1.0.0.json",
    ]
    metrics = json.loads(made.files[0].data)["vulnerabilities"][0]["metrics"]
    assert [metric["products"] for metric in metrics] == [["T1"], ["T5"]]
    [extension] = metrics[0]["content"]["x_extensions"]
    assert extension["$schema"] == extension_url(advisory())
    assert extension["content"] == {
        "successes": 31,
        "tries": 40,
        "low": 0.615,
        "high": 0.892,
        "coverage": 0.95,
        "reproducer_sha256": "11" * 32,
    }
    schema = extension_schema(advisory())
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    for metric in metrics:
        [extension] = metric["content"]["x_extensions"]
        assert list(Draft202012Validator(schema).iter_errors(extension)) == []


def test_a_rate_that_its_owner_keeps_leaves_in_no_version() -> None:
    changed = full()
    changed["findings"][0]["affectedness"][0]["publish"] = "verdict"
    changed["findings"][0]["affectedness"][4]["publish"] = "verdict"
    for write in (csaf20, csaf21):
        [file] = write(advisory(changed), OCCASION).files
        assert b"31 of 40" not in file.data
        assert b"0.615" not in file.data
        assert b"x_extensions" not in file.data


@settings(max_examples=30)
@given(documents())
def test_equal_advisories_give_equal_bytes(document: Fields) -> None:
    for write in (csaf20, csaf21):
        one, other = (write(advisory_from(document, where="x"), OCCASION) for _ in range(2))
        assert one == other
