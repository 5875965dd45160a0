"""Loading a signed model tensor by tensor, beside loading it without a look.

    python bench/weights_signing.py [--folder /dev/shm] [--gigabytes 2] [--rounds 3]

The model of `weights.py`, in the page cache: `load_verified` in turns with `safetensors.numpy`, and
what a single tensor costs by the size of a shard, as a tensor is read with the whole shards that
it touches. What verifying costs is measured by `weights.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from safetensors.numpy import load_file
from weights import MEMORY_FOLDER, Table, make_model

from steelyard.weights.signing import (
    SigningOptions,
    TrustedKeys,
    generate_model_key,
    load_verified,
    open_verified,
    sign_model,
)

SHARDS = (16 << 20, 64 << 20, 256 << 20, 1_000_000_000)
DEFAULT_SHARD = SHARDS[1]


def main() -> int:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=MEMORY_FOLDER)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    table = Table(arguments.rounds)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        compare(table, Path(folder), arguments.gigabytes)
    return 0


def compare(table: Table, place: Path, gigabytes: float) -> None:
    """Load everything in turns, then one tensor by the size of a shard."""
    model, file = place / "model", "model.safetensors"
    model.mkdir()
    size = make_model(model / file, gigabytes)
    key = generate_model_key("p256")
    trust = TrustedKeys((key.public_key,))
    signatures = {shard: place / f"{shard}.sig" for shard in SHARDS}
    for shard, signature in signatures.items():
        signature.write_bytes(sign_model(model, key, SigningOptions("blake3", shard)).bundle)
    print(f"{size / 1e9:.2f} GB of bf16, {len(os.sched_getaffinity(0))} cores")
    table.compare(
        size,
        {
            "load_verified": lambda: load_verified(model, signatures[DEFAULT_SHARD], trust),
            "safetensors load_file": lambda: load_file(model / file),
        },
    )
    (mine, _), (plain, _) = table.rows["load_verified"], table.rows["safetensors load_file"]
    print(f"load_verified / safetensors load_file: {mine / plain:.2f}")
    for shard, signature in signatures.items():
        took = min(first_tensor_ms(model, signature, trust) for _ in range(table.rounds))
        print(f"  one tensor of 22 MiB, shards of {shard >> 20} MiB: {took:.0f} ms")


def first_tensor_ms(model: Path, signature: Path, trust: TrustedKeys) -> float:
    """What the first tensor costs; a second one of the same shard was verified already."""
    reader = open_verified(model, signature, trust)
    start = time.perf_counter()
    reader.tensor("model.safetensors", "layer.0.up")
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main())
