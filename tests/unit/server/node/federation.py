"""Several nodes in one process, with a clock of their own and a post that can be made unreliable.

Real nodes with real databases; only the wire is replaced by a function call. What is lost stays
in its sender's outbox and is sent again in the next round.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, delete, update

from steelyard.disclosure.case import Chain, open_card
from steelyard.disclosure.delivery.outbox import Destination
from steelyard.kernel import JsonObject
from steelyard.kernel.errors import BrokenSeal, SteelyardError
from steelyard.server.node import About, Node, create_identity, heads, ordering, saying
from steelyard.server.node.inbox import Outcome, receive
from steelyard.server.node.saying import Invitation, Opening
from steelyard.server.storage import cases, open_database, post
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.tables import ENTRIES, OUTBOX

T = TypeVar("T")
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
FIVE = {
    "lab-a": ("developer", "reporter"),
    "coord": ("coordinator",),
    "lab-b": ("developer",),
    "lab-c": ("open-weight-developer", "developer"),
    "deploy-d": ("deployer",),
}


@dataclass
class Clock:
    """A clock that moves when told to."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Post:
    """How the wire behaves.

    Attributes:
        cut: Names of nodes that nothing reaches or leaves.
        sent: Parcels that were put on the wire.
        arrived: Of these, how many reached their receiver for the first time.
    """

    seed: int = 0
    loss: float = 0.0
    duplicates: float = 0.0
    cut: set[str] = field(default_factory=set[str])
    sent: int = 0
    arrived: int = 0
    outcomes: list[Outcome] = field(default_factory=list[Outcome])

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - a wire keeps no secret

    def loses(self) -> bool:
        return self.random.random() < self.loss


@dataclass(frozen=True)
class Carried:
    """A parcel on the wire."""

    sender: str
    receiver: str
    parcel_id: str
    data: bytes


def damage(node: Node, case: str) -> None:
    """Change the first entry of a case where it is stored."""
    entry = (ENTRIES.c.case_id == case) & (ENTRIES.c.place == 0)
    node.run(lambda c: c.execute(update(ENTRIES).where(entry).values(event=b"{}")))
    node.chains.drop_all()


