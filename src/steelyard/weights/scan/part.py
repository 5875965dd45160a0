"""A thing to scan: a file of the model, or something found inside one."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from steelyard.kernel.errors import UnsafeArchive
from steelyard.weights.scan.finding import Finding, printable

if TYPE_CHECKING:
    from steelyard.weights.scan.source import Source

DEPTH_LIMIT: Final = 8
MEMBER_LIMIT: Final = 200_000
EXPANDED_LIMIT_BYTES: Final = 1 << 32
OPCODE_LIMIT: Final = 4_000_000
"""A few seconds. A state dict of 100,000 tensors has about as many."""


class Allowance:
    """What scanning one file may still cost: members opened, bytes expanded, opcodes followed."""

    def __init__(self) -> None:
        self.members = MEMBER_LIMIT
        self.expanded_bytes = EXPANDED_LIMIT_BYTES
        self.opcodes = self.opcode_limit = OPCODE_LIMIT
        self.files = ExitStack()
        """Temporary files of what was expanded; whoever made the allowance closes it."""

    def keep(self, file: IO[bytes]) -> IO[bytes]:
        """The file, closed with the others."""
        return self.files.enter_context(file)

    def open_member(self, depth: int) -> None:
        """Account for one member.

        Raises:
            UnsafeArchive: too many, or nested too deep.
        """
        self.members -= 1
        if self.members < 0:
            raise UnsafeArchive(f"more than {MEMBER_LIMIT} members")
        if depth > DEPTH_LIMIT:
            raise UnsafeArchive(f"archives are nested deeper than {DEPTH_LIMIT}")

    def expand(self, length: int) -> None:
        """Account for bytes that decompression gave.

        Raises:
            UnsafeArchive: too many.
        """
        self.expanded_bytes -= length
        if self.expanded_bytes < 0:
            raise UnsafeArchive(f"expands to more than {EXPANDED_LIMIT_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class Part:
    """Something to scan.

    Attributes:
        source: Its bytes.
        file: Name of the file in the model.
        allowance: Shared by everything inside one file.
        members: Names inside archives, outermost first.
        raw: Loaders take it for numbers: storage of a tensor.
    """

    source: Source
    file: str
    allowance: Allowance
    members: tuple[str, ...] = ()
    raw: bool = False

    @property
    def name(self) -> str:
        """Name of the innermost file or member."""
        return self.members[-1] if self.members else self.file

    def inside(self, name: str, source: Source, *, raw: bool = False) -> Part:
        """A member of this part.

        Raises:
            UnsafeArchive: the allowance is used up.
        """
        self.allowance.open_member(len(self.members) + 1)
        return Part(source, self.file, self.allowance, (*self.members, name), raw)

    def finding(self, code: str, text: str, offset: int | None = None) -> Finding:
        """A finding at this part."""
        member = printable("!".join(self.members))
        return Finding(code, self.file, member, offset, printable(text))
