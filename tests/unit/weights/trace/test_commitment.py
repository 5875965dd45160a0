"""The commitment under attack: other keys, other methods, other models, other dates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from steelyard.attest import Statement, open_envelope, sign_statement
from steelyard.kernel import sha256_hex
from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, UnknownName, UsageError
from steelyard.weights.trace import (
    CarrierRule,
    Commitment,
    Evidence,
    Terms,
    commit_model,
    detect,
    open_model,
)
from steelyard.weights.trace.commitment import make_method, open_commitment

from .scene import KEY, NOW, OTHER_KEY, SECRET, Owner, owner, tensors, write_model


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Owner:
    folder = write_model(tmp_path_factory.mktemp("commitment") / "m", tensors(1))
    return owner(folder, {"r0": "Example Harbour Lab", "r1": "", "r2": ""})


def opened(envelope: bytes) -> Commitment:
    return open_commitment(envelope, KEY.public_key, now=NOW, where="c.json")


def signed_again(scene: Owner, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The commitment with a changed predicate, signed by its true signer."""
    statement = open_envelope(scene.envelope, {KEY.public_key.key_id: KEY.public_key})
    predicate = json.loads(json.dumps(statement.predicate))
    change(predicate)
    return sign_statement(replace(statement, predicate=predicate), KEY)


def test_what_was_committed_is_what_is_opened(scene: Owner) -> None:
    found = opened(scene.envelope)
    assert found == scene.commitment
    terms = Terms("toy", 0.005, 1e-9, CarrierRule())
    names = {"r0": "Example Harbour Lab", "r1": "", "r2": ""}
    made = commit_model(scene.model, names, terms, SECRET, (KEY, NOW))
    assert (made.envelope, made.commitment) == (scene.envelope, found)
    assert found.created == NOW
    assert found.signer == KEY.public_key.key_id
    assert sorted(found.recipients) == ["r0", "r1", "r2"]
    assert found.method == make_method(0.005, CarrierRule(), 1e-9, 3)


def test_the_public_half_tells_neither_keys_nor_identities_nor_architecture(scene: Owner) -> None:
    statement = open_envelope(scene.envelope, {KEY.public_key.key_id: KEY.public_key})
    text = statement.to_bytes().decode()
    for opening in scene.register.openings():
        assert opening.key.hex() not in text
        assert opening.salt.hex() not in text
    assert "Harbour" not in text
    assert "mlp" not in text
    assert scene.register.secret.hex() not in text


def test_another_signer_is_refused(scene: Owner) -> None:
    with pytest.raises(BrokenSeal, match="which is not among the keys given"):
        open_commitment(scene.envelope, OTHER_KEY.public_key, now=NOW, where="c.json")


def test_a_statement_of_another_kind_is_refused(scene: Owner) -> None:
    statement = Statement((scene.commitment.source,), "urn:steelyard:predicate:other:1", {})
    with pytest.raises(BrokenSeal) as caught:
        opened(sign_statement(statement, KEY))
    assert caught.value.message == (
        "is 'urn:steelyard:predicate:other:1', not a commitment about one model"
    )


def test_a_commitment_from_the_future_is_refused(scene: Owner) -> None:
    with pytest.raises(BrokenSeal) as caught:
        open_commitment(
            scene.envelope, KEY.public_key, now=NOW - timedelta(seconds=1), where="c.json"
        )
    assert caught.value.message == (
        "claims to be made at 2027-03-01T12:00:00Z, which is still to come"
    )


def lower_threshold(predicate: dict[str, Any]) -> None:
    predicate["method"]["threshold"] = 4.0


def test_a_threshold_too_low_for_its_error_is_refused(scene: Owner) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        opened(signed_again(scene, lower_threshold))
    assert caught.value.message == (
        "names from z = 4.0 on; 3 recipients at an error of 1e-09 need 6.3541"
    )


def change_alpha(predicate: dict[str, Any]) -> None:
    predicate["method"]["alpha"] = 0.5


def other_method(predicate: dict[str, Any]) -> None:
    predicate["method"]["id"] = "steelyard/trace-mark/2"


def more_fields(predicate: dict[str, Any]) -> None:
    predicate["note"] = "x"


def nobody(predicate: dict[str, Any]) -> None:
    predicate["recipients"] = []


def impossible_date(predicate: dict[str, Any]) -> None:
    predicate["created"] = "2027-02-31T12:00:00Z"


