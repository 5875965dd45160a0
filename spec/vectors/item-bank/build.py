"""Writes the vectors of the item bank: one good file, and files with one fault each.

    python spec/vectors/item-bank/build.py

`text` is the file; `error` the class of the refusal, or empty where the file is good.
"""  # noqa: INP001 - a script among data, no package

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.kernel import canonical_json, digest_json
from steelyard.risk.banks.item_bank import Bank, BankItem, Honest, Measured, Origin

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent


def good() -> dict[str, Any]:
    """A bank of three items: an ordinary one, a flagged one, a canary."""
    items = (
        BankItem("item-a", 1.25, -0.5, 0.3, 0.2, 0.98, 1.02, 12, 24, (), public=True),
        BankItem(
            "item-b", 0.002479, -3.0, 2.0, 1.1, None, 0.05, 12, 12, ("constant",), public=False
        ),
        BankItem(
            "item-c",
            0.002479,
            -3.0,
            2.0,
            1.1,
            None,
            0.05,
            12,
            12,
            ("constant",),
            public=True,
            canary=0.02,
        ),
    )
    origin = Origin("toy", "1", "Example responses", "CC0-1.0")
    measured = Measured("toy_protocol", "1.0", "de1.lie", "default")
    honest = Honest((-2.5, -0.25, 0.5), (-1.0, 0.0, 1.0))
    return dict(Bank(origin, measured, 12, honest, items, "marker-7f3a").to_json())


def sealed(value: dict[str, Any]) -> str:
    """The document under a digest that fits what it now says."""
    value = {**value, "digest": digest_json({k: v for k, v in value.items() if k != "digest"})}
    return canonical_json(value).decode()


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """The good bank with one change, under a fitting digest."""
    value = deepcopy(good())
    change(value)
    return sealed(value)


def vectors() -> dict[str, tuple[str, str]]:
    """Text and error by name."""
    unsealed = deepcopy(good())
    unsealed["version"] = "2"
    pretty = json.dumps(good(), indent=1)
    malformed = "MalformedEvidence"
    return {
        "good": (sealed(good()), ""),
        "digest": (canonical_json(unsealed).decode(), "BrokenSeal"),
        "parameters": (changed(lambda v: v["items"][0].update(intercept=0.5)), "BrokenSeal"),
        "not-canonical": (pretty, malformed),
        "unknown-key": (changed(lambda v: v.update(responses=[])), malformed),
        "unknown-item-key": (changed(lambda v: v["items"][0].update(scores=[1])), malformed),
        "missing-licence": (changed(lambda v: v.pop("licence")), malformed),
        "empty-source": (changed(lambda v: v.update(source="")), malformed),
        "other-status": (changed(lambda v: v.update(status="certified")), malformed),
        "presumptive-without-note": (changed(lambda v: v.update(status="presumptive")), malformed),
        "duplicate-item": (changed(lambda v: v["items"][1].update(item="item-a")), malformed),
        "unordered-items": (changed(lambda v: v["items"][0].update(item="item-z")), malformed),
        "too-many-models": (
            changed(lambda v: v["items"][0].update(models=13)), malformed,
        ),
        "fewer-samples-than-models": (
            changed(lambda v: v["items"][0].update(repeats=3)), malformed,
        ),
        "unordered-honest-values": (
            changed(lambda v: v["honest"].update(fit=[1.0, 0.0])), malformed,
        ),
        "unknown-flag": (changed(lambda v: v["items"][0].update(flags=["easy"])), malformed),
        "canary-above-one": (changed(lambda v: v["items"][2].update(canary=1.5)), malformed),
        "discrimination-too-large": (
            changed(lambda v: v["items"][0].update(discrimination=1001)), malformed,
        ),
        "one-item": (changed(lambda v: v.update(items=v["items"][:1])), malformed),
        "duplicate-key": (sealed(good())[:-1] + ',"version":"1"}', malformed),
        "truncated": (sealed(good())[:-1], malformed),
    }  # fmt: skip


def write(folder: Path) -> None:
    """Write every vector."""
    for name, (text, error) in vectors().items():
        document = json.dumps({"error": error, "text": text}, indent=2)
        (folder / f"{name}.json").write_text(f"{document}\n", "utf-8")


if __name__ == "__main__":
    write(FOLDER)
