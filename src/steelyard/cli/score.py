"""`steelyard risk certify` and `recheck`: a score on an imported bank, with any harness."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import progress_bar, say, write, write_json

if TYPE_CHECKING:
    from steelyard.pipeline.certified_score import Scored

_LONGEST_WAVE_S = 7 * 86_400.0


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
    timeout: Annotated[
        float, typer.Option(min=1.0, max=_LONGEST_WAVE_S, help="Seconds that a wave may take.")
    ] = 3600.0,
    key: Annotated[Path | None, typer.Option(help="Signing key; your own by default.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was cut short.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Certify a score on an imported bank, asking any harness for as few items as it takes."""
    from steelyard.cli.places import attempts_file, signing_key
    from steelyard.kernel import utc_now
    from steelyard.kernel.errors import UsageError
    from steelyard.pipeline.asking import Asker
    from steelyard.pipeline.attempts import next_attempt
    from steelyard.pipeline.certified_score import (
        Evaluator,
        ScoreFolder,
        certify_bank,
        new_seed,
    )
    from steelyard.risk.banks.item_bank import read_bank
    from steelyard.risk.banks.score import ScorePlan, ScoreTest

    try:
        command = shlex.split(ask)
    except ValueError as error:
        raise UsageError(f"{error}".lower(), where="--ask") from error
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
    evaluator = Evaluator(
        signing_key(key), lambda: next_attempt(attempts_file(), model, (items.digest,), utc_now())
    )
    with progress_bar(f"certifying {model}") as progress:
        scored = certify_bank(
            ScoreTest(plan, items), ScoreFolder(out), Asker(command, timeout), evaluator,
            resume=resume, progress=progress,
        )  # fmt: skip
    _show(scored, as_json=as_json)
    say(f"next:     steelyard risk recheck {out} {bank} --key {scored.signer}")


def recheck(
    folder: Annotated[Path, typer.Argument(help="Folder of `certify`.")],
    bank: Annotated[Path, typer.Argument(help="Bank of the items.")],
    key: Annotated[
        str | None, typer.Option(help="Public key (PEM file or key id) that must have signed.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Repeat a certified score from its draws, without the model."""
    from steelyard.cli.places import key_id_of
    from steelyard.pipeline.certified_score import ScoreFolder, recheck_score
    from steelyard.risk.banks.item_bank import read_bank

    wanted = key_id_of(key) if key else None
    checked = recheck_score(ScoreFolder(folder), read_bank(bank), wanted)
    _show(checked, as_json=as_json)
    if wanted is None:
        say("note: any signer was accepted; name yours with --key")


def _show(scored: Scored, *, as_json: bool) -> None:
    plan, found, items = scored.test.plan, scored.found, len(scored.test.items)
    bank = scored.test.bank.origin
    low, high = found.interval
    if as_json:
        write_json(
            {
                "schema": "steelyard/certified-score/1",
                "bank": plan.bank,
                "model": plan.model,
                "harness": plan.harness,
                "signer": scored.signer,
                "attempt": plan.attempt,
                "threshold": plan.threshold,
                "alpha": plan.alpha,
                "decision": found.decision,
                "items": items,
                "items_used": found.items_used,
                "interval": [low, high],
            }
        )
        return
    coverage = f"{100.0 * (1.0 - plan.alpha):.10g} %"
    side = f"{found.decision} {plan.threshold!r}"
    if found.decision == "undecided":
        side = f"undecided at {plan.threshold!r}: nothing is claimed"
    write(f"{plan.model}: {side}")
    write(f"  on {bank.id} {bank.version}, asked by: {plan.harness}")
    write(f"  {found.items_used} of {items} items asked")
    if found.decision != "undecided":
        write(f"  wrong with probability at most {plan.alpha!r}, over the draws")
    # Rounded outward: what is printed covers as often as what was claimed.
    low, high = math.floor(low * 1000) / 1000, math.ceil(high * 1000) / 1000
    write(f"  score from {low:.3f} to {high:.3f} at {coverage}")
    write(f"  attempt {plan.attempt} by the signer's own count")
    write(f"  signed by {scored.signer}")
