"""A case of 121 organizations, some with hostile names, and its deadlines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from tests.unit.disclosure.case.cast import DAY, Player, Scene, sealed_answer

from steelyard.disclosure.case.findings import find, write_update
from steelyard.disclosure.deadlines import Board, evaluate, load_rules, read_facts
from steelyard.disclosure.reproducer.query import Query
from steelyard.disclosure.reproducer.verdict import Verdict
from steelyard.kernel import format_instant

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
TEMPLATE = "{{ 7 * 7 }} {% raw %}"
FORMULA = '=HYPERLINK("https://evil.example","x")'
LONG = "Unbreakable" * 10
HEBREW = "מעבדת שלום"
OVERRIDE = "invoice \u202egnp.exe\u202c <b>bold</b>"
TRUE_NAME, FALSE_NAME = "Acme Models", "Acme Mod\u0435ls"
NAMES = (SCRIPT, IMAGE, TEMPLATE, FORMULA, LONG, HEBREW, TRUE_NAME, FALSE_NAME)
HOSTILE = f"{SCRIPT} {IMAGE} {TEMPLATE} {OVERRIDE} </textarea></title><!-- {LONG}"
FACTS = """\
schema: steelyard/disclosure-facts/1
subject: shared-documents
conditions:
  eu-product-manufacturer: true
  gpai-code-signatory: true
  infrastructure-disruption: true
zones: {eu-member-state: Europe/Berlin}
events:
  - {event: exploitation-aware, at: "2026-11-05T09:20:00Z"}
  - {event: model-involvement-aware, at: "2026-11-08T09:20:00Z"}
  - {event: critical-incident-discovered, at: "2026-11-01T09:20:00Z"}
submissions:
  - {rules: [cra-14-2-a], at: "2026-11-06T08:00:00Z"}
"""


@dataclass(frozen=True)
class Crowd:
    """A case of 121 organizations, and what its coordinator could open of it."""

    scene: Scene
    query: Query
    opened: dict[str, bytes]

    @property
    def now(self) -> datetime:
        return self.scene.now + 9 * DAY


@cache
def crowd() -> Crowd:
    """The case: 119 vendors that stand everywhere between silence and an answer."""
    scene = Scene(Player("hub", ("coordinator",)))
    abstract = HOSTILE.translate({0x202E: None, 0x202C: None})
    scene.open(title=f"Prompts in shared documents {IMAGE}", abstract=abstract)
    scene.invite("finder", "reporter")
    names = [*NAMES, *(f"Vendor {n:03}" for n in range(len(NAMES), 119))]
    for n, name in enumerate(names):
        scene.invite(name, *(("developer",), ("deployer",), ("developer", "deployer"))[n % 3])
    scene.report("hub", *names[:90])
    _judge(scene, names)
    _agree(scene, names)
    for name in names[:40]:
        scene.target(name, version=SCRIPT if name == names[0] else "2026-10")
    asked = scene.ask(*names[:70], level="band", until=scene.now + 30 * DAY)
    opened = _answer(scene, names, asked)
    _publish(scene, names)
    terms = {"until": format_instant(scene.now + 60 * DAY), "text": f"{SCRIPT} longer"}
    scene.say(names[0], "propose", terms)
    return Crowd(scene, asked, opened)


def _judge(scene: Scene, names: list[str]) -> None:
    for n, name in enumerate(names[:60]):
        is_flaw = n % 7 != 6
        reason = "" if is_flaw else f"{SCRIPT} because"
        event = "validate" if is_flaw else "invalidate"
        scene.say(name, "judge", {"event": event, "reason": reason})
        if n % 7 < 4:
            scene.say(name, "judge", {"event": "accept", "reason": ""})


def _agree(scene: Scene, names: list[str]) -> None:
    terms = scene.embargo("hub", names[0], days=20)
    for name in names[1:30]:
        scene.say(name, "accept", {"terms": terms})
    scene.say(names[31], "decline", {"terms": terms, "reason": f"{IMAGE} no"})


def _answer(scene: Scene, names: list[str], asked: Query) -> dict[str, bytes]:
    """What 30 of them tell of their targets, and the plaintext of what is sealed in it."""
    opened: dict[str, bytes] = {}
    for n, name in enumerate(names[:30]):
        scene.say(name, "progress", {"target": "m1", "event": "acknowledge"})
        if n < 22:
            scene.say(name, "progress", {"target": "m1", "event": "run"})
        if n < 16:
            verdict = [*Verdict][n % 3]
            body: Any = scene.answer(name, asked).event.body
            opened[body["object"]["id"]] = sealed_answer(scene[name], asked, verdict, scene.now)
    update = scene.object("update", "hub")
    opened[str(update["id"])] = write_update("mitigate", "guard in place")
    affected = names[[*Verdict].index(Verdict.AFFECTED)]
    scene.say(affected, "status", {"target": "m1", "object": update})
    told = find(scene.chain, opened).counts(asked.digest)
    scene.say("hub", "counts", {"query": asked.digest, **told.to_json()})
    return opened


def _publish(scene: Scene, names: list[str]) -> None:
    note = scene.object("note", "hub", names[0], "finder")
    scene.say("finder", "note", {"object": note, "about": None})
    draft = scene.object("draft", "hub", *names[:10])
    scene.say("hub", "draft", {"object": draft, "advisory": "d" * 64})
    scene.say(names[0], "approve", {"advisory": "d" * 64})
    dissent = {"advisory": "d" * 64, "text": f"Too early. {SCRIPT} {FORMULA}"}
    scene.say(names[5], "dissent", dissent)
    facts = {"facts": f"{SCRIPT} Stop the mail agent.", "told": [f"CSIRT {IMAGE}"]}
    scene.say(names[2], "emergency", facts)


@cache
def legal() -> Board:
    """Deadlines of which some are late, some run and some wait."""
    facts = read_facts(FACTS, load_rules(), where="facts.yaml")
    return evaluate(load_rules(), facts, crowd().now)
