"""Passports of runs that tested for published flaws: honest ones, and one fault in each other."""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from flaws_draft import LABELS, FlawsDraft, document, judged, reproducer, shown
from passport_draft import STRANGER, Draft, indexed, issued, statement

from steelyard.kernel import digest_json
from steelyard.passport.archive import write_archive
from steelyard.stats import JudgeErrors

if TYPE_CHECKING:
    from collections.abc import Callable

_REGRESSIONS, _KNOWN = "regressions", "known-advisories"
_OTHER = document(title="Another vault tells its code")
_PERFECT = JudgeErrors(LABELS, LABELS, LABELS, LABELS)
_MORE_LABELS = JudgeErrors(1000, 1000, LABELS, LABELS)
_SECOND = shown(reproducer(title="A second vault"), finding="F2")


def _edited(kind: str, edit: Callable[[dict[str, Any]], None], known: str | None = None) -> bytes:
    edits = defaultdict(lambda: lambda _predicate: None, {kind: edit})
    return issued(flaws=FlawsDraft(known=known, edits=edits))


def _row(**changes: Any) -> Callable[[dict[str, Any]], None]:  # noqa: ANN401
    def edit(predicate: dict[str, Any]) -> None:
        predicate["rows"][0].update(changes)

    return edit


def _declare(*rows: Any) -> Callable[[dict[str, Any]], None]:  # noqa: ANN401
    def edit(predicate: dict[str, Any]) -> None:
        predicate["regressions"] = list(rows)

    return edit


def _undeclare(predicate: dict[str, Any]) -> None:
    predicate.pop("regressions")


def _set(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def edit(predicate: dict[str, Any]) -> None:
        predicate[name] = value

    return edit


def _shown_five(predicate: dict[str, Any]) -> None:
    row = predicate["rows"][0]
    row["treatment"]["shown"] = [1] * 5 + [0] * 15


def _chosen(predicate: dict[str, Any]) -> None:
    row = predicate["rows"][0]
    row["variants"] = row["variants"][:15]
    row["treatment"] = {name: counts[:15] for name, counts in row["treatment"].items()}


def _weaker(predicate: dict[str, Any]) -> None:
    predicate["rows"][0]["decision"]["p_affected"] = 0.9


def _without() -> bytes:
    members = Draft(flaws=FlawsDraft()).members()
    return write_archive(
        indexed({n: d for n, d in members.items() if n != statement("regressions")})
    )


def _added() -> bytes:
    """The statement of another run beside a claim that was signed without it."""
    taken = Draft(flaws=FlawsDraft()).members()[statement("regressions")]
    return write_archive(indexed({**Draft().members(), statement("regressions"): taken}))


FLAWS_VECTORS: dict[str, Callable[[], bytes]] = {
    "regression": lambda: issued(flaws=FlawsDraft()),
    "regression_affected": lambda: issued(flaws=FlawsDraft((shown(reproducer(), 20),))),
    "regression_undetermined": lambda: issued(flaws=FlawsDraft((shown(reproducer(), 2),))),
    "regression_held": lambda: issued(flaws=FlawsDraft((shown(reproducer(hazard_tier="H2")),))),
    "regressions_left_out": lambda: issued(
        edit_intent=_declare(shown(reproducer()).listed.declared())
    ),
    "regression_left_out": lambda: issued(
        flaws=FlawsDraft((shown(reproducer()), _SECOND)),
        edit_intent=_declare(
            *(row.listed.declared() for row in (shown(reproducer()), _SECOND)),
            {**_SECOND.listed.declared(), "finding": "F3"},
        ),
    ),
    "regression_not_declared": lambda: issued(flaws=FlawsDraft(), edit_intent=_undeclare),
    "regression_with_another_verdict": lambda: _edited(_REGRESSIONS, _row(verdict="affected")),
    "regression_with_other_counts": lambda: _edited(_REGRESSIONS, _shown_five),
    "regression_by_a_replaced_reproducer": lambda: _edited(_REGRESSIONS, _row(document=_OTHER)),
    "regression_by_another_reproducer": lambda: _edited(
        _REGRESSIONS, _row(document=_OTHER, reproducer=digest_json(_OTHER))
    ),
    "regression_without_its_reproducer": lambda: _edited(_REGRESSIONS, _row(document=None)),
    "regression_with_a_weaker_decision": lambda: _edited(_REGRESSIONS, _weaker),
    "regression_on_chosen_variants": lambda: _edited(_REGRESSIONS, _chosen),
    "regression_judged": lambda: issued(flaws=FlawsDraft((shown(judged(), 20, judge=_PERFECT),))),
    "regression_without_its_judge": lambda: issued(flaws=FlawsDraft((shown(judged()),))),
    "regression_with_a_judge_of_its_own": lambda: issued(
        flaws=FlawsDraft((shown(reproducer(), 20, judge=_PERFECT),))
    ),
    "regression_with_more_labels": lambda: issued(
        flaws=FlawsDraft((shown(judged(), judge=_MORE_LABELS),))
    ),
    "regressions_of_another_run": lambda: _edited(
        _REGRESSIONS, _set("run_intent", {"sha256": "00" * 32})
    ),
    "regressions_before_the_intent": lambda: _edited(
        _REGRESSIONS, _set("finished", "2026-02-01T00:00:00Z")
    ),
    "regressions_by_a_stranger": lambda: issued(flaws=FlawsDraft(key=STRANGER)),
    "regressions_removed": _without,
    "regressions_added": _added,
    "known_advisory": lambda: issued(flaws=FlawsDraft((_SECOND,), known="affected")),
    "known_advisory_answered": lambda: issued(flaws=FlawsDraft(known="affected")),
    "known_advisory_closed_by_the_signer": lambda: _edited(
        _KNOWN, _row(version=999, status="not_affected"), known="affected"
    ),
    "known_advisories_before_the_intent": lambda: _edited(
        _KNOWN, _set("as_of", "2026-02-01T00:00:00Z"), known="affected"
    ),
}
