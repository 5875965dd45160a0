"""Checks of a page's HTML that no browser complains about."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "input", "br", "use", "circle", "path", "rect", "img", "hr"})
LABELLED = frozenset({"select", "textarea"})
REFERENCES = ("aria-labelledby", "aria-describedby", "for")


@dataclass
class Element:
    """An element, its place and the text inside it."""

    tag: str
    attributes: dict[str, str]
    parents: tuple[Element, ...]
    text: str = ""

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(parent.tag for parent in self.parents)

    def within(self, tag: str) -> Element | None:
        """The nearest element of a kind around it."""
        return next((item for item in reversed(self.parents) if item.tag == tag), None)


@dataclass
class Reading(HTMLParser):
    """All elements of a page; `problems` has what is not closed in order."""

    elements: list[Element] = field(default_factory=list[Element])
    problems: list[str] = field(default_factory=list[str])
    _open: list[Element] = field(default_factory=list[Element])

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.problems.append(f"an attribute of <{tag}> stands twice")
        made = Element(tag, {name: value or "" for name, value in attrs}, tuple(self._open))
        self.elements.append(made)
        if tag not in VOID:
            self._open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open[-1].tag != tag:
            inside = self._open[-1].tag if self._open else "nothing"
            self.problems.append(f"</{tag}> closes <{inside}>")
        else:
            self._open.pop()

    def take_text(self, data: str) -> None:
        for element in self._open:
            element.text += data

    handle_data = take_text


def read(html: str) -> Reading:
    """A page, parsed."""
    reading = Reading()
    reading.feed(html)
    reading.close()
    reading.problems += [f"<{element.tag}> is not closed" for element in reading._open]
    return reading


def faults(html: str) -> list[str]:
    """What is wrong with a page for people who do not see it, or for a strict policy."""
    reading = read(html)
    return [
        *reading.problems,
        *_names(reading),
        *_headings(reading),
        *_landmarks(reading),
        *_tables(reading),
        *_controls(reading),
        *_policy(reading),
    ]


def _names(reading: Reading) -> list[str]:
    ids = [item.attributes["id"] for item in reading.elements if "id" in item.attributes]
    found = [f"id {name!r} stands twice" for name in {*ids} if ids.count(name) > 1]
    found += [f"id {name!r} holds a space" for name in ids if not name or " " in name]
    for item in reading.elements:
        for attribute in REFERENCES:
            missing = set(item.attributes.get(attribute, "").split()) - set(ids)
            found += [f"{attribute} names no element: {name}" for name in missing]
        target = item.attributes.get("href", "")
        if target.startswith("#") and target[1:] not in ids:
            found.append(f"a link leads to no element: {target}")
    return found


def _headings(reading: Reading) -> list[str]:
    levels = [int(i.tag[1]) for i in reading.elements if i.tag in {"h1", "h2", "h3", "h4"}]
    found = [] if levels.count(1) == 1 else [f"{levels.count(1)} headings of level 1"]
    before = 0
    for level in levels:
        if level > before + 1:
            found.append(f"a heading of level {level} after one of level {before}")
        before = level
    return found


def _landmarks(reading: Reading) -> list[str]:
    count = {
        tag: sum(i.tag == tag for i in reading.elements) for tag in ("main", "footer", "title")
    }
    found = [f"{number} <{tag}>" for tag, number in count.items() if number != 1]
    navigations = [i.attributes.get("aria-label", "") for i in reading.elements if i.tag == "nav"]
    if "" in navigations or len(set(navigations)) != len(navigations):
        found.append(f"navigations without names of their own: {navigations}")
    first = next(i for i in reading.elements if i.tag == "a")
    if first.attributes.get("href") != "#content":
        found.append("the first link does not skip to the content")
    language = reading.elements[0].attributes.get("lang")
    return found if language else [*found, "no language"]


def _tables(reading: Reading) -> list[str]:
    found: list[str] = []
    for table in (item for item in reading.elements if item.tag == "table"):
        inside = [item for item in reading.elements if item.within("table") is table]
        if not any(item.tag == "caption" for item in inside):
            found.append("a table without caption")
        found += [
            f"a head without scope: {i.text}"
            for i in inside
            if i.tag == "th" and "scope" not in i.attributes
        ]
        columns = sum(item.tag == "th" and "thead" in item.path for item in inside)
        for row in (item for item in inside if item.tag == "tr" and "tbody" in item.path):
            cells = [i for i in inside if i.within("tr") is row and i.tag in {"td", "th"}]
            wide = sum(int(cell.attributes.get("colspan", "1")) for cell in cells)
            if wide != columns:
                found.append(f"a row of {wide} cells under {columns} heads")
    return found


def _controls(reading: Reading) -> list[str]:
    labels = {
        i.attributes.get("for") for i in reading.elements if i.tag == "label" and i.text.strip()
    }
    found: list[str] = []
    for item in reading.elements:
        kind = item.attributes.get("type", "text")
        asks = item.tag in LABELLED or (item.tag == "input" and kind not in {"hidden", "submit"})
        if asks and item.attributes.get("id") not in labels:
            found.append(f"<{item.tag}> {item.attributes.get('name')} without label")
        if item.tag in {"a", "button", "summary", "legend"} and not item.text.strip():
            found.append(f"<{item.tag}> without text")
        if item.tag == "fieldset" and not any(
            i.tag == "legend" and i.within("fieldset") is item for i in reading.elements
        ):
            found.append("a group of choices without legend")
        if item.tag == "form" and item.attributes.get("method") == "post":
            found += _token(reading, item)
        if item.within("a") and item.tag in {"a", "button"}:
            found.append("a link in a link")
    return found


def _token(reading: Reading, form: Element) -> list[str]:
    inside = [i for i in reading.elements if i.within("form") is form and i.tag == "input"]
    tokens = [i for i in inside if i.attributes.get("name") == "csrf_token"]
    good = len(tokens) == 1 and tokens[0].attributes["value"]
    return [] if good else [f"{len(tokens)} tokens in the form to {form.attributes.get('action')}"]


def _policy(reading: Reading) -> list[str]:
    found: list[str] = []
    for item in reading.elements:
        found += [
            f"attribute {n} of <{item.tag}>"
            for n in item.attributes
            if n == "style" or n.startswith("on")
        ]
        source = item.attributes.get("src", item.attributes.get("href", ""))
        if item.tag == "style" or (item.tag == "script" and not source.startswith("/static/")):
            found.append(f"<{item.tag}> {source}")
        if source and not source.startswith(("/", "#", "https://")):
            found.append(f"an address that may do anything: {source[:40]}")
        if item.tag in {"img", "b", "i", "iframe", "object", "embed", "base"}:
            found.append(f"<{item.tag}> is no element of ours")
    return found
