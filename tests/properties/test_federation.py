"""Whatever is said, lost, doubled, cut off or restarted: in the end everybody holds the same."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.server.node.federation import Federation

from steelyard.kernel.errors import NotSatisfied

ROLES = {
    "coord": ("coordinator",),
    "lab-a": ("developer", "reporter"),
    "lab-b": ("developer",),
}
NAMES = st.sampled_from(sorted(ROLES))
PLACES = st.integers(min_value=0, max_value=1)


class Talk(RuleBasedStateMachine):
    """Three nodes and two cases, each hosted by another node."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.federation = Federation(Path(self.folder.name), ROLES)
        self.federation.clock.forward(days=1)
        opened = {"coord": ("lab-a", "lab-b"), "lab-a": ("coord", "lab-b")}
        self.cases = [self.federation.open(host, *guests) for host, guests in opened.items()]
        self.federation.settle()
        self.versions = 0

    @rule(name=NAMES, place=PLACES, handle=st.sampled_from("xyz"))
    def speak(self, name: str, place: int, handle: str) -> None:
        """Say something that may stand or not: a host refuses what a role does not allow."""
        self.versions += 1
        fields = {"handle": handle, "commitment": None, "version": f"{self.versions}"}
        try:
            self.federation.say(name, self.cases[place], "target", **fields, guardrail="")
        except NotSatisfied:
            return

    @rule(name=NAMES, place=PLACES)
    def give_up_what_was_refused(self, name: str, place: int) -> None:
        self.federation.forget_refused(name, self.cases[place])

    @rule(loss=st.sampled_from([0.0, 0.4]), duplicates=st.sampled_from([0.0, 0.5]))
    def carry(self, loss: float, duplicates: float) -> None:
        self.federation.post.loss, self.federation.post.duplicates = loss, duplicates
        self.federation.clock.forward(seconds=1)
        self.federation.round()

    @rule(cut=st.sets(NAMES, max_size=2))
    def part(self, cut: set[str]) -> None:
        self.federation.post.cut = cut

    @rule(name=NAMES)
    def restart(self, name: str) -> None:
        self.federation.restart(name)

    @invariant()
    def nobody_is_accused(self) -> None:
        assert [self.federation.faults(name) for name in ROLES] == [[], [], []]

    def teardown(self) -> None:
        self.federation.post.cut, self.federation.post.loss = set(), 0.0
        self.federation.settle()
        for case in self.cases:
            assert len(self.federation.heads(case)) == 1
            views = [self.federation.chain(name, case).view for name in ROLES]
            assert all(view == views[0] for view in views)
        self.federation.close()
        self.folder.cleanup()


TestTalk = Talk.TestCase
TestTalk.settings = settings(
    max_examples=6,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
