"""Advisories against the subject of a passport: what is open, what answers, what the gate says."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from steelyard.disclosure.advisory.feed import Feed, Unbelieved
from steelyard.disclosure.advisory.handles import endpoint_handle, subject_handle
from steelyard.disclosure.reproducer.limits import make_arm
from steelyard.disclosure.reproducer.verdict import Results
from steelyard.kernel import parse_instant
from steelyard.kernel.errors import ConfigurationError
from steelyard.passport import (
    Policy,
    Since,
    Verification,
    decide,
    default_policy,
    verify_passport,
)
from steelyard.passport.report.fresh import fresh_report
from steelyard.standard import check_schema, load_release

BUILD = runpy.run_path(str(Path(__file__).parents[3] / "spec/vectors/passport/build.py"))
VECTORS: dict[str, Callable[[], bytes]] = BUILD["VECTORS"]
FLAWS = runpy.run_path(
    str(Path(__file__).parents[3] / "spec" / "vectors" / "passport" / "flaws_draft.py")
)
DIGEST = FLAWS["reproducer"]().digest
HOSTED = endpoint_handle("https://models.example/scale-1", "example/scale-1")
AT = parse_instant("2026-03-10T00:00:00Z")
LATER = parse_instant("2026-03-05T00:00:00Z")
DUE = (
    "An advisory published after the test concerns the model or its base, and nothing shows that "
    "it is not affected."
)
CLASS = (
    "A flaw of a class in scope was published after the test, and nothing shows that the model is "
    "not affected."
)
SENTENCE = "EX-SA-2026-0001#F1 says that the model is affected"


def feed(status: str = "affected", handle: str = HOSTED, **changes: Any) -> Feed:  # noqa: ANN401
    digest = changes.pop("reproducer", DIGEST)
    return FLAWS["feed"](status, handle, digest, **{"changed": LATER, **changes})


def verified(
    name: str = "honest",
    told: Feed | None = None,
    rules: Policy | None = None,
    at: datetime = AT,
    data: bytes | None = None,
) -> Verification:
    found = verify_passport(
        VECTORS[name]() if data is None else data, at=at, policy=rules, since=Since(feed=told)
    )
    check_schema(found.to_json(), "verification", where="verification")
    return found


def policy(maximum: int | None = 0, **changes: Any) -> Policy:  # noqa: ANN401
    return replace(
        default_policy(load_release()),
        required_domains=("persuasion",),
        maximum_level=3,
        accepted_statuses=frozenset({"established", "presumptive", "undetermined"}),
        minimum_elicitation="unknown",
        require_round=False,
        allow_blocking_conditions=True,
        maximum_open_advisories=maximum,
        **changes,
    )


def view(found: Verification) -> dict[str, Any]:
    assert found.advisories is not None
    return found.advisories


def step(found: Verification) -> tuple[str, str, str]:
    check = next(check for check in found.checks if check.name == "advisories")
    return check.result, check.detail, check.hint


def test_an_advisory_published_after_the_evidence_makes_a_passport_due() -> None:
    found = verified(told=feed())
    assert found.exit_status == 0
    assert view(found)["open"] == [SENTENCE]
    assert found.fired == (DUE,)
    (row,) = view(found)["found"]
    assert (row["relation"], row["after_evidence"], row["known_at_issue"], row["answered"]) == (
        "subject", True, False, None,
    )  # fmt: skip
    assert step(found)[:2] == ("warn", "1 open; advisories read: 1")


def test_a_regression_that_shows_no_flaw_answers_it() -> None:
    found = verified("regression", feed())
    assert (view(found)["open"], found.fired) == ([], ())
    assert view(found)["found"][0]["answered"] == "not_affected"
    assert decide(found, policy()).exit_status == 0


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("regression_affected", "affected"), ("regression_undetermined", "undetermined")],
)
def test_a_regression_that_shows_it_or_does_not_tell_leaves_it_open(
    name: str, verdict: str
) -> None:
    found = verified(name, feed())
    sentence = f"EX-SA-2026-0001#F1 says that the model is affected, and a regression is {verdict}"
    assert view(found)["open"] == [sentence]
    assert found.fired == (DUE,)
    assert decide(found, policy(refuse_fired_triggers=False)).unmet == (
        f"open advisory: {sentence}",
    )
    assert decide(found, policy(1, refuse_fired_triggers=False)).exit_status == 0


def test_a_regression_by_another_reproducer_answers_nothing() -> None:
    found = verified("regression", feed(reproducer="11" * 32))
    assert view(found)["found"][0]["answered"] is None
    assert len(view(found)["open"]) == 1
    assert len(view(verified("regression", feed(reproducer="")))["open"]) == 1


def test_an_unresolved_regression_is_open_without_any_feed() -> None:
    found = verified("regression_affected")
    assert view(found)["open"] == ["EX-SA-2026-0001#F1: the regression is affected"]
    assert decide(found, policy()).unmet == (
        "no advisories were looked at, at most 0 open accepted",
    )
    other = verified("regression_affected", feed("affected", subject_handle("00" * 32)))
    assert decide(other, policy(refuse_fired_triggers=False)).unmet == (
        "open advisory: EX-SA-2026-0001#F1: the regression is affected",
    )


def test_an_advisory_for_another_digest_concerns_nobody_here() -> None:
    found = verified(told=feed(handle=subject_handle("00" * 32)))
    assert (view(found)["found"], found.fired) == ([], ())
    assert step(found) == ("pass", "none open; advisories read: 1", "")
    assert decide(found, policy()).exit_status == 0


@pytest.mark.parametrize(
    ("status", "sentences"),
    [
        ("not_affected", []),
        ("fixed", []),
        (
            "under_investigation",
            ["EX-SA-2026-0001#F1 says that the model is under investigation"],
        ),
    ],
)
def test_what_the_publisher_says_of_the_subject_decides(status: str, sentences: list[str]) -> None:
    assert view(verified(told=feed(status)))["open"] == sentences


def test_an_advisory_older_than_the_evidence_is_open_but_no_trigger() -> None:
    found = verified(told=feed(changed=FLAWS["PUBLISHED"]))
    assert (len(view(found)["open"]), found.fired) == (1, ())
    assert decide(found, policy()).exit_status == 1


def test_a_clock_set_back_hides_no_advisory() -> None:
    """An advisory dated after the instant asked about is here, whatever the clock says."""
    published = AT + timedelta(days=30)
    found = verified(told=feed(changed=published, published=published))
    assert found.fired == (DUE,)
    assert step(found)[1] == (
        "1 open; advisories read: 1; 1 dated after 2026-03-10T00:00:00Z, counted all the same"
    )
    assert decide(found, policy()).exit_status == 1


def weights(**changes: Any) -> bytes:  # noqa: ANN401
    return BUILD["issued"](weights="5e" * 32, **changes)


def test_weights_are_named_by_their_root_and_by_that_of_their_base() -> None:
    root, base = subject_handle("5e" * 32), subject_handle("ba" * 32)
    assert view(verified(data=weights()))["handles"] == [root]
    assert len(view(verified(data=weights(), told=feed(handle=root)))["open"]) == 1
    assert view(verified(data=weights(), told=feed(handle=base)))["open"] == []
    derived = weights(bases=("ba" * 32,))
    found = verified(data=derived, told=feed(handle=base))
    assert view(found)["bases"] == [base]
    assert view(found)["open"] == ["EX-SA-2026-0001#F1 says that the base of the model is affected"]
    assert found.fired == (DUE,)


def both(subject: str, base: str) -> Feed:
    told = feed(base, subject_handle("ba" * 32))
    (one,) = told.advisories
    (finding,) = one.findings
    statuses = {subject_handle("5e" * 32): subject, **finding.statuses}
    return replace(
        told, advisories=(replace(one, findings=(replace(finding, statuses=statuses),)),)
    )


def test_what_is_said_of_the_model_counts_before_what_is_said_of_its_base() -> None:
    derived = weights(bases=("ba" * 32,))
    assert view(verified(data=derived, told=both("fixed", "affected")))["open"] == []
    (row,) = view(verified(data=derived, told=both("affected", "fixed")))["found"]
    assert (row["relation"], row["status"], row["open"]) == ("subject", "affected", True)


def of_class(name: str, **changes: Any) -> Feed:  # noqa: ANN401
    told = feed(handle=subject_handle("00" * 32), **changes)
    (one,) = told.advisories
    return replace(
        told, advisories=(replace(one, findings=(replace(one.findings[0], flaw_class=name),)),)
    )


def test_a_flaw_of_a_class_in_scope_calls_for_a_test_and_accuses_nobody() -> None:
    found = verified(told=of_class("harmful-manipulation"))
    assert (view(found)["open"], found.fired) == ([], (CLASS,))
    assert view(found)["found"][0]["relation"] == "class"
    assert verified(told=of_class("sandbagging")).fired == ()  # of a domain outside the scope
    assert verified("regression", of_class("secret-disclosure")).fired == ()  # tested for
    assert verified("regression_affected", of_class("secret-disclosure")).fired == (CLASS,)


def test_what_the_signer_knew_counts_without_a_feed_and_beside_an_older_one() -> None:
    found = verified("known_advisory")
    assert view(found)["known_at_issue"] == "2026-03-01T12:00:00Z"
    (row,) = view(found)["found"]
    assert (row["known_at_issue"], row["open"]) == (True, True)
    replayed = feed("not_affected", handle=subject_handle("00" * 32))
    assert len(view(verified("known_advisory", replayed))["open"]) == 1
    assert view(verified("known_advisory_answered"))["open"] == []


def test_a_later_version_of_its_publisher_closes_what_the_signer_knew_and_no_other_does() -> None:
    closed = feed("fixed", version=2)
    opened = {"EX-SA-2026-0001#F2: the regression is affected"}
    passport = BUILD["issued"](
        flaws=FLAWS["FlawsDraft"](
            (FLAWS["shown"](FLAWS["reproducer"](title="A second vault"), 20, "F2"),), "affected"
        )
    )
    assert set(view(verified(data=passport, told=closed))["open"]) == opened
    stranger = feed("fixed", version=2, publisher="cd" * 32)
    assert len(view(verified(data=passport, told=stranger))["open"]) == 2
    older = feed("fixed", version=1)
    assert len(view(verified(data=passport, told=older))["open"]) == 2


def test_a_feed_that_cannot_be_believed_answers_no_policy() -> None:
    torn = replace(feed(), not_believed=(Unbelieved("a.json", "is not signed"),))
    plain = verified(told=torn)
    assert plain.exit_status == 0
    assert step(plain)[:2] == (
        "warn",
        "1 open; advisories read: 1; 1 not believed: a.json is not signed",
    )
    found = verified(told=torn, rules=policy())
    assert found.exit_status == 3
    assert step(found) == (
        "fail",
        "a.json is not signed, so what is open cannot be told",
        "get the feed again from its publisher, or take out what you do not trust",
    )
    assert decide(plain, policy()) == decide(plain, policy(5))
    assert decide(plain, policy()).exit_status == 3
    assert decide(plain, policy()).unmet == ("advisories: a.json is not signed",)


def test_a_publisher_that_nobody_pinned_is_told() -> None:
    found = verified(told=replace(feed(), pinned=False))
    assert step(found) == (
        "warn",
        f"1 open; advisories read: 1; publisher not pinned: anyone could have made key {'ab' * 8}",
        f"open: {SENTENCE}; name whom you trust with --publisher or in a policy",
    )


def test_facts_that_the_caller_gave_stay_beside_the_feed() -> None:
    told = Since({"advisory_on_subject": True, "incident": True}, feed("fixed"))
    found = verify_passport(VECTORS["honest"](), at=AT, since=told)
    assert found.fired == ("A reportable incident involved the model.", DUE)


def test_a_fresh_report_shows_what_came_after_the_passport() -> None:
    data = VECTORS["known_advisory_answered"]()
    found = verified(data=data, told=feed(version=2))
    page = fresh_report(data, found, load_release())
    assert "As of 10\u00a0March 2026, from a feed in which 1 were believed and 0 were not." in page
    assert "EX-SA-2026-0001#F1: A toy vault tells its code (this model: affected)" in page
    assert "after the test: not open" in page
    hot = VECTORS["regression_affected"]()
    page = fresh_report(hot, verified(data=hot, told=feed()), load_release())
    assert f"<li>Due for re-test: {DUE}</li>" in page
    assert "says that the model is affected, and a regression is affected</li>" in page


def test_more_variants_than_a_verifier_judges_are_not_signed() -> None:
    many = [{"id": f"v{n:03d}", "values": {"role": f"r{n}"}} for n in range(1000)]
    made = FLAWS["reproducer"](variants=many, hazard_tier="H2")
    one = FLAWS["shown"](made)
    rows = tuple(
        replace(
            one,
            listed=replace(one.listed, finding=f"F{n}"),
            variants=tuple(v.name for v in made.variants),
            results=Results(make_arm([0] * 1000, [0] * 1000, 1)),
        )
        for n in range(9)
    )
    with pytest.raises(ConfigurationError) as caught:
        BUILD["issued"](flaws=FLAWS["FlawsDraft"](rows))
    assert caught.value.message == "9000 variants were shown in all, at most 8000 can be verified"
