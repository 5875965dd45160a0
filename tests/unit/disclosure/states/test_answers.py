"""What messages do to whom they reach: every message in every state has an answer."""

from __future__ import annotations

from itertools import product

import pytest

from steelyard.disclosure.states import load_tables
from steelyard.disclosure.states.answers import answer, forward
from steelyard.disclosure.states.rules import Act, apply
from steelyard.disclosure.states.standing import Case, finder, impossible, observer, vendor
from steelyard.kernel.errors import NotSatisfied, UnknownName

TABLES = load_tables()
START = Case((finder("finder", "alder"), vendor("lab", "birch"), observer("third", "cedar")))
REPORT = ("RI", "RV", "RD", "RA", "RC")


def in_state(em: str, pxa: str, rm: str, pec: str) -> Case:
    """A case whose states are set, possible or not, to see that nothing crashes."""
    case = Case(START.participants, em, pxa, "third" if em in {"proposed", "revise"} else "")
    return case.moved("RM", rm, "lab").moved("PEC", pec, "finder")


@pytest.mark.parametrize("message", TABLES.messages)
def test_every_message_in_every_state_has_an_answer(message: str) -> None:
    names = {name: [s.id for s in TABLES.machine(name).states] for name in TABLES.machines}
    model = TABLES.messages[message].model
    errors = {"RM": "RE", "EM": "EE", "CS": "CE"}
    for em, pxa, rm, pec in product(names["EM"], names["PXA"], names["RM"], names["PEC"]):
        found = answer(in_state(em, pxa, rm, pec), message, sender="finder", receiver="lab")
        assert set(found.reply) <= set(TABLES.messages)
        if found.error:
            assert found.reply[0] == errors.get(model, "GE")
            assert found.outcome.effects == ()


@pytest.mark.parametrize("message", REPORT)
def test_a_report_message_for_an_unknown_report_is_an_error(message: str) -> None:
    found = answer(START, message, sender="finder", receiver="lab")
    assert (found.error, found.reply, found.outcome.effects) == (True, ("RE", "GI"), ())


def test_a_report_submission_for_an_unknown_report_is_none() -> None:
    found = answer(START, "RS", sender="finder", receiver="lab")
    assert (found.error, found.reply) == (False, ("RK",))
    assert found.outcome.case.participant("lab").rm == "received"
    assert found.outcome.messages == ("RK", "CV")
    again = answer(found.outcome.case, "RS", sender="finder", receiver="lab")
    assert (again.error, again.reply, again.outcome.effects) == (False, ("RK",), ())


def test_a_report_submission_is_an_error_in_no_state() -> None:
    """A case takes every report that its sender may pass on."""
    names = {name: [s.id for s in TABLES.machine(name).states] for name in TABLES.machines}
    for em, pxa, rm, pec in product(names["EM"], names["PXA"], names["RM"], names["PEC"]):
        _, found = forward(in_state(em, pxa, rm, pec), "finder", "lab")
        assert found.error is False


def test_embargo_talks_before_the_report_are_no_error() -> None:
    found = answer(START, "EP", sender="finder", receiver="lab")
    assert (found.error, found.reply, found.outcome.case.em) == (False, ("EK",), "proposed")


def test_a_closed_participant_stays_silent() -> None:
    case = START.moved("RM", "closed", "lab")
    silent = {
        m for m in TABLES.messages if not answer(case, m, sender="finder", receiver="lab").reply
    }
    acknowledgements = {"RK", "EK", "CK", "GK", "KP"}
    assert (
        silent - acknowledgements
        == {m for m, row in TABLES.messages.items() if row.model in {"RM", "EM", "CS"}}
        - acknowledgements
    )


def test_acknowledgements_are_never_answered() -> None:
    for message in ("RK", "EK", "CK", "GK", "KP"):
        found = answer(START, message, sender="finder", receiver="lab")
        assert (found.reply, found.error) == ((), False)


@pytest.mark.parametrize(
    ("message", "reply"),
    [("RE", ("RK", "GI")), ("EE", ("EK", "GI")), ("CE", ("CK", "GI")), ("GE", ("GI",))],
)
def test_errors_are_acknowledged_and_asked_about(message: str, reply: tuple[str, ...]) -> None:
    assert answer(START, message, sender="finder", receiver="lab").reply == reply


def test_a_proposal_after_publication_is_rejected() -> None:
    case = apply(START, Act("PXA", "P", "finder")).case
    assert answer(case, "EP", sender="finder", receiver="lab").reply == ("ER",)
    assert answer(case, "EA", sender="finder", receiver="lab").reply == ("EE",)


