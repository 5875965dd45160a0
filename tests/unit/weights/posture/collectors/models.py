"""Small real models in files, plain and sealed."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from steelyard.attest import PrivateKey
from steelyard.attest.recipients import generate_identity
from steelyard.weights.quorum.custody import Member
from steelyard.weights.sealed import Quorum, Sealing, seal_model

from ..posture_scenes import AT  # noqa: TID252 - scenes of the folder above

PUBLISHER = PrivateKey.from_seed(b"p" * 32)


def tensor_file(path: Path, values: bytes = bytes(range(64)), **metadata: str) -> Path:
    """A safetensors file with one tensor."""
    header = {"w": {"dtype": "F32", "shape": [len(values) // 4], "data_offsets": [0, len(values)]}}
    text = json.dumps({"__metadata__": metadata, **header} if metadata else header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + values)
    return path


def plain_model(folder: Path) -> Path:
    """A folder with tensors and a configuration."""
    tensor_file(folder / "model.safetensors")
    (folder / "config.json").write_text('{"hidden_size": 4}', "utf-8")
    return folder


def sealed_model(
    base: Path, organizations: tuple[str, ...] = ("one", "two"), alone: int = 0
) -> Path:
    """Sealed weights that two custodians open, or `alone` recipients, below `base`."""
    source = plain_model(base / "elsewhere" / "model")
    members = [
        Member(
            f"custodian {number}",
            organization,
            PrivateKey.from_seed(bytes([number]) * 32).public_key,
            generate_identity(hybrid=False).recipient,
        )
        for number, organization in enumerate(organizations, 1)
    ]
    recipients = [generate_identity(hybrid=False).recipient for _ in range(alone)]
    quorum = Quorum(members, 2) if members else None
    out = base / "data" / "sealed"
    out.parent.mkdir(parents=True, exist_ok=True)
    seal_model(source, out, Sealing("small-model", 1, recipients, quorum), PUBLISHER, AT)
    return out
