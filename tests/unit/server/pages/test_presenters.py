"""What each page says of a case, and what it keeps from whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.disclosure.case.cast import DAY, START, Scene, reported_case, small_case

from steelyard.disclosure.case.findings import find
from steelyard.disclosure.states import load_tables
from steelyard.kernel.errors import UnknownName
from steelyard.server.web.moments import elsewhere, moment, span_words
from steelyard.server.web.pages import (
    acts,
    affectedness,
    board,
    directory,
    embargo,
    payloads,
    publication,
    timeline,
)
from steelyard.server.web.pages.cases.chips import KINDS
from steelyard.server.web.words import SHORT, state_words, world_words

from .case_samples import FALSE_NAME, HEBREW, IMAGE, NAMES, SCRIPT, TRUE_NAME, crowd

NOW = START + timedelta(hours=2)


def member(scene: Scene, name: str) -> str:
    return scene[name].id


@pytest.mark.parametrize("machine", [*SHORT, "PXA"])
def test_every_state_of_every_machine_has_words_of_its_own(machine: str) -> None:
    states = [item.id for item in load_tables().machine(machine).states]
    words = [state_words(machine, state) for state in states]
    assert len(set(words)) == len(states)


def test_the_world_in_words() -> None:
    assert world_words("pxa") == "nothing is public"
    assert world_words("PxA") == "the flaw is public, attacks are known"


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=3), "3 h"),
        (timedelta(hours=3, minutes=7), "3 h 7 min"),
        (timedelta(days=2), "2 d"),
        (timedelta(days=2, hours=1, minutes=9), "2 d 1 h"),
        (timedelta(days=14, hours=9), "14 d"),
        (timedelta(days=-1), "0 min"),
    ],
)
def test_spans_in_their_two_largest_units(span: timedelta, words: str) -> None:
    assert span_words(span) == words


def test_an_instant_is_utc_whatever_zone_it_came_in() -> None:
    at = datetime.fromisoformat("2026-11-01T23:30:00-08:00")
    seen = moment(at, datetime(2026, 11, 2, 6, 30, tzinfo=UTC))
    assert (seen.iso, seen.text) == ("2026-11-02T07:30:00Z", "2026-11-02 07:30 UTC")
    assert (seen.relative, seen.is_past) == ("in 1 h", False)
    assert moment(at, at).relative == "now"
    assert elsewhere(at, ["Asia/Tokyo"]) == (("Tokyo", "Mon 02 Nov 2026, 16:30 JST"),)


def test_the_board_counts_and_shapes_what_is_known_of_each() -> None:
    made = crowd()
    page = board.present(made.scene.view, member(made.scene, "hub"), made.now)
    assert len(page.rows) == page.total == 121
    assert [(item.label, item.count) for item in page.counts] == [
        ("silent", 40), ("not asked", 49), ("not checked", 8), ("checking", 6), ("answered", 16),
        ("names no model", 2),
    ]  # fmt: skip
    shapes = {row.chips[0].kind: row.chips[0].shape for row in page.rows if row.chips}
    assert len(set(shapes.values())) == len(KINDS)
    assert page.rows[0].late == "2 d 5 h"
    assert page.rows[0].chips[0].text == "silent"


def test_the_board_never_tells_which_answer_it_was() -> None:
    made = crowd()
    page = board.present(made.scene.view, member(made.scene, "hub"), made.now)
    told = {item.text for row in page.rows for item in row.chips}
    assert told == {"silent", "not asked", "not checked", "checking", "answered"}


def test_the_board_shows_what_its_address_asks_for() -> None:
    made = crowd()
    me = member(made.scene, "hub")

    def shown(**query: str) -> list[str]:
        page = board.present(made.scene.view, me, made.now, board.read_asked(query))
        return [row.party.name for row in page.rows]

    assert shown(text="acme") == sorted((TRUE_NAME, FALSE_NAME))
    assert shown(text=made.scene["finder"].id[4:20]) == ["finder"]
    assert len(shown(affected="silent")) == 40
    assert len(shown(consent="declined")) == 1
    assert shown(role="reporter") == ["finder"]
    assert "finder" not in shown(fix="vfd")
    assert shown(sort="name")[0] == IMAGE
    assert shown(sort="-name")[0] == HEBREW
    assert len(shown(report="nonsense", sort="nonsense")) == 121


def test_the_heads_of_the_board_turn_the_order_round() -> None:
    made = crowd()
    asked = board.read_asked({"sort": "name", "affected": "silent"})
    page = board.present(made.scene.view, member(made.scene, "hub"), made.now, asked)
    by_label = {column.label: column for column in page.columns}
    assert by_label["Participant"].sorted == "ascending"
    assert "sort=-name" in by_label["Participant"].address
    assert "affected=silent" in by_label["Report"].address
    assert by_label["Report"].sorted == "none"


def test_look_alikes_warn_wherever_a_name_stands() -> None:
    made = crowd()
    view, hub = made.scene.view, member(made.scene, "hub")
    rows = board.present(view, hub, made.now, board.Asked(text="acme")).rows
    assert {row.party.name: row.party.resembles for row in rows} == {
        TRUE_NAME: (FALSE_NAME,),
        FALSE_NAME: (TRUE_NAME,),
    }
    cards = [player.card for player in made.scene.players.values()]
    assert directory.present(cards, hub, made.now).alike == 2
    one = directory.present_one(made.scene[FALSE_NAME].card, cards, hub, made.now)
    assert one.party.resembles == (TRUE_NAME,)


def test_a_vendor_sees_its_own_targets_and_counts_alone() -> None:
    made = crowd()
    view, found = made.scene.view, find(made.scene.chain, made.opened)
    page = affectedness.present(view, member(made.scene, NAMES[1]), made.now, found)
    assert {row.party.name for row in page.rows} == {NAMES[1]}
    assert (page.sees_all, page.totals, page.problems) == (False, (), ())
    assert page.queries[0].counted == 15
    assert [item.id for item in page.forms] == ["target", "progress", "status"]


def test_a_coordinator_sees_verdicts_as_far_as_they_were_told() -> None:
    made = crowd()
    view, found = made.scene.view, find(made.scene.chain, made.opened)
    page = affectedness.present(view, member(made.scene, "hub"), made.now, found)
    assert page.sees_all
    assert sum(count for _, _, count in page.totals) == len(view.targets)
    cells = {row.party.name: row.cells[0] for row in page.rows}
    assert cells[SCRIPT].verdict == "affected"
    assert cells[SCRIPT].detail == "20-50 % to 50-100 %"
    assert cells["Vendor 050"].verdict == "no answer"
    chips = {row.party.name: row.chip.text for row in page.rows}
    assert chips[SCRIPT] == "mitigating"


def test_the_timeline_tells_what_an_event_changed() -> None:
    scene = reported_case()
    scene.embargo("hub", "finder")
    page = timeline.present(scene.chain, member(scene, "hub"), scene.now)
    last = page.entries[0]
    assert last.text == "accepts the terms of \u2068hub\u2069"
    assert ("case", "embargo proposed", "embargo in force") in [
        (change.machine, change.before, change.after) for change in last.changes
    ]
    assert page.entries[-1].kind == "open"
    assert last.claimed is None


def test_the_timeline_shows_a_clock_that_is_off_and_what_is_sealed() -> None:
    scene = reported_case()
    note = scene.object("secret", "hub", "finder")
    scene.say("finder", "note", {"object": note, "about": None}, at=scene.now - 2 * DAY)
    closed = timeline.present(scene.chain, member(scene, "hub"), scene.now).entries[0]
    assert (closed.is_sealed, closed.apart) == (True, "2 d")
    texts = {str(note["id"]): "opened"}
    opened = timeline.present(scene.chain, member(scene, "hub"), scene.now, texts=texts).entries[0]
    assert (opened.is_sealed, opened.opened) == (False, "opened")


def test_the_timeline_has_pages_and_filters() -> None:
    made = crowd()
    chain, hub = made.scene.chain, member(made.scene, "hub")
    last = timeline.present(chain, hub, made.now, timeline.read_asked({"page": "99"}))
    assert (last.number, last.pages, last.older) == (4, 4, "")
    assert last.newer.endswith("timeline?page=3")
    judged = timeline.present(chain, hub, made.now, timeline.read_asked({"kind": "emergency"}))
    assert [entry.kind for entry in judged.entries] == ["emergency"]
    assert timeline.read_asked({"page": "\u0661", "kind": "nonsense"}) == timeline.Asked()


def test_the_embargo_page_names_the_end_in_several_places() -> None:
    scene = reported_case()
    scene.embargo("hub", "finder", days=10)
    page = embargo.present(scene.view, member(scene, "birch"), scene.now + 5 * DAY)
    assert page.clock is not None
    assert page.clock.elapsed == pytest.approx(0.5, abs=0.01)
    assert page.clock.until.relative == "in 4 d 23 h"
    assert len(page.clock.places) == 8
    assert page.own == "consent asked"
    assert [form.id for form in page.forms if not form.refused] == [
        "accept", "propose", "decline", "terminate",
    ]  # fmt: skip
    over = embargo.present(scene.view, member(scene, "hub"), scene.now + 11 * DAY)
    assert over.clock is not None
    assert over.clock.is_over


def test_the_publication_page_names_who_is_missing() -> None:
    made = crowd()
    page = publication.present(made.scene.view, member(made.scene, NAMES[0]), made.now)
    assert [who.name for who in page.agreed] == [SCRIPT, "hub"]
    assert len(page.missing) == 29
    assert [form.id for form in page.forms] == ["dissent", "approve"]
    assert page.dissents[0].ruling == ""


def test_payloads_of_others_are_counted_and_not_shown() -> None:
    made = crowd()
    view = made.scene.view
    page = payloads.present(view, member(made.scene, "Vendor 100"), made.now)
    assert (page.rows, page.total, page.unreadable) == ((), 0, len(view.payloads))


def test_an_act_that_roles_or_states_forbid_says_why() -> None:
    scene = small_case()
    page = acts.present_all(scene.view, member(scene, "birch"), NOW)
    refused = {offer.title: offer.refused for _, group in page.groups for offer in group}
    assert refused["Judge the report"] == "your organization has no report"
    assert refused["Reject the terms on the table"] == "no terms are on the table"
    assert refused["Publish the advisory"] == (
        "this is for coordinator, reporter; your organization is developer"
    )
    assert refused["Agree on another host"] == "\u2068hub\u2069 is silent for 0 days, need 14"
    assert refused["Propose terms of an embargo"] == ""


def test_a_refused_form_comes_back_as_it_was_filled_in() -> None:
    scene = reported_case()
    filled = {"text": ["a word"], "audience": ["chosen"], "to": [member(scene, "cedar")]}
    form = acts.present_one(scene.view, member(scene, "birch"), "note", NOW, filled).form
    fields = {field.name: field for field in form.fields}
    assert fields["text"].value == "a word"
    assert [o.value for o in fields["audience"].options if o.chosen] == ["chosen"]
    assert [o.value for o in fields["to"].options if o.chosen] == [member(scene, "cedar")]
    with pytest.raises(UnknownName, match="no act is called 'nothing'"):
        acts.present_one(scene.view, member(scene, "birch"), "nothing", NOW)
