"""Queries and answers: each is bound to the other, and tells no more than was asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from steelyard.attest import Statement, Subject, generate_key, predicate_type, sign_statement
from steelyard.disclosure.reproducer.commitment import Root
from steelyard.disclosure.reproducer.query import (
    Answer,
    Counts,
    Query,
    Ran,
    band_of,
    make_answer,
    open_answer,
    open_query,
    sign_answer,
    sign_query,
)
from steelyard.disclosure.reproducer.verdict import Finding, Verdict
from steelyard.kernel.errors import BrokenSeal, ConfigurationError, Expired, MalformedEvidence

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
COORDINATOR, LAB, OTHER = generate_key(), generate_key(), generate_key()
KEYS = {LAB.public_key.key_id: LAB.public_key}
ASKERS = {COORDINATOR.public_key.key_id: COORDINATOR.public_key}
QUERY = Query("toy", "a" * 64, "counts", "0" * 32, NOW, NOW + timedelta(days=7))
FINDING = Finding(Verdict.AFFECTED, 0.5, 0.3, 0.7, 20, 0.0, None, "")
RAN = Ran("a" * 64, "lab/alpha", "steelyard/1", FINDING, Counts(10, 20, 20), Root("b" * 64, 40))


def answered(query: Query = QUERY, level: str = "counts") -> Answer:
    return make_answer(query, RAN, level=level, now=NOW + timedelta(days=1))


def opened(answer: Answer, query: Query = QUERY, **more: Any) -> Answer:  # noqa: ANN401
    return open_answer(sign_answer(answer, LAB), KEYS, query, **more)


def test_a_query_opens_while_it_stands() -> None:
    envelope = sign_query(QUERY, COORDINATOR)
    assert open_query(envelope, ASKERS, now=QUERY.until) == QUERY
    for moment in (NOW - timedelta(seconds=1), QUERY.until + timedelta(seconds=1)):
        with pytest.raises(Expired) as refusal:
            open_query(envelope, ASKERS, now=moment)
        message = "the query stands from 2026-05-04T12:00:00Z to 2026-05-11T12:00:00Z"
        assert str(refusal.value) == f"affectedness-query: {message}"


def test_a_query_of_a_stranger_is_refused() -> None:
    with pytest.raises(BrokenSeal):
        open_query(sign_query(QUERY, OTHER), ASKERS, now=NOW)


@pytest.mark.parametrize("level", ["verdict", "band", "counts"])
def test_each_level_tells_its_part(level: str) -> None:
    found = opened(answered(level=level))
    told = (found.band is not None, found.counts is not None, found.interval is not None)
    assert found == answered(level=level)
    assert (
        told
        == {
            "verdict": (False, False, False),
            "band": (True, False, False),
            "counts": (True, True, True),
        }[level]
    )


def test_a_verdict_does_not_depend_on_the_rate_behind_it() -> None:
    """Two runs of one verdict give the same bytes but for the salted root, however long."""
    other = replace(
        RAN, finding=replace(FINDING, rate=0.9, lower=0.8, upper=0.97), logs=Root("b" * 64, 20)
    )
    answers = [make_answer(QUERY, ran, level="verdict", now=NOW).to_json() for ran in (RAN, other)]
    assert answers[0] == answers[1]


def test_no_more_is_told_than_was_asked() -> None:
    modest = replace(QUERY, level="verdict")
    with pytest.raises(ConfigurationError, match="the query asks for verdict, not for band"):
        answered(modest, "band")
    eager = replace(answered(level="band"), query=modest.digest)
    with pytest.raises(BrokenSeal) as refusal:
        opened(eager, modest)
    assert refusal.value.message == "it tells band, asked was verdict"


def test_an_answer_to_another_query_is_refused() -> None:
    later = replace(QUERY, nonce="1" * 32)
    with pytest.raises(BrokenSeal) as refusal:
        opened(answered(), later)
    assert refusal.value.message.startswith("it answers query ")
    assert refusal.value.hint == "an old answer was sent again"


def test_a_second_answer_about_one_target_is_refused() -> None:
    with pytest.raises(BrokenSeal, match="target lab/alpha has answered this query"):
        opened(answered(), seen={(QUERY.digest, "lab/alpha")})


def test_an_answer_about_another_reproducer_is_refused() -> None:
    with pytest.raises(BrokenSeal) as refusal:
        opened(replace(answered(), reproducer="c" * 64))
    assert refusal.value.message == f"it is about {'c' * 16}, asked was {'a' * 16}"
    with pytest.raises(
        ConfigurationError, match="the run is of cccccccccccccccc, asked is aaaaaaaaaaaaaaaa"
    ):
        make_answer(QUERY, replace(RAN, reproducer="c" * 64), level="verdict", now=NOW)


@pytest.mark.parametrize("days", [-1, 8])
def test_an_answer_outside_the_querys_time_is_refused(days: int) -> None:
    with pytest.raises(BrokenSeal, match="outside the query's time"):
        opened(replace(answered(), answered=NOW + timedelta(days=days)))


def test_an_edited_answer_is_refused() -> None:
    envelope = bytearray(sign_answer(answered(), LAB))
    place = envelope.index(b'"payload":"') + 40
    envelope[place] = ord("A") if envelope[place] != ord("A") else ord("B")
    with pytest.raises(BrokenSeal):
        open_answer(bytes(envelope), KEYS, QUERY)


def test_an_answer_by_another_key_is_refused() -> None:
    with pytest.raises(BrokenSeal):
        open_answer(sign_answer(answered(), OTHER), KEYS, QUERY)


def test_a_query_does_not_pass_for_an_answer() -> None:
    with pytest.raises(BrokenSeal, match="this is no affectedness-answer"):
        open_answer(sign_query(QUERY, LAB), KEYS, QUERY)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"target": ""}, "target: '' should be non-empty"),
        ({"runner": ""}, "runner: '' should be non-empty"),
        ({"verdict": "fine"}, "verdict: 'fine' is not one of"),
        ({"logs": {"root": "b" * 64, "size": 40}}, "is not of type 'string'"),
        ({"counts": {"k": 21, "n": 20, "variants": 20}}, "21 of 20 is no count"),
        ({"counts": None}, "level counts does not go with what the answer tells"),
        ({"interval": [0.7, 0.3]}, "the interval is upside down"),
    ],
)
def test_an_incomplete_answer_is_refused_though_signed(
    change: dict[str, Any], problem: str
) -> None:
    predicate = {**answered().to_json(), **change}
    statement = Statement(
        (Subject("reproducer", "a" * 64),), predicate_type("affectedness-answer"), predicate
    )
    with pytest.raises(MalformedEvidence) as refusal:
        open_answer(sign_statement(statement, LAB), KEYS, QUERY)
    assert problem in str(refusal.value)


def test_the_subject_is_the_reproducer() -> None:
    statement = Statement(
        (Subject("reproducer", "d" * 64),),
        predicate_type("affectedness-answer"),
        answered().to_json(),
    )
    with pytest.raises(BrokenSeal, match="the subject is not the reproducer that it names"):
        open_answer(sign_statement(statement, LAB), KEYS, QUERY)


@pytest.mark.parametrize(
    ("rate", "band"),
    [(-0.2, "0-1 %"), (0.01, "0-1 %"), (0.011, "1-5 %"), (0.2, "5-20 %"), (1.0, "50-100 %")],
)
def test_bands(rate: float, band: str) -> None:
    assert band_of(rate) == band
