from __future__ import annotations

import io
import runpy
import zipfile
from pathlib import Path

import pytest

from steelyard.kernel.errors import UnsafeArchive
from steelyard.passport.archive import (
    ARCHIVE_LIMIT_BYTES,
    MATRIX,
    REQUIRED_MEMBERS,
    read_archive,
    write_archive,
)

BUILD = runpy.run_path(str(Path(__file__).parents[3] / "spec/vectors/passport/build.py"))
HINT = "do not unpack it; ask the issuer for the original file"
MEMBERS = {name: name.encode() * 9 for name in REQUIRED_MEMBERS}


def test_members_come_back() -> None:
    assert read_archive(write_archive(MEMBERS)) == MEMBERS


def test_an_archive_is_fixed_byte_by_byte() -> None:
    backwards = dict(sorted(MEMBERS.items(), reverse=True))
    data = write_archive(backwards)
    assert data == write_archive(MEMBERS)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        assert archive.testzip() is None
    assert [info.filename for info in infos] == sorted(MEMBERS)
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.external_attr >> 16 for info in infos} == {0o100644}
    assert {info.compress_type for info in infos} == {zipfile.ZIP_DEFLATED}


def test_an_incomplete_archive_is_not_even_written() -> None:
    members = {name: data for name, data in MEMBERS.items() if name != MATRIX}
    with pytest.raises(UnsafeArchive) as caught:
        write_archive(members)
    assert caught.value.message == "members are missing: evidence/matrix.json"
    assert (caught.value.where, caught.value.hint) == ("archive", HINT)


def test_a_huge_file_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(UnsafeArchive) as caught:
        read_archive(bytes(ARCHIVE_LIMIT_BYTES + 1))
    assert caught.value.message == "the archive has 50331649 bytes, the limit is 50331648"


def test_no_single_changed_byte_changes_a_member() -> None:
    data = write_archive(MEMBERS)
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :]
        try:
            members = read_archive(changed)
        except UnsafeArchive:
            continue
        assert members == MEMBERS, position


def test_no_truncation_is_accepted() -> None:
    data = write_archive(MEMBERS)
    for length in range(len(data)):
        with pytest.raises(UnsafeArchive):
            read_archive(data[:length])


def test_names_in_messages_are_printable() -> None:
    data = BUILD["zipped"]([*MEMBERS.items(), ("a\x1b[31m", b"x")])
    with pytest.raises(UnsafeArchive) as caught:
        read_archive(data)
    assert str(caught.value) == "a\\x1b[31m: has no place in a passport"
