"""Reporting a flaw, a step at a time, without an account and without a name.

Decides the steps and their fields: the abstract first, which is all that is needed to say
whether a flaw is in scope; the rest when the reporter wants. Field names are those that
`intake.forms.read_plain` reads, with `target-1-name` and so on for the models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from steelyard.disclosure.intake.attachments import ATTACHMENT_LIMIT_BYTES
from steelyard.kernel.errors import UnknownName
from steelyard.server.desk.reports import MESSAGE_LIMIT
from steelyard.server.web import addresses
from steelyard.server.web.forms import Button, Field, Form, Option
from steelyard.server.web.moments import Moment, moment
from steelyard.server.web.words import TIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from steelyard.disclosure.intake.attachments import Attachment

STEPS: Final = ("abstract", "details", "models", "attachments", "hazard", "contact", "send")
"""Steps of the form in order, as in their addresses."""
MODELS_LIMIT: Final = 20
_TITLES: Final[Mapping[str, str]] = {
    "abstract": "Abstract",
    "details": "Details",
    "models": "Affected models",
    "attachments": "Attachments",
    "hazard": "Hazard",
    "contact": "Contact",
    "send": "Read and send",
}
_EXPLAINS: Final[Mapping[str, str]] = {
    "abstract": "Enough to say whether this is in scope. No working payload here.",
    "details": "Everything here can be left empty and added later.",
    "models": "Which models show it, and which you tried without success.",
    "attachments": "Text, PNG, JPEG, or a zip of them. Nothing that you send is run.",
    "hazard": "How dangerous what you send would be in other hands. It stays so after a fix.",
    "contact": "All of it is optional. Without it you follow the report by its private link.",
    "send": "This is what will be sent, sealed to those who handle reports here.",
}
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Saved:
    """What a reporter has filled in so far.

    Attributes:
        values: By field name.
        code: With which the report is resumed; empty before it was saved.
        at: When it was saved.
    """

    values: Mapping[str, str] = field(default_factory=dict[str, str])
    attachments: Sequence[Attachment] = ()
    code: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StepLink:
    """A step in the list of steps.

    Attributes:
        state: current, filled or empty.
    """

    title: str
    address: str
    state: str


@dataclass(frozen=True, slots=True)
class IntakePage:
    """Template `intake`.

    Attributes:
        review: Label and text of what was filled in, on the last step.
        attachments: Name, kind and size of each.
        removal: Form that takes an attachment back.
        policy: What the node's organization promises to reporters.
    """

    title: str
    step: str
    number: int
    steps: tuple[StepLink, ...]
    form: Form
    review: tuple[tuple[str, str, str], ...]
    attachments: tuple[tuple[str, str, str], ...]
    code: str
    saved: Moment | None
    policy: str
    resume: Form | None
    back: str


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """Template `receipt`: the report was taken."""

    title: str
    number: str
    digest: str
    received: Moment
    follow: str


@dataclass(frozen=True, slots=True)
class Message:
    """Something said about a report, by its reporter or by who handles it."""

    at: datetime
    is_own: bool
    text: str


@dataclass(frozen=True, slots=True)
class FollowPage:
    """Template `follow`: where a report stands, for who has its private link.

    Attributes:
        facts: Label and text of what its case says of state and deadlines; empty before a case.
        draft: Of the advisory, as text; empty for none.
    """

    title: str
    number: str
    received: Moment
    state: str
    messages: tuple[tuple[Moment, bool, str], ...]
    form: Form
    facts: tuple[tuple[str, str], ...] = ()
    draft: str = ""


def present(
    step: str,
    saved: Saved,
    now: datetime,
    errors: Mapping[str, str] = _NOTHING,
    policy: str = "",
    *,
    more_models: bool = False,
) -> IntakePage:
    """A step of the form for `intake.html`.

    Each form is sent to `addresses.intake(step)` with a button `go`: `next`, `stop` (save, and
    show the code), `more` (another row of models), `send` on the last step. The attachments
    step sends the file `attachment`; a button `remove` names the digest of one to take back.

    Args:
        step: One of `STEPS`.
        saved: What was filled in so far.
        now: The instant of the page.
        errors: Why a field was refused, by field name.
        policy: What the organization promises to reporters; its card's policy.
        more_models: Whether an empty row of models more was asked for.

    Raises:
        UnknownName: no such step.
    """
    if step not in STEPS:
        raise UnknownName(f"no step is called {step[:40]!r}", hint=f"known: {', '.join(STEPS)}")
    ask = _Asking(saved.values, errors)
    place = STEPS.index(step)
    fields = _models(ask, more=more_models) if step == "models" else _FIELDS[step](ask)
    return IntakePage(
        title=f"Report a flaw: {_TITLES[step]}",
        step=step,
        number=place + 1,
        steps=tuple(_link(name, step, saved) for name in STEPS),
        form=Form(
            step, _TITLES[step], addresses.intake(step), fields, _buttons(step), _EXPLAINS[step]
        ),
        review=_review(saved) if step == "send" else (),
        attachments=tuple(
            (item.name, f"{item.kind}, {item.size_bytes:,} bytes", item.sha256)
            for item in saved.attachments
        ),
        code=saved.code,
        saved=moment(saved.at, now) if saved.at else None,
        policy=policy,
        resume=resume_form() if step == STEPS[0] and not saved.code else None,
        back=addresses.intake(STEPS[place - 1]) if place else "",
    )


def resume_form(error: str = "") -> Form:
    """The form that takes a resume code and sends it as `code`."""
    code = Field("code", "Resume code", limit=80, error=error)
    return Form(
        "resume",
        "Go on with a saved report",
        addresses.RESUME,
        (code,),
        (Button("Resume", is_plain=True),),
    )


def present_receipt(
    number: str,
    digest: str,
    received: datetime,
    follow: str,
    now: datetime,
) -> ReceiptPage:
    """The receipt for `receipt.html`.

    Args:
        number: What the report is called here.
        digest: SHA-256 of the report as it was stored.
        received: When.
        follow: The private link, whole; shown once.
        now: The instant of the page.
    """
    return ReceiptPage("Your report was taken", number, digest, moment(received, now), follow)


def present_follow(
    number: str,
    received: datetime,
    state: str,
    messages: Sequence[Message],
    action: str,
    now: datetime,
) -> FollowPage:
    """Where a report stands, for `follow.html`; its form sends `text`.

    Args:
        number: What the report is called here.
        received: When it came.
        state: Where it stands, in a sentence.
        messages: What was said about it, in order.
        action: Where the form is sent: the private link's path.
        now: The instant of the page.
    """
    text = Field("text", "Add something", "text", limit=MESSAGE_LIMIT)
    return FollowPage(
        title=f"Report {number}",
        number=number,
        received=moment(received, now),
        state=state,
        messages=tuple((moment(item.at, now), item.is_own, item.text) for item in messages),
        form=Form("add", "Add to the report", action, (text,), (Button("Send"),)),
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    """Values and errors by field name."""

    values: Mapping[str, str]
    errors: Mapping[str, str]

    def line(
        self, name: str, label: str, hint: str = "", *, required: bool = False, limit: int = 512
    ) -> Field:
        """A field of one line."""
        return Field(name, label, "line", self.values.get(name, ""), hint, required, limit,
                     error=self.errors.get(name, ""))  # fmt: skip

    def text(
        self, name: str, label: str, hint: str = "", *, required: bool = False, limit: int = 50_000
    ) -> Field:
        """A field of several lines."""
        return Field(name, label, "text", self.values.get(name, ""), hint, required, limit,
                     error=self.errors.get(name, ""))  # fmt: skip


def _abstract(ask: _Asking) -> tuple[Field, ...]:
    return (
        ask.line("title", "Title", "What happens, in a line.", required=True, limit=200),
        ask.text("summary", "Abstract", "What a model does that it should not.",
                 required=True, limit=4000),
    )  # fmt: skip


def _details(ask: _Asking) -> tuple[Field, ...]:
    return (
        ask.text("description", "Description"),
        ask.text("reproduction", "How to reproduce it",
                 "How many tries, and how many of them showed it: a flaw of a model is a rate."),
        ask.text("impact", "What could be done with it"),
        ask.line("weaknesses", "Weakness", "CWE, if you know it, such as CWE-1427."),
        ask.text("references", "References", "One https address a line."),
    )  # fmt: skip


def _models(ask: _Asking, *, more: bool) -> tuple[Field, ...]:
    filled = [n for n in range(1, MODELS_LIMIT + 1) if ask.values.get(f"target-{n}-name")]
    rows = min(MODELS_LIMIT, max([*filled, 1]) + (1 if more else 0))
    fields: list[Field] = []
    for n in range(1, rows + 1):
        fields += [
            ask.line(f"target-{n}-name", f"Model {n}", "As its provider calls it."),
            ask.line(f"target-{n}-vendor", f"Provider of model {n}"),
            ask.line(f"target-{n}-version", f"Version or date of model {n}"),
            ask.line(f"target-{n}-identifiers", f"Identifiers of model {n}",
                     "Package URL, digest or address; with spaces between."),
        ]  # fmt: skip
    return tuple(fields)


def _attachments(ask: _Asking) -> tuple[Field, ...]:
    most = ATTACHMENT_LIMIT_BYTES // 1024 // 1024
    hint = f"At most {most} MiB. Told by its content, not by its name."
    return (Field("attachment", "Attachment", "file", hint=hint, required=False,
                  error=ask.errors.get("attachment", "")),)  # fmt: skip


def _hazard(ask: _Asking) -> tuple[Field, ...]:
    meanings = {
        "h1": "the participants of the case may read it",
        "h2": "only people that are named",
        "h3": "sealed: it may be run, and seen by nobody",
    }
    chosen = ask.values.get("hazard_tier", "h1")
    options = tuple(
        Option(name, TIERS[name], text, name == chosen) for name, text in meanings.items()
    )
    return (
        Field("hazard_tier", "Hazard tier", "radios", options=options,
              error=ask.errors.get("hazard_tier", "")),
        ask.line("sharing", "Who may be told", "And who must not be."),
    )  # fmt: skip


def _contact(ask: _Asking) -> tuple[Field, ...]:
    return (
        ask.line("contact", "Contact", "Any way to reach you; published nowhere."),
        ask.line("credits", "Credit", "The name to thank in the advisory; empty for none."),
    )


_FIELDS: Final[Mapping[str, Callable[[_Asking], tuple[Field, ...]]]] = {
    "abstract": _abstract,
    "details": _details,
    "attachments": _attachments,
    "hazard": _hazard,
    "contact": _contact,
    "send": lambda _ask: (),
}


def _buttons(step: str) -> tuple[Button, ...]:
    stop = Button("Save and stop", "go", "stop", is_plain=True, skips_checks=True)
    if step == "send":
        return (Button("Send the report", "go", "send"), stop)
    more = (Button("Another model", "go", "more", is_plain=True, skips_checks=True),)
    add = (Button("Attach another file", "go", "more", is_plain=True),)
    extra = {"models": more, "attachments": add}.get(step, ())
    return (Button("Save and continue", "go", "next"), *extra, stop)


def _link(name: str, current: str, saved: Saved) -> StepLink:
    filled = any(asked.value for asked in _named(name, saved)) or (
        name == "attachments" and bool(saved.attachments)
    )
    state = "current" if name == current else "filled" if filled else "empty"
    return StepLink(_TITLES[name], addresses.intake(name), state)


def _named(step: str, saved: Saved) -> tuple[Field, ...]:
    ask = _Asking(saved.values, _NOTHING)
    if step == "models":
        return _models(ask, more=False)
    found = _FIELDS[step](ask)
    chosen = saved.values.get("hazard_tier", "")
    tier = Field("hazard_tier", "Hazard tier", value=TIERS.get(chosen, ""))
    return tuple(tier if asked.name == "hazard_tier" else asked for asked in found)


def _review(saved: Saved) -> tuple[tuple[str, str, str], ...]:
    """What was filled in: label, text, and where to change it."""
    return tuple(
        (asked.label, asked.value, addresses.intake(step))
        for step in STEPS[:-1]
        for asked in _named(step, saved)
        if asked.value
    )
