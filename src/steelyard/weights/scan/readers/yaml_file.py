"""YAML configurations: tags and targets that make a loader call what they name.

Searched as text: a parser of full YAML is what such a file attacks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from steelyard.weights.scan.configs import CONFIG_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from steelyard.weights.scan.finding import Finding
    from steelyard.weights.scan.part import Part

_TAG: Final = re.compile(rb"!!python/[\w./:]{0,80}|tag:yaml\.org,2002:python/[\w./:]{0,80}")
_TARGET: Final = re.compile(rb"_target_[\"']?\s{0,8}:\s{0,8}[\"']?([\w.]{1,200})")
_PLAIN_TARGETS: Final = (b"nemo.collections.", b"nemo.core.", b"torch.nn.", b"torch.optim.")


def read_yaml(part: Part) -> Iterator[Finding]:
    """Findings about one file."""
    if part.source.size > CONFIG_LIMIT_BYTES:
        yield part.finding("header-limit", f"YAML of {part.source.size} bytes is not searched")
        return
    data = part.source.read(0, part.source.size)
    if tag := _TAG.search(data):
        yield part.finding("config-code", f"the tag {tag.group().decode()}", tag.start())
    for target in _TARGET.finditer(data):
        if not target[1].startswith(_PLAIN_TARGETS):
            text = f"the target {target[1].decode('utf-8', 'replace')[:80]}"
            yield part.finding("config-code", text, target.start())
