"""Pages that are of no single case: the morning, deadlines, delivery, reports, cards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.disclosure.advisory.samples import advisory
from tests.unit.disclosure.case.cast import DAY, START, Player, Scene, key, key_row, reported_case

from steelyard.disclosure.advisory.model import Detail
from steelyard.disclosure.deadlines import evaluate, load_rules, read_facts
from steelyard.disclosure.delivery.outbox import Destination, Outgoing
from steelyard.disclosure.intake.attachments import Attachment
from steelyard.kernel.errors import UnknownName
from steelyard.server.web.pages import advisories, deadlines, directory, home, intake, outbox

from .case_samples import FACTS, legal

NOW = START + timedelta(hours=2)


def groups(scene: Scene, name: str, after: timedelta) -> dict[str, list[str]]:
    """Texts of the home page, by the id of their group."""
    page = home.present(home.Held([scene.view], {}), scene[name].id, scene.now + after)
    return {group.id: [item.text for item in group.items] for group in page.groups}


def test_the_morning_of_a_vendor_that_was_asked() -> None:
    scene = reported_case()
    scene.propose("hub", days=10)
    scene.target("birch")
    scene.ask("birch")
    found = groups(scene, "birch", timedelta(hours=1))
    until = (scene.now + 10 * DAY).strftime("%Y-%m-%d")
    assert len(found["answer"]) == 2
    assert found["answer"][0] == "Say whether you are affected: m1"
    assert found["answer"][1].startswith(f"Consent to an embargo until {until}")
    assert found["ends"] == []


def test_an_invitation_is_late_when_its_time_is_over() -> None:
    scene = reported_case()
    view, now = scene.view, scene.now + 8 * DAY
    page = home.present(home.Held([view], {}), scene["alder"].id, now)
    first = page.groups[0].items[0]
    assert (first.text, first.is_late) == ("Answer the invitation as deployer", True)


def test_the_host_hears_of_silence_and_everybody_of_the_hosts() -> None:
    scene = reported_case()
    scene.target("birch")
    scene.ask("birch", "cedar", until=scene.now + 30 * DAY)
    invited, asked = groups(scene, "hub", 8 * DAY)["silence"]
    assert invited == "\u2068alder\u2069 did not answer the invitation in time"
    names = asked.removesuffix(" did not answer whether they are affected").split(", ")
    assert sorted(names) == ["\u2068birch\u2069", "\u2068cedar\u2069"]
    assert groups(scene, "cedar", 8 * DAY)["silence"] == []
    assert groups(scene, "cedar", 15 * DAY)["silence"] == [
        "\u2068hub\u2069 has ordered nothing for 15 d; another host can be agreed on"
    ]


def test_an_embargo_past_its_end_is_late() -> None:
    scene = reported_case()
    scene.embargo("hub", "finder", days=20)
    assert groups(scene, "birch", timedelta(hours=1))["ends"] == []
    assert groups(scene, "birch", 10 * DAY)["ends"] == ["The embargo ends"]
    assert groups(scene, "birch", 21 * DAY)["ends"] == ["The embargo is past its end"]


def test_everybody_who_left_is_left_in_peace() -> None:
    scene = reported_case()
    scene.say("birch", "leave", {"reason": ""})
    assert groups(scene, "birch", 8 * DAY)["answer"] == []


def test_dead_letters_and_deadlines_reach_the_morning() -> None:
    scene = reported_case()
    dead = Outgoing("a" * 64, scene["birch"].id, NOW, NOW, 8, "dead", "refused")
    held = home.Held([scene.view], {scene.view.case: legal()}, [dead], refused=1)
    page = home.present(held, scene["hub"].id, legal().at)
    found = {group.id: group for group in page.groups}
    assert [item.text for item in found["delivery"].items] == [
        "1 parcel for 1 organization was given up",
        "1 parcel of others was refused",
    ]
    assert found["deadlines"].items[0].is_late
    assert found["deadlines"].items[0].case == scene.view.title
    assert page.attention == sum(len(group.items) for group in page.groups)


def test_deadlines_stand_by_urgency_and_on_their_day() -> None:
    page = deadlines.present({"c" * 64: legal()}, legal().at)
    assert [status for _, status, _ in page.groups] == ["missed", "open", "waiting", "met"]
    missed = page.groups[0][2][0]
    assert missed.title == "CRA vulnerability notification"
    assert missed.act_by is not None
    days = {day.number: day for week in page.month.weeks for day in week if day.number}
    assert len(days) == 30
    assert [mark[0] for mark in days[8].marks] == [missed.id]
    assert days[legal().at.day].is_today
    assert page.calendar_file == "/deadlines.ics"


@pytest.mark.parametrize("text", ["", "2026-13", "nonsense", "99999-1", "2026-\u0661\u0661"])
def test_a_month_that_is_none_is_this_one(text: str) -> None:
    assert deadlines.present({}, NOW, text).month.title == "November 2026"


def test_months_lead_to_those_beside_them() -> None:
    month = deadlines.present({}, NOW, "2026-12").month
    assert (month.before, month.after) == ("/deadlines?month=2026-11", "/deadlines?month=2027-01")


def test_doubts_about_a_deadline_are_told() -> None:
    facts = read_facts(FACTS, load_rules(), where="facts")
    page = deadlines.present({"": evaluate(load_rules(), facts, NOW + 5 * DAY)}, NOW)
    rows = [row for _, _, rows in page.groups for row in rows]
    sb53 = next(row for row in rows if row.title.startswith("SB 53"))
    assert sb53.doubts[0].startswith("applies only if: frontier developer under California")
    assert sb53.address == ""


def test_a_destination_in_trouble_comes_first() -> None:
    def parcel(name: str, to: str, **more: object) -> Outgoing:
        return replace(Outgoing(name * 64, to, NOW - DAY, NOW), **more)  # pyright: ignore[reportArgumentType]

    rows = [
        parcel("1", "org:a"),
        parcel("2", "org:b", attempts=2, reason="timed out"),
        parcel("3", "org:c", state="dead", attempts=8, reason="gone"),
    ]
    known = {"org:b": Destination("org:b", 2, NOW + DAY), "org:d": Destination("org:d")}
    page = outbox.present(rows, known, {"org:a": "A", "org:b": "B", "org:c": "C"}, NOW)
    assert [(row.party.name, row.health) for row in page.rows] == [
        ("C", "dead"), ("B", "failing"), ("A", "waiting"), ("unknown organization", "clear"),
    ]  # fmt: skip
    failing = page.rows[1]
    assert failing.next_at is not None
    assert (failing.next_at.relative, failing.error) == ("in 1 d", "timed out")
    assert (page.waiting, [row.reason for row in page.dead]) == (2, ["gone"])


def test_no_step_of_a_report_but_the_abstract_must_be_filled_in() -> None:
    for step in intake.STEPS:
        page = intake.present(step, intake.Saved(), NOW)
        required = [field.name for field in page.form.fields if field.required]
        assert required == {"abstract": ["title", "summary"], "hazard": ["hazard_tier"]}.get(
            step, []
        )
    tiers = intake.present("hazard", intake.Saved(), NOW).form.fields[0].options
    assert [option.value for option in tiers if option.chosen] == ["h1"]


def test_a_saved_report_is_resumed_with_its_code() -> None:
    begun = intake.present("abstract", intake.Saved(), NOW)
    assert begun.resume is not None
    assert begun.saved is None
    saved = intake.Saved({"title": "T"}, code="KX7P", at=NOW)
    later = intake.present("details", saved, NOW + DAY)
    assert (later.code, later.resume) == ("KX7P", None)
    assert [link.state for link in later.steps[:3]] == ["filled", "current", "empty"]
    with pytest.raises(UnknownName, match="no step is called 'x'"):
        intake.present("x", saved, NOW)


def test_models_grow_row_by_row_up_to_a_limit() -> None:
    def rows(count: int, *, more: bool) -> int:
        values = {f"target-{n}-name": "m" for n in range(1, count + 1)}
        page = intake.present("models", intake.Saved(values), NOW, more_models=more)
        return len(page.form.fields) // 4

    assert (rows(0, more=False), rows(2, more=False), rows(2, more=True)) == (1, 2, 3)
    assert rows(intake.MODELS_LIMIT, more=True) == intake.MODELS_LIMIT


def test_the_last_step_shows_what_will_be_sent() -> None:
    values = {"title": "T", "summary": "S", "target-1-name": "m", "hazard_tier": "h3"}
    saved = intake.Saved(values, [Attachment("a.txt", "text", 3, "ab" * 32)])
    page = intake.present("send", saved, NOW)
    assert [(label, text) for label, text, _ in page.review] == [
        ("Title", "T"), ("Abstract", "S"), ("Model 1", "m"), ("Hazard tier", "H3 sealed"),
    ]  # fmt: skip
    assert [button.value for button in page.form.buttons] == ["send", "stop"]


def test_a_card_tells_the_state_of_each_key() -> None:
    spans = {
        "new": key_row(key("new"), since=NOW + DAY),
        "old": key_row(key("old"), since=NOW - 9 * DAY, until=NOW - DAY),
        "lost": key_row(key("lost"), revoked=True),
    }
    player = Player("acme", ("developer",))
    player.envelope = player.card_of(2, keys=[key_row(key("acme")), *spans.values()])
    page = directory.present_one(player.card, [], "org:x", NOW)
    assert [row.state for row in page.keys] == ["speaks now", "not yet", "expired", "revoked"]
    assert page.fingerprint == player.id.removeprefix("org:")
    assert (page.sequence, page.is_trusted) == (2, False)
    assert page.form is not None
    assert directory.present_one(player.card, [], player.id, NOW).form is None


def test_an_advisory_shows_of_a_rate_what_its_owner_agreed_to() -> None:
    paper = advisory()
    finding = paper.findings[0]
    kept = tuple(replace(row, publish=Detail.VERDICT) for row in finding.rows)
    quiet = replace(paper, findings=(replace(finding, rows=kept),))
    shown = advisories.present_one(advisories.Published("x", paper), NOW).findings[0].rows
    hidden = advisories.present_one(advisories.Published("x", quiet), NOW).findings[0].rows
    assert shown[0].rate == "31 of 40 tries; 61.5% to 89.2% at 95%"
    assert [row.rate for row in hidden] == [""] * len(kept)


def test_advisories_are_found_by_what_they_are_about() -> None:
    item = advisories.Published("EX-1", advisory())
    assert len(advisories.present([item], NOW, "northwind").rows) == 1
    assert advisories.present([item], NOW, "nobody").rows == ()
