"""What others say cannot steer a terminal, nor look like lines that the command line wrote.

The attacker names itself, refuses, dissents or answers with control characters and line breaks. Its
cards and events are refused where they hold what cannot be printed; the victim reads the rest on
one line each, and is warned of names that look alike.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.server.node.federation import START, Federation

from steelyard.cli.disclose import case as case_commands
from steelyard.cli.disclose import node as node_commands
from steelyard.cli.output import one_line, write
from steelyard.disclosure.delivery.outbox import Destination
from steelyard.kernel.errors import MalformedEvidence
from steelyard.server.node import About, create_identity, ordering, saying
from steelyard.server.node.inbox import receive
from steelyard.server.node.letters import REFUSED
from steelyard.server.node.posting import Letter, send_to
from steelyard.server.storage import cases, post

Federate = Callable[..., Federation]
FORGED = "No.\n  advisory 0123456789abcdef: public\nerror: the case is void"
ALIKE = {"Acme": ("coordinator", "reporter"), "Acm\u0435": ("developer",)}


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nb", "a\u202eb", "a\u200bb", "a\x9b1m", "\u0085"])
def test_a_card_with_a_name_that_steers_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MalformedEvidence):
        create_identity(tmp_path, About(name, ("developer",)), START)


def test_a_dissent_is_shown_on_one_line_and_look_alikes_are_told(
    federate: Federate, capsys: pytest.CaptureFixture[str]
) -> None:
    made = federate(ALIKE)
    case = made.open("Acme", "Acm\u0435")
    material = saying.Material(b"a draft", "application/yaml", "h1", ())
    sealed = made.run("Acme", lambda n, c: saying.put_object(n, c, case, material))
    made.say("Acme", case, "draft", object=sealed, advisory="0" * 64)
    made.say("Acme", case, "dissent", advisory="0" * 64, text=FORGED)
    folder = made.folder / "Acme"
    made["Acme"].run(lambda c: ordering.pump(made["Acme"], c))
    case_commands.show(case[:12], node=folder, as_json=False)
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[-1].startswith("  dissent of Acme: No. advisory 0123456789abcdef: public error:")
    assert not any(line.startswith("error:") for line in lines)
    assert sum("advisory" in line and line.startswith("  advisory") for line in lines) == 1
    warned = [line for line in shown.err.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 2
    assert f"({made.id('Acme')[:20]}) looks like Acm\u0435" in warned[0] + warned[1]


def test_what_a_destination_answers_is_shown_on_one_line(
    federate: Federate, capsys: pytest.CaptureFixture[str]
) -> None:
    made = federate(ALIKE)
    made.open("Acme", "Acm\u0435")
    node = made["Acme"]
    node.run(lambda c: ordering.pump(node, c))

    def failed(connection: object) -> None:
        to = made.id("Acm\u0435")
        [item] = post.waiting_for(connection, to)  # type: ignore[arg-type]
        post.save(connection, item.outgoing, Destination(to), f"500 {FORGED}\x1b[2J")  # type: ignore[arg-type]

    node.run(failed)
    node_commands.status(node=made.folder / "Acme", as_json=False)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert not any(line.startswith(("error:", "  advisory")) for line in out.splitlines())


def test_a_refusal_of_a_hostile_host_stands_on_one_line(federate: Federate) -> None:
    made = federate(ALIKE)
    case = made.open("Acme", "Acm\u0435")
    made.settle()
    made.say("Acm\u0435", case, "emergency", facts="facts", told=[])
    with made["Acm\u0435"].database.reading() as connection:
        [event] = cases.pending(connection, case)
    body = {"digest": event.digest, "reason": FORGED, "anew": False, "size": 2}
    refuse(made, case, body)
    with made["Acm\u0435"].database.reading() as connection:
        [event] = cases.pending(connection, case)
    assert event.refused == one_line(FORGED)


def refuse(made: Federation, case: str, body: dict[str, object]) -> None:
    host, victim = made["Acme"], made["Acm\u0435"]
    letter = Letter(REFUSED, case, body)  # type: ignore[arg-type]
    made.drop("Acme")
    host.run(lambda c: send_to(host, c, victim.identity.card, letter))
    [item] = made.outgoing("Acme")
    outcome = victim.run(lambda c: receive(victim, c, item.data))
    assert outcome.result == "taken"


def test_nothing_that_is_printed_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    write("a\x1b]0;x\x07b\u202ec\x9b1m")
    assert capsys.readouterr().out == "a\\x1b]0;x\\x07b\\u202ec\\x9b1m\n"
