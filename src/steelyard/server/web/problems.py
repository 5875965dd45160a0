"""Why a request was refused, as RFC 9457 says it: one table from the error tree to statuses.

Decides which status an error of `kernel.errors` has and what of it a stranger may read: the
sentence and the hint of a refusal, nothing of what went wrong inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from steelyard.kernel import canonical_json
from steelyard.kernel.errors import (
    CannotVerify,
    Expired,
    NotSatisfied,
    SteelyardError,
    StorageError,
    UnknownName,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request

MEDIA_TYPE: Final = "application/problem+json"
NOT_HERE: Final = "there is nothing here, or not for you"
"""The same words whether something does not exist or must not be seen."""
_AGAIN: Final[Mapping[str, str]] = {"retry-after": "5"}
# The first class that an error is an instance of decides.
_STATUSES: Final[tuple[tuple[type[SteelyardError], HTTPStatus], ...]] = (
    (UnknownName, HTTPStatus.NOT_FOUND),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (NotSatisfied, HTTPStatus.CONFLICT),
    (CannotVerify, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Expired, HTTPStatus.TOO_EARLY),
    (StorageError, HTTPStatus.SERVICE_UNAVAILABLE),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal.

    Attributes:
        error: Name of the class in the error tree; empty where HTTP itself refuses.
        headers: Sent with it.
    """

    status: HTTPStatus
    detail: str
    hint: str = ""
    error: str = ""
    headers: Mapping[str, str] | None = None

    def to_bytes(self) -> bytes:
        """The problem document."""
        members = {"detail": self.detail, "hint": self.hint, "error": self.error}
        said = {name: text for name, text in members.items() if text}
        return canonical_json(
            {
                "status": self.status.value,
                "title": self.status.phrase,
                "type": "about:blank",
                **said,
            }
        )


def problem_of(error: Exception) -> Problem:
    """What is said of an error; of one that nobody expected, nothing."""
    if isinstance(error, SteelyardError):
        return _of_tree(error)
    if isinstance(error, RequestValidationError):
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "a field is missing or of another type")
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        detail = NOT_HERE if status == HTTPStatus.NOT_FOUND else error.detail
        return Problem(status, detail, headers=error.headers)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the node failed; nothing was changed")


def respond(problem: Problem) -> Response:
    """A problem as a response."""
    headers = dict(problem.headers or {})
    return Response(problem.to_bytes(), problem.status.value, headers, media_type=MEDIA_TYPE)


def refusal(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
) -> HTTPException:
    """What to raise where HTTP itself refuses: too large, too slow, too often, not signed."""
    return HTTPException(status.value, detail, headers)


def install(app: FastAPI) -> None:
    """Have every refusal of an application's routes answered from here.

    `app.state.problem_page`, where it is set, makes a page of a problem for a browser.
    """
    for kind in (SteelyardError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    page = getattr(request.app.state, "problem_page", None)
    if page is not None and "text/html" in request.headers.get("accept", ""):
        return await page(request, problem)
    return respond(problem)


def _of_tree(error: SteelyardError) -> Problem:
    status = next(
        (status for kind, status in _STATUSES if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    name = type(error).__name__
    if status == HTTPStatus.NOT_FOUND:
        return Problem(status, NOT_HERE)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # Where it lies is for who runs this, not for who asks.
        return Problem(status, "the node cannot do this now", "try again", name, _AGAIN)
    headers = _AGAIN if status == HTTPStatus.TOO_EARLY else None
    return Problem(status, str(error), error.hint, name, headers)
