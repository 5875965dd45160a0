"""From a page's dataclass to HTML: the environment of the templates and what all pages share.

Decides that every value is escaped, that a missing one is an error, and which headers a page
needs. No template marks foreign text as safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined

from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import UnknownName
from steelyard.server.web import addresses
from steelyard.server.web.moments import moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from importlib.resources.abc import Traversable


HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""What is sent with every page."""
CSRF_FIELD: Final = "csrf_token"
MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something was refused, as an error of the tree says it."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What all pages show beside their own content.

    Attributes:
        node: Name of the organization whose node this is.
        user: Who is signed in; empty for a visitor.
        csrf: Token that every form sends back as `csrf_token`.
        path: Path of this page.
        attention: How many things wait on the home page.
        notice: What was just done, in a sentence; empty for nothing.
        problem: Why what was just tried was refused.
        manages: Whether the reader manages accounts.
    """

    node: str
    now: datetime
    user: str = ""
    csrf: str = ""
    path: str = "/"
    attention: int = 0
    notice: str = ""
    problem: Problem | None = None
    manages: bool = False


@dataclass(frozen=True, slots=True)
class Navigation:
    """A link of the navigation."""

    label: str
    address: str
    is_current: bool
    count: int = 0


def render(name: str, page: object, context: Context) -> str:
    """A page as HTML.

    Args:
        name: Of the template, without its ending; docstrings of presenters name theirs.
        page: What the presenter returned.
        context: What all pages share.

    Raises:
        UnknownName: no such page.
    """
    return (
        _environment()
        .get_template(f"{name}.html")
        .render(
            page=page,
            context=context,
            navigation=_navigation(context),
            made=moment(context.now, context.now),
        )
    )


def static_file(name: str) -> tuple[bytes, str]:
    """A file that pages load, and its media type.

    Raises:
        UnknownName: there is none.
    """
    for entry in _folder("static").iterdir():
        if entry.name == name:
            return entry.read_bytes(), MEDIA_TYPES[f".{name.rpartition('.')[2]}"]
    raise UnknownName(f"no file {name[:60]!r}")


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_source),
    )
    names: dict[str, Any] = {
        "address": addresses,
        "csrf_name": CSRF_FIELD,
        "static": _static_address,
    }
    filters: dict[str, Any] = {"grouped": _grouped, "is_link": _is_link, "sentence": _sentence}
    environment.globals.update(names)
    environment.filters.update(filters)
    return environment


def _folder(name: str) -> Traversable:
    return files("steelyard.server.web") / name


def _source(name: str) -> str:
    entry = _folder("templates") / name
    if not entry.is_file():
        raise UnknownName(f"no page is called {name.removesuffix('.html')!r}")
    return entry.read_text("utf-8")


@cache
def _static_address(name: str) -> str:
    """Where a file of ours is loaded from; its content is part of the address."""
    content, _ = static_file(name)
    return f"{addresses.STATIC}/{name}?{sha256_hex(content)[:12]}"


def _grouped(text: str) -> str:
    """A long hexadecimal name in groups of four, as people compare it."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _sentence(text: str) -> str:
    """A text with a capital at its beginning, the rest as it is."""
    return text[:1].upper() + text[1:]


def _is_link(text: str) -> bool:
    """Whether an address may be followed from a page."""
    return text.startswith("https://")


def _navigation(context: Context) -> tuple[Navigation, ...]:
    public = [("Report a flaw", addresses.REPORT, 0), ("Advisories", addresses.ADVISORIES, 0)]
    own = [
        ("Today", addresses.HOME, context.attention),
        ("Cases", addresses.CASES, 0),
        ("Reports", addresses.REPORTS, 0),
        ("Deadlines", addresses.DEADLINES, 0),
        ("Outbox", addresses.OUTBOX, 0),
        ("Organizations", addresses.ORGANIZATIONS, 0),
        ("Advisories", addresses.ADVISORIES, 0),
    ]
    if context.manages:
        own.append(("Accounts", addresses.ACCOUNTS, 0))
    rows = own if context.user else public
    return tuple(
        Navigation(label, address, _is_within(context.path, address), count)
        for label, address, count in rows
    )


def _is_within(path: str, address: str) -> bool:
    return path == address or (address != "/" and path.startswith(f"{address}/"))
