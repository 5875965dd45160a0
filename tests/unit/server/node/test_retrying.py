"""Parcels that were given up are sent again when somebody says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steelyard.cli.disclose import node as commands
from steelyard.disclosure.delivery.outbox import Destination
from steelyard.kernel.errors import UnknownName
from steelyard.server.storage import post

from .federation import Federation


@pytest.fixture
def given_up(five: Federation) -> tuple[str, str]:
    """A case that lab-a has not heard of, and the parcel that would tell it."""
    case = five.open("coord", "lab-a")
    with five.without("lab-a"):
        five.round()
    with five["coord"].database.reading() as connection:
        [item] = post.waiting_for(connection, five.id("lab-a"))
    dead = replace(item.outgoing, state="dead", attempts=8, reason="refused")
    gone = Destination(dead.destination)
    five["coord"].run(lambda c: post.save(c, dead, gone, "refused"))
    five.settle()
    return case, dead.parcel_id


def test_a_parcel_is_sent_again(
    five: Federation, given_up: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    case, parcel = given_up
    assert five.head("lab-a", case) == ""
    commands.retry([parcel[:12], parcel[:12]], node=five.folder / "coord")
    assert capsys.readouterr().err == "1 to be sent again\n"
    with five["coord"].database.reading() as connection:
        [item] = post.waiting_for(connection, five.id("lab-a"))
        assert post.dead_letters(connection) == ()
    assert (item.outgoing.parcel_id, item.outgoing.attempts) == (parcel, 0)
    five.settle()
    assert five.head("lab-a", case) == five.head("coord", case)


@pytest.mark.parametrize("text", ["", "nothing"])
def test_what_was_not_given_up_is_not_sent_again(
    five: Federation, given_up: tuple[str, str], text: str
) -> None:
    del given_up
    with pytest.raises(UnknownName) as refused:
        commands.retry([text], node=five.folder / "coord")
    assert refused.value.message.endswith("parcels given up, need one")
    assert refused.value.hint == "steelyard disclose node status"
