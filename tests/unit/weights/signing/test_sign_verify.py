from __future__ import annotations

import os
from pathlib import Path

import pytest

from steelyard.kernel.errors import BrokenSeal, MalformedEvidence, UsageError
from steelyard.weights.signing import (
    Policy,
    SigningOptions,
    Verification,
    open_signature,
    resource_names,
    sign_model,
    verify_model,
)
from steelyard.weights.signing.hashing import HashName

from .models import KEY, SHARD, TRUST, make_model, resigned, sign_to, statement_of

ALL = Policy(allow_unsigned=True, allow_ignored=True, follow_links=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "scale-1")


def check(model: Path, policy: Policy | None = None) -> Verification:
    signature = model / "model.sig"
    signed = open_signature(signature.read_bytes(), TRUST)
    return verify_model(model, signed, policy, signature=signature)


@pytest.mark.parametrize("hash_name", ["sha256", "blake2b", "blake3"])
@pytest.mark.parametrize("shard_bytes", [0, SHARD])
def test_a_signed_model_verifies(model: Path, hash_name: HashName, shard_bytes: int) -> None:
    signature = sign_to(model, SigningOptions(hash_name, shard_bytes))
    found = check(model)
    names = {"config.json", "model.safetensors", "tokenizer/vocab.txt"}
    assert found.signed.covered == resource_names(signature.read_bytes()) == names
    assert found.files == 3
    assert found.size_bytes == sum((model / name).stat().st_size for name in names)
    assert [(one.name, one.reason) for one in found.uncovered] == [("model.sig", "signature")]
    assert found.signed.manifest.model == "scale-1"


def test_equal_models_have_equal_roots(model: Path, tmp_path: Path) -> None:
    other = make_model(tmp_path / "copy")
    roots = {sign_model(one, KEY).manifest.root for one in (model, other)}
    assert len(roots) == 1


def test_a_single_file_is_a_model(model: Path) -> None:
    file = model / "model.safetensors"
    bundle = sign_model(file, KEY, SigningOptions("blake3", SHARD)).bundle
    found = verify_model(file, open_signature(bundle, TRUST))
    assert found.signed.covered == {"model.safetensors"}
    with pytest.raises(BrokenSeal, match=r"1 signed files are missing: 'model\.safetensors'"):
        verify_model(file.rename(model / "other.safetensors"), open_signature(bundle, TRUST))


def test_a_single_file_may_be_called_a_dot_as_model_signing_1_1_does(model: Path) -> None:
    file = model / "model.safetensors"
    statement = statement_of(sign_model(file, KEY).bundle)
    statement["predicate"]["resources"][0]["name"] = "."
    signed = open_signature(resigned(statement), TRUST)
    assert verify_model(file, signed).files == 1
    with pytest.raises(BrokenSeal, match=r"1 signed files are missing: '\.'"):
        verify_model(model, signed)


@pytest.mark.parametrize("shard_bytes", [0, SHARD])
@pytest.mark.parametrize("position", [0, SHARD, -1])
def test_one_changed_byte_is_found(model: Path, shard_bytes: int, position: int) -> None:
    sign_to(model, SigningOptions("blake3", shard_bytes))
    file = model / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[position] ^= 1
    file.write_bytes(data)
    with pytest.raises(BrokenSeal) as caught:
        check(model)
    assert caught.value.message == "1 files are not as signed: 'model.safetensors'"


@pytest.mark.parametrize("change", [b"", b"tail"])
@pytest.mark.parametrize("shard_bytes", [0, SHARD])
def test_a_file_cut_or_extended_is_found(model: Path, change: bytes, shard_bytes: int) -> None:
    sign_to(model, SigningOptions(shard_bytes=shard_bytes))
    file = model / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data + change if change else data[:-1])
    with pytest.raises(BrokenSeal) as caught:
        check(model)
    fault = "files have another size than was signed" if shard_bytes else "files are not as signed"
    assert caught.value.message == f"1 {fault}: 'model.safetensors'"


def test_two_files_exchanged_are_found(model: Path) -> None:
    (model / "a.bin").write_bytes(b"1")
    (model / "b.bin").write_bytes(b"2")
    sign_to(model)
    (model / "a.bin").rename(model / "c.bin")
    (model / "b.bin").rename(model / "a.bin")
    (model / "c.bin").rename(model / "b.bin")
    with pytest.raises(BrokenSeal, match=r"2 files are not as signed: 'a\.bin', 'b\.bin'"):
        check(model)


def test_a_missing_file_is_found(model: Path) -> None:
    sign_to(model)
    (model / "config.json").unlink()
    with pytest.raises(BrokenSeal, match=r"1 signed files are missing: 'config\.json'"):
        check(model)


def test_a_file_that_is_not_signed_is_refused_unless_asked(model: Path) -> None:
    sign_to(model)
    (model / "tokenizer" / "evil.py").write_text("", "utf-8")
    with pytest.raises(BrokenSeal) as caught:
        check(model)
    assert caught.value.message == "1 files are not signed: 'tokenizer/evil.py'"
    assert caught.value.hint == "remove them, or pass over them with --allow-unsigned"
    found = check(model, Policy(allow_unsigned=True))
    assert [(one.name, one.reason, one.inert) for one in found.uncovered] == [
        ("model.sig", "signature", True),
        ("tokenizer/evil.py", "unsigned", False),
    ]


