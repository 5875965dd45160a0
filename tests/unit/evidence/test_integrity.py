"""Integrity checks of records: clean ones pass, each injected fault is found by its code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest

from steelyard.evidence import Evidence, Outcome, Record
from steelyard.evidence.integrity import (
    Finding,
    Headline,
    Severity,
    Shape,
    headline_findings,
    ordered,
    record_findings,
)
from steelyard.kernel.errors import UsageError

Make = Callable[..., Record]
ITEMS = 60


@pytest.fixture
def honest(make_record: Make) -> list[Record]:
    """Four models of different ability on sixty items of six families, with fine meters."""
    draw = np.random.default_rng(7)
    return [
        scored(
            make_record(
                model=f"m{model}",
                item=f"i{item:02}",
                template=f"t{item % 6}",
                covariates={"minutes": float(item)},
                output_tokens=int(draw.integers(50, 900)),
                seconds=float(draw.random() * 9 + 0.01),
                commitment=f"{model * 1000 + item:064x}",
            ),
            float(draw.random() < 0.2 + 0.15 * model),
        )
        for model in range(4)
        for item in range(ITEMS)
    ]


def scored(record: Record, score: float) -> Record:
    outcome = Outcome.BEHAVIOUR if score >= 0.5 else Outcome.NO_BEHAVIOUR
    return replace(record, score=score, outcome=outcome)


def codes(found: Iterable[Finding]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(f.code, f.severity.value, f.models) for f in found]


def check(records: list[Record], **options: object) -> tuple[Finding, ...]:
    return record_findings(Evidence.from_records(records), **options)  # type: ignore[arg-type]


def of(records: list[Record], model: str) -> list[Record]:
    return [record for record in records if record.model == model]


def test_honest_records_have_no_finding(honest: list[Record]) -> None:
    shapes = {"toy@1.0": Shape(frozenset({"default"}), 1)}
    assert check(honest, shapes=shapes) == ()
    assert check(of(honest, "m3"), against=Evidence.from_records(of(honest, "m0"))) == ()


def test_a_log_under_two_names(honest: list[Record]) -> None:
    copy = [replace(r, model="twin") for r in of(honest, "m1")]
    found = check(honest + copy)
    assert codes(found) == [
        ("log_copied", "blocking", ("m1", "twin")),
        ("transcript_reused", "blocking", ("m1", "twin")),
    ]
    assert found[0].text == "60 of 60 samples have equal score, tokens and wall time."
    assert found[1].text == "60 transcripts stand behind more than one sample."


def test_equal_responses_without_meters(honest: list[Record]) -> None:
    bare = [replace(r, seconds=None, commitment=None, output_tokens=None) for r in honest]
    copy = [replace(r, model="twin") for r in of(bare, "m1")]
    (found,) = check(bare + copy)
    assert found == Finding(
        "responses_equal", Severity.BLOCKING, "Equal responses to all 60 common samples.",
        ("m1", "twin"), {"samples": 60},
    )  # fmt: skip


def test_two_models_that_fail_everything_are_no_copies(honest: list[Record]) -> None:
    bare = [replace(r, seconds=None, commitment=None, output_tokens=None) for r in honest]
    idle = [scored(replace(r, model=m), 0.0) for m in ("a", "b") for r in of(bare, "m1")]
    assert check(bare + idle) == ()


def test_an_earlier_log_under_another_name_or_in_another_order(honest: list[Record]) -> None:
    old = Evidence.from_records(honest)
    renamed = [replace(r, model="new") for r in of(honest, "m2")]
    assert codes(check(renamed, against=old)) == [("log_renamed", "blocking", ("new",))]
    assert codes(check(of(honest, "m2"), against=old)) == [("log_repeated", "warning", ("m2",))]
    items = [record.item for record in renamed]
    shifted = [
        replace(r, item=i, template="t0", covariates={})
        for r, i in zip(renamed, [*items[1:], items[0]], strict=True)
    ]
    found = check(shifted, against=old)
    assert codes(found) == [
        ("items_exchanged", "blocking", ("new",)),
        ("log_reordered", "blocking", ("new",)),
    ]
    assert found[1].text == "The samples of m2, with items exchanged."


def test_pass_and_fail_in_equal_number_are_no_reordered_log(honest: list[Record]) -> None:
    bare = [replace(r, seconds=None, commitment=None, output_tokens=None) for r in honest]
    mine = of(bare, "m2")
    backwards = [scored(r, o.score or 0.0) for r, o in zip(mine, reversed(mine), strict=True)]
    assert check(backwards, against=Evidence.from_records(bare)) == ()


def test_exchanged_items_contradict_what_others_say(honest: list[Record]) -> None:
    mine = of(honest, "m0")
    turned = [
        replace(r, template=o.template, covariates=o.covariates)
        for r, o in zip(mine, [*mine[1:], mine[0]], strict=True)
    ]
    (found,) = check(turned + honest[ITEMS:])
    assert codes([found]) == [("items_exchanged", "blocking", ("m0",))]
    assert found.text == "60 of 60 items have another template or property."
    assert found.counts == {"templates": 60, "properties": 60, "items": 60}


def test_one_corrected_property_is_a_warning(honest: list[Record]) -> None:
    corrected = [replace(honest[0], covariates={"minutes": 99.0}), *honest[1:]]
    (found,) = check(corrected)
    assert codes([found]) == [("items_differ", "warning", ("m0",))]
    assert found.text == "1 of 60 items have another property than with most models."


def test_scores_and_arms_that_the_protocol_does_not_have(honest: list[Record]) -> None:
    odd = [scored(honest[0], 0.7), replace(honest[1], arm="other"), *honest[2:]]
    found = check(odd, shapes={"toy@1.0": Shape(frozenset({"default"}), 1)})
    assert codes(found) == [
        ("impossible_score", "blocking", ("m0",)),
        ("unknown_arm", "blocking", ("m0",)),
    ]
    assert found[0].text == "1 scores are no multiple of 1/1, the step of toy@1.0."
    assert found[1].text == "1 samples are of an arm that toy@1.0 does not have."


def test_an_arm_pair_that_cannot_occur(make_record: Make) -> None:
    whole, first = make_record(arm="a"), make_record(arm="a~first")
    assert check([whole, first]) == ()
    assert check([scored(whole, 1.0), scored(first, 0.0)]) == ()
    (found,) = check([scored(whole, 0.0), first])
    assert codes([found]) == [("impossible_pair", "blocking", ("lab/model",))]
    assert found.text == "1 samples lack the behaviour that an earlier try of theirs shows."


@pytest.mark.parametrize(
    ("meter", "value", "severity"),
    [("seconds", 1.5, "blocking"), ("seconds", 2.0, "warning"), ("output_tokens", 7, "warning")],
)
def test_meters_that_stand_still(
    honest: list[Record], meter: str, value: float, severity: str
) -> None:
    still = [replace(r, **{meter: value}) if r.model == "m0" else r for r in honest]  # type: ignore[arg-type]
    (found,) = check(still)
    assert codes([found]) == [("meter_stands_still", severity, ("m0",))]
    assert found.text == f"All 60 samples of toy default have {value:g} {meter}."


def test_repeats_that_are_copies_and_repeats_that_are_uneven(honest: list[Record]) -> None:
    copies = [replace(r, epoch=2) for r in of(honest, "m0")]
    assert codes(check(honest + copies)) == [
        ("repeats_copied", "blocking", ("m0",)),
        ("transcript_reused", "blocking", ("m0",)),
    ]
    second = replace(honest[0], epoch=2, seconds=1.23, commitment="f" * 64)
    (found,) = check([*honest, second])
    assert codes([found]) == [("repeats_uneven", "note", ("m0",))]
    assert found.text == "Items have 1 to 2 repeats; weigh items, not samples."


def headline(records: list[Record], text: str, items: int | None = None) -> list[Finding]:
    return list(headline_findings(Evidence.from_records(records), Headline.parse(text, items)))


def passed(make_record: Make, count: int, of_items: int) -> list[Record]:
    return [scored(make_record(item=f"i{k}"), float(k < count)) for k in range(of_items)]


@pytest.mark.parametrize("text", ["0.33", "0.333", "33.3%", "lab/model=0.3333", "0.3"])
def test_a_headline_that_follows_from_its_items(make_record: Make, text: str) -> None:
    assert headline(passed(make_record, 10, 30), text, 30) == []


def test_a_headline_that_does_not_follow(make_record: Make) -> None:
    (found,) = headline(passed(make_record, 10, 30), "0.40")
    assert (found.code, found.text) == (
        "headline_mismatch", "The headline is 0.40, the mean of 30 items 0.3333.",
    )  # fmt: skip
    impossible, mismatch = headline(passed(make_record, 10, 30), "0.35")
    assert (impossible.code, impossible.text) == (
        "headline_impossible", "No count of 30 items gives the headline 0.35.",
    )  # fmt: skip
    assert mismatch.code == "headline_mismatch"
    missing = [replace(r, score=None, outcome=Outcome.REFUSAL) for r in passed(make_record, 1, 3)]
    (empty,) = headline(missing, "0.5")
    assert (empty.code, empty.blocks) == ("headline_without_items", True)


def test_repeats_are_not_items(make_record: Make) -> None:
    once = passed(make_record, 10, 30)
    thrice = [replace(r, epoch=e) for r in once for e in (1, 2, 3)]
    assert headline(thrice, "0.333", 30) == []
    (found,) = headline(thrice, "0.333", 90)
    assert (found.code, found.text) == (
        "repeats_counted_as_items",
        "90 samples are claimed as items; they are repeats of 30 items.",
    )  # fmt: skip
    (other,) = headline(thrice, "0.333", 33)
    assert (other.code, other.text) == ("items_mismatch", "33 items are claimed, 30 were observed.")
    uneven = [*once, *(replace(once[0], epoch=e) for e in range(2, 12))]
    (by_sample,) = headline(uneven, "0.5")
    assert (by_sample.code, by_sample.severity) == ("headline_by_sample", Severity.WARNING)
    assert (
        by_sample.text
        == "The headline 0.5 is the mean of 40 samples; the mean of 30 items is 0.3333."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("high", "headline 'high' is no number"),
        ("1.2", "headline '1.2' is no share from 0 to 1"),
        ("nan", "headline 'nan' is no share from 0 to 1"),
        ("120%", "headline '120%' is no share from 0 to 1"),
    ],
)
def test_a_headline_that_is_none(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Headline.parse(text)
    assert caught.value.message == message
    assert caught.value.hint == "write --headline 0.731, 73.1% or MODEL=0.731"


def test_a_headline_needs_a_model(honest: list[Record]) -> None:
    with pytest.raises(UsageError) as several:
        headline(honest, "0.5")
    assert str(several.value) == "a headline for one of 4 models"
    with pytest.raises(UsageError) as unknown:
        headline(honest, "m9=0.5")
    assert str(unknown.value) == "no record of the headline's model 'm9'"
    assert unknown.value.hint == "models: m0, m1, m2, m3"


def test_the_gravest_finding_comes_first() -> None:
    found = [Finding("b", s, "x") for s in (Severity.NOTE, Severity.BLOCKING, Severity.WARNING)]
    assert [f.severity.value for f in ordered(found)] == ["blocking", "warning", "note"]
    assert found[1].to_json() == {
        "code": "b", "severity": "blocking", "text": "x", "models": [], "counts": {},
    }  # fmt: skip
