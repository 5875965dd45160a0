"""Objects that are not here are asked for until they come, and looking for them holds nothing."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from sqlalchemy import delete

from steelyard.server.node import missing
from steelyard.server.node.missing import Seeker
from steelyard.server.storage import objects
from steelyard.server.storage.tables import ENTRIES, OBJECTS

from .federation import Federation

SECRET = b"what it says"


@pytest.fixture
def case(five: Federation) -> str:
    five.clock.forward(days=1)
    case = five.open("coord", "lab-a", "lab-b")
    five.settle()
    return case


def note(five: Federation, case: str) -> str:
    """An object of lab-a's that lab-b may read and has lost."""
    reference = five.seal("lab-a", case, SECRET, "coord", "lab-b")
    five.say("lab-a", case, "note", object=reference, about=None)
    five.settle()
    name = str(reference["id"])
    five["lab-b"].run(lambda c: c.execute(delete(OBJECTS).where(OBJECTS.c.id == name)))
    return name


def is_here(five: Federation, name: str) -> bool:
    with five["lab-b"].database.reading() as connection:
        return objects.get(connection, name) is not None


def seek(five: Federation, seeker: Seeker, **later: float) -> int:
    five.clock.forward(**later)
    return seeker.seek()


def test_an_object_that_was_lost_is_asked_for_until_somebody_sends_it(
    five: Federation, case: str
) -> None:
    name, seeker = note(five, case), Seeker(five["lab-b"])
    assert seek(five, seeker) == 0
    assert seek(five, seeker, seconds=5) == 0
    assert seek(five, seeker, seconds=20) == 1
    assert [item.receiver for item in five.outgoing("lab-b")] == ["lab-a"]
    five.drop("lab-b")
    assert seek(five, seeker, minutes=5) == 0
    assert seek(five, seeker, minutes=5) == 1
    assert [item.receiver for item in five.outgoing("lab-b")] == ["coord"]
    five.settle()
    assert is_here(five, name)
    assert seek(five, seeker, minutes=20) == 0


def test_an_object_that_nobody_sends_is_asked_for_ever_more_seldom(
    five: Federation, case: str
) -> None:
    note(five, case)
    seeker, asked = Seeker(five["lab-b"]), list[int]()
    for minute in range(150):
        if seek(five, seeker, minutes=1):
            asked.append(minute)
            five.drop("lab-b")
    assert [later - before for before, later in pairwise(asked)] == [10, 10, 20, 20, 40, 40]


def test_a_case_that_lacks_nothing_is_read_again_only_when_it_goes_on(
    five: Federation, case: str
) -> None:
    seeker = Seeker(five["lab-b"])
    seek(five, seeker)
    five["lab-b"].chains.drop_all()
    seek(five, seeker, seconds=20)
    assert five["lab-b"].chains.held(case) is None
    name = note(five, case)
    seek(five, seeker, seconds=20)
    assert seek(five, seeker, seconds=20) == 1
    five.settle()
    assert is_here(five, name)


def test_cases_are_looked_at_a_few_at_a_time_and_beside_the_writer(
    five: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing, "CASES", 2)
    coord, cases = five["coord"], sorted(five.open("coord") for _ in range(5))
    coord.chains.drop_all()
    seeker, go_on = Seeker(coord), threading.Event()
    held = coord.change(lambda _: go_on.wait(60))
    for count in (2, 4, 5):
        seeker.seek()
        assert [coord.chains.held(case) is not None for case in cases] == [
            place < count for place in range(5)
        ]
    go_on.set()
    assert held.result()


def test_a_case_that_cannot_be_read_keeps_no_other_from_being_looked_at(
    five: Federation, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    name, lab = note(five, case), five["lab-b"]
    broken = five.open("coord", "lab-b")
    five.settle()
    spoil = ENTRIES.update().where(ENTRIES.c.case_id == broken).values(event=b"{}")
    lab.run(lambda c: c.execute(spoil))
    lab.chains.drop_all()
    seeker = Seeker(lab)
    seek(five, seeker)
    assert seek(five, seeker, seconds=30) == 1
    assert caplog.text.count(f"nothing is asked for in case {broken[:16]}") == 1
    five.settle()
    assert is_here(five, name)
