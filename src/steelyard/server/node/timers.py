"""What falls due by itself: found from what is stored and the time, never from having waited.

Decides what a node does when it is looked after now and then, however long it was off and
whichever way its clock was moved: invitations lapse, participants say what they hold, notices are
written, what nobody claimed is forgotten. Asked twice, it does nothing twice.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.case.acts.embargo import answer_until
from steelyard.kernel.errors import CannotVerify, NotSatisfied, SteelyardError, StorageError
from steelyard.server.node import heads, inbox, notices, rotation, saying
from steelyard.server.node.ordering import FAILURES
from steelyard.server.storage import cases, forgetting, objects
from steelyard.server.storage import organizations as cards
from steelyard.server.storage.cases import instant, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from steelyard.disclosure.case import Chain
    from steelyard.server.node.node import Node

BEAT: Final = timedelta(hours=24)
"""How often participants say what they hold, if nothing is amiss."""
SOON: Final = timedelta(minutes=10)
"""How often, where a host showed something else or signed more than came."""
STRAY_DAYS: Final = 30
STRETCH: Final = 64
"""Of so many sizes of a case, one old checkpoint stays."""
EVERY_S: Final = 600.0
_LATEST: Final = "beat"


def tick(node: Node, connection: Connection) -> int:
    """Do what is due; how many things were done."""
    done = 0
    objects.drop_strays(connection, node.now() - timedelta(days=STRAY_DAYS))
    is_daily, is_soon = (_is_due(node, connection, each) for each in (BEAT, SOON))
    if is_daily:
        forgetting.forget_parcels(connection, node.now() - inbox.REMEMBERED)
    for case in cases.case_ids(connection):
        try:
            done += rotation.announce_card(node, connection, node.chains.get(connection, case))
            done += _look_after(node, connection, case, is_daily=is_daily, is_soon=is_soon)
        except StorageError:
            raise
        except SteelyardError as error:
            # One case that cannot be read must not keep the others from being looked after.
            FAILURES.error("case %s is not looked after: %s", case[:16], error)
    return done


async def run(node: Node) -> None:
    """Look after every case until cancelled."""
    while True:
        await asyncio.wrap_future(node.change(lambda connection: tick(node, connection)))
        await asyncio.sleep(EVERY_S)


def _look_after(
    node: Node, connection: Connection, case: str, *, is_daily: bool, is_soon: bool
) -> int:
    chain = node.chains.get(connection, case)
    member = chain.view.members.get(node.organization)
    if member is None or member.left:
        return 0
    done = lapse_invitations(node, connection, chain)
    if is_daily:
        latest = node.limits.checkpoints
        forgetting.forget_checkpoints(connection, case, latest=latest, stretch=STRETCH)
    if chain.view.host != node.organization and (
        is_daily or (is_soon and _is_amiss(connection, chain))
    ):
        heads.say_what_is_held(node, connection, chain)
        done += 1
    return done + notices.write(node, connection, chain)


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


def _is_due(node: Node, connection: Connection, each: timedelta) -> bool:
    """Whether so much time has passed since the last time; a clock set back makes it due."""
    name = f"{_LATEST}:{int(each.total_seconds())}"
    before, now = cards.setting(connection, name), node.now()
    if before is not None and instant(int(before)) <= now < instant(int(before)) + each:
        return False
    cards.set_setting(connection, name, str(seconds(now)))
    return True
