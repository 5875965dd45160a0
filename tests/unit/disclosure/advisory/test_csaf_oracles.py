"""Every CSAF document that is written, before two validators that others wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from steelyard.disclosure.advisory import Advisory, advisory_from
from steelyard.disclosure.advisory.csaf20 import csaf20
from steelyard.disclosure.advisory.csaf21 import csaf21

from .oracles import Validator, npm_validator, pypi_validator
from .samples import OCCASION, Fields, advisory, documents, full

_bounded = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def pypi() -> Iterator[Validator]:
    with pypi_validator() as validator:
        yield validator


@pytest.fixture(scope="module")
def npm() -> Iterator[Validator]:
    with npm_validator() as validator:
        yield validator


def document20(of: Advisory) -> Fields:
    return json.loads(csaf20(of, OCCASION).files[0].data)


def document21(of: Advisory) -> Fields:
    return json.loads(csaf21(of, OCCASION).files[0].data)


def older21(document: Fields) -> Fields:
    """The document without what the npm library's draft of CSAF 2.1 does not have yet."""
    document["document"]["publisher"].pop("contact", None)
    for vulnerability in document["vulnerabilities"]:
        vulnerability.pop("metrics", None)
    for product in _products(document):
        helper = product.pop("product_identification_helper", {})
        helper.pop("purls", None)
        if helper:
            product["product_identification_helper"] = helper
    return document


def _products(document: Fields) -> Iterator[Fields]:
    for vendor in document["product_tree"]["branches"]:
        for name in vendor["branches"]:
            for version in name["branches"]:
                yield version["product"]


def test_the_pypi_validator_accepts_the_full_advisory(pypi: Validator) -> None:
    judged = pypi.judge(document20(advisory()))
    assert judged == {"valid": True, "failed": [], "tests": 34}


def test_the_npm_validator_accepts_the_full_advisory(npm: Validator) -> None:
    judged = npm.judge(document20(advisory()))
    assert judged == {"valid": True, "failed": [], "tests": 43}


def test_both_notice_a_product_that_is_affected_and_not(pypi: Validator, npm: Validator) -> None:
    document = document20(advisory())
    status = document["vulnerabilities"][0]["product_status"]
    status["known_not_affected"] = [*status["known_not_affected"], "T1"]
    assert "6.1.6" in {name for name, _ in pypi.judge(document)["failed"]}
    assert "mandatoryTest_6_1_6" in {name for name, _ in npm.judge(document)["failed"]}


@_bounded
@given(documents())
def test_the_pypi_validator_accepts_any_advisory(pypi: Validator, document: Fields) -> None:
    judged = pypi.judge(document20(advisory_from(document, where="any")))
    assert judged["failed"] == []
    assert judged["valid"]


@_bounded
@given(documents())
def test_the_npm_validator_accepts_any_advisory(npm: Validator, document: Fields) -> None:
    judged = npm.judge(document20(advisory_from(document, where="any")))
    assert judged["failed"] == []
    assert judged["valid"]


@_bounded
@given(documents())
def test_the_pypi_validator_accepts_any_advisory_as_csaf_2_1(
    pypi: Validator, document: Fields
) -> None:
    judged = pypi.judge(document21(advisory_from(document, where="any")))
    assert judged["failed"] == []
    assert judged["valid"]


@_bounded
@given(documents())
def test_the_npm_validator_accepts_what_it_knows_of_csaf_2_1(
    npm: Validator, document: Fields
) -> None:
    judged = npm.judge(older21(document21(advisory_from(document, where="any"))))
    assert judged["failed"] == []


def test_amber_strict_exists_in_csaf_2_1(pypi: Validator) -> None:
    document = document21(advisory(full() | {"tlp": "AMBER+STRICT"}))
    assert document["document"]["distribution"]["tlp"]["label"] == "AMBER+STRICT"
    assert pypi.judge(document)["valid"]
