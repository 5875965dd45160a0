"""Rules across machines: what an act needs, what it brings about, which messages go out."""

from __future__ import annotations

import pytest

from steelyard.disclosure.states.rules import Act, Advice, Outcome, apply, refused_by
from steelyard.disclosure.states.standing import Case, finder, impossible, observer, vendor
from steelyard.kernel.errors import NotSatisfied, UnknownName

START = Case(
    (
        finder("finder", "alder"),
        vendor("lab", "birch"),
        observer("coordinator", "cedar"),
        vendor("commons", "damson", open_weights=True),
    )
)


def after(*acts: tuple[str, str, str]) -> Case:
    case = START
    for act in acts:
        case = apply(case, Act(*act)).case
        assert impossible(case) == ()
    return case


def moves(outcome: Outcome) -> list[str]:
    return [f"{e.owner or 'case'} {e.machine} {e.after}" for e in outcome.effects]


SIGNED = tuple(finder(name, name).moved("PEC", "signatory") for name in "fg")
RECEIVED = (("RM", "receive", "lab"), ("RM", "validate", "lab"), ("RM", "accept", "lab"))
EMBARGOED = (("EM", "propose", "finder"), ("EM", "accept", "lab"))


def test_a_vendor_that_receives_a_report_is_aware_and_says_so() -> None:
    outcome = apply(START, Act("RM", "receive", "lab"))
    assert moves(outcome) == ["lab RM received", "lab VFD Vfd"]
    assert outcome.messages == ("RK", "CV")
    assert outcome.effects[1].rule == "receipt-is-awareness"


def test_who_makes_no_fix_has_no_fix_path() -> None:
    outcome = apply(START, Act("RM", "receive", "coordinator"))
    assert moves(outcome) == ["coordinator RM received"]
    with pytest.raises(NotSatisfied, match=r"^coordinator has no VFD: it makes no fix$"):
        apply(START, Act("VFD", "V", "coordinator"))


def test_only_who_has_accepted_the_report_forwards_it() -> None:
    assert apply(START, Act("RM", "forward", "finder")).messages == ("RS",)
    with pytest.raises(NotSatisfied) as refused:
        apply(after(RECEIVED[0]), Act("RM", "forward", "lab"))
    assert str(refused.value) == (
        "'forward' is forbidden in state 'received' of RM, which allows validate, invalidate"
    )


def test_embargo_talks_may_precede_the_report() -> None:
    case = after(*EMBARGOED)
    assert case.participant("lab").rm == "start"
    assert (case.em, case.signatories()) == ("active", ("finder", "lab"))
    assert case.participant("coordinator").pec == "invited"


def test_the_message_of_the_embargo_carries_the_consent() -> None:
    assert apply(START, Act("EM", "propose", "finder")).messages == ("EP",)
    assert apply(after(EMBARGOED[0]), Act("EM", "accept", "lab")).messages == ("EA",)
    assert apply(after(EMBARGOED[0]), Act("EM", "reject", "lab")).messages == ("ER",)


def test_nobody_accepts_their_own_terms() -> None:
    with pytest.raises(NotSatisfied) as refused:
        apply(after(EMBARGOED[0]), Act("EM", "accept", "finder"))
    assert str(refused.value) == (
        "own_terms: finder: 'accept' of EM is forbidden: "
        "nobody accepts terms that they proposed themselves"
    )


@pytest.mark.parametrize("fact", ["P", "X", "A"])
@pytest.mark.parametrize("event", ["propose", "accept"])
def test_nothing_is_negotiated_once_the_world_knows(fact: str, event: str) -> None:
    case = after(("PXA", fact, "finder"))
    with pytest.raises(NotSatisfied) as refused:
        apply(case, Act("EM", event, "lab"))
    assert str(refused.value) == (
        f"quiet-to-negotiate: lab: {event!r} of EM is forbidden: no embargo is negotiated once "
        "the flaw or an exploit is public or attacks are known"
    )


