"""The cases of a node as its pages read them: those that verify, and those that do not.

Decides that a case whose rows were changed keeps no other from being shown, that the log tells of
it once, and that it is verified again when somebody opens it or its rows move, not for every list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from steelyard.kernel.errors import CannotVerify
from steelyard.server.storage import cases
from steelyard.server.web.guard import FAILURES
from steelyard.server.web.problems import refusal
from steelyard.server.web.words import UNVERIFIED

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from steelyard.disclosure.case import Chain, View
    from steelyard.server.node import Node
    from steelyard.server.storage.cases import CaseRow


@dataclass(frozen=True, slots=True)
class Listed:
    """All cases of a node; what is said of one that does not verify is of its row alone."""

    views: tuple[View, ...]
    unverified: tuple[CaseRow, ...]


@dataclass(slots=True)
class Holdings:
    """Reads the cases of a node for pages."""

    node: Node
    # Cases that did not verify, with size and head that they had then.
    _unverified: dict[str, tuple[int, str]] = field(
        default_factory=dict[str, "tuple[int, str]"], init=False
    )

    def list(self, connection: Connection) -> Listed:
        """All cases, the one with the latest entry first."""
        views: list[View] = []
        unverified: list[CaseRow] = []
        for row in cases.list_cases(connection):
            view = None if self._is_known(row) else self.view(connection, row)
            if view is None:
                unverified.append(row)
            else:
                views.append(view)
        return Listed(tuple(views), tuple(unverified))

    def view(self, connection: Connection, row: CaseRow) -> View | None:
        """Where a case stands; None where it does not verify."""
        try:
            return self.node.chains.get(connection, row.id).view
        except CannotVerify as error:
            self._tell(connection, row.id, error)
            return None

    def are_read(self, connection: Connection) -> bool:
        """Whether a list of all cases would verify none of them first."""
        return all(
            self.node.chains.held(row.id) or self._is_known(row)
            for row in cases.list_cases(connection)
        )

    def chain(self, connection: Connection, case: str) -> Chain:
        """A case that is shown by itself.

        Raises:
            UnknownName: no such case here.
            HTTPException: 500, where it does not verify.
        """
        try:
            found = self.node.chains.get(connection, case)
        except CannotVerify as error:
            self._tell(connection, case, error)
            message = f"Case {case[:12]} {UNVERIFIED}"
            raise refusal(HTTPStatus.INTERNAL_SERVER_ERROR, message) from error
        self._unverified.pop(case, None)
        return found

    def _is_known(self, row: CaseRow) -> bool:
        return self._unverified.get(row.id) == (row.size, row.head)

    def _tell(self, connection: Connection, case: str, error: CannotVerify) -> None:
        stands = cases.stands(connection, case)
        if stands is not None and self._unverified.get(case) != stands:
            self._unverified[case] = stands
            FAILURES.error("case %s %s", case[:16], UNVERIFIED, exc_info=error)
