"""Events between the socket and the writer: those that wait together are handed over together.

Decides whom the host believes: an event goes to the writer once a key of its author in the case
is known to have signed it. Handing over between threads costs as much as checking a signature,
so it is done for all that wait: one thread checks what came while the writer orders what was
checked, which has nothing left but the rules and the rows. A case that is not in memory is read
beside that, or everybody would wait while a long one is verified.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from steelyard.disclosure.case.event import read_claim
from steelyard.disclosure.case.fold import keys_of
from steelyard.kernel.errors import (
    CannotVerify,
    NotSatisfied,
    SteelyardError,
    UnknownName,
)
from steelyard.server.node import ordering
from steelyard.server.node.ordering import Offered

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import TypeAlias

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Chain
    from steelyard.disclosure.case.event import Claim
    from steelyard.server.node import Node
    from steelyard.server.node.ordering import Admitted
    from steelyard.server.web.quotas import Quota

    Answer: TypeAlias = asyncio.Future[Admitted]

_BATCH: Final = 256
_LOADS: Final = 2
"""Cases that are read at once; other threads are for what comes meanwhile."""


class _Arrival(NamedTuple):
    body: bytes
    answer: Answer


class _Unknown(NamedTuple):
    """An event of a case that is not in memory, if it is anywhere."""

    claim: Claim


class Arrivals:
    """Events that came and are not answered.

    Args:
        node: Hosts the cases.
        quota: Of each author, taken once its signature was checked.
    """

    def __init__(self, node: Node, quota: Quota) -> None:
        self._node = node
        self._quota = quota
        self._waiting: list[_Arrival] = []
        self._checking: asyncio.Task[None] | None = None
        self._loading: dict[str, asyncio.Task[Chain]] = {}
        self._loads = asyncio.Semaphore(_LOADS)
        self._tasks: set[asyncio.Task[None]] = set()

    async def order(self, body: bytes) -> Admitted:
        """Have an event ordered; it is on disk when this returns.

        Raises:
            MalformedEvidence, BrokenSeal: no event.
            UnknownName: not of an author of a case that is here.
            NotSatisfied: the rules of the case forbid it.
            StorageError: it cannot be kept.
            HTTPException: its author has used up its quota.
        """
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Arrival(body, answer))
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check())
        return await answer

    async def _check(self) -> None:
        """Check what waits and submit it; while it is ordered, what came since is checked."""
        while self._waiting:
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            try:
                # Not on the loop: a check lets go of the interpreter, and everybody would wait
                # until it is had again.
                bodies = [arrival.body for arrival in batch]
                claims = await asyncio.to_thread(_claims, self._node, bodies)
                self._submit(batch, claims)
            except Exception as error:  # noqa: BLE001 - each of those who wait must hear of it
                for arrival in batch:
                    _settle(arrival.answer, error)

    def _submit(
        self, batch: Sequence[_Arrival], claims: Sequence[Claim | _Unknown | Exception]
    ) -> None:
        offered: list[Offered] = []
        answers: list[Answer] = []
        for arrival, claim in zip(batch, claims, strict=True):
            if isinstance(claim, Exception):
                _settle(arrival.answer, claim)
                continue
            if isinstance(claim, _Unknown):
                self._begin(self._load(arrival, claim.claim))
                continue
            try:
                self._quota.take(claim.event.author)
            except Exception as error:  # noqa: BLE001 - its author hears of it
                _settle(arrival.answer, error)
                continue
            offered.append(Offered(claim.event.case, arrival.body, claim))
            answers.append(arrival.answer)
        if offered:
            self._begin(self._order(offered, answers))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load(self, arrival: _Arrival, claim: Claim) -> None:
        """Check an event once its case is in memory; read once, whoever else waits for it."""
        case = claim.event.case
        try:
            task = self._loading.get(case)
            if task is None:
                task = self._loading[case] = asyncio.create_task(self._chain(case))
                task.add_done_callback(lambda _: self._loading.pop(case))
            chain = await asyncio.shield(task)
            await asyncio.to_thread(_require_said, self._node, chain, claim, arrival.body)
        except Exception as error:  # noqa: BLE001 - its author hears of it
            _settle(arrival.answer, error)
        else:
            self._submit([arrival], [claim])

    async def _chain(self, case: str) -> Chain:
        async with self._loads:
            return await asyncio.to_thread(_read, self._node, case)

    async def _order(self, offered: Sequence[Offered], answers: Sequence[Answer]) -> None:
        try:
            change = self._node.change(partial(self._change, offered))
            found = await asyncio.wrap_future(change)
        except Exception as error:  # noqa: BLE001 - each of those who wait must hear of it
            found = [error] * len(answers)
        for answer, outcome in zip(answers, found, strict=True):
            _settle(answer, outcome)

    def _change(
        self, offered: Sequence[Offered], connection: Connection
    ) -> list[Admitted | SteelyardError]:
        return ordering.admit_many(self._node, connection, offered)


def _settle(answer: Answer, outcome: Admitted | Exception) -> None:
    if answer.done():  # as its client went away
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def _claims(node: Node, bodies: Sequence[bytes]) -> list[Claim | _Unknown | Exception]:
    """What each event says, or why it is not believed."""
    found: list[Claim | _Unknown | Exception] = []
    for body in bodies:
        try:
            claim = read_claim(body)
            chain = node.chains.held(claim.event.case)
            if chain is not None:
                _require_said(node, chain, claim, body)
            found.append(_Unknown(claim) if chain is None else claim)
        except Exception as error:  # noqa: BLE001 - of this event alone
            found.append(error)
    return found


def _read(node: Node, case: str) -> Chain:
    """A case from the database.

    Raises:
        UnknownName: none of this id.
        StorageError: its rows were changed, which is no fault of an author.
    """
    with node.database.reading() as connection:
        chain = node.chains.find_or_put_off(connection, case)
    if chain is None:
        raise UnknownName("no such case")
    return chain


def _require_said(node: Node, chain: Chain, claim: Claim, body: bytes) -> None:
    """Refuse an event that its author did not sign, unless it is one that stands.

    Raises:
        UnknownName: not of an author of the case.
    """
    if not _stands(chain, claim, body):
        _require_author(node, chain, claim)


def _require_author(node: Node, chain: Chain, claim: Claim) -> None:
    """Refuse an event that no key of its author in the case signed, in words that tell nothing.

    Raises:
        UnknownName: whatever is wrong, so that a stranger does not learn which cases are here.
    """
    event = claim.event
    try:
        keys = keys_of(chain.view, event, node.now())
    except (NotSatisfied, CannotVerify) as error:
        raise UnknownName("no case of this author") from error
    key = keys.get(claim.signed.key_id)
    if key is not None:
        claim.prove(key)
    if not claim.proven:
        raise UnknownName("no case of this author")


def _stands(chain: Chain, claim: Claim, body: bytes) -> bool:
    """Whether this very event was ordered, so that who sends it again has signed or seen it.

    Its author may have left since, or have other keys, and still has to hear of it.
    """
    place = chain.index_of(claim.event.digest)
    return place is not None and chain.since(place)[0].entry.event == body