class Federation:
    """Nodes by name, who know each other's cards."""

    def __init__(
        self,
        folder: Path,
        roles: dict[str, tuple[str, ...]],
        urls: dict[str, str] | None = None,
        about: dict[str, About] | None = None,
    ) -> None:
        self.about = about or {}
        self.clock = Clock()
        self.post = Post()
        self.nodes: dict[str, Node] = {}
        self.folder = folder
        for name, own in roles.items():
            self.add(name, own, (urls or {}).get(name, ""))
        self.introduce()

    def add(self, name: str, roles: tuple[str, ...], url: str = "") -> Node:
        folder = self.folder / name
        identity = create_identity(folder, self.about.get(name, About(name, roles)), self.clock.at)
        database = open_database(url or f"sqlite:///{folder / 'steelyard.db'}")
        node = Node(identity, database, now=self.clock)
        node.run(lambda c: cards.keep(c, identity.card, self.clock.at, trusted=True))
        self.nodes[name] = node
        return node

    def database_file(self, name: str) -> Path:
        return self.folder / name / "steelyard.db"

    def back_up(self, name: str) -> bytes:
        """The database file as it is on disk, with what its log holds."""
        with self[name].database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return self.database_file(name).read_bytes()

    def restore(self, name: str, backup: bytes) -> None:
        """Put an old database file back; the node begins again and knows nothing of it."""
        before = self.nodes[name]
        before.close()
        for ending in ("-wal", "-shm"):
            Path(f"{self.database_file(name)}{ending}").unlink(missing_ok=True)
        self.database_file(name).write_bytes(backup)
        self.restart(name)

    def restart(self, name: str) -> None:
        before = self.nodes[name]
        before.close()
        database = open_database(f"sqlite:///{self.database_file(name)}")
        self.nodes[name] = Node(before.identity, database, now=before.now, limits=before.limits)

    def introduce(self, *, trusted: bool = True) -> None:
        for node in self.nodes.values():
            for other in self.nodes.values():
                if other is not node:
                    card = other.identity.card
                    node.run(
                        lambda c, card=card: cards.keep(c, card, self.clock.at, trusted=trusted)
                    )

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def id(self, name: str) -> str:
        return self.nodes[name].organization

    def name_of(self, organization: str) -> str:
        return next(n for n, node in self.nodes.items() if node.organization == organization)

    def run(self, name: str, make: Callable[[Node, Connection], T]) -> T:
        node = self.nodes[name]
        return node.run(lambda c: make(node, c))

    def say(self, name: str, case: str, kind: str, **body: object) -> saying.Said:
        return self.run(name, lambda n, c: saying.say(n, c, case, kind, dict(body)))  # type: ignore[arg-type]

    def seal(self, name: str, case: str, plaintext: bytes, *to: str) -> JsonObject:
        readers = tuple(self.id(other) for other in to)
        material = saying.Material(plaintext, "text/plain", "h1", readers)
        return self.run(name, lambda n, c: saying.put_object(n, c, case, material))

    def open(self, host: str, *guests: str, **options: object) -> str:
        """A case with these in it; what was put into the outboxes is not sent yet."""
        roles = self[host].identity.card.roles
        opening = Opening("a title", "an abstract", roles, **options)  # type: ignore[arg-type]
        case = self.run(host, lambda n, c: saying.open_case(n, c, opening)).case
        for name in guests:
            self.invite(host, case, name)
        return case

    def forget_refused(self, name: str, case: str) -> int:
        return self.run(name, lambda n, c: saying.forget_refused(n, c, case))

    def invite(self, host: str, case: str, name: str) -> saying.Said:
        invitation = Invitation(self.id(name), self[name].identity.card.roles)
        return self.run(host, lambda n, c: saying.invite(n, c, case, invitation))

    def round(self) -> int:
        """Every node sends what it has once; how many parcels were on the way."""
        carried: list[Carried] = []
        for name, node in self.nodes.items():
            node.run(lambda c, n=node: ordering.pump(n, c))
            carried += self.outgoing(name)
        self.post.random.shuffle(carried)
        self._deliver(carried)
        return len(carried)

    def outgoing(self, name: str) -> list[Carried]:
        """What waits in a node's outbox."""
        with self[name].database.reading() as connection:
            return [
                Carried(name, other, item.outgoing.parcel_id, item.parcel)
                for other in self.nodes
                for item in post.waiting_for(connection, self.id(other))
            ]

    def _deliver(self, carried: list[Carried]) -> None:
        """Hand over what the wire does not lose, and what comes back; commits go in groups."""
        self.post.sent += len(carried)
        arriving = [
            item
            for item in carried
            if not {item.sender, item.receiver} & self.post.cut and not self.post.loses()
            for _ in range(1 + (self.post.random.random() < self.post.duplicates))
        ]
        begun = [(item, self._begin(item)) for item in arriving]
        taken = [item for item, future in begun if self._is_taken(item, future)]
        kept = [item for item in dict.fromkeys(taken) if not self.post.loses()]
        done = [self[item.sender].change(partial(self._delivered, item)) for item in kept]
        for future in done:
            future.result()

    def hand_over(self, item: Carried) -> bool:
        """Whether the receiver acknowledges a parcel; a stranger's card is sent first."""
        return self._is_taken(item, self._begin(item))

    def _begin(self, item: Carried) -> Future[Outcome]:
        receiver = self[item.receiver]
        return receiver.change(lambda c: receive(receiver, c, item.data))

    def _is_taken(self, item: Carried, future: Future[Outcome]) -> bool:
        for _ in range(2):
            try:
                outcome = future.result()
            except BrokenSeal:
                card = open_card(self[item.sender].identity.card.envelope)
                self.run(item.receiver, lambda n, c, card=card: cards.keep(c, card, n.now()))
                future = self._begin(item)
            except SteelyardError:
                return False
            else:
                self.post.outcomes.append(outcome)
                self.post.arrived += outcome.result != "known"
                return True
        return False

    def _delivered(self, carried: Carried, connection: Connection) -> None:
        to = self.id(carried.receiver)
        for item in post.waiting_for(connection, to):
            if item.outgoing.parcel_id == carried.parcel_id:
                done = replace(item.outgoing, state="delivered")
                post.save(connection, done, Destination(to), "")

    def drop(self, name: str) -> None:
        """Forget what waits in a node's outbox."""
        self[name].run(lambda c: c.execute(delete(OUTBOX)))

    def faults(self, name: str) -> list[tuple[str, str]]:
        """Who is accused, and of what."""
        with self[name].database.reading() as connection:
            return [(self.name_of(row.culprit), row.kind) for row in cases.faults(connection)]

    def settle(self, rounds: int = 60) -> int:
        """Rounds until nothing is on the way; how many it took."""
        for count in range(1, rounds + 1):
            self.clock.forward(seconds=1)
            if self.round() == 0:
                return count
        raise AssertionError(f"still sending after {rounds} rounds")

    def settle_among(self, *names: str, rounds: int = 30) -> None:
        """Rounds until nothing is on the way between these."""
        quiet = 0
        for _ in range(rounds):
            self.clock.forward(seconds=1)
            self.round()
            sending = [item for name in names for item in self.outgoing(name)]
            quiet = 0 if any(item.receiver in names for item in sending) else quiet + 1
            if quiet == 2:
                return
        raise AssertionError(f"still sending after {rounds} rounds")

    def beat(self, case: str) -> None:
        """Everybody tells the host of a case what it holds."""
        for name in self.nodes:
            if self.head(name, case) and self.chain(name, case).view.host != self.id(name):
                self.run(name, lambda n, c: heads.say_what_is_held(n, c, n.chains.get(c, case)))

    @contextmanager
    def without(self, *names: str) -> Iterator[None]:
        """Nodes that nothing reaches for a while."""
        self.post.cut |= set(names)
        yield
        self.post.cut -= set(names)

    def chain(self, name: str, case: str) -> Chain:
        node = self.nodes[name]
        with node.database.reading() as connection:
            return node.chains.get(connection, case)

    def head(self, name: str, case: str) -> str:
        node = self.nodes[name]
        with node.database.reading() as connection:
            chain = node.chains.find(connection, case)
            return chain.head if chain else ""

    def heads(self, case: str, *names: str) -> set[str]:
        return {self.head(name, case) for name in names or self.nodes}

    def refusals(self, name: str) -> list[str]:
        with self[name].database.reading() as connection:
            return [letter.reason for letter in post.refused_letters(connection)]

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()