def embargo() -> Case:
    case = apply(START, Act("EM", "propose", "finder")).case
    return apply(case, Act("EM", "accept", "third")).case


def test_acceptance_joins_an_embargo_in_force_and_rejection_leaves_it() -> None:
    joined = answer(embargo(), "EA", sender="lab", receiver="finder").outcome.case
    assert joined.signatories() == ("finder", "lab", "third")
    left = answer(joined, "ER", sender="lab", receiver="finder").outcome.case
    assert (left.em, left.participant("lab").pec) == ("active", "declined")
    assert answer(left, "ER", sender="lab", receiver="finder").reply == ("EK",)
    # Whoever declined has to be asked again before it can consent.
    assert answer(left, "EA", sender="lab", receiver="finder").reply == ("EE",)
    declined = answer(embargo(), "ER", sender="lab", receiver="finder").outcome.case
    assert declined.participant("lab").pec == "declined"


def test_nobody_accepts_their_own_terms_by_message_either() -> None:
    case = apply(START, Act("EM", "propose", "finder")).case
    found = answer(case, "EA", sender="finder", receiver="lab")
    assert (found.error, found.reply, found.outcome.case) == (True, ("EE",), case)


def test_terms_are_accepted_and_rejected_by_message() -> None:
    proposed = apply(START, Act("EM", "propose", "finder")).case
    accepted = answer(proposed, "EA", sender="lab", receiver="finder")
    assert (accepted.reply, accepted.outcome.case.em) == (("EK",), "active")
    rejected = answer(proposed, "ER", sender="lab", receiver="finder")
    assert (rejected.reply, rejected.outcome.case.em) == (("EK",), "none")
    again = answer(accepted.outcome.case, "EA", sender="lab", receiver="finder")
    assert (again.error, again.reply, again.outcome.effects) == (False, ("EK",), ())


@pytest.mark.parametrize(
    ("messages", "reply"),
    [
        (("RI", "RV", "RD", "RA", "RC"), "RK"),
        (("CV", "CF", "CD"), "CK"),
        (("GI", "AQ", "AR", "MV", "HX", "OT"), "GK"),
    ],
)
def test_news_of_others_is_acknowledged_and_moves_nothing(
    messages: tuple[str, ...], reply: str
) -> None:
    case = apply(START, Act("RM", "receive", "lab")).case
    for message in messages:
        found = answer(case, message, sender="finder", receiver="lab")
        assert (found.error, found.reply, found.outcome.effects) == (False, (reply,), ())


def test_news_of_attacks_moves_the_case() -> None:
    found = answer(embargo(), "CA", sender="finder", receiver="lab")
    assert (found.reply, found.outcome.case.pxa) == (("CK",), "pxA")
    assert [advice.rule for advice in found.outcome.advice] == ["attacks-end-embargo"]


def test_termination_reaches_everybody_once() -> None:
    ended = answer(embargo(), "ET", sender="third", receiver="finder").outcome.case
    assert ended.em == "exited"
    again = answer(ended, "ET", sender="third", receiver="finder")
    assert (again.reply, again.outcome.effects) == (("EK",), ())
    assert answer(START, "ET", sender="third", receiver="finder").reply == ("EE",)


def test_news_of_the_world_is_news_once() -> None:
    case = answer(embargo(), "CX", sender="finder", receiver="lab").outcome.case
    assert (case.pxa, case.em) == ("PXa", "exited")
    again = answer(case, "CX", sender="finder", receiver="lab")
    assert (again.reply, again.outcome.effects) == (("CK",), ())
    assert answer(START, "CP", sender="lab", receiver="finder").reply == ("CE",)


def test_forwarding_during_an_embargo_advises_consent_first() -> None:
    sent, received = forward(embargo(), "finder", "lab")
    assert sent.messages == ("RS",)
    assert [advice.rule for advice in sent.advice] == ["consent_before_report"]
    assert received.outcome.case.participant("lab").rm == "received"
    assert impossible(received.outcome.case) == ()
    sent, _ = forward(START, "finder", "lab")
    assert sent.advice == ()
    with pytest.raises(NotSatisfied, match=r"^'forward' is forbidden in state 'start' of RM"):
        forward(START, "lab", "third")


def test_unknown_messages_are_refused() -> None:
    with pytest.raises(UnknownName, match=r"^no message 'ZZ'$") as refused:
        answer(START, "ZZ", sender="finder", receiver="lab")
    assert refused.value.hint.startswith("known: RS, RI, RV,")
