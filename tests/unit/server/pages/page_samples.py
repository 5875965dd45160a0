"""Every page of the node, made of real objects and hostile texts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

from tests.unit.disclosure.advisory.samples import advisory
from tests.unit.disclosure.case.cast import DAY, Player

from steelyard.disclosure.case.findings import find
from steelyard.disclosure.delivery.outbox import Destination, Outgoing
from steelyard.disclosure.intake.attachments import Attachment
from steelyard.server.storage.cases import CaseRow
from steelyard.server.web.pages import (
    Context,
    acts,
    advisories,
    affectedness,
    board,
    deadlines,
    directory,
    embargo,
    home,
    intake,
    outbox,
    payloads,
    problem,
    publication,
    render,
    sign_in,
    timeline,
)
from steelyard.server.web.pages.cases.head import naming
from steelyard.server.web.pages.cases.publication import shown_dissent

from .case_samples import FALSE_NAME, HEBREW, HOSTILE, IMAGE, OVERRIDE, SCRIPT, crowd, legal

Shown = tuple[str, object, Context]


def context(path: str = "/", **changes: object) -> Context:
    """What all pages share, for somebody who is signed in."""
    made = Context(
        node=f"Hub {HEBREW}",
        now=crowd().now,
        user=f"ana {SCRIPT}",
        csrf="t0ken",
        path=path,
        attention=7,
    )
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]


def public(path: str) -> Context:
    """What all pages share, for a visitor."""
    return context(path, user="", attention=0)


def deliveries() -> tuple[tuple[Outgoing, ...], dict[str, Destination], dict[str, str]]:
    """Parcels on their way to three destinations, what is remembered of those, and all names."""
    scene, now = crowd().scene, crowd().now
    names = {player.id: player.name for player in scene.players.values()}
    first, second, third, *_ = names
    reason = f"the receiver cannot be reached (unreachable), attempt 4 {OVERRIDE}"
    refused = f"refused {SCRIPT} (404), attempt 8"

    def parcel(n: int, to: str, **more: object) -> Outgoing:
        made = Outgoing(f"{n:064x}", to, now - timedelta(hours=n), now + timedelta(minutes=n))
        return replace(made, **more)  # pyright: ignore[reportArgumentType]

    rows = (
        *(parcel(n, second, attempts=n, reason=reason) for n in range(1, 5)),
        parcel(9, first),
        parcel(30, third, state="dead", attempts=8, reason=refused),
    )
    unknown = "org:" + "9" * 64
    known = {
        second: Destination(second, 4, now + timedelta(hours=1)),
        unknown: Destination(unknown),
    }
    return rows, known, names


@cache
def pages() -> dict[str, Shown]:
    """Every page by a name of its own: template, dataclass, context."""
    return {**_own(), **_case(), **_acts(), **_public(), **_intake()}


@cache
def rendered() -> dict[str, str]:
    """Every page as HTML, by the name that `pages` gives it."""
    return {name: render(*parts) for name, parts in pages().items()}


def _own() -> dict[str, Shown]:
    scene, now, view = crowd().scene, crowd().now, crowd().scene.view
    hub, quiet, vendor = (scene[name].id for name in ("hub", "Vendor 100", SCRIPT))
    rows, known, names = deliveries()
    boards = {view.case: legal()}
    received = [home.Received("R-7", HOSTILE, now - DAY)]
    broken = [CaseRow("b" * 64, HOSTILE, hub, 1, "c" * 64, now - DAY, now - DAY)]
    held = home.Held([view], boards, rows, received, refused=2, unverified=broken)
    cards = [player.card for player in scene.players.values()]
    refused = [outbox.Refused("e" * 64, vendor, now, HOSTILE)]
    one = directory.present_one(scene[FALSE_NAME].card, cards, hub, now)
    return {
        "home": ("home", home.present(held, hub, now), context("/")),
        "home vendor": ("home", home.present(home.Held([view], boards), quiet, now), context("/")),
        "cases": ("cases", home.present_cases([view], hub, now, broken), context("/cases")),
        "deadlines": (
            "deadlines",
            deadlines.present(boards, now, unverified=broken),
            context("/deadlines"),
        ),
        "outbox": (
            "outbox",
            outbox.present(rows, known, names, now, refused),
            context("/outbox"),
        ),
        "directory": (
            "directory",
            directory.present(cards, hub, now, [vendor]),
            context("/organizations"),
        ),
        "organization": ("organization", one, context("/organizations/x")),
        "problem": ("problem", problem.present(409, HOSTILE, HOSTILE), context("/x")),
    }


def _case() -> dict[str, Shown]:
    made, scene, now, view = crowd(), crowd().scene, crowd().now, crowd().scene.view
    hub, vendor, finder = (scene[name].id for name in ("hub", SCRIPT, "finder"))
    here = context(f"/cases/{view.case}")
    texts = {name: HOSTILE for name, item in view.payloads.items() if item.author == finder}
    asked = board.Asked(text=IMAGE, sort="-name", live="1")
    legal_page = deadlines.present({view.case: legal()}, now, case=(view, hub))
    found = {
        "board": board.present(view, hub, now),
        "board filtered": board.present(view, vendor, now, asked, [f"fork {SCRIPT}"]),
        "timeline": timeline.present(scene.chain, hub, now, texts=texts),
        "embargo": embargo.present(view, vendor, now),
        "affectedness": affectedness.present(view, hub, now, find(scene.chain, made.opened)),
        "affectedness vendor": affectedness.present(view, vendor, now, find(scene.chain, {})),
        "publication": publication.present(view, vendor, now, HOSTILE),
        "payloads": payloads.present(view, hub, now),
        "acts": acts.present_all(view, vendor, now),
        "deadlines of a case": legal_page,
    }
    return {name: (name.split()[0], page, here) for name, page in found.items()}


def _acts() -> dict[str, Shown]:
    scene, now = crowd().scene, crowd().now
    view, here = scene.view, context(f"/cases/{scene.view.case}")
    hub, vendor = scene["hub"].id, scene[SCRIPT].id
    cards = [Player("Outsider", ("observer",)).card, scene[SCRIPT].card]
    kinds = [kind for _, group in acts.GROUPS for kind in group]
    filled = {"text": [HOSTILE], "reason": [HOSTILE]}
    return {
        f"act {kind}": (
            "act",
            acts.present_one(
                view,
                hub if kind in {"query", "draft", "invite"} else vendor,
                kind,
                now,
                filled,
                cards,
            ),
            here,
        )
        for kind in kinds
    }


def _public() -> dict[str, Shown]:
    now, view = crowd().now, crowd().scene.view
    paper = replace(advisory(), title=f"Title {SCRIPT}", summary=HOSTILE)
    dissents = [shown_dissent(naming(view), item) for item in view.publication.dissents]
    files = [("CSAF 2.0", "/advisories/x.json")]
    item = advisories.Published("EX-SA-2026-0001", paper, dissents, files)
    elsewhere = [(HOSTILE, "/sign-in/provider")]
    entrance = sign_in.present("https://node.example", "c" * 64, "/cases", HOSTILE, elsewhere)
    return {
        "sign in": ("sign_in", entrance, public("/sign-in")),
        "advisories": ("advisories", advisories.present([item], now), public("/advisories")),
        "advisory": ("advisory", advisories.present_one(item, now), public("/advisories/x")),
    }


def _intake() -> dict[str, Shown]:
    now, here = crowd().now, public("/report")
    values = {"title": HOSTILE, "summary": HOSTILE, "hazard_tier": "h2"}
    values |= {f"target-{n}-name": HOSTILE for n in (1, 2)}
    attached = [Attachment(HOSTILE, "png", 2048, "ab" * 32)]
    saved = intake.Saved(values, attached, "KX7P-Q2M4-9RTD", now - DAY)
    errors = {"title": f"too long {SCRIPT}"}
    link = "https://node.example/report/follow/k3y"
    said = [intake.Message(now, is_own=False, text=HOSTILE)]
    follow = intake.present_follow("R-8", now - DAY, "In scope.", said, "/report/follow/k3y", now)
    receipt = intake.present_receipt("R-8", "ab" * 32, now, link, now)
    steps = {
        step: intake.present(step, saved, now, errors, HOSTILE, more_models=True)
        for step in intake.STEPS
    }
    return {
        "receipt": ("receipt", receipt, here),
        "follow": ("follow", follow, here),
        "intake begun": ("intake", intake.present("abstract", intake.Saved(), now), here),
        **{f"intake {step}": ("intake", page, here) for step, page in steps.items()},
    }
