"""What falls due by itself: found from what is stored and the time, never from having waited.

Decides what a node does when it is looked after now and then, however long it was off and
whichever way its clock was moved: invitations lapse, participants say what they hold, notices are
written, what nobody claimed is forgotten. Asked twice, it does nothing twice.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.acts.embargo import answer_until
from steelyard.kernel.errors import CannotVerify, NotSatisfied, SteelyardError, StorageError
from steelyard.server.node import heads, inbox, notices, restoring, rotation, saying
from steelyard.server.node.ordering import FAILURES
from steelyard.server.storage import cases, forgetting, objects
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.cases import instant, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator
    from datetime import datetime

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Chain
    from steelyard.server.node.node import Node

    Change = Callable[[Node, Connection, Chain], int]

BEAT: Final = timedelta(hours=24)
"""How often participants say what they hold, if nothing is amiss."""
SOON: Final = timedelta(minutes=10)
"""How often, where a host showed something else or signed more than came."""
STRAY_DAYS: Final = 30
KEPT: Final = timedelta(days=400)
"""How long parcels that were given up, and notices that are done with, are kept."""
STRETCH: Final = 64
"""Of so many sizes of a case, one old checkpoint stays."""
EVERY_S: Final = 600.0
_LATEST: Final = "beat"


def tick(node: Node) -> Iterator[int]:
    """Do what is due, a case at a time; how many things were done in each.

    What is due is found beside the thread that writes, and each thing is a change of its own:
    what others bring is ordered in between.
    """
    begun = node.now()
    with node.database.reading() as connection:
        due = frozenset(each for each in (BEAT, SOON) if _is_due(connection, each, begun))
        names = cases.case_ids(connection)
    node.run(lambda connection: _forget(connection, begun, is_daily=BEAT in due))
    for case in names:
        yield _look_after(node, case, due)
    if BEAT in due:
        yield from _forget_notices(node, begun - KEPT)
    # Now alone: what was cut off before is due again.
    node.run(lambda connection: _keep_times(connection, due, begun))


async def run(node: Node) -> None:
    """Look after every case until cancelled."""
    while True:
        done = tick(node)
        while await asyncio.to_thread(next, done, None) is not None:
            pass
        await asyncio.sleep(EVERY_S)


def _forget(connection: Connection, now: datetime, *, is_daily: bool) -> None:
    objects.drop_strays(connection, now - timedelta(days=STRAY_DAYS))
    if is_daily:
        forgetting.forget_parcels(connection, now - inbox.REMEMBERED)
        forgetting.forget_dead_letters(connection, now - KEPT)


def _forget_notices(node: Node, before: datetime) -> Iterator[int]:
    """Forget what people were told long ago, a case at a time."""
    with node.database.reading() as connection:
        told = forgetting.matters_told(connection, before)
    for case, found in groupby(sorted(told), notices.case_of):
        forget = partial(notices.forget, node, case=case, told=tuple(found), before=before)
        with _apart(case):
            node.run(forget)
        yield 0


def _look_after(node: Node, case: str, due: Collection[timedelta]) -> int:
    """Do what is due in a case."""
    done = 0
    with _apart(case):
        with node.database.reading() as connection:
            changes = tuple(_changes(node, connection, case, due))
        for change in changes:
            done += node.run(partial(_make, node, case, change))
    return done


@contextmanager
def _apart(case: str) -> Generator[None]:
    """One case that cannot be read must not keep the others from being looked after."""
    try:
        yield
    except StorageError:
        raise
    except SteelyardError as error:
        FAILURES.error("case %s is not looked after: %s", case[:16], error)


def _make(node: Node, case: str, change: Change, connection: Connection) -> int:
    return change(node, connection, node.chains.get(connection, case))


def _changes(
    node: Node, connection: Connection, case: str, due: Collection[timedelta]
) -> Iterator[Change]:
    """What there is to do in a case; each looks again, as others write meanwhile."""
    chain = node.chains.get(connection, case)
    member = chain.view.members.get(node.organization)
    if member is None or member.left:
        return
    is_host = chain.view.host == node.organization
    if rotation.is_untold(node, connection, chain):
        yield rotation.announce_card
    if is_host and not restoring.waits(node, connection, case) and any(silent(node, chain)):
        yield lapse_invitations
    if BEAT in due:
        yield _forget_checkpoints
    if not is_host and (BEAT in due or (SOON in due and _is_amiss(connection, chain))):
        yield _say_what_is_held
    if notices.may_be_due(node, connection, chain):
        yield notices.write


def _forget_checkpoints(node: Node, connection: Connection, chain: Chain) -> int:
    latest = node.limits.checkpoints
    forgetting.forget_checkpoints(connection, chain.case, latest=latest, stretch=STRETCH)
    return 0


def _say_what_is_held(node: Node, connection: Connection, chain: Chain) -> int:
    heads.say_what_is_held(node, connection, chain)
    return 1


def silent(node: Node, chain: Chain) -> Iterator[str]:
    """Organizations of a case that were asked for consent and did not answer in time."""
    view, now = chain.view, node.now()
    for item in view.states.participants:
        member = view.members[item.name]
        if item.pec == "invited" and not member.left and answer_until(view, item.name) <= now:
            yield item.name


def lapse_invitations(node: Node, connection: Connection, chain: Chain) -> int:
    """As the host, say of each invitation that was not answered in time that it lapsed."""
    if chain.view.host != node.organization:
        return 0
    lapsed = 0
    for name in tuple(silent(node, chain)):
        try:
            saying.say(node, connection, chain.case, "lapse", {"organization": name})
        except (NotSatisfied, CannotVerify):
            continue  # the case's own clock stands still until ours catches up
        lapsed += 1
    return lapsed


def _is_amiss(connection: Connection, chain: Chain) -> bool:
    """Whether the host signed more than came, or something else than is held."""
    if cases.notes_between(connection, chain.case, chain.size, None):
        return True
    culprits = {fault.culprit for fault in cases.faults(connection, chain.case)}
    return chain.view.host in culprits


def _is_due(connection: Connection, each: timedelta, now: datetime) -> bool:
    """Whether so much time has passed since the last time; a clock set back makes it due."""
    before = cards.setting(connection, _name_of(each))
    return before is None or not instant(int(before)) <= now < instant(int(before)) + each


def _keep_times(connection: Connection, due: Iterable[timedelta], at: datetime) -> None:
    for each in due:
        cards.set_setting(connection, _name_of(each), str(seconds(at)))


def _name_of(each: timedelta) -> str:
    return f"{_LATEST}:{int(each.total_seconds())}"