@pytest.mark.parametrize("fact", ["P", "X", "A"])
def test_the_world_ends_talks(fact: str) -> None:
    case = apply(after(EMBARGOED[0]), Act("PXA", fact, "finder")).case
    assert (case.em, case.proposer) == ("none", "")
    # Whoever reports the fact was asked too; ending the talks is its refusal.
    assert case.participant("lab").pec == "lapsed"
    assert case.participant("finder").pec == "lapsed"


@pytest.mark.parametrize("fact", ["P", "X"])
@pytest.mark.parametrize("talks", [(), (("EM", "propose", "lab"),)])
def test_publication_shall_end_the_embargo(fact: str, talks: tuple[tuple[str, str, str]]) -> None:
    outcome = apply(after(*EMBARGOED, *talks), Act("PXA", fact, "finder"))
    assert outcome.case.em == "exited"
    assert "ET" in outcome.messages
    assert {item.pec for item in outcome.case.participants} == {"lapsed"}
    assert {item.vfd for item in outcome.case.participants} == {"", "Vfd"}
    assert impossible(outcome.case) == ()


def test_attacks_should_end_the_embargo_but_do_not_by_themselves() -> None:
    outcome = apply(after(*EMBARGOED), Act("PXA", "A", "finder"))
    assert outcome.case.em == "active"
    assert outcome.advice == (
        Advice("attacks-end-embargo", "known attacks should end the embargo"),
    )
    assert apply(outcome.case, Act("EM", "terminate", "lab")).case.em == "exited"


def test_attacks_end_a_revision_and_leave_the_terms_in_force() -> None:
    case = after(*EMBARGOED, ("EM", "propose", "lab"))
    outcome = apply(case, Act("PXA", "A", "finder"))
    assert outcome.case.em == "active"
    assert outcome.messages == ("CA", "ER")
    assert [advice.rule for advice in outcome.advice] == ["attacks-end-embargo"]


def test_an_exploit_publishes_the_flaw_at_once() -> None:
    outcome = apply(START, Act("PXA", "X", "finder"))
    assert outcome.case.pxa == "PXa"
    assert outcome.messages == ("CX", "CP", "CV", "CV")


def test_an_exploit_during_an_embargo_happens_with_advice_against_it() -> None:
    outcome = apply(after(*EMBARGOED), Act("PXA", "X", "finder"))
    assert outcome.advice == (
        Advice("exploit-after-embargo", "an exploit should not be published during an embargo"),
    )


@pytest.mark.parametrize("event", ["F", "D"])
def test_a_fix_comes_from_who_has_accepted(event: str) -> None:
    with pytest.raises(NotSatisfied) as refused:
        apply(after(*RECEIVED[:2]), Act("VFD", event, "lab"))
    assert str(refused.value) == (
        f"fix-by-who-works: lab: {event!r} of VFD is forbidden: "
        "a fix comes from a participant that has accepted the report"
    )


def test_a_deployed_fix_advises_to_end_the_embargo() -> None:
    case = after(*EMBARGOED, *RECEIVED, ("VFD", "F", "lab"))
    outcome = apply(case, Act("VFD", "D", "lab"))
    assert outcome.case.em == "active"
    assert [advice.rule for advice in outcome.advice] == ["deployed-ends-embargo"]


def test_an_embargo_is_not_advised_once_a_fix_is_ready_or_the_report_is_put_off() -> None:
    case = after(*RECEIVED, ("VFD", "F", "lab"))
    assert [a.rule for a in apply(case, Act("EM", "propose", "finder")).advice] == [
        "embargo-before-fix"
    ]
    case = after(*RECEIVED, ("RM", "defer", "lab"))
    assert [a.rule for a in apply(case, Act("EM", "propose", "lab")).advice] == [
        "embargo-for-live-report"
    ]


