"""The tables: every state and event of every machine, and what the file may not say."""

from __future__ import annotations

from importlib.resources import files
from itertools import product

import pytest

from steelyard.disclosure.states import Machine, allowed_events, load_tables, step
from steelyard.disclosure.states.tables import reachable, read_tables
from steelyard.kernel.errors import ConfigurationError, NotSatisfied, UnknownName

TABLES = load_tables()
# The count of allowed pairs, machine by machine: a row that is lost or added is seen here.
ALLOWED = {"RM": 12, "EM": 10, "PEC": 12, "VFD": 3, "PXA": 11, "AM": 29, "HM": 6}
PAIRS = [
    (machine, state.id, event)
    for machine in TABLES.machines.values()
    for state, event in product(machine.states, machine.events)
]
# The formal model, independently of our file (Vultron, docs/reference/formal_protocol).
FORMAL = {
    "RM": "S-receive-R R-validate-V R-invalidate-I I-validate-V V-accept-A V-defer-D D-accept-A "
    "A-defer-D A-forward-A A-close-C D-close-C I-close-C",
    "EM": "N-propose-P P-propose-P P-accept-A P-reject-N A-propose-R A-terminate-X R-propose-R "
    "R-accept-A R-reject-A R-terminate-X",
    "VFD": "vfd-V-Vfd Vfd-F-VFd VFd-D-VFD",
}


@pytest.mark.parametrize(("machine", "state", "event"), PAIRS, ids=lambda x: getattr(x, "id", x))
def test_every_pair_leads_to_its_state_or_is_refused(
    machine: Machine, state: str, event: str
) -> None:
    row = machine.table.get((state, event))
    if row is not None:
        assert step(machine, state, event) == row.target
        assert event in allowed_events(machine, state)
        return
    allowed = ", ".join(allowed_events(machine, state)) or "nothing"
    with pytest.raises(NotSatisfied) as refused:
        step(machine, state, event)
    assert str(refused.value) == (
        f"{event!r} is forbidden in state {state!r} of {machine.id}, which allows {allowed}"
    )
    assert refused.value.hint == f"steelyard disclose states {machine.id}"


def test_as_many_pairs_are_allowed_as_the_models_say() -> None:
    assert {name: len(machine.table) for name, machine in TABLES.machines.items()} == ALLOWED
    assert len(PAIRS) == 7 * 7 + 5 * 4 + 5 * 5 + 4 * 3 + 8 * 3 + 11 * 11 + 4 * 3


@pytest.mark.parametrize("name", FORMAL)
def test_the_tables_are_those_of_the_formal_model(name: str) -> None:
    machine = TABLES.machine(name)
    letters = {state.id: state.letter for state in machine.states}
    ours = {
        f"{letters[row.source]}-{row.event}-{letters[row.target]}" for row in machine.table.values()
    }
    assert ours == set(FORMAL[name].split())


def test_the_world_only_ever_learns() -> None:
    world = TABLES.machine("PXA")
    for row in world.table.values():
        assert row.target == row.source.replace(row.event.lower(), row.event)
        assert row.target != row.source
    refused = {(s.id, e) for s in world.states for e in "PXA" if (s.id, e) not in world.table}
    known = {(s.id, e) for s in world.states for e in "PXA" if e in s.id}
    # An exploit without publication is at once followed by publication, so no attack between.
    assert refused == known | {("pXa", "A")}


def test_a_new_version_makes_every_answer_void() -> None:
    machine = TABLES.machine("AM")
    unanswered = {"unknown", "notified", "acked"}
    for state in machine.states:
        after = step(machine, state.id, "new_version")
        assert after == (state.id if state.id in unanswered else "retest")


def test_names_that_do_not_exist_are_told_apart_from_what_is_forbidden() -> None:
    machine = TABLES.machine("HM")
    with pytest.raises(UnknownName, match=r"^HM has no state 'h4'$") as state:
        step(machine, "h4", "lower")
    assert state.value.hint == "known: h0, h1, h2, h3"
    with pytest.raises(UnknownName, match=r"^HM has no event 'burn'$") as event:
        step(machine, "h3", "burn")
    assert event.value.hint == "known: lower, raise_to_h2, raise_to_h3"
    with pytest.raises(UnknownName, match=r"^no state machine 'XM'$") as name:
        TABLES.machine("XM")
    assert name.value.hint == "known: RM, EM, PEC, VFD, PXA, AM, HM"


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TABLES.machine("EM").table["none", "accept"] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        TABLES.machine("EM").initial = "active"  # type: ignore[misc]
    assert step(TABLES.machine("EM"), "none", "propose") == "proposed"


def test_every_state_is_reached_and_every_message_is_known() -> None:
    for machine in TABLES.machines.values():
        assert reachable(machine) == {state.id for state in machine.states}
        assert {m for row in machine.table.values() for m in row.emits} <= set(TABLES.messages)


SOURCE = (files("steelyard.disclosure.states") / "data" / "machines.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("found", "instead", "message"),
    [
        ("to: received,", "to: recieved,", "RM: start --receive--> recieved names nothing"),
        (
            "{from: start, event: receive,",
            "{from: start, event: get,",
            "RM: start --get--> received names nothing",
        ),
        ("emits: [RK]", "emits: [ZZ]", "RM: receive emits ZZ, which is no message"),
        (
            "from: Vfd, event: F, to: VFd",
            "from: Vfd, event: F, to: Vfd",
            "VFD: VFD is never reached",
        ),
        ("final: [none, exited]", "final: [none, over]", "EM: final names no state"),
        (
            "needs: PXA, of: case, states: [pxa]",
            "needs: PXA, of: case, states: [qxa]",
            "quiet-to-negotiate: PXA has no state qxa",
        ),
        (
            "events: [propose, accept], needs",
            "events: [propose, agree], needs",
            "quiet-to-negotiate: EM has no event agree",
        ),
        (
            "when: [active, revise], by: terminate, force: shall",
            "when: [active, none], by: terminate, force: shall",
            "publication-ends-embargo: EM knows no terminate at none",
        ),
        (
            "messages: [RS], reply: [RK]",
            "messages: [RS], reply: [QQ]",
            "reply to RS: QQ is no message",
        ),
        (
            "messages: [ET], EM: [exited]",
            "messages: [ET], EM: [gone]",
            "reply to ET: EM has no state gone",
        ),
        (
            "machine: RM, event: receive, actor",
            "machine: RM, event: obtain, actor",
            "reply to RS: RM has no event obtain",
        ),
        ("needs: VFD, of: each", "needs: ZZ, of: each", "embargo-before-fix: no machine ZZ"),
        (
            "{from: none, event: propose, to: proposed,",
            "{from: proposed, event: propose, to: none,",
            "EM: propose stands twice at proposed",
        ),
    ],
)
def test_a_table_that_leads_nowhere_is_refused(found: str, instead: str, message: str) -> None:
    assert found in SOURCE
    with pytest.raises(ConfigurationError) as refused:
        read_tables(SOURCE.replace(found, instead, 1), where="machines.yaml")
    assert str(refused.value) == f"machines.yaml: {message}"


def test_a_table_must_follow_its_schema() -> None:
    with pytest.raises(ConfigurationError, match=r"least_signatories: 1 is less than"):
        read_tables(SOURCE.replace("least_signatories: 2", "least_signatories: 1"), where="x")
