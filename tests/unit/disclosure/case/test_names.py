"""Names that look alike, and the mapping that grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.disclosure.case.growing import Grown
from steelyard.disclosure.case.organization import look_alike_names, look_alikes


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Mistral", "mistral"),
        ("Mistral", "\u039cistral"),
        ("Mistral", "Mistr\u0430l"),
        ("YouLab", "\u03a5ouLab"),
        ("HELIOS", "\u0397\u0395LI\u039fS"),
        ("OpenLab", "0penLab"),
        ("OpenLab", "Open Lab"),
        ("OpenLab", "Open-Lab."),
        ("Anthill", "Anth\u0131ll"),
        ("Anthill", "Anthi11"),
        ("modern", "modem"),
        ("vvise", "wise"),
        ("Caf\u00e9", "Cafe"),
        ("Lab", "\uff2c\uff41\uff42"),
        ("paypal", "\u0440\u0430\u0443\u0440\u0430\u04cf"),
        ("Lab", "L\u0332ab"),
    ],
)
def test_a_name_that_a_reader_takes_for_another_is_told(name: str, other: str) -> None:
    assert look_alikes(other, {"org:1": name, "org:2": "something else"}) == ("org:1",)
    found = look_alike_names({"org:1": name, "org:2": "something else", "org:3": other})
    assert found == {"org:1": (other,), "org:3": (name,)}


def test_names_that_differ_are_not_told() -> None:
    names = {"1": "Birch", "2": "Cedar", "3": "Birch Labs", "4": "Bitch"}
    assert look_alike_names(names) == {}
    assert look_alikes("Elm", names) == ()


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 300), st.integers()),
        max_size=60,
    )
)
def test_a_grown_mapping_is_a_dict_that_never_changes(
    steps: list[tuple[bool, int, int]],
) -> None:
    grown, plain = Grown[int, int](), dict[int, int]()
    for added, key, value in steps:
        before, size = dict(grown), len(grown)
        after = grown.with_item(key, value) if added else grown.without(key)
        assert (dict(grown), len(grown)) == (before, size)
        if added:
            plain[key] = value
        else:
            plain.pop(key, None)
        grown = after
        assert list(grown.items()) == list(plain.items())
        assert len(grown) == len(plain)
        assert grown == plain
    assert grown != {**plain, -1: 0}
    assert grown != 1
    assert repr(grown) == f"Grown({plain!r})"
    assert grown.get(-1) is None
    with pytest.raises(KeyError):
        grown[-1]
