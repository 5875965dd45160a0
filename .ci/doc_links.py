"""Checks that every relative link and every repository path in the documents leads somewhere.

Markdown files at the root, in spec/ and in docs/. Addresses on the network are
left alone: a check must not depend on one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
QUOTED_PATH = re.compile(r"`((?:spec|docs|bench|tests|src|requirements)/[\w./-]+)`")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)


def documents(root: Path) -> list[Path]:
    """The Markdown files that readers see."""
    return sorted([*root.glob("*.md"), *root.glob("spec/**/*.md"), *root.glob("docs/**/*.md")])


def anchors(text: str) -> set[str]:
    """Fragments that the headings of a Markdown text define."""
    headings = HEADING.findall(FENCE.sub("", text))
    plain = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def broken(root: Path, document: Path) -> Iterator[str]:
    """Descriptions of the links in `document` that lead nowhere."""
    text = FENCE.sub("", document.read_text("utf-8"))
    name = document.relative_to(root)
    for target in LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, fragment = target.partition("#")
        other = document.parent / path if path else document
        if not other.exists():
            yield f"{name}: {target} does not exist"
        elif fragment and fragment not in anchors(other.read_text("utf-8")):
            yield f"{name}: {target} has no such heading"
    for path in QUOTED_PATH.findall(text):
        if not (root / path).exists():
            yield f"{name}: `{path}` does not exist"


def main() -> int:
    """Check the checkout this script lies in."""
    found = [line for document in documents(ROOT) for line in broken(ROOT, document)]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
