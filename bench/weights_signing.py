"""Verifying and loading a signed model, against raw BLAKE3, model_signing and safetensors.

    python bench/weights_signing.py [FOLDER] [--gigabytes 2]

One synthetic bf16 model in the page cache. Peers in the same run: the blake3 package over the
same files, the command and the library of model_signing (SHA-256, its default), and
safetensors.numpy. Wall time and processor time, best of three each, as other work on the
machine disturbs the first more. Fails when verifying BLAKE3 shards is below 0.9 of raw BLAKE3
or below twice the faster one of model_signing, in processor time; prints what a single tensor
costs by the size of a shard.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import ml_dtypes
import numpy as np
from blake3 import blake3
from safetensors.numpy import load_file, save_file

from steelyard.weights.signing import (
    SigningOptions,
    TrustedKeys,
    generate_model_key,
    load_verified,
    open_signature,
    open_verified,
    save_model_key,
    sign_model,
    verify_model,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, COLUMNS = 4096, 8192
SHARDS = (16 << 20, 64 << 20, 256 << 20, 1_000_000_000)
RAW_TARGET, PEER_TARGET = 0.9, 2.0


class Speed(NamedTuple):
    """Best of three, in GB/s of wall time and GB per second of processor time."""

    wall: float
    processor: float


def measure(name: str, size: int, work: Callable[[], object]) -> Speed:
    """Time `work` three times and print the best."""
    walls: list[float] = []
    processors: list[float] = []
    for _ in range(3):
        before, start = _processor_s(), time.perf_counter()
        work()
        walls.append(time.perf_counter() - start)
        processors.append(_processor_s() - before)
    speed = Speed(size / min(walls) / 1e9, size / min(processors) / 1e9)
    print(f"{name:44s} {speed.wall:6.2f} GB/s  {speed.processor:6.2f} GB/cpu-s", flush=True)
    return speed


def _processor_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def make_model(folder: Path, gigabytes: float) -> int:
    """A model of equal bf16 matrices in two files; bytes in all."""
    folder.mkdir()
    draw = np.random.default_rng(1)
    matrix = draw.normal(size=(ROWS, COLUMNS)).astype(ml_dtypes.bfloat16)
    count = max(2, int(gigabytes * 1e9 / matrix.nbytes))
    for part in range(2):
        names = range(part, count, 2)
        save_file({f"layer.{i}": np.roll(matrix, i) for i in names}, folder / f"{part}.safetensors")
    return sum(file.stat().st_size for file in folder.iterdir())


def raw(model: Path, threads: int) -> None:
    """BLAKE3 of every file by the package alone."""
    for file in model.iterdir():
        blake3(max_threads=threads).update_mmap(file).digest()


def peer(model: Path, signature: Path, public: Path) -> None:
    """The command of model_signing."""
    program = Path(sys.executable).with_name("model_signing")
    arguments = ["verify", "key", model, "--signature", signature, "--public_key", public]
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"model_signing does not verify: {done.stderr[-300:]}")


def peer_library(model: Path, signature: Path, public: Path) -> None:
    """The library of model_signing, without the start of a program."""
    from model_signing import verifying  # noqa: PLC0415 - its import is no part of the others

    verifying.Config().use_elliptic_key_verifier(public_key=public).verify(model, signature)


def main() -> int:
    """Measure everything; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        return compare(Path(place), arguments.gigabytes)


def compare(place: Path, gigabytes: float) -> int:
    """The table, and whether both targets are met."""
    model, public = place / "model", place / "key.pem.pub"
    size = make_model(model, gigabytes)
    key = generate_model_key("p256")
    save_model_key(key, place / "key.pem")
    trust = TrustedKeys((key.public_key,))
    signatures = {shard: place / f"{shard}.sig" for shard in (0, *SHARDS)}
    for shard, file in signatures.items():
        options = SigningOptions("blake3" if shard else "sha256", shard)
        file.write_bytes(sign_model(model, key, options).bundle)
    print(f"{size / 1e9:.2f} GB, {len(os.sched_getaffinity(0))} cores")

    def verify(shard: int) -> None:
        verify_model(model, open_signature(signatures[shard].read_bytes(), trust))

    one = measure("raw blake3, one thread", size, lambda: raw(model, 1))
    measure("raw blake3, every core", size, lambda: raw(model, blake3.AUTO))
    ours = measure("verify, BLAKE3, 64 MiB shards", size, lambda: verify(SHARDS[1]))
    measure("verify, SHA-256, whole files", size, lambda: verify(0))
    other = measure(
        "model_signing verify (SHA-256)", size, lambda: peer(model, signatures[0], public)
    )
    library = measure(
        "the same, by its library", size, lambda: peer_library(model, signatures[0], public)
    )
    load(model, signatures[SHARDS[1]], trust, size)
    for shard in SHARDS:
        reader = open_verified(model, signatures[shard], trust)
        name = reader.header("0.safetensors").tensors[3].name
        start = time.perf_counter()
        array = reader.tensor("0.safetensors", name)
        milliseconds = (time.perf_counter() - start) * 1e3
        print(
            f"one {array.nbytes >> 20} MiB tensor, {shard >> 20} MiB shards: {milliseconds:.0f} ms"
        )
    ratios = (
        ours.processor / one.processor,
        ours.processor / max(other.processor, library.processor),
    )
    print(f"verify / raw blake3: {ratios[0]:.2f} (target {RAW_TARGET})")
    print(f"verify / model_signing: {ratios[1]:.2f} (target {PEER_TARGET})")
    return int(ratios[0] < RAW_TARGET or ratios[1] < PEER_TARGET)


def load(model: Path, signature: Path, trust: TrustedKeys, size: int) -> None:
    """Loading verified tensors, against loading without a look."""
    files = sorted(model.iterdir())
    mine = measure("load_verified", size, lambda: load_verified(model, signature, trust))
    plain = measure("safetensors load_file", size, lambda: [load_file(file) for file in files])
    print(f"load_verified / load_file: {mine.processor / plain.processor:.2f}")


if __name__ == "__main__":
    sys.exit(main())