def twice(predicate: dict[str, Any]) -> None:
    predicate["recipients"].append(predicate["recipients"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_alpha, "method.alpha: 0.5 is greater than the maximum of 0.1"),
        (other_method, "method.id: 'steelyard/trace-mark/1' was expected"),
        (more_fields, "top level: Additional properties are not allowed"),
        (nobody, "recipients: [] should be non-empty"),
        (impossible_date, "'2027-02-31T12:00:00Z' is no date"),
        (twice, "a recipient is listed twice"),
    ],
)
def test_a_commitment_out_of_its_schema_is_refused(
    scene: Owner, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        opened(signed_again(scene, change))
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("field", ["key", "salt", "identity", "pseudonym"])
def test_evidence_made_afterwards_does_not_open_it(scene: Owner, field: str) -> None:
    honest = scene.register.opening("r1")
    changes: dict[str, Any] = {
        "key": bytes(32), "salt": bytes(32), "identity": "Example Ridge", "pseudonym": "r2",
    }  # fmt: skip
    forged = replace(honest, **{field: changes[field]})
    evidence = replace(scene.register.evidence("r1"), openings=(forged,))
    model = open_model(scene.model)
    with pytest.raises(BrokenSeal) as caught:
        detect(model, model, scene.commitment, evidence)
    assert caught.value.message == (
        f"key, identity and salt do not open the commitment of {forged.pseudonym!r}"
    )
    assert caught.value.hint == "evidence made afterwards looks like this"


def test_a_recipient_who_was_not_committed_to_is_refused(scene: Owner) -> None:
    stranger = replace(scene.register.opening("r1"), pseudonym="late")
    with pytest.raises(BrokenSeal, match=r"^no recipient 'late' was committed to$"):
        scene.commitment.require_opened_by(stranger)


def test_the_commitment_of_another_model_does_not_serve(scene: Owner, tmp_path: Path) -> None:
    other = owner(write_model(tmp_path / "o", tensors(1, seed=5)), 3, secret=bytes(32))
    model = open_model(scene.model)
    with pytest.raises(BrokenSeal, match="do not open the commitment"):
        detect(model, model, other.commitment, scene.register.all_evidence())


def test_a_changed_step_or_carrier_is_refused(scene: Owner) -> None:
    evidence = scene.register.all_evidence()
    first, *rest = evidence.carriers
    model = open_model(scene.model)
    for carriers in ((replace(first, step=2 * first.step), *rest), tuple(rest)):
        forged = Evidence(evidence.openings, evidence.salt, carriers)
        with pytest.raises(BrokenSeal, match=r"^the carriers are not those committed to$"):
            detect(model, model, scene.commitment, forged)


def test_only_the_published_commitment_proves_anything(scene: Owner) -> None:
    digest = sha256_hex(scene.envelope)
    assert scene.commitment.require_published(digest) == scene.commitment
    other = f"{'1' if digest[0] == '0' else '0'}{digest[1:]}"
    with pytest.raises(BrokenSeal) as caught:
        scene.commitment.require_published(other)
    assert str(caught.value) == f"the commitment has digest {digest[:16]}, not {other[:16]}"
    assert caught.value.hint == "another commitment than the published one proves nothing"


def test_a_commitment_made_after_the_leak_proves_nothing(scene: Owner) -> None:
    assert scene.commitment.require_before(NOW) == scene.commitment
    with pytest.raises(BrokenSeal) as caught:
        scene.commitment.require_before(NOW - timedelta(seconds=1))
    assert str(caught.value) == (
        "the commitment was made at 2027-03-01T12:00:00Z, "
        "after the suspect was seen at 2027-03-01T11:59:59Z"
    )
    assert caught.value.hint == "keys made after a leak can be chosen to fit it"


def test_a_commitment_to_nobody_is_refused() -> None:
    with pytest.raises(UsageError, match="needs at least one recipient"):
        make_method(0.005, CarrierRule(), 1e-9, 0)


def test_no_printed_form_shows_a_key(scene: Owner) -> None:
    opening = scene.register.opening("r1")
    for text in (repr(opening), repr(scene.register), repr(scene.register.all_evidence())):
        assert opening.key.hex() not in text
        assert repr(opening.key) not in text
        assert repr(scene.register.secret) not in text


def test_an_unknown_pseudonym_is_named(scene: Owner) -> None:
    with pytest.raises(UnknownName, match=r"^the register has no recipient 'r9'$"):
        scene.register.opening("r9")
