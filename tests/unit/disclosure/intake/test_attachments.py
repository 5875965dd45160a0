from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.disclosure.intake import inspect_attachment
from steelyard.kernel.errors import CannotVerify, MalformedEvidence, UnsafeArchive


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(*extra: bytes) -> bytes:
    """A picture of one white pixel."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\x00\xff\xff\xff"))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + pixels + chunk(b"IEND", b"")


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = 8) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data, method)
    return buffer.getvalue()


def link() -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("a")
    member.external_attr = 0o120777 << 16
    return member


def spliced(part: bytes, place: int, *, before: bytes = b"PK\x01\x02") -> bytes:
    """A zip of two members with bytes between a record and the one before it."""
    data = zipped(("a", b"x"), ("b", b"y"))
    found = [n for n in range(len(data)) if data.startswith(before, n)][place]
    grown = bytearray(data[:found] + part + data[found:])
    offsets = [n for n in range(len(grown)) if grown.startswith(b"PK\x01\x02", n)]
    for offset in offsets:
        (start,) = struct.unpack("<L", grown[offset + 42 : offset + 46])
        grown[offset + 42 : offset + 46] = struct.pack("<L", start + len(part) * (start >= found))
    grown[-6:-2] = struct.pack("<L", offsets[0])
    return bytes(grown)


def folder(name: str, data: bytes, mode: int = 0o40755) -> bytes:
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    return zipped((member, data), method=0)


def described(**fields: bytes) -> bytes:
    member = zipfile.ZipInfo("a")
    for name, value in fields.items():
        setattr(member, name, value)
    return zipped((member, b"x"))


def misnamed() -> bytes:
    """A name that says it is UTF-8 and is not."""
    return zipped(("\u00e9", b"x")).replace("\u00e9".encode(), b"\xff\xfe")


def streamed() -> bytes:
    """Members whose sizes follow them, as a writer leaves them that cannot go back."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", 8) as archive:
        archive.writestr("a.txt", b"x" * 40)
        archive.writestr("b.txt", b"y")
    return pipe.getvalue()


TAR = b"a.txt".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0")
SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
PHOTO = b"\xff\xd8\xff\xfe\x00\x04\xff\xd9" + SCAN + b"ab\xff\x00\xff\xd0cd\xff\xff\xd9"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"


@pytest.mark.parametrize(
    ("name", "data", "kind", "members"),
    [
        ("notes.md", b"# Notes\n\tx = 1 < 2\n", "text", ()),
        ("run.sh", b"#!/bin/sh\necho harmless\n", "text", ()),
        ("page.html", b"<html><script>x</script></html>", "text", ()),
        ("pixel.png", png(), "png", ()),
        ("photo.jpeg", JPEG, "jpeg", ()),
        ("scan.jpeg", PHOTO, "jpeg", ()),
        ("stream.zip", streamed(), "zip", ("a.txt", "b.txt")),
        ("tree.zip", folder("d/", b""), "zip", ("d/",)),
        ("logs.zip", zipped(("a/b.txt", b"x"), ("c.txt", b"y")), "zip", ("a/b.txt", "c.txt")),
    ],
)
def test_an_attachment_is_told_by_its_bytes(
    name: str, data: bytes, kind: str, members: tuple[str, ...]
) -> None:
    seen = inspect_attachment(name, data)
    assert (seen.name, seen.kind, seen.size_bytes, seen.members) == (
        name, kind, len(data), members,
    )  # fmt: skip


def test_a_name_is_shown_cleaned_and_is_no_path() -> None:
    assert inspect_attachment("../\x1b[2J\u202etxt.exe\n", b"x").name == "../[2Jtxt.exe"
    assert inspect_attachment("\u200b", b"x").name == "attachment"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes; an attachment has 1 to 10,485,760"),
        (b"x" * 10_485_761, "10,485,761 bytes; an attachment has 1 to 10,485,760"),
        (png() + b"PK\x03\x04", "4 bytes after the end of the png"),
        (JPEG + zipped(("a", b"x")), "103 bytes after the end of the jpeg"),
        (JPEG + b"<?php hidden" + b"\xff\xd9", "14 bytes after the end of the jpeg"),
        (PHOTO + b"x\xff\xd9", "3 bytes after the end of the jpeg"),
        (PHOTO[:-2], "the JPEG is cut or its segments are wrong"),
        (JPEG[:-2], "the JPEG is cut or its segments are wrong"),
        (png(chunk(b"tEXt", b"x\x00%PDF-1.7")), "a png that is also PDF"),
        (png(chunk(b"tEXt", b"x\x00<ScRiPt>")), "a png that is also <script"),
        (png()[:-4] + b"abcd", "the PNG is cut or its checksums are wrong"),
        (b"%PDF-1.7\n", "a file of kind PDF is not taken"),
        (b"\x7fELF\x02", "a file of kind ELF is not taken"),
        (b"\x1f\x8b\x08\x00", "a file of kind gzip is not taken"),
        (b"text\n%PDF-1.7\n", "a text that is also PDF"),
        (b"\xff\xfe\x00", "neither UTF-8 text, PNG, JPEG nor zip"),
        (b"a\x00b", "text with control characters"),
        (b"\x1b[2J", "text with control characters"),
    ],
)
def test_two_kinds_at_once_and_other_kinds_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        inspect_attachment("a", data)
    assert caught.value.message == message


