"""Rules and facts as files: what is refused, and how it is said."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.deadlines import Facts, load_rules, read_facts
from steelyard.disclosure.deadlines.rules import read_rules
from steelyard.kernel import format_instant
from steelyard.kernel.errors import ConfigurationError

SOURCE = (files("steelyard.disclosure.deadlines") / "data" / "rules.yaml").read_text("utf-8")
HEAD = "schema: steelyard/disclosure-facts/1\nsubject: case-1\n"
AWARE = 'events: [{event: exploitation-aware, at: "2026-09-14T10:20:00Z"}]'
INSTANT_HINT = "write 2026-01-31T12:00:00Z or 2026-01-31T13:00:00+01:00"


@pytest.mark.parametrize(
    ("found", "instead", "message"),
    [
        (
            "calendar: us-california",
            "calendar: us-texas",
            "rules.yaml: sb53-15-days: no calendar us-texas",
        ),
        (
            "all: [eu-product-manufacturer]",
            "all: [maker]",
            "rules.yaml: cra-14-2-a: no condition maker",
        ),
        (
            "trigger_event: exploitation-aware",
            "trigger_event: aware",
            "rules.yaml: cra-14-2-a: no event aware",
        ),
        (
            "after_event: exploitation-aware",
            "after_event: aware",
            "rules.yaml: cra-14-2-c: no event aware",
        ),
        (
            "submitted:cra-14-4-b",
            "submitted:cra-14-4-z",
            "rules.yaml: cra-14-4-c: no rule cra-14-4-z",
        ),
        ("id: cra-14-2-b", "id: cra-14-2-a", "rules.yaml: rule cra-14-2-a stands there twice"),
        (
            'in_force: "2026-09-11"',
            'in_force: "2026-09-31"',
            "rules.yaml cra-14-2-a: '2026-09-31' is no date",
        ),
        (
            "repeats_until: serious-incident-resolved",
            "repeats_until: done",
            "rules.yaml: gpai-9-3-interim: no event done",
        ),
        (
            "count: 24, unit: hours",
            "count: 0, unit: hours",
            "rules.yaml: rules.0.duration.count: 0 is less than the minimum of 1",
        ),
        (
            "confidence: unconfirmed",
            "confidence: likely",
            (
                "rules.yaml: calendars.1.confidence: "
                "'likely' is not one of ['confirmed', 'unconfirmed']"
            ),
        ),
    ],
)
def test_rules_that_lead_nowhere_are_refused(found: str, instead: str, message: str) -> None:
    assert found in SOURCE
    with pytest.raises(ConfigurationError) as refused:
        read_rules(SOURCE.replace(found, instead, 1), where="rules.yaml")
    assert str(refused.value) == message


def test_facts_are_read() -> None:
    body = """\
conditions: {death: false}
zones: {eu-member-state: Europe/Madrid}
holidays: {eu-member-state: ["2026-12-25"]}
events:
  - {event: exploitation-aware, at: "2026-09-14T10:20:00+02:00"}
submissions:
  - {rules: [cra-14-2-b], at: "2026-09-16T10:20:00Z"}
  - {rules: [cra-14-2-a, cra-14-2-b], at: "2026-09-15T10:20:00Z"}
"""
    found = read_facts(HEAD + body, load_rules(), where="f")
    assert format_instant(found.events["exploitation-aware"]) == "2026-09-14T08:20:00Z"
    assert [format_instant(at) for at in found.submissions["cra-14-2-b"]] == [
        "2026-09-15T10:20:00Z",
        "2026-09-16T10:20:00Z",
    ]
    assert str(found.zones["eu-member-state"]) == "Europe/Madrid"
    assert str(found.zones["us-california"]) == "America/Los_Angeles"
    assert dict(found.conditions) == {"death": False}


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        (
            "events: [{event: aware, at: x}]\n",
            "f: no event 'aware' in the rules",
            "known: exploitation-aware, ",
        ),
        (
            "conditions: {rich: true}\nevents: [{event: exploitation-aware, at: x}]\n",
            "f: no condition 'rich' in the rules",
            "known: eu-product",
        ),
        (
            "zones: {mars: UTC}\nevents: [{event: exploitation-aware, at: x}]\n",
            "f: no calendar 'mars' in the rules",
            "known: eu-member-state",
        ),
        (
            "holidays: {mars: []}\nevents: [{event: exploitation-aware, at: x}]\n",
            "f: no calendar 'mars' in the rules",
            "known: eu-member-state",
        ),
        (
            "{AWARE}\nsubmissions: [{rules: [x], at: z}]\n",
            "f: no rule 'x' in the rules",
            "known: cra-14-2-a",
        ),
        (
            'events: [{event: exploitation-aware, at: "2026-09-14"}]\n',
            "f exploitation-aware: '2026-09-14' names no time of day",
            INSTANT_HINT,
        ),
        (
            'events: [{event: exploitation-aware, at: "2026-09-14T10:20:00"}]\n',
            "f exploitation-aware: '2026-09-14T10:20:00' is no date",
            INSTANT_HINT,
        ),
        (
            "zones: {us-california: Europe/Berlin}\n{AWARE}\n",
            "f: calendar us-california is always in America/Los_Angeles",
            "",
        ),
        (
            "zones: {eu-member-state: Europe/Atlantis}\n{AWARE}\n",
            "f: no time zone 'Europe/Atlantis'",
            "a name as Europe/Brussels",
        ),
        (
            "zones: {eu-member-state: America/Argentina}\n{AWARE}\n",
            "f: no time zone 'America/Argentina'",
            "a name as Europe/Brussels",
        ),
        (
            'holidays: {eu-member-state: ["2026-02-30"]}\n{AWARE}\n',
            "f holidays: '2026-02-30' is no date",
            "",
        ),
        (
            "events: []\n",
            "f: events: [] should be non-empty",
            "see spec/disclosure-facts.schema.json",
        ),
        (
            'conditions: {death: "no"}\nevents: [{event: exploitation-aware, at: x}]\n',
            "f: conditions.death: 'no' is not of type 'boolean'",
            "see spec",
        ),
    ],
)
def test_facts_that_mean_nothing_are_refused(body: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_facts(HEAD + body.replace("{AWARE}", AWARE), load_rules(), where="f")
    assert str(refused.value) == message
    assert refused.value.hint.startswith(hint)


@given(st.text(max_size=60))
def test_any_zone_name_is_found_or_refused(name: str) -> None:
    quoted = "".join(each for each in name if each.isprintable() and each not in '"\\{},:[]')
    body = f'zones: {{eu-member-state: "{quoted}"}}\nevents:\n'
    body += '  - {event: exploitation-aware, at: "2026-09-14T10:20:00Z"}\n'
    try:
        found = str(read_facts(HEAD + body, load_rules(), where="f").zones["eu-member-state"])
    except ConfigurationError:
        found = quoted
    assert found == quoted


@pytest.mark.parametrize("name", ["localtime", "posixrules", "right/Europe/Berlin", "EST5EDT", ""])
def test_a_zone_that_depends_on_the_machine_is_refused(name: str) -> None:
    body = f'zones: {{eu-member-state: "{name}"}}\n{AWARE}\n'
    with pytest.raises(ConfigurationError, match=r"^f: zones\.eu-member-state: .* does not match"):
        read_facts(HEAD + body, load_rules(), where="f")


def test_facts_cannot_be_changed(facts: Callable[[str], Facts], cra: str) -> None:
    with pytest.raises(TypeError):
        facts(cra).events["exploitation-aware"] = None  # type: ignore[index]
    assert list(facts(cra).events) == ["exploitation-aware"]
