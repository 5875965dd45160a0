"""Whatever is done to a passport's bytes, nothing unsigned is believed."""

from __future__ import annotations

import runpy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from steelyard.kernel.errors import UnsafeArchive
from steelyard.passport import verify_passport
from steelyard.passport.archive import read_archive

AT = datetime(2026, 3, 10, tzinfo=UTC)


@cache
def _build() -> dict[str, Any]:
    return runpy.run_path(str(Path(__file__).parents[2] / "spec/vectors/passport/build.py"))


@cache
def _honest() -> bytes:
    return _build()["VECTORS"]["honest"]()


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_cleanly(data: bytes) -> None:
    try:
        read_archive(data)
    except UnsafeArchive:
        return
    raise AssertionError(data)


@given(st.data())
def test_a_damaged_passport_never_gives_another_classification(data: st.DataObject) -> None:
    honest = _honest()
    pinned = frozenset({_build()["HONEST"].public_key.key_id})
    expected = verify_passport(honest, at=AT, trusted=pinned).classification
    position = data.draw(st.integers(0, len(honest) - 1))
    cut = data.draw(st.integers(0, 3))
    patch = data.draw(st.binary(max_size=4))
    changed = honest[:position] + patch + honest[position + cut :]
    verification = verify_passport(changed, at=AT, trusted=pinned)
    assert verification.exit_status in (0, 3)
    assert verification.classification in (None, expected)


@given(st.data())
def test_an_edited_member_is_never_believed(data: st.DataObject) -> None:
    """The forger may even rewrite the index; only signatures and digests stand against it."""
    build = _build()
    members = build["Draft"]().members()
    name = data.draw(st.sampled_from(sorted(set(members) - {"passport.json"})))
    content = members[name]
    position = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != content[position]))
    edited = content[:position] + bytes([byte]) + content[position + 1 :]
    forged = build["with_member"](name, edited)
    verification = verify_passport(forged, at=AT)
    assert verification.exit_status == 3
    assert verification.classification is None
