"""A host that does wrong: it signs what it likes, and tells each participant something else."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from steelyard.disclosure.case import Draft, Entry, sign_checkpoint, sign_event
from steelyard.disclosure.case.event import claimed_event
from steelyard.kernel import JsonObject
from steelyard.server.node.letters import ENTRIES, HEAD, write_entries
from steelyard.server.node.posting import Letter, send_to

from .federation import Federation


@dataclass
class Forger:
    """A history of a case that its host makes up from the true one."""

    federation: Federation
    host: str
    case: str
    entries: list[Entry] = field(default_factory=list[Entry])

    def begin(self, size: int | None = None) -> Forger:
        held = self.federation.chain(self.host, self.case).ordered
        self.entries = [item.entry for item in held][:size]
        return self

    @property
    def head(self) -> str:
        return self.entries[-1].hash

    def order(self, event: bytes, at: datetime | None = None) -> None:
        """Append a signed event without asking whether it may stand."""
        ordered = at or self.federation.clock.at
        self.entries.append(Entry(len(self.entries), self.head, ordered, event))

    def say(self, kind: str, at: datetime | None = None, **body: object) -> None:
        """An event of the host itself, in the order of this history."""
        node = self.federation[self.host]
        own = [claimed_event(entry.event) for entry in self.entries]
        last = [event for event in own if event.author == node.organization][-1]
        now = self.federation.clock.at
        draft = Draft(
            self.case, node.organization, last.sequence + 1, last.digest, len(self.entries),
            self.head, min(at or now, now), kind, body,  # type: ignore[arg-type]
        )  # fmt: skip
        self.order(sign_event(draft, node.identity.key), at)

    def name(self, handle: str) -> None:
        self.say("emergency", facts=handle, told=[])

    def note(self, size: int | None = None, at: datetime | None = None) -> bytes:
        node, count = self.federation[self.host], size or len(self.entries)
        return sign_checkpoint(
            self.case,
            count,
            self.entries[count - 1].hash,
            host=node.organization,
            key=node.identity.key,
            at=at or self.federation.clock.at,
        )

    def send(self, to: str, start: int, note: bytes | None = None) -> str:
        """Send entries from an index on; what the receiver said of them, empty if it took them."""
        body: JsonObject = {"size": len(self.entries)}
        parts = (write_entries(self.entries[start:]), note or self.note())
        return self.hand(to, Letter(ENTRIES, self.case, body, parts))

    def show(self, to: str, note: bytes) -> str:
        """Show a checkpoint alone."""
        body: JsonObject = {"size": len(self.entries), "head": self.head}
        return self.hand(to, Letter(HEAD, self.case, body, (note,)))

    def hand(self, to: str, letter: Letter) -> str:
        federation = self.federation
        card = federation[to].identity.card
        federation.run(self.host, lambda n, c: send_to(n, c, card, letter))
        *_, last = [item for item in federation.outgoing(self.host) if item.receiver == to]
        before = len(federation.post.outcomes)
        federation.hand_over(last)
        federation.drop(self.host)
        return federation.post.outcomes[before].reason
