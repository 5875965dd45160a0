"""What a report says of published flaws: those tested for again, and advisories known at issue.

Decides wording only; verdicts are taken from the statements as they stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from steelyard.passport.report.wording import day, percent, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.kernel import JsonObject

_NOT_AFFECTED: Final = "not_affected"
_WHOM: Final = {
    "subject": "this model",
    "base": "the base of this model",
    "class": "a class of flaws in scope",
}
_STATUS: Final = {
    "affected": "affected",
    "fixed": "fixed",
    "not_affected": "not affected",
    "under_investigation": "under investigation",
}


@dataclass(frozen=True, slots=True)
class FlawsView:
    """The section on published flaws; empty where neither statement was made."""

    unresolved: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    looked: str
    known: tuple[str, ...]
    later: str
    found: tuple[str, ...]


def flaws_view(
    regressions: JsonObject | None, known: JsonObject | None, later: JsonObject | None = None
) -> FlawsView:
    """The section, from the predicates of both statements and what a verification found."""
    ran = cast("list[dict[str, Any]]", (regressions or {}).get("rows", []))
    return FlawsView(
        tuple(_unresolved(ran) if later is None else _today(later)),
        tuple(_row(row) for row in ran),
        _looked(known),
        tuple(_told(row) for row in cast("list[dict[str, Any]]", (known or {}).get("rows", []))),
        _later(later),
        tuple(
            _standing(row) for row in cast("list[dict[str, Any]]", (later or {}).get("found", []))
        ),
    )


def _unresolved(ran: list[dict[str, Any]]) -> Iterator[str]:
    for row in ran:
        name = f"{row['advisory']}#{row['finding']}"
        if row["verdict"] == "affected":
            yield f"{name}: the model shows this published flaw."
        elif row["verdict"] != _NOT_AFFECTED:
            yield f"{name}: the run does not tell whether the model shows this published flaw."


def _today(later: JsonObject) -> Iterator[str]:
    """What is open at the date of the verification, and which triggers have fired by then."""
    plain: dict[str, Any] = later
    yield from plain["open"]
    yield from (f"Due for re-test: {title}" for title in plain["fired"])


def _row(row: dict[str, Any]) -> dict[str, str]:
    return {
        "name": f"{row['advisory']}#{row['finding']}",
        "flaw_class": words(row["flaw_class"]),
        "verdict": words(row["verdict"]),
        "rate": percent(row["rate"]),
        "limits": f"{percent(row['lower'])} to {percent(row['upper'])}",
        "variants": str(len(row["variants"])),
    }


def _looked(known: JsonObject | None) -> str:
    if known is None:
        return ""
    plain: dict[str, Any] = known
    count = len(plain["rows"])
    told = f"{count} of them name" if count != 1 else "one of them names"
    looked = f"On {day(plain['as_of'])} the signer looked at a feed of {plain['documents']}"
    return f"{looked} believed advisories: {told} this model or its base."


def _later(later: JsonObject | None) -> str:
    if later is None:
        return ""
    plain: dict[str, Any] = later
    if plain["feed"] is None:
        return f"Written on {day(plain['at'])} without a feed: nothing later is known."
    feed = plain["feed"]
    told = f"As of {day(plain['at'])}, from a feed in which {feed['documents']} were believed"
    return f"{told} and {len(feed['not_believed'])} were not."


def _standing(row: dict[str, Any]) -> str:
    when = "after the test" if row["after_evidence"] else "before the end of the test"
    end = "open" if row["open"] else "not open"
    return f"{_told(row)}, last changed {day(row['changed'])}, {when}: {end}"


def _told(row: dict[str, Any]) -> str:
    whom = _WHOM[row["relation"]]
    return f"{row['advisory']}#{row['finding']}: {row['title']} ({whom}: {_STATUS[row['status']]})"
