"""`steelyard plan`: what an assessment would cost, before anything is spent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelyard.cli.output import progress_bar, say, write, write_json

if TYPE_CHECKING:
    from steelyard.pipeline.costs import CostPlan, Sample


def plan(
    model: Annotated[str, typer.Argument(help="As for assess; it is not called.")],
    domain: Annotated[
        list[str] | None, typer.Option(help="Domain to speak about; repeatable.")
    ] = None,
    suite: Annotated[str, typer.Option(help="core or full, as for assess.")] = "core",
    samples: Annotated[int | None, typer.Option(min=1, max=100_000, help="Items per arm.")] = None,
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="Repeats of each item.")] = 1,
    elicitation: Annotated[str, typer.Option(help="E0 to E3.")] = "E1",
    attempts: Annotated[
        int | None, typer.Option(min=1, max=64, help="Tries at each item from E2 on.")
    ] = None,
    mode: Annotated[str, typer.Option(help="full, certify or screen.")] = "full",
    wave: Annotated[
        int, typer.Option(min=1, max=100_000, help="Items drawn at once from certify on.")
    ] = 20,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Items of each protocol to ask at most.")
    ] = None,
    bank: Annotated[
        list[Path] | None, typer.Option(help="Item bank that steers the draws; repeatable.")
    ] = None,
    input_price: Annotated[
        float | None, typer.Option(min=0, help="Money for a million input tokens.")
    ] = None,
    output_price: Annotated[
        float | None, typer.Option(min=0, help="Money for a million output tokens.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Say what an assessment would take: calls, tokens and money, expected and at worst."""
    from steelyard.cli.assess import chosen_scope, read_banks, require_choice
    from steelyard.kernel.errors import UsageError
    from steelyard.pipeline import Effort, Request
    from steelyard.pipeline.costs import Prices, plan_costs
    from steelyard.pipeline.waves import MODES, Waves
    from steelyard.standard import CURRENT_RELEASE

    require_choice("--suite", suite, ("core", "full"))
    require_choice("--elicitation", elicitation, ("E0", "E1", "E2", "E3"))
    require_choice("--mode", mode, MODES)
    if (input_price is None) != (output_price is None):
        message = "money needs both prices"
        raise UsageError(message, hint="give --input-price and --output-price")
    banks = read_banks(bank or [], mode)
    request = Request(
        model=model,
        scope=chosen_scope(domain, []),
        suite=suite,
        samples=samples,
        epochs=epochs,
        seed="plan",
        salt="00" * 32,
        split="public",
        elicitation=elicitation,
        safeguards="unknown",
        imported={},
        weights=None,
        release=CURRENT_RELEASE,
        effort=Effort(attempts=attempts),
        waves=Waves(mode, wave, budget, {name: one.digest for name, one in banks.items()}),
    )
    prices = None
    if input_price is not None and output_price is not None:
        prices = Prices(input_price, output_price)
    with progress_bar("planning") as progress:
        found = plan_costs(request, prices, banks, progress)
    if as_json:
        write_json(found.to_json())
    else:
        _print(found)
    say("tokens are characters of reference targets' dialogues divided by four; yours will differ")


def _print(plan: CostPlan) -> None:
    for cost in plan.protocols:
        write(f"{cost.protocol}: {cost.items} items, {cost.per_item:g} samples each")
        for rate, items in cost.expected_items.items():
            if rate is not None:
                write(f"  at a true rate of {rate:.1%}: {items:.0f} items")
        write(f"  expected {_amount(cost.typical)}")
        write(f"  at worst {_amount(cost.most)}")
    for title, sample in (("expected", plan.typical), ("at worst", plan.most)):
        money = f", money {plan.prices.of(sample):.2f}" if plan.prices else ""
        write(f"{title}: {_amount(sample)}{money}")


def _amount(sample: Sample) -> str:
    return (
        f"{sample.calls:,.0f} calls, {sample.input_tokens:,.0f} tokens in, "
        f"{sample.output_tokens:,.0f} out"
    )
