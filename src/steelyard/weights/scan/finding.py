"""What a scan says about a file: a rule, a place, and a sentence.

An error blocks. What could not be scanned is told apart from both good and bad: a scan that
does not know is not a clean one. The rules themselves are `rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steelyard.weights.scan.rules import RULES, Rule, Severity


def printable(text: str) -> str:
    """The text with line feeds, controls and lone surrogates escaped: names are the attacker's."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        code: A key of `RULES`.
        file: Name of the file in the model.
        member: Names inside archives, `!` between; empty for the file itself.
        offset: Position in the file or member; None where there is no one place.
        text: What was found, one sentence.
    """

    code: str
    file: str
    member: str
    offset: int | None
    text: str

    @property
    def rule(self) -> Rule:
        """The rule that it follows from."""
        return RULES[self.code]

    @property
    def blocks(self) -> bool:
        """Whether it is an error."""
        return self.rule.severity is Severity.ERROR

    @property
    def place(self) -> str:
        """File, member and offset for people."""
        name = f"{self.file}!{self.member}" if self.member else self.file
        return name if self.offset is None else f"{name} at {self.offset}"

    def to_json(self) -> dict[str, Any]:
        """As `spec/weights-scan.schema.json` writes it."""
        return {
            "code": self.code,
            "severity": self.rule.severity.value,
            "unscanned": self.rule.unscanned,
            "file": self.file,
            "member": self.member,
            "offset": self.offset,
            "text": self.text,
            "hint": self.rule.hint,
        }