@pytest.mark.parametrize("attesters", [(), ("oak", "pine"), ("oak", "pine", "damson")])
def test_open_weights_are_mitigated_when_deployers_say_so(attesters: tuple[str, ...]) -> None:
    mine = tuple((machine, event, "commons") for machine, event, _ in RECEIVED)
    case = after(*mine, ("VFD", "F", "commons"))
    with pytest.raises(NotSatisfied) as refused:
        apply(case, Act("VFD", "D", "commons", frozenset(attesters)))
    count = len(set(attesters) - {"damson"})
    assert str(refused.value) == (
        "open_weights: commons: 'D' of VFD is forbidden: weights that anybody may hold are "
        "mitigated when deployers say so, never on the developer's word; "
        f"{count} deployers of other organizations attest it, need 3"
    )
    enough = Act("VFD", "D", "commons", frozenset({"oak", "pine", "elm"}))
    assert apply(case, enough).case.participant("commons").vfd == "VFD"


def test_a_closed_participant_is_out_of_the_embargo() -> None:
    case = after(("RM", "close", "finder"))
    for event in ("propose", "accept", "reject", "terminate"):
        refusal = refused_by(case, Act("EM", event, "finder"))
        assert refusal == Advice(
            "closed-is-silent", "who has closed the report takes no part in the embargo"
        )


def test_a_revision_asks_everybody_else_again() -> None:
    case = after(*EMBARGOED, ("PEC", "accept", "coordinator"), ("EM", "propose", "lab"))
    assert case.signatories() == ("finder", "lab", "coordinator")
    case = apply(case, Act("EM", "accept", "coordinator")).case
    assert case.signatories() == ("lab", "coordinator")
    assert case.participant("finder").pec == "invited"
    assert (case.em, case.proposer) == ("active", "")


def test_who_declined_consents_by_proposing_or_accepting_other_terms() -> None:
    joined = (*EMBARGOED, ("PEC", "decline", "coordinator"))
    revised = (("EM", "propose", "coordinator"), ("EM", "accept", "finder"))
    assert after(*joined, *revised).signatories() == ("finder", "coordinator")
    revised = (("EM", "propose", "lab"), ("EM", "accept", "coordinator"))
    assert after(*joined, *revised).signatories() == ("lab", "coordinator")
    # Somebody who was only invited consents in the same ways.
    revised = (("EM", "propose", "coordinator"), ("EM", "accept", "lab"))
    assert after(*EMBARGOED, *revised).signatories() == ("lab", "coordinator")


def test_who_rejects_has_declined_and_the_others_lapse() -> None:
    case = after(("EM", "propose", "finder"), ("EM", "reject", "lab"))
    states = {item.name: item.pec for item in case.participants}
    assert states == {
        "finder": "lapsed", "lab": "declined", "coordinator": "lapsed", "commons": "lapsed",
    }  # fmt: skip


def test_a_rejected_revision_leaves_the_embargo_and_its_consents() -> None:
    case = after(*EMBARGOED, ("EM", "propose", "lab"), ("EM", "reject", "finder"))
    assert (case.em, case.signatories(), case.proposer) == ("active", ("finder", "lab"), "")


def test_a_counter_proposal_voids_consent_to_the_terms_before() -> None:
    case = after(("EM", "propose", "finder"), ("EM", "propose", "lab"))
    assert (case.proposer, case.signatories()) == ("lab", ("lab",))
    assert case.participant("finder").pec == "invited"
    assert apply(case, Act("EM", "accept", "finder")).case.signatories() == ("finder", "lab")


def test_consent_withdrawn_by_one_of_three_leaves_the_embargo_and_of_two_ends_it() -> None:
    case = after(*EMBARGOED, ("PEC", "accept", "coordinator"))
    case = apply(case, Act("PEC", "withdraw", "coordinator")).case
    assert (case.em, case.participant("coordinator").pec) == ("active", "declined")
    outcome = apply(case, Act("PEC", "withdraw", "lab"))
    assert outcome.case.em == "exited"
    assert outcome.messages == ("ER", "ET")
    assert outcome.effects[1].rule == "too_few"
    assert outcome.case.participant("finder").pec == "lapsed"
    assert outcome.case.participant("lab").pec == "declined"


def test_terms_fall_when_their_proposer_leaves() -> None:
    outcome = apply(after(EMBARGOED[0]), Act("PEC", "withdraw", "finder"))
    assert outcome.case.em == "none"
    assert outcome.effects[1].rule == "proposer_leaves"
    case = after(*EMBARGOED, ("PEC", "accept", "coordinator"), ("EM", "propose", "lab"))
    outcome = apply(case, Act("PEC", "withdraw", "lab"))
    assert (outcome.case.em, outcome.case.signatories()) == ("active", ("finder", "coordinator"))


