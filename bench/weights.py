"""Sealing, opening, signing and logging weights, beside what others take for the same.

    python bench/weights.py [--folder /dev/shm] [--gigabytes 2.5] [--rounds 5]

One synthetic bf16 model, shaped like a language model, in the page cache (a folder in memory by
default), against peers in turns: plain reads and copies, safetensors.numpy, cryptotensors, age,
raw BLAKE3 and model_signing. Best wall and processor times of the rounds, as other work on the
machine disturbs both. Prints the ratio behind each claim and exits 1 when one is missed.
"""

from __future__ import annotations

import argparse
import base64
import mmap
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cryptotensors
import cryptotensors.numpy
import ml_dtypes
import numpy as np
import pyrage
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from steelyard.attest import generate_key
from steelyard.attest.recipients import generate_identity
from steelyard.weights import header_length, parse_header
from steelyard.weights.access_log import AccessLog, Event
from steelyard.weights.sealed import (
    Expect,
    Opening,
    Rewrapping,
    Sealing,
    TensorReader,
    open_sealed,
    read_header,
    seal_model,
)
from steelyard.weights.sealed.rewrap import replace_header, rewrapped
from steelyard.weights.signing import (
    SigningOptions,
    TrustedKeys,
    generate_model_key,
    open_signature,
    save_model_key,
    sign_model,
    verify_model,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - a file system, no file of ours
DISK_FOLDER = Path("/var/tmp")  # noqa: S108 - as above
NOW = datetime(2026, 5, 4, tzinfo=UTC)
WIDTH, INNER, VOCABULARY = 2048, 5632, 32000
SHARD_BYTES = 64 << 20
AGE_PART_BYTES = 256 << 20
APPENDS = 4000
REWRAP_LIMIT_MS, HEADER_LIMIT_MS, APPENDS_CLAIMED, MEMORY_LIMIT_MIB = 50, 10, 2000, 64


@dataclass
class Table:
    """Rows of best times, and claims about them."""

    rounds: int
    rows: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    missed: list[str] = field(default_factory=list[str])

    def compare(self, size: int, works: dict[str, Callable[[], object]], rounds: int = 0) -> None:
        """Time works in turns; keep the best wall and processor time of each."""
        walls: dict[str, list[float]] = {name: [] for name in works}
        used: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(rounds or self.rounds):
            for name, work in works.items():
                before, start = _processor_s(), time.perf_counter()
                work()
                walls[name].append(time.perf_counter() - start)
                used[name].append(_processor_s() - before)
        for name in works:
            self.rows[name] = (size / min(walls[name]) / 1e9, size / min(used[name]) / 1e9)
            wall, processor = self.rows[name]
            print(f"  {name:46s} {wall:7.2f} GB/s {processor:7.2f} GB/cpu-s", flush=True)

    def claim(self, ours: str, theirs: str, least: float) -> None:
        """Print the ratio of two rows and whether it reaches what is claimed."""
        wall = self.rows[ours][0] / self.rows[theirs][0]
        processor = self.rows[ours][1] / self.rows[theirs][1]
        text = f"{ours} / {theirs}: {wall:.2f} (cpu {processor:.2f}), claimed {least}"
        self.check(text, met=wall >= least)

    def check(self, text: str, *, met: bool) -> None:
        """Print a claim and remember it when it is missed."""
        print(f"{'ok    ' if met else 'MISSED'} {text}", flush=True)
        if not met:
            self.missed.append(text)


def make_model(path: Path, gigabytes: float) -> int:
    """A file of layers of a language model in bf16; its bytes."""
    draw = np.random.default_rng(0)
    block = draw.integers(0, 2**16, size=(VOCABULARY, WIDTH), dtype=np.uint16)
    shapes = {
        "q": (WIDTH, WIDTH), "k": (WIDTH // 4, WIDTH), "v": (WIDTH // 4, WIDTH),
        "o": (WIDTH, WIDTH), "up": (INNER, WIDTH), "gate": (INNER, WIDTH),
        "down": (WIDTH, INNER), "norm": (WIDTH,),
    }  # fmt: skip
    tensors = {"embedding": block.view(ml_dtypes.bfloat16)}
    layer_bytes = sum(2 * int(np.prod(shape)) for shape in shapes.values())
    for number in range(max(1, int((gigabytes * 1e9 - block.nbytes) / layer_bytes))):
        for name, shape in shapes.items():
            part = block.ravel()[number : number + int(np.prod(shape))].reshape(shape)
            tensors[f"layer.{number}.{name}"] = part.view(ml_dtypes.bfloat16)
    save_file(tensors, path)
    return path.stat().st_size


def plain_read(path: Path, start: int, size: int, threads: int) -> None:
    """Read a part of a file into fresh huge pages."""
    rounded = -(-size // (2 << 20)) * (2 << 20)
    region = mmap.mmap(-1, rounded, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    region.madvise(mmap.MADV_HUGEPAGE)
    view, descriptor = memoryview(region), os.open(path, os.O_RDONLY)

    def read(low: int, high: int) -> None:
        while low < high:
            stop = min(high, low + (64 << 20))
            low += os.preadv(descriptor, [view[low:stop]], start + low)

    cuts = [size * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, cuts, cuts[1:]))
    os.close(descriptor)


def sealing(table: Table, place: Path, model: Path, size: int) -> tuple[Any, Any]:
    """Seal against a copy; returns publisher's key and identity."""
    key, identity = generate_key(), generate_identity(hybrid=True)
    settings = _peer_keys()
    tensors = load_file(model / "model.safetensors")

    what = Sealing("bench", 1, [identity.recipient])

    def seal() -> None:
        shutil.rmtree(place / "sealed", ignore_errors=True)
        seal_model(model, place / "sealed", what, key, NOW)

    def copy() -> None:
        (place / "copy").unlink(missing_ok=True)
        shutil.copyfile(model / "model.safetensors", place / "copy")

    def other() -> None:
        (place / "crypto").unlink(missing_ok=True)
        cryptotensors.numpy.save_file(tensors, str(place / "crypto"), config=settings)

    print("seal")
    table.compare(size, {"copy of the file": copy, "seal": seal})
    (place / "copy").unlink()
    table.compare(size, {"cryptotensors save": other}, rounds=1)
    table.claim("seal", "copy of the file", 0.9)
    with tempfile.TemporaryDirectory(dir=DISK_FOLDER) as folder:
        disk = Path(folder)

        def seal_to_disk() -> None:
            shutil.rmtree(disk / "sealed", ignore_errors=True)
            seal_model(model, disk / "sealed", what, key, NOW)

        def copy_to_disk() -> None:
            with (disk / "copy").open("wb") as target:
                with (model / "model.safetensors").open("rb") as source:
                    shutil.copyfileobj(source, target, 16 << 20)
                os.fsync(target.fileno())
            (disk / "copy").unlink()

        works = {"copy to a disk, flushed": copy_to_disk, "seal to a disk": seal_to_disk}
        table.compare(size, works, rounds=3)
    table.claim("seal to a disk", "copy to a disk, flushed", 0.9)
    return key, identity


def opening(table: Table, place: Path, model: Path, size: int, keys: tuple[Any, Any]) -> None:
    """Open everything, and one tensor, against plain reads and other readers."""
    key, identity = keys
    expect, cores = Expect(key.public_key), len(os.sched_getaffinity(0))
    path = model / "model.safetensors"

    def unseal(**how: Any) -> Callable[[], object]:  # noqa: ANN401 - fields of Opening
        return lambda: open_sealed(place / "sealed", identity, expect=expect, how=Opening(**how))

    print("open all tensors")
    table.compare(
        size,
        {
            "plain read, one thread": lambda: plain_read(path, 0, size, 1),
            "open, one thread": unseal(threads=1),
            f"plain read, {cores} threads": lambda: plain_read(path, 0, size, cores),
            f"open, {cores} threads": unseal(),
            "safetensors.numpy load_file": lambda: load_file(path),
        },
    )
    table.compare(size, {"open, publisher's content": unseal(publisher=True)}, rounds=2)
    table.compare(
        size,
        {"cryptotensors load": lambda: cryptotensors.numpy.load_file(place / "crypto")},
        rounds=2,
    )
    _age(table, path)
    table.claim(f"open, {cores} threads", f"plain read, {cores} threads", 0.85)
    table.claim("open, one thread", "plain read, one thread", 0.85)
    table.claim(f"open, {cores} threads", "plain read, one thread", 0.85)
    table.claim(f"open, {cores} threads", "safetensors.numpy load_file", 2.5)
    reader = TensorReader(place / "sealed", identity, expect=expect)
    one = reader.tensors["embedding"]
    start = header_length(path.open("rb").read(8), file_bytes=size) + one.start
    print("one tensor")
    table.compare(
        one.size_bytes,
        {
            "plain read of it": lambda: plain_read(path, start, one.size_bytes, cores),
            "one sealed tensor": lambda: reader.get("embedding"),
            "the same by safetensors": lambda: safe_open(path, "np").get_tensor("embedding"),
            "the same by cryptotensors": lambda: cryptotensors.safe_open(
                place / "crypto", "np"
            ).get_tensor("embedding"),
        },
        rounds=4 * table.rounds,
    )
    table.claim("one sealed tensor", "plain read of it", 0.85)


def signing(table: Table, place: Path, model: Path, size: int) -> None:
    """Verify a signature against a raw hash and model_signing."""
    key = generate_model_key("p256")
    save_model_key(key, place / "key.pem")
    trust = TrustedKeys((key.public_key,))
    for name, options in (
        ("shards.sig", SigningOptions("blake3", SHARD_BYTES)),
        ("files.sig", SigningOptions("sha256", 0)),
    ):
        (place / name).write_bytes(sign_model(model, key, options).bundle)
    program = Path(sys.executable).with_name("model_signing")
    arguments = ["verify", "key", str(model), "--signature", str(place / "files.sig")]

    def theirs() -> None:
        command = [program, *arguments, "--public_key", str(place / "key.pem.pub")]
        subprocess.run(command, capture_output=True, check=True)

    def ours() -> None:
        verify_model(model, open_signature((place / "shards.sig").read_bytes(), trust))

    def raw() -> None:
        blake3(max_threads=blake3.AUTO).update_mmap(model / "model.safetensors").digest()

    print("verify")
    table.compare(size, {"raw blake3, every core": raw, "verify, BLAKE3 shards": ours})
    table.compare(size, {"model_signing verify": theirs}, rounds=2)
    table.claim("verify, BLAKE3 shards", "raw blake3, every core", 0.9)
    table.claim("verify, BLAKE3 shards", "model_signing verify", 2.0)


def small(table: Table, place: Path, model: Path, keys: tuple[Any, Any]) -> None:
    """What does not depend on the size of the model."""
    key, identity = keys
    path, expect = place / "sealed", Expect(key.public_key)
    how = (identity, expect, Rewrapping([identity.recipient], None, key))
    print("independent of size")

    def milliseconds(work: Callable[[], object]) -> float:
        return 1000 * statistics.median(timeit.repeat(work, number=1, repeat=20))

    took = milliseconds(lambda: replace_header(path, rewrapped(read_header(path, expect), *how)[1]))
    table.check(f"rewrap {took:.1f} ms, claimed 50", met=took < REWRAP_LIMIT_MS)

    def scan() -> None:
        with (model / "model.safetensors").open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            length = header_length(stream.read(8), file_bytes=size)
            stream.seek(0)
            parse_header(stream.read(length), file_bytes=size)

    took = milliseconds(scan)
    text = f"header of a safetensors file {took:.2f} ms, claimed 10"
    table.check(text, met=took < HEADER_LIMIT_MS)
    log, event = AccessLog(place / "log"), Event("opened", "bench", "a" * 64, "b" * 64, {"n": "1"})
    start = time.perf_counter()
    for _ in range(APPENDS):
        log.append(event, NOW)
    rate = APPENDS / (time.perf_counter() - start)
    where = "in memory" if place.is_relative_to(MEMORY_FOLDER) else "on disk"
    text = f"access log {rate:.0f} durable appends a second {where}, claimed 2000"
    table.check(text, met=rate >= APPENDS_CLAIMED)


MEMORY = """
import resource, sys
from pathlib import Path
from steelyard.attest import load_public_key
from steelyard.attest.recipients import load_identity
from steelyard.weights.sealed import Expect, TensorReader, open_sealed
folder, signer, identity = map(Path, sys.argv[1:4])
expect, opener = Expect(load_public_key(signer)), load_identity(identity)
TensorReader(folder, opener, expect=expect)

def resident():
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024, int(fields["VmHWM"].split()[0]) * 1024

before = resident()[0]
tensors = open_sealed(folder, opener, expect=expect)
print(resident()[0] - before - sum(tensor.nbytes for tensor in tensors.values()))
"""


def memory(table: Table, place: Path, keys: tuple[Any, Any]) -> None:
    """Memory that opening takes beyond the tensors, in a process of its own."""
    (place / "signer").write_bytes(keys[0].public_key.pem)
    (place / "identity").write_bytes(keys[1].pem(None))
    arguments = [place / "sealed", place / "signer", place / "identity"]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *map(str, arguments)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    beyond = int(done.stdout) / 2**20
    table.check(
        f"memory beyond the tensors {beyond:.1f} MiB, claimed 64", met=beyond < MEMORY_LIMIT_MIB
    )


def _age(table: Table, path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    part = path.open("rb").read(AGE_PART_BYTES)
    sealed = pyrage.encrypt(part, [identity.to_public()])
    works = {"age decrypt (pyrage)": lambda: pyrage.decrypt(sealed, [identity])}
    table.compare(AGE_PART_BYTES, works, rounds=1)


def _peer_keys() -> dict[str, dict[str, str]]:
    """Keys for cryptotensors, which it gets back from its registry when it loads."""
    private = Ed25519PrivateKey.generate()

    def encode(data: bytes) -> str:
        return base64.standard_b64encode(data).decode()

    seal = {"alg": "aes256gcm", "kid": "seal", "kty": "oct", "k": encode(os.urandom(32))}
    sign = {
        "alg": "ed25519", "kid": "sign", "kty": "okp",
        "d": encode(private.private_bytes_raw()),
        "x": encode(private.public_key().public_bytes_raw()),
    }  # fmt: skip
    cryptotensors.register_direct_key_provider(keys=[seal, sign])
    return {"enc_key": seal, "sign_key": sign}


def _processor_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> int:
    """Measure everything; 1 when a claim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=MEMORY_FOLDER)
    parser.add_argument("--gigabytes", type=float, default=2.5)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    table = Table(arguments.rounds)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        place = Path(folder)
        model = place / "model"
        model.mkdir()
        size = make_model(model / "model.safetensors", arguments.gigabytes)
        print(f"{size / 1e9:.2f} GB of bf16 in {arguments.folder}, {os.cpu_count()} cores")
        keys = sealing(table, place, model, size)
        opening(table, place, model, size, keys)
        memory(table, place, keys)
        signing(table, place, model, size)
        small(table, place, model, keys)
    return bool(table.missed)


if __name__ == "__main__":
    sys.exit(main())