def bomb() -> bytes:
    return zipped(("zeros", bytes(8 * 1024 * 1024)))


def many() -> bytes:
    # Each member stays under the ratio, all together are too large.
    part = b"".join(struct.pack(">I", number * 2654435761 % 2**32) for number in range(4096)) * 24
    return zipped(*((f"m{number}", part) for number in range(180)))


def encrypted() -> bytes:
    data = bytearray(zipped(("a", b"x")))
    data[6] |= 1
    central = data.find(b"PK\x01\x02")
    data[central + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bomb, "member 'zeros' unpacks to too much"),
        (many, "member 'm170' unpacks to too much"),
        (lambda: zipped(("a.zip", zipped(("b", b"x")))), ("member 'a.zip' is an archive or a"
         " program")),
        (lambda: zipped(("../a", b"x")), "member name '../a' is no plain relative path"),
        (lambda: zipped(("/a", b"x")), "member name '/a' is no plain relative path"),
        (lambda: zipped(("c:\\a", b"x")), "member name 'c:\\\\a' is no plain relative path"),
        (lambda: zipped(("a\x1b[2J", b"x")), "member name 'a\\x1b[2J' is no plain relative path"),
        (lambda: zipped((link(), b"/etc/passwd")), "member 'a' is no regular file"),
        (encrypted, "member 'a' is encrypted"),
        (lambda: zipped(("a", b"x"), method=14), "member 'a' is packed by an unusual method"),
        (lambda: zipped(*((f"m{n}", b"") for n in range(1001))), ("1,001 members, and at most 1,000"
         " are taken")),
        (lambda: zipped(("a", b"x")) + b"tail", "bytes before, after or beside the zip"),
        (lambda: spliced(b"hidden", 0), "bytes before, after or beside the zip"),
        (lambda: spliced(b"hidden", 1, before=b"PK\x03\x04"),
         "bytes before, after or beside the zip"),
        (lambda: spliced(b"PK hidden", 0, before=b"PK\x03\x04"),
         "bytes before, after or beside the zip"),
        (lambda: described(comment=b"hidden"), "bytes before, after or beside the zip"),
        (lambda: described(extra=struct.pack("<HH", 0x9999, 90) + bytes(90)),
         "member 'a' has 94 extra bytes"),
        (lambda: folder("d/", b"hidden"), "folder 'd/' has content"),
        (lambda: folder("d", b""), "member 'd' is no regular file"),
        (lambda: folder("d/", b"", 0o100644), "member 'd/' is no regular file"),
        (lambda: zipped(("a.txt", b"MZ\x90\x00")), "member 'a.txt' is an archive or a program"),
        (lambda: zipped(("a.txt", TAR)), "member 'a.txt' is an archive or a program"),
        (misnamed, ("no zip that can be read: 'utf-8' codec can't decode byte 0xff in position 0:"
         " invalid start byte")),
        (lambda: b"PK\x03\x04 no zip", "no zip that can be read: File is not a zip file"),
    ],
)  # fmt: skip
def test_a_zip_that_is_dangerous_to_open_is_refused(
    make: Callable[[], bytes], message: str
) -> None:
    with pytest.raises(UnsafeArchive) as caught:
        inspect_attachment("a.zip", make())
    assert caught.value.message == message


def test_equal_names_in_a_zip_are_refused() -> None:
    data = zipped(("a", b"x"), ("b", b"y")).replace(b"b", b"a")
    with pytest.raises(UnsafeArchive) as caught:
        inspect_attachment("a.zip", data)
    assert caught.value.message == "two members have the same name"


@settings(max_examples=300)
@given(
    st.sampled_from([png(), JPEG, zipped(("a.txt", b"text" * 50), ("b.txt", b"y"))]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 30),
)
def test_a_damaged_file_is_taken_or_refused_in_our_words(
    data: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(data[: max(1, len(data) - cut)])
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        seen = inspect_attachment("a", bytes(damaged))
    except CannotVerify as error:
        assert error.message  # noqa: PT017 - both outcomes are right, neither is another error
    else:
        assert seen.kind in {"text", "png", "jpeg", "zip"}
