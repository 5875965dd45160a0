"""Who may say what: every kind against every role, by the data file alone."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import product

import pytest

from steelyard.disclosure.case.acts import ACTS
from steelyard.disclosure.case.bodies import BODIES
from steelyard.disclosure.case.organization import ROLES
from steelyard.disclosure.case.permissions import load_kinds, read_kinds, require_permission
from steelyard.kernel.errors import CannotVerify, ConfigurationError, NotSatisfied

from . import samples
from .cast import Player, Scene

KINDS = load_kinds()
# Pairs of a kind and a role of somebody who is not the host: a row that changes is seen here.
ALLOWED = 15 * len(ROLES) + 2 + 1 + 2 + 1 + 4 + 3 + 1 + 3 + 3 + 3 + 1 + 2 + 1 + 2


@cache
def full_case() -> Scene:
    """A case with an organization of every role, hosted by a regulator."""
    scene = Scene(Player("regulator-host", ("regulator",)))
    scene.open()
    for role in ROLES:
        if role == "adjudicator":
            continue
        scene.invite(f"the-{role}", role)
    scene.invite("the-adjudicator", "adjudicator", by="the-coordinator")
    return scene


@pytest.mark.parametrize(("kind", "role"), list(product(KINDS, ROLES)))
def test_a_kind_is_said_by_its_roles_and_by_no_other(kind: str, role: str) -> None:
    scene = full_case().copied()
    by = KINDS[kind].by
    allowed = "anybody" in by or role in by
    message = ""
    try:
        scene.say(f"the-{role}", kind, samples.BODIES[kind])
    except (NotSatisfied, CannotVerify) as error:
        message = error.message
    refusal = f"{kind!r} is for {', '.join(sorted(by))}; the author is {role}"
    if kind == "open":
        assert message == "a case is opened once"
    else:
        assert (message == refusal) is not allowed


def test_as_many_pairs_are_allowed_as_were_decided() -> None:
    pairs = [(kind, role) for kind in KINDS.values() for role in ROLES]
    found = sum("anybody" in kind.by or role in kind.by for kind, role in pairs)
    assert found == ALLOWED
    assert sum("host" in kind.by for kind in KINDS.values()) == 3


def test_the_host_may_what_hosts_may_whatever_its_role() -> None:
    require_permission("invite", ("regulator",), is_host=True)
    with pytest.raises(NotSatisfied) as refused:
        require_permission("invite", ("regulator",), is_host=False)
    assert str(refused.value) == (
        "invite: 'invite' is for coordinator, host, reporter; the author is regulator"
    )
    assert refused.value.hint == "ask somebody of that role"


def test_somebody_of_two_roles_may_what_either_may() -> None:
    require_permission("ruling", ("observer", "adjudicator"), is_host=False)
    with pytest.raises(NotSatisfied, match="the author is no role"):
        require_permission("ruling", (), is_host=False)


def test_every_kind_has_a_body_and_an_act_and_there_is_no_other() -> None:
    assert list(KINDS) == list(BODIES) == list(samples.BODIES)
    assert set(ACTS) == set(KINDS) - {"open"}


ROW = '- {id: leave, by: [anybody], message: "", meaning: "goes"}'
HEAD = 'id: disclosure-kinds\nversion: "1.0"\nkinds:\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEAD}  {ROW}\n  {ROW}\n", "a kind stands twice"),
        (HEAD + "  " + ROW.replace('""', "ZZ") + "\n", "no message 'ZZ'"),
        (HEAD + "  " + ROW.replace("anybody", "everybody") + "\n", "kinds.0.by.0"),
    ],
)
def test_kinds_that_are_not_whole_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_kinds(text, where="kinds.yaml")
    assert message in refused.value.message


def test_the_packaged_kinds_are_those_that_are_read() -> None:
    entry = files("steelyard.disclosure.case") / "data" / "kinds.yaml"
    assert read_kinds(entry.read_text("utf-8"), where="kinds.yaml") == KINDS