@pytest.mark.parametrize("name", ["extra/model-00002.safetensors", "extra/custom.py", "extra/x"])
def test_an_ignore_list_that_hides_what_a_loader_reads_is_refused(model: Path, name: str) -> None:
    (model / "extra").mkdir()
    (model / "extra" / "README.md").write_text("prose", "utf-8")
    sign_to(model, SigningOptions(ignored=frozenset({"extra"})))
    (model / name).write_bytes(b"swapped in later")
    with pytest.raises(BrokenSeal) as caught:
        check(model)
    assert caught.value.message == f"the signer ignored 1 files that a loader could read: {name!r}"
    found = check(model, Policy(allow_ignored=True))
    assert {(one.name, one.reason, one.inert) for one in found.uncovered} == {
        ("extra/README.md", "ignored", True),
        (name, "ignored", False),
        ("model.sig", "signature", True),
    }


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "C:x", "*.bin"])
def test_a_path_that_is_none_cannot_be_ignored(model: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        sign_model(model, KEY, SigningOptions(ignored=frozenset({name})))
    assert caught.value.where == "ignored path"
    assert repr(name) in caught.value.message


def test_links_below_version_control_are_listed_and_not_followed(
    model: Path, tmp_path: Path
) -> None:
    (model / ".git").mkdir()
    (model / ".git" / "hooks").symlink_to(tmp_path)
    os.mkfifo(model / ".git" / "pipe")
    signed = sign_model(model, KEY, SigningOptions(follow_links=True))
    assert [one.name for one in signed.uncovered] == [".git/hooks", ".git/pipe"]
    sign_to(model)
    found = check(model, Policy(follow_links=True))
    assert [(one.name, one.reason, one.inert) for one in found.uncovered] == [
        (".git/hooks", "ignored", True),
        (".git/pipe", "ignored", True),
        ("model.sig", "signature", True),
    ]


def test_a_link_that_is_signed_below_version_control_is_not_followed(
    model: Path, tmp_path: Path
) -> None:
    statement = statement_of(sign_model(model, KEY).bundle)
    statement["predicate"]["resources"][0]["name"] = ".gitattributes"
    statement["predicate"]["serialization"].update(ignore_paths=[], allow_symlinks=True)
    (model / "config.json").rename(tmp_path / "config.json")
    (model / ".gitattributes").symlink_to(tmp_path / "config.json")
    signed = open_signature(resigned(statement), TRUST)
    with pytest.raises(MalformedEvidence, match="cannot read"):
        verify_model(model, signed, Policy(follow_links=True))


def test_a_model_whose_name_cannot_be_written_down_is_not_signed(tmp_path: Path) -> None:
    model = make_model(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    with pytest.raises(MalformedEvidence) as caught:
        sign_model(model, KEY)
    assert caught.value.message == r"'\udcff' is no printable label of 1 to 512 characters"


def test_signing_says_so_when_it_would_leave_out_what_a_loader_reads(model: Path) -> None:
    options = SigningOptions(ignored=frozenset({"config.json"}))
    with pytest.raises(UsageError) as caught:
        sign_model(model, KEY, options)
    assert caught.value.message == "1 ignored files could be read by a loader: 'config.json'"
    allowed = SigningOptions(ignored=frozenset({"config.json"}), allow_ignored=True)
    assert "config.json" not in sign_model(model, KEY, allowed).manifest.covered


def test_version_control_is_left_out_at_the_root_only(model: Path) -> None:
    for folder in (model / ".git", model / "tokenizer" / ".git"):
        folder.mkdir()
        (folder / "HEAD").write_text("ref", "utf-8")
    sign_to(model)
    found = check(model)
    assert "tokenizer/.git/HEAD" in found.signed.covered
    assert (".git/HEAD", "ignored") in {(one.name, one.reason) for one in found.uncovered}


def test_a_link_is_refused_even_to_the_same_bytes(model: Path, tmp_path: Path) -> None:
    sign_to(model)
    (model / "config.json").rename(tmp_path / "config.json")
    (model / "config.json").symlink_to(tmp_path / "config.json")
    with pytest.raises(MalformedEvidence, match="symbolic links and special files have no place"):
        check(model, ALL)
    with pytest.raises(MalformedEvidence, match="symbolic links and special files have no place"):
        sign_model(model, KEY)


def test_links_are_followed_where_signer_and_caller_both_say_so(
    model: Path, tmp_path: Path
) -> None:
    (model / "config.json").rename(tmp_path / "config.json")
    (model / "config.json").symlink_to(tmp_path / "config.json")
    place = model / "model.sig"
    signed = sign_model(model, KEY, SigningOptions(follow_links=True), signature=place)
    assert signed.outside == ("config.json",)
    place.write_bytes(signed.bundle)
    assert check(model, Policy(follow_links=True)).files == 3
    with pytest.raises(MalformedEvidence):
        check(model)
    (tmp_path / "config.json").write_text("[]\n", "utf-8")
    with pytest.raises(BrokenSeal, match=r"1 files are not as signed: 'config\.json'"):
        check(model, Policy(follow_links=True))


@pytest.mark.parametrize("target", ["nowhere", "."])
def test_a_link_to_no_file_is_never_followed(model: Path, target: str) -> None:
    (model / "loop").symlink_to(target)
    with pytest.raises(MalformedEvidence):
        sign_model(model, KEY, SigningOptions(follow_links=True))


def test_a_pipe_is_refused_and_not_read(model: Path) -> None:
    sign_to(model)
    (model / "config.json").unlink()
    os.mkfifo(model / "config.json")
    with pytest.raises(MalformedEvidence, match="symbolic links and special files have no place"):
        check(model, ALL)


def test_names_that_collide_on_some_systems_are_not_signed(model: Path) -> None:
    (model / "CONFIG.json").write_text("[]", "utf-8")
    with pytest.raises(MalformedEvidence, match="are one file on some systems"):
        sign_model(model, KEY)


def test_a_colliding_name_smuggled_in_is_refused_whatever_the_policy(model: Path) -> None:
    sign_to(model)
    (model / "CONFIG.json").write_text("[]", "utf-8")
    with pytest.raises(MalformedEvidence, match="are one file on some systems"):
        check(model, ALL)


def test_an_empty_file_is_signed_whole(model: Path) -> None:
    (model / "__init__.py").touch()
    sign_to(model)
    assert "__init__.py" in check(model).signed.covered
    (model / "__init__.py").unlink()
    with pytest.raises(BrokenSeal, match=r"1 signed files are missing: '__init__\.py'"):
        check(model)


def test_an_empty_file_that_shards_leave_out_is_shown_where_it_is_inert(model: Path) -> None:
    (model / ".gitkeep").touch()
    (model / "tokenizer" / "README.md").touch()
    sign_to(model, SigningOptions(shard_bytes=SHARD))
    found = check(model)
    assert [(one.name, one.reason) for one in found.uncovered] == [
        (".gitkeep", "empty"),
        ("model.sig", "signature"),
        ("tokenizer/README.md", "empty"),
    ]
    (model / ".gitkeep").write_text("no more", "utf-8")
    with pytest.raises(BrokenSeal, match=r"1 files are not signed: '\.gitkeep'"):
        check(model)


@pytest.mark.parametrize(
    "name", ["__init__.py", "config_overrides.json", "tokenizer/x", "py.typed"]
)
def test_an_empty_file_added_under_shards_is_refused_unless_asked(model: Path, name: str) -> None:
    sign_to(model, SigningOptions(shard_bytes=SHARD))
    (model / name).touch()
    for policy in (None, Policy(allow_ignored=True)):
        with pytest.raises(BrokenSeal) as caught:
            check(model, policy)
        assert caught.value.message == f"1 empty files are not signed: {name!r}"
        assert caught.value.hint == (
            "shards leave empty files out; remove them, or pass over them with --allow-unsigned"
        )
    found = check(model, Policy(allow_unsigned=True))
    assert (name, "empty", False) in {(o.name, o.reason, o.inert) for o in found.uncovered}


def test_an_empty_file_that_a_loader_could_read_is_not_left_out_of_shards(model: Path) -> None:
    (model / "__init__.py").touch()
    with pytest.raises(UsageError) as caught:
        sign_model(model, KEY, SigningOptions(shard_bytes=SHARD))
    assert caught.value.message == "1 empty files have no shard to sign: '__init__.py'"
    assert caught.value.hint == "remove them, or sign whole files"


@pytest.mark.parametrize("shard_bytes", [0, SHARD])
def test_a_model_of_no_byte_is_not_signed(tmp_path: Path, shard_bytes: int) -> None:
    (tmp_path / "m").mkdir()
    if shard_bytes:
        (tmp_path / "m" / "empty").touch()
    with pytest.raises(MalformedEvidence, match="there is no byte to sign"):
        sign_model(tmp_path / "m", KEY, SigningOptions(shard_bytes=shard_bytes))


def test_a_colon_in_a_name_does_not_confuse_shards(model: Path) -> None:
    (model / "ww:0:5").write_bytes(b"x" * (SHARD + 1))
    sign_to(model, SigningOptions(shard_bytes=SHARD))
    assert "ww:0:5" in check(model).signed.covered


def test_another_signature_in_the_model_is_no_excuse(model: Path) -> None:
    (model / "old.bin").write_bytes(b"old")
    signature = sign_to(model)
    (model / "old.bin").unlink()
    moved = signature.rename(model / "weights.bin")
    signed = open_signature(moved.read_bytes(), TRUST)
    with pytest.raises(BrokenSeal, match=r"1 signed files are missing: 'old\.bin'"):
        verify_model(model, signed, signature=moved)


def test_progress_counts_every_byte(model: Path) -> None:
    seen: list[tuple[int, int]] = []
    sign_model(model, KEY, progress=lambda done, total: seen.append((done, total)))
    assert (
        seen[-1][0]
        == seen[-1][1]
        == sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
    )
