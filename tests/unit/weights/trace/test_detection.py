"""The detector: its null distribution, every damage, combined copies, and what it cannot tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from steelyard.kernel.errors import BrokenSeal
from steelyard.weights.trace import Detection, detect, detection, open_model
from steelyard.weights.trace.tails import log10_tail_bound

from .damaged import PASSIVE, average, int4_grouped, noise, random_extreme
from .scene import Owner, changed, owner, read_tensors, tensors, write_model

INNOCENTS = 240


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Owner:
    folder = write_model(tmp_path_factory.mktemp("detection") / "m", tensors())
    return owner(folder, INNOCENTS + 1)


@pytest.fixture(scope="module")
def copies(scene: Owner, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    base = tmp_path_factory.mktemp("copies")
    return [scene.copy(f"r{number}", base / f"c{number}") for number in range(4)]


def traced(scene: Owner, suspect: Path, *, alone: bool = False) -> Detection:
    source = None if alone else open_model(scene.model)
    evidence = scene.register.all_evidence()
    return detect(open_model(suspect), source, scene.commitment, evidence)


def named(found: Detection) -> set[str]:
    return {score.pseudonym for score in found.scores if score.is_traced}


def innocents(found: Detection, guilty: set[str]) -> NDArray[np.float64]:
    return np.array([score.z for score in found.scores if score.pseudonym not in guilty])


def test_a_copy_as_sent_is_traced_to_its_recipient_alone(scene: Owner, copies: list[Path]) -> None:
    found = traced(scene, copies[2])
    assert (found.verdict, named(found)) == ("traced", {"r2"})
    best = found.scores[0]
    # Every one of the 147,456 carriers agrees with its chip: the largest z there is.
    assert best.z == pytest.approx(math.sqrt(147_456), rel=1e-3)
    assert best.z == pytest.approx(found.reachable_z, rel=1e-3)
    assert (found.carriers_used, found.tested, found.notes) == (1.0, INNOCENTS + 1, ())


@pytest.mark.parametrize("damage", PASSIVE)
def test_passive_damage_leaves_the_mark_and_names_nobody_else(
    scene: Owner, copies: list[Path], tmp_path: Path, damage: str
) -> None:
    suspect = changed(copies[1], tmp_path / "s", lambda _, w: PASSIVE[damage](w))
    found = traced(scene, suspect)
    # z grows with the square root of the carriers: noise of half a deviation hides 0.005 among
    # 147,456 of them (visible z below 4), and the detector says that it cannot tell.
    if damage.startswith("noise 0.5"):
        assert (found.verdict, named(found)) == ("undecidable", set())
        assert found.visible_z < scene.commitment.method.threshold
    else:
        assert (found.verdict, named(found)) == ("traced", {"r1"})
    z = innocents(found, {"r1"})
    assert abs(z.mean()) < 4.5 / math.sqrt(z.size)
    assert 0.8 < z.std() < 1.2


@pytest.mark.parametrize(
    "combine",
    [average, lambda c: random_extreme(c, 5), lambda c: int4_grouped(average(c))],
    ids=["average", "extremes", "average and int4"],
)
def test_four_recipients_who_combine_their_copies_are_all_named(
    tmp_path: Path, combine: Callable[[list[NDArray[np.float32]]], NDArray[np.float32]]
) -> None:
    # Averaging before int4 divides z by four: 0.01 leaves enough for this small model.
    strong = owner(write_model(tmp_path / "m", tensors()), 40, alpha=0.01)
    parts = [read_tensors(strong.copy(f"r{n}", tmp_path / f"c{n}")) for n in range(4)]
    values = {
        name: combine([part[name] for part in parts]) if value.ndim == 2 else value
        for name, value in parts[0].items()
    }
    found = traced(strong, write_model(tmp_path / "s", values))
    assert named(found) == {"r0", "r1", "r2", "r3"}
    assert innocents(found, named(found)).max() < 4.5


def test_scores_of_innocents_are_standard_normal_whatever_the_suspect_is(
    scene: Owner, copies: list[Path], tmp_path: Path
) -> None:
    # Heavy tails and a few weights far off: nothing a normal law would be assumed for.
    draw = np.random.default_rng(8)
    suspect = changed(
        copies[0], tmp_path / "s", lambda _, w: w + 0.01 * draw.standard_t(2.0, w.shape)
    )
    z = np.sort(innocents(traced(scene, suspect), {"r0"}))
    normal = np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in z])
    steps = np.arange(z.size + 1) / z.size
    distance = max(np.abs(normal - steps[1:]).max(), np.abs(normal - steps[:-1]).max())
    # Kolmogorov-Smirnov: 1.95 / sqrt(n) is exceeded once in a thousand times.
    assert distance < 1.95 / math.sqrt(z.size)


def test_the_share_of_innocents_beyond_any_z_keeps_to_the_stated_bound(
    scene: Owner, copies: list[Path], tmp_path: Path
) -> None:
    suspect = changed(copies[3], tmp_path / "s", lambda _, w: int4_grouped(w))
    z = innocents(traced(scene, suspect), {"r3"})
    for level in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0):
        allowed = 10.0 ** log10_tail_bound(level)
        # Four binomial deviations above what the bound allows.
        room = 4.0 * math.sqrt(allowed * (1.0 - min(allowed, 1.0)) / z.size) + 2.0 / z.size
        assert (z >= level).mean() <= allowed + room


def test_the_test_is_one_sided(scene: Owner, copies: list[Path], tmp_path: Path) -> None:
    base = read_tensors(scene.model)
    mirrored = changed(copies[0], tmp_path / "s", lambda name, w: 2.0 * base[name] - w)
    found = traced(scene, mirrored)
    assert found.verdict == "nobody"
    assert found.scores[-1].pseudonym == "r0"
    assert found.scores[-1].z < -300.0


def test_the_unmarked_model_carries_nobodys_mark(scene: Owner) -> None:
    found = traced(scene, scene.model)
    assert (found.verdict, named(found), found.is_unchanged) == ("nobody", set(), True)
    assert {score.z for score in found.scores} == {0.0}


def test_a_copy_for_a_stranger_is_traced_to_nobody(scene: Owner, tmp_path: Path) -> None:
    stranger = owner(scene.model, 3, secret=bytes(32))
    found = traced(scene, stranger.copy("r0", tmp_path / "c"))
    assert (found.verdict, named(found)) == ("nobody", set())
    assert found.visible_z > 300.0


def test_without_the_source_a_strong_mark_shows_and_a_weak_one_does_not(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", tensors())
    for alpha, verdict in ((0.05, "traced"), (0.005, "undecidable")):
        each = owner(folder, 20, alpha=alpha)
        found = traced(each, each.copy("r4", tmp_path / f"c{alpha}"), alone=True)
        assert found.verdict == verdict
        assert named(found) == ({"r4"} if verdict == "traced" else set())
        # alpha times the square root of 147,456 carriers, for Gaussian weights.
        assert found.visible_z == pytest.approx(alpha * 384.0, rel=0.2)


def test_a_leak_of_some_layers_is_traced_and_the_missing_ones_are_told(
    scene: Owner, copies: list[Path], tmp_path: Path
) -> None:
    part = {n: w for n, w in read_tensors(copies[1]).items() if "layers.2." in n}
    found = traced(scene, write_model(tmp_path / "s", part))
    assert named(found) == {"r1"}
    assert found.carriers_used == pytest.approx(0.25)
    assert {note.note for note in found.notes} == {"is missing"}
    assert len(found.notes) == 9


def test_tensors_that_were_changed_much_count_for_little(
    scene: Owner, copies: list[Path], tmp_path: Path
) -> None:
    def worn(name: str, w: NDArray[np.float32]) -> NDArray[np.float32]:
        return w if "layers.0" in name else noise(w, 0.8, len(name))

    found = traced(scene, changed(copies[1], tmp_path / "s", worn))
    # A quarter is intact, z = sqrt(36,864); without weights the noise of the rest would bury it.
    assert named(found) == {"r1"}
    assert found.scores[0].z == pytest.approx(192.0, rel=0.02)


def test_recipients_screened_on_a_part_give_the_same_verdict(
    scene: Owner, copies: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = traced(scene, copies[2])
    monkeypatch.setattr(detection, "SCREEN_CHIPS", 3_000_000)
    screened = traced(scene, copies[2])
    assert (screened.verdict, named(screened)) == ("traced", {"r2"})
    assert (len(screened.scores), screened.tested) == (64, INNOCENTS + 1)
    assert screened.scores[0] == whole.scores[0]


def test_screening_finds_tensors_of_another_name_twice(
    scene: Owner, copies: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = read_tensors(copies[2])
    renamed = {str(index): values[name] for index, name in enumerate(sorted(values))}
    suspect = write_model(tmp_path / "s", renamed)
    monkeypatch.setattr(detection, "SCREEN_CHIPS", 3_000_000)
    found = traced(scene, suspect)
    assert (found.verdict, named(found), found.carriers_used) == ("traced", {"r2"}, 1.0)


def test_screening_says_nobody_only_where_a_mark_would_have_shown(
    scene: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = owner(scene.model, 3, secret=bytes(32)).copy("r0", tmp_path / "c")
    suspect = changed(stranger, tmp_path / "s", lambda name, w: noise(w, 0.1, len(name)))
    whole = traced(scene, suspect)
    assert whole.verdict == "nobody"
    least = scene.commitment.method.threshold
    for chips, verdict in ((3_000_000, "undecidable"), (30_000_000, "nobody")):
        monkeypatch.setattr(detection, "SCREEN_CHIPS", chips)
        found = traced(scene, suspect)
        assert found.verdict == verdict
        assert (found.visible_z >= least) == (verdict == "nobody")
        share = chips / (147_456 * (INNOCENTS + 1))
        assert found.visible_z == pytest.approx(whole.visible_z * math.sqrt(share), rel=0.05)


def test_the_unmarked_model_is_nobodys_under_screening_too(
    scene: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "SCREEN_CHIPS", 3_000)
    found = traced(scene, scene.model)
    assert (found.verdict, found.is_unchanged) == ("nobody", True)


@pytest.mark.parametrize(
    "emptied",
    [
        np.zeros_like,
        lambda w: np.full_like(w, np.nan),
        lambda w: np.full_like(w, np.inf),
        lambda w: w[:0],
        lambda w: w[:, :0],
        lambda w: w[:0, :0],
        lambda w: w[:1, :1],
    ],
    ids=["zero", "nan", "infinite", "no row", "no column", "nothing", "one"],
)
@pytest.mark.parametrize("alone", [False, True])
def test_a_suspect_without_content_is_not_said_to_be_unchanged(
    scene: Owner, tmp_path: Path, emptied: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    *, alone: bool,
) -> None:  # fmt: skip
    suspect = changed(scene.model, tmp_path / "s", lambda _, w: emptied(w).copy())
    found = traced(scene, suspect, alone=alone)
    assert (found.verdict, found.is_unchanged, found.carriers_used) == ("undecidable", False, 0.0)


def test_a_source_of_other_shapes_is_refused(
    scene: Owner, copies: list[Path], tmp_path: Path
) -> None:
    other = write_model(tmp_path / "o", tensors(3))
    with pytest.raises(BrokenSeal) as caught:
        detect(
            open_model(copies[0]),
            open_model(other),
            scene.commitment,
            scene.register.all_evidence(),
        )
    assert caught.value.message == "has no tensor 'layers.3.attention.q.weight' as committed to"
