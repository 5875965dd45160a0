"""Random walks: no act that is allowed leads into a state that cannot be."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from steelyard.disclosure.states import case_states, load_tables
from steelyard.disclosure.states.answers import answer
from steelyard.disclosure.states.payloads import Approval, move_payload
from steelyard.disclosure.states.rules import Act, Outcome, apply
from steelyard.disclosure.states.standing import Case, finder, impossible, observer, vendor
from steelyard.kernel.errors import NotSatisfied

TABLES = load_tables()
NAMES = ("finder", "lab", "commons", "third")
ACTS = [
    (machine, event)
    for machine in ("RM", "EM", "PEC", "VFD", "PXA")
    for event in TABLES.machine(machine).events
]
STATES, EDGES = case_states.walk()


def _matched(approvals: list[Approval]) -> bool:
    """Whether two of them share neither role nor organization."""
    return any(
        a.role != b.role and a.organization != b.organization for a in approvals for b in approvals
    )


class Walk(RuleBasedStateMachine):
    """Four participants act and send messages in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.case = Case(
            (
                finder("finder", "alder"),
                vendor("lab", "birch"),
                vendor("commons", "damson", open_weights=True),
                observer("third", "cedar"),
            )
        )
        self.hazard = "h3"
        self.embargoes = 0

    @rule(
        act=st.sampled_from(ACTS),
        name=st.sampled_from(NAMES),
        attesters=st.frozensets(st.sampled_from(["oak", "pine", "elm", "damson"])),
    )
    def act(self, act: tuple[str, str], name: str, attesters: frozenset[str]) -> None:
        try:
            outcome = apply(self.case, Act(*act, name, attesters))
        except NotSatisfied:
            return
        self.follow(outcome)

    @rule(
        message=st.sampled_from(list(TABLES.messages)),
        sender=st.sampled_from(NAMES),
        receiver=st.sampled_from(NAMES),
    )
    def message(self, message: str, sender: str, receiver: str) -> None:
        try:
            found = answer(self.case, message, sender=sender, receiver=receiver)
        except NotSatisfied as error:
            # Only its own machine may refuse: a guard's refusal is an error message.
            raise AssertionError(message, str(error)) from error
        self.follow(found.outcome)

    @rule(
        event=st.sampled_from(list(TABLES.machine("HM").events)),
        approvals=st.lists(
            st.builds(
                Approval,
                st.sampled_from(["coordinator", "vendor"]),
                st.sampled_from(["oak", "elm"]),
            ),
            max_size=3,
        ),
    )
    def move_hazard(self, event: str, approvals: list[Approval]) -> None:
        """Whatever became of the embargo, a tier falls by a step, and by two who share no hat."""
        before = self.hazard
        try:
            self.hazard = move_payload(before, event, approvals)
        except NotSatisfied:
            assert before == "h0" or event != "lower" or not _matched(approvals)
            return
        fell = int(before[1]) - int(self.hazard[1])
        assert fell == (1 if event == "lower" else int(before[1]) - int(event[-1]))
        assert fell < 0 or _matched(approvals)

    def follow(self, outcome: Outcome) -> None:
        before, after = self.case, outcome.case
        assert set(before.pxa.upper()) == set(after.pxa.upper())
        assert all(
            old.islower() or new.isupper() for old, new in zip(before.pxa, after.pxa, strict=True)
        )
        self.embargoes += (before.em, after.em) == ("proposed", "active")
        assert not (before.em == "exited" and after.em != "exited")
        assert self.embargoes <= 1
        for effect in outcome.effects:
            assert effect.machine != "HM"
            row = TABLES.machine(effect.machine).table[effect.before, effect.event]
            assert row.target == effect.after
        self.case = after

    @invariant()
    def nothing_impossible_is_reached(self) -> None:
        assert impossible(self.case) == ()

    @invariant()
    def every_vendor_is_in_a_state_of_the_derived_graph_that_may_last(self) -> None:
        for item in self.case.participants:
            if item.vfd:
                state = case_states.join_state(item.vfd, self.case.pxa)
                assert state in STATES
                assert case_states.required_next(state) == ""


Walk.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


class TestWalk(Walk.TestCase):
    """Runs the walks; the invariants above assert."""


def test_the_walk_stands_on_the_whole_graph() -> None:
    assert (len(STATES), len(EDGES)) == (32, 58)
    assert len(ACTS) == 7 + 4 + 5 + 3 + 3
