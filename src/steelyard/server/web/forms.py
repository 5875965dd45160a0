"""Forms as data: what is asked, what may be chosen, where it is sent.

Decides the shape that every form on a page has, so that one template prints them all with
labels, hints and errors tied to their fields. What a form means is for whoever makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "line", "text", "choice", "choices", "radios", "instant", "file", "hidden", "password"
]


@dataclass(frozen=True, slots=True)
class Option:
    """Something that may be chosen."""

    value: str
    label: str
    hint: str = ""
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked.

    Attributes:
        kind: `instant` is day and hour in UTC, as `2026-12-24T12:00`; `choices` are check boxes,
            `radios` radio buttons, `choice` a list to open.
        limit: Most characters; 0 for no limit.
        error: Why what was filled in was refused; empty where it was not.
        complete: What a browser may fill in, as in the attribute `autocomplete`.
    """

    name: str
    label: str
    kind: Kind = "line"
    value: str = ""
    hint: str = ""
    required: bool = True
    limit: int = 0
    options: tuple[Option, ...] = ()
    error: str = ""
    complete: str = "off"


@dataclass(frozen=True, slots=True)
class Button:
    """A way to send a form; `name` and `value` are sent with it."""

    label: str
    name: str = ""
    value: str = ""
    is_plain: bool = False
    skips_checks: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form, or why there is none now.

    Attributes:
        id: Of the form on its page; prefixes the ids of its fields.
        explains: What follows from sending it.
        is_grave: Whether it cannot be taken back.
        refused: Why it cannot be sent now; empty where it can.
    """

    id: str
    title: str
    action: str
    fields: tuple[Field, ...] = ()
    buttons: tuple[Button, ...] = (Button("Send"),)
    explains: str = ""
    is_grave: bool = False
    refused: str = ""

    @property
    def has_files(self) -> bool:
        """Whether files are sent with it."""
        return any(field.kind == "file" for field in self.fields)

    @property
    def errors(self) -> tuple[Field, ...]:
        """Fields that were refused."""
        return tuple(field for field in self.fields if field.error)
