"""A reader that hands an object on, spoilt for another reader: that one still reads it.

The attacker is a lab in the case that may read the object, so its copy has the genuine content. The
victim asks for the object, as after a restore, or has not got it from its author yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import delete
from tests.unit.server.node.federation import Federation

from steelyard.disclosure.delivery.object_header import Container, read_container
from steelyard.server.node import saying
from steelyard.server.node.letters import OBJECT
from steelyard.server.node.missing import Seeker
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.storage import objects
from steelyard.server.storage.objects import Stored
from steelyard.server.storage.tables import OBJECTS

SECRET = b"what it says"
LABS = {"coord": ("coordinator",), "victim": ("developer",), "rival": ("developer",)}


@pytest.fixture
def labs(federate: Callable[..., Federation]) -> Federation:
    """A coordinator and two labs."""
    return federate(LABS)


@pytest.fixture
def case(labs: Federation) -> str:
    made = labs.open("coord", "victim", "rival")
    labs.settle()
    return made


def written(labs: Federation, case: str) -> str:
    """An object of the coordinator's that both labs may read, and that the victim has not got."""
    reference = labs.seal("coord", case, SECRET, "victim", "rival")
    labs.say("coord", case, "note", object=reference, about=None)
    labs.settle()
    name = str(reference["id"])
    labs["victim"].run(lambda c: c.execute(delete(OBJECTS).where(OBJECTS.c.id == name)))
    return name


def held(labs: Federation, by: str, name: str) -> bytes | None:
    with labs[by].database.reading() as connection:
        return objects.get(connection, name)


def spoilt(labs: Federation, genuine: Container) -> Container:
    """A copy whose key for the victim opens nothing, and that has a reader whom nobody named."""
    wraps = [
        replace(wrap, wrapped=bytes(len(wrap.wrapped)))
        if wrap.organization == labs.id("victim")
        else wrap
        for wrap in genuine.wraps
    ]
    wraps.append(replace(wraps[0], organization=f"org:{'f' * 64}"))
    return replace(genuine, wraps=tuple(sorted(wraps, key=lambda wrap: wrap.organization)))


def narrowed(labs: Federation, genuine: Container) -> Container:
    """A copy that is not for the victim."""
    victim = labs.id("victim")
    return replace(
        genuine, wraps=tuple(wrap for wrap in genuine.wraps if wrap.organization != victim)
    )


def hand_on(labs: Federation, case: str, name: str, copy: Container) -> str:
    """How the victim takes a copy from its rival."""
    card = labs["victim"].identity.card
    letter = Letter(OBJECT, case, {"id": name}, (copy.to_bytes(),))
    labs.run("rival", lambda n, c: send_to(n, c, card, letter))
    [parcel] = labs.outgoing("rival")
    assert labs.hand_over(parcel)
    labs.drop("rival")
    return labs.post.outcomes[-1].reason


@pytest.mark.parametrize(
    ("change", "reason"), [(spoilt, "not encrypted to key"), (narrowed, "not sealed to key")]
)
def test_a_copy_that_does_not_open_is_refused_and_asked_of_somebody_else(
    labs: Federation,
    case: str,
    change: Callable[[Federation, Container], Container],
    reason: str,
) -> None:
    name = written(labs, case)
    copy = change(labs, read_container(held(labs, "rival", name) or b""))
    assert reason in hand_on(labs, case, name, copy)
    assert held(labs, "victim", name) is None
    seeker = Seeker(labs["victim"])
    seeker.seek()
    labs.clock.forward(seconds=30)
    assert seeker.seek() == 1
    labs.settle()
    found = labs.run("victim", lambda n, c: saying.read_object(n, c, name))
    assert found.plaintext == SECRET


def test_a_copy_that_opens_takes_the_place_of_one_that_does_not(
    labs: Federation, case: str
) -> None:
    name = written(labs, case)
    genuine = read_container(held(labs, "coord", name) or b"")
    kept = Stored(case, labs.id("rival"), spoilt(labs, genuine).to_bytes())
    labs.run("victim", lambda n, c: objects.put(c, name, kept, n.now()))
    assert hand_on(labs, case, name, genuine) == ""
    assert held(labs, "victim", name) == genuine.to_bytes()