@pytest.mark.parametrize("name", ["finder", "lab", "coordinator", "commons"])
def test_any_party_may_reject_any_embargo(name: str) -> None:
    assert apply(after(EMBARGOED[0]), Act("EM", "reject", name)).case.em == "none"
    case = after(*EMBARGOED)
    event = "withdraw" if case.participant(name).pec == "signatory" else "decline"
    assert apply(case, Act("PEC", event, name)).case.participant(name).pec == "declined"


def test_consent_on_its_own_needs_terms_in_force_and_lapses_only_as_invitation() -> None:
    with pytest.raises(NotSatisfied, match=r"^consent-needs-terms: lab: 'accept' of PEC"):
        apply(after(EMBARGOED[0]), Act("PEC", "accept", "lab"))
    case = after(*EMBARGOED)
    with pytest.raises(NotSatisfied) as refused:
        apply(case, Act("PEC", "lapse", "lab"))
    assert str(refused.value) == (
        "lapse-of-invitation: lab: 'lapse' of PEC is forbidden: "
        "on its own only an invitation lapses; consent lapses with its terms"
    )
    assert (
        apply(case, Act("PEC", "lapse", "coordinator")).case.participant("coordinator").pec
        == "lapsed"
    )


def test_who_knows_nothing_of_the_case_states_nothing_of_the_world() -> None:
    with pytest.raises(NotSatisfied, match=r"^world-seen-by-participant: lab: 'P' of PXA"):
        apply(START, Act("PXA", "P", "lab"))
    assert apply(START, Act("PXA", "P", "finder")).case.pxa == "Pxa"


def test_targets_and_payloads_are_no_part_of_a_case() -> None:
    with pytest.raises(NotSatisfied, match=r"^AM belongs to a target, not to a case$"):
        apply(START, Act("AM", "notify", "lab"))
    with pytest.raises(NotSatisfied, match=r"^HM belongs to a payload, not to a case$"):
        apply(START, Act("HM", "lower", "lab"))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownName, match=r"^no participant 'nobody' in this case$") as refused:
        apply(START, Act("RM", "accept", "nobody"))
    assert refused.value.hint == "known: finder, lab, coordinator, commons"
    with pytest.raises(UnknownName, match=r"^EM has no event 'sign'$"):
        apply(START, Act("EM", "sign", "lab"))


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (
            Case(SIGNED, em="active", pxa="Pxa"),
            "EM active although Pxa: publication shall end the embargo",
        ),
        (
            Case((), em="proposed", pxa="pxA", proposer="f"),
            "EM proposed although pxA: nothing is negotiated any more",
        ),
        (Case((), pxa="pXa"), "PXA pXa: a public exploit makes the flaw public"),
        (Case((), proposer="f"), "EM none with proposer 'f'"),
        (Case((), em="active"), "EM active with 0 signatories: fewer than 2 are no agreement"),
        (
            Case(SIGNED[:1], em="active"),
            "EM active with 1 signatories: fewer than 2 are no agreement",
        ),
        (Case((finder("f", "x").moved("PEC", "invited"),)), "f: PEC invited although EM none"),
        (
            Case((finder("f", "x").moved("PEC", "signatory"),), em="proposed", proposer="g"),
            "f: PEC signatory before the terms of g are accepted",
        ),
        (
            Case((vendor("v", "x").moved("VFD", "VFd"),)),
            "v: VFD VFd although RM start: no fix before acceptance",
        ),
        (
            Case((vendor("v", "x").moved("RM", "valid"),)),
            "v: VFD vfd although RM valid: who has the report is aware",
        ),
        (
            Case((vendor("v", "x"),), pxa="Pxa"),
            "v: VFD vfd although Pxa: what the public knows, it knows",
        ),
    ],
)
def test_impossible_states_say_why(case: Case, reason: str) -> None:
    assert impossible(case) == (reason,)
