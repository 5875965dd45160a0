"""`steelyard risk certify` and `recheck`: a score on an imported bank, with any harness."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import progress_bar, say, write, write_json

if TYPE_CHECKING:
    from steelyard.risk.banks.score import ScoreTest
    from steelyard.stats.sequential import Certification

_HELD = {"above": "above", "below": "below", "undecided": "not decided against"}


def certify(
    bank: Annotated[Path, typer.Argument(help="Bank of the items.")],
    ask: Annotated[
        str, typer.Option(help="Command that reads items and writes scores, one JSON a line.")
    ],
    model: Annotated[str, typer.Option(help="Name of the tested model.")],
    harness: Annotated[str, typer.Option(help="How items are asked and scored, for people.")],
    threshold: Annotated[float, typer.Option(help="Mean score to hold the model against.")],
    out: Annotated[Path, typer.Option(help="Folder for plan, answers and claim.")],
    alpha: Annotated[float, typer.Option(help="Error on either side.")] = 0.05,
    wave: Annotated[int, typer.Option(min=1, max=100_000, help="Items drawn at once.")] = 20,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Items to ask at most; all by default.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds that a wave may take.")] = 3600.0,
    key: Annotated[Path | None, typer.Option(help="Signing key; your own by default.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was cut short.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Certify a score on an imported bank, asking any harness for as few items as it takes."""
    from steelyard.cli.places import signing_key
    from steelyard.kernel.errors import UsageError
    from steelyard.pipeline.asking import Asker
    from steelyard.pipeline.certified_score import ScoreFolder, certify_bank, new_seed
    from steelyard.risk.banks.item_bank import read_bank
    from steelyard.risk.banks.score import ScorePlan, ScoreTest

    command = shlex.split(ask)
    if not command:
        raise UsageError("the command is empty", where="--ask")
    items = read_bank(bank)
    most = sum(item.canary is None for item in items.items)
    plan = ScorePlan(
        bank=items.digest,
        model=model,
        harness=harness,
        threshold=threshold,
        alpha=alpha,
        seed=new_seed(),
        wave=wave,
        budget=min(budget or most, most),
    )
    signer = signing_key(key)
    folder = ScoreFolder(out)
    with progress_bar(f"certifying {model}") as progress:
        found = certify_bank(
            ScoreTest(plan, items), folder, Asker(command, timeout), signer,
            resume=resume, progress=progress,
        )  # fmt: skip
    _show(ScoreTest(plan, items), found, signer.public_key.key_id, as_json=as_json)
    say(f"next:     steelyard risk recheck {out} {bank} --key {signer.public_key.key_id}")


def recheck(
    folder: Annotated[Path, typer.Argument(help="Folder of `certify`.")],
    bank: Annotated[Path, typer.Argument(help="Bank of the items.")],
    key: Annotated[
        str | None, typer.Option(help="Public key (PEM file or key id) that must have signed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Repeat a certified score from its draws, without the model."""
    from steelyard.attest import load_public_key
    from steelyard.pipeline.certified_score import ScoreFolder, recheck_score
    from steelyard.risk.banks.item_bank import read_bank

    wanted = load_public_key(Path(key)).key_id if key and Path(key).is_file() else key
    checked = recheck_score(ScoreFolder(folder), read_bank(bank), wanted)
    _show(checked.test, checked.found, checked.signer, as_json=as_json)
    if wanted is None:
        say("note: any signer was accepted; name yours with --key")


def _show(test: ScoreTest, found: Certification, signer: str, *, as_json: bool) -> None:
    plan, items = test.plan, len(test.items)
    low, high = found.interval
    if as_json:
        write_json(
            {
                "schema": "steelyard/certified-score/1",
                "bank": plan.bank,
                "model": plan.model,
                "signer": signer,
                "threshold": plan.threshold,
                "alpha": plan.alpha,
                "decision": found.decision,
                "items": items,
                "items_used": found.items_used,
                "interval": [low, high],
            }
        )
        return
    write(f"{plan.model}: {_HELD[found.decision]} {plan.threshold:g} on {test.bank.origin.id}")
    write(
        f"  {found.items_used} of {items} items asked, error at most {plan.alpha:g} on either side"
    )
    write(f"  score from {low:.3f} to {high:.3f} at {1 - plan.alpha:.0%}")
    write(f"  signed by {signer}")
