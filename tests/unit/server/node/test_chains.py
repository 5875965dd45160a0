"""What is held of a case in memory against what is stored of it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from steelyard.kernel.errors import BrokenSeal

from .federation import Federation


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM entries WHERE case_id = :case AND place = :last",
        "UPDATE entries SET ordered = ordered + 1 WHERE case_id = :case AND place = :last",
        "UPDATE cases SET head = :case WHERE id = :case",
        "UPDATE cases SET size = size + 1 WHERE id = :case",
    ],
)
def test_entries_that_do_not_come_to_where_the_case_stands_are_refused(
    five: Federation, change: str
) -> None:
    case = five.open("coord", "lab-a")
    node = five["coord"]
    last = five.chain("coord", case).size - 1
    with node.database.writing() as connection:
        given = {"case": case, "last": last}
        wanted = {name: value for name, value in given.items() if f":{name}" in change}
        assert connection.execute(text(change), wanted).rowcount == 1
    node.chains.drop_all()
    for _ in range(2):
        with (
            node.database.reading() as connection,
            pytest.raises(BrokenSeal, match="do not come to where the case stands") as refused,
        ):
            node.chains.get(connection, case)
        assert refused.value.hint == "restore the database from a copy"
