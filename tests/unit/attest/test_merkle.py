from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.attest import inclusion_proof, merkle_root, verify_inclusion
from steelyard.kernel.errors import BrokenSeal

FOLDER = Path(__file__).parents[3] / "spec/vectors/merkle"
INCLUSION = sorted(FOLDER.glob("inclusion_*.json"))
LEAVES = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


def _root_by_definition(leaves: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, as written: split at the largest power of two below n."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = _root_by_definition(leaves[:split]), _root_by_definition(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


def test_reference_roots_of_certificate_transparency() -> None:
    vector = json.loads((FOLDER / "reference_roots.json").read_text("utf-8"))
    leaves = [bytes.fromhex(leaf) for leaf in vector["leaves"]]
    roots = [merkle_root(leaves[:count]) for count in range(len(leaves) + 1)]
    assert roots == vector["roots"]
    assert roots[8] == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_root_equals_the_definition(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == _root_by_definition(leaves).hex()


@given(LEAVES, st.data())
def test_every_leaf_has_a_proof_that_verifies(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(leaves, index)
    root = merkle_root(leaves)
    assert verify_inclusion(leaves[index], index, len(leaves), proof, root) == leaves[index]


@given(LEAVES, st.data())
def test_no_other_leaf_is_accepted(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.binary(max_size=8).filter(lambda leaf: leaf != leaves[index]))
    proof = inclusion_proof(leaves, index)
    with pytest.raises(BrokenSeal):
        verify_inclusion(other, index, len(leaves), proof, merkle_root(leaves))


@given(LEAVES, st.data())
def test_no_other_place_is_accepted(leaves: list[bytes], data: st.DataObject) -> None:
    leaves = [bytes([number]) + leaf for number, leaf in enumerate(leaves)]
    index = data.draw(st.integers(0, len(leaves) - 1))
    place = data.draw(st.integers(-1, len(leaves)).filter(lambda other: other != index))
    proof = inclusion_proof(leaves, index)
    with pytest.raises(BrokenSeal):
        verify_inclusion(leaves[index], place, len(leaves), proof, merkle_root(leaves))


@pytest.mark.parametrize("path", INCLUSION, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text("utf-8"))
    leaf, proof = bytes.fromhex(vector["leaf"]), [bytes.fromhex(h) for h in vector["proof"]]
    arguments = (leaf, vector["index"], vector["size"], proof, vector["root"])
    if vector["expect"].get("ok"):
        assert verify_inclusion(*arguments) == leaf
        return
    with pytest.raises(BrokenSeal) as caught:
        verify_inclusion(*arguments)
    assert caught.value.message == vector["expect"]["message"]


def test_there_are_vectors() -> None:
    assert len(INCLUSION) == 10


@pytest.mark.parametrize("index", [-1, 3])
def test_a_proof_of_no_leaf(index: int) -> None:
    with pytest.raises(IndexError, match=f"^no leaf {index} among 3$"):
        inclusion_proof([b"a", b"b", b"c"], index)
