"""Fitting a two-parameter bank, beside py-irt and girth.

Speed: one simulated matrix of 25 models by 500 items goes to `fit_2pl` and to py-irt
(hierarchical priors, its default 2,000 epochs and a shorter run). One function evaluates
the marginal log likelihood of every solution, on the matrix and on 400 unseen models; a
peer's scale is first aligned by the mean and the spread of its own abilities, then moved
to wherever it does best. Priors cost likelihood on the matrix and gain it on unseen
models, so ours is shown with its own prior and with a loose one. Agreement: 500
models by 40 items, ours without much prior against girth's marginal maximum likelihood.
Scale: three sizes up to 1,000 models by 10,000 items with 70 % missing. Claims: at
least 100 times faster than the peer's default, a loose prior no less likely on the matrix,
the own prior no less likely on unseen models, within 60 s and 4 GB at the largest, cost linear
in responses, and as close to girth as either is to the truth.

    python bench/irt_fit.py [--peer PYTHON] [--epochs 2000 300] [--small]
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from steelyard.stats import AbilityPrior, ItemBank, ItemPrior, ability_posterior, fit_2pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SPEED_CLAIM = 100.0
SECONDS_CLAIM, GIGABYTES_CLAIM = 60.0, 4.0
LINEAR_CLAIM = 1.5  # seconds per response, of the largest over the smallest
DEFAULT_EPOCHS = 2000  # of py-irt 0.7.1
LOOSE = ItemPrior(0.0, 2.0, 0.0, 10.0)
PY_IRT = """
import json, sys, time
import pandas as pd
from py_irt.config import IrtConfig
from py_irt.dataset import Dataset
from py_irt.training import IrtModelTrainer
task = json.load(sys.stdin)
frame = pd.DataFrame(task["scores"], columns=[f"i{k}" for k in range(len(task["scores"][0]))])
frame.insert(0, "subject", [f"m{k}" for k in range(len(frame))])
data = Dataset.from_pandas(frame, subject_column="subject", item_columns=list(frame.columns[1:]))
config = IrtConfig(model_type="2pl", priors="hierarchical", epochs=task["epochs"], seed=1)
trainer = IrtModelTrainer(config=config, data_path=None, dataset=data, verbose=False)
start = time.perf_counter()
trainer.train(device="cpu")
seconds = time.perf_counter() - start
found = {}
for name in ("last_params", "best_params"):
    params = getattr(trainer, name)
    order = sorted(params["item_ids"], key=lambda ix: int(params["item_ids"][ix][1:]))
    found[name] = {"disc": [params["disc"][ix] for ix in order],
                   "diff": [params["diff"][ix] for ix in order], "ability": params["ability"]}
print(json.dumps({"seconds": seconds, **found}))
"""
GIRTH = """
import json, sys, time
import numpy as np
from girth import twopl_mml
task = json.load(sys.stdin)
scores = np.array(task["scores"], dtype=int).T
start = time.perf_counter()
found = twopl_mml(scores)
print(json.dumps({"seconds": time.perf_counter() - start,
                  "disc": list(map(float, found["Discrimination"])),
                  "diff": list(map(float, found["Difficulty"]))}))
"""


class Simulation(NamedTuple):
    """Scores [models, items] and the items behind them."""

    scores: Floats
    bank: ItemBank


def simulated(models: int, items: int, missing: float = 0.0, seed: int = 20261) -> Simulation:
    """Abilities standard normal, log slopes N(0, 0.4^2), intercepts N(0, 1.5^2)."""
    random = np.random.default_rng(seed)
    slope = np.exp(random.normal(0.0, 0.4, items))
    bank = ItemBank(slope, random.normal(0.0, 1.5, items))
    scores = np.empty((models, items))
    for model, theta in enumerate(random.normal(size=models)):
        scores[model] = random.random(items) < bank.probabilities(theta)
        scores[model, random.random(items) < missing] = np.nan
    return Simulation(scores, bank)


def unseen_models(bank: ItemBank, models: int) -> Floats:
    """Scores of further models on the same items."""
    random = np.random.default_rng(20262)
    shares = bank.probabilities(random.normal(size=models))
    return (random.random(shares.shape) < shares).astype(float)


def log_likelihood(scores: Floats, bank: ItemBank, mean: float = 0.0, sd: float = 1.0) -> float:
    """Marginal log likelihood in nats, abilities N(mean, sd^2)."""
    return float(ability_posterior(bank, scores, prior=AbilityPrior(mean, sd)).log_evidence.sum())


def aligned(scores: Floats, found: dict[str, list[float]]) -> ItemBank:
    """A peer's items, on the scale of the population of abilities that suits it best."""
    slope = np.array(found["disc"])
    bank = ItemBank(slope, -slope * np.array(found["diff"]))
    ability = np.array(found["ability"])
    mean, sd = float(ability.mean()), float(ability.std())
    best, reach = log_likelihood(scores, bank, mean, sd), 0.5
    while reach > 0.01:  # noqa: PLR2004 - a hundredth of its own spread
        moves = [(mean + sd * step, sd) for step in (-reach, reach)]
        moves += [(mean, sd * math.exp(step)) for step in (-reach, reach)]
        values = [log_likelihood(scores, bank, *move) for move in moves]
        if max(values) > best:
            best = max(values)
            mean, sd = moves[values.index(best)]
        else:
            reach /= 2.0
    return ItemBank(slope * sd, bank.intercept + slope * mean)


def ask(python: str, script: str, **task: object) -> dict:
    """A peer's answer, from its own interpreter."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", script],
        input=json.dumps(task), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.strip().splitlines()[-1])


def timed(
    scores: Floats, repeats: int = 3, prior: ItemPrior | None = None
) -> tuple[float, ItemBank]:
    """Seconds of the median fit, and its bank."""
    seconds, bank = list[float](), None
    for _ in range(repeats):
        start = time.perf_counter()
        bank = fit_2pl(scores, prior=prior)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[repeats // 2], bank


def speed(peer: str | None, epochs: list[int]) -> bool:
    """Whether the claims of speed and likelihood hold; True without a peer."""
    scores, truth = simulated(25, 500)
    unseen = unseen_models(truth, 400)

    def row(name: str, seconds: float, *banks: ItemBank) -> tuple[float, float]:
        own = max(log_likelihood(scores, bank) for bank in banks)
        new = max(log_likelihood(unseen, bank) for bank in banks) / len(unseen)
        ratio = seconds / fastest if fastest else 1.0
        print(f"  {name:<28} {seconds:8.3f} {ratio:8.1f} {own:11.1f} {new:15.2f}", flush=True)
        return own, new

    print("25 models x 500 items           seconds    ratio  likelihood  per unseen model")
    fastest, bank = timed(scores)
    _, new = row("fit_2pl", fastest, bank)
    seconds, loose = timed(scores, prior=LOOSE)
    own, _ = row("fit_2pl, loose prior", seconds, loose)
    row("the true items", math.nan, truth)
    held = True
    for count in epochs if peer else ():
        found = ask(peer, PY_IRT, scores=scores.astype(int).tolist(), epochs=count)
        banks = [aligned(scores, found[name]) for name in ("last_params", "best_params")]
        reached, reached_new = row(f"py-irt, {count} epochs", found["seconds"], *banks)
        held &= own >= reached and new >= reached_new
        if count >= DEFAULT_EPOCHS:
            held &= found["seconds"] >= SPEED_CLAIM * max(fastest, seconds)
    return held


def agreement(peer: str | None) -> bool:
    """Whether ours and girth's items differ by less than sampling error."""
    scores, truth = simulated(500, 40)
    seconds, bank = timed(scores, 1, LOOSE)

    def rms(first: ItemBank, second: ItemBank) -> str:
        slopes = np.log(first.discrimination / second.discrimination)
        gaps = first.intercept - second.intercept
        return f"{np.sqrt((slopes**2).mean()):8.3f} {np.sqrt((gaps**2).mean()):10.3f}"

    print("500 models x 40 items, rms of:  log slope  intercept   seconds")
    print(f"  steelyard less truth         {rms(bank, truth)} {seconds:9.2f}")
    if not peer:
        return True
    found = ask(peer, GIRTH, scores=scores.astype(int).tolist())
    slope = np.array(found["disc"])
    other = ItemBank(slope, -slope * np.array(found["diff"]))
    print(f"  girth less truth             {rms(other, truth)} {found['seconds']:9.2f}")
    print(f"  steelyard less girth         {rms(bank, other)}")
    gap = np.log(bank.discrimination / other.discrimination)
    error = np.log(bank.discrimination / truth.discrimination)
    return float(np.square(gap).mean()) < float(np.square(error).mean())


def scale(largest: int) -> bool:
    """Whether time, memory and growth stay within the claims."""
    print("1,000 models, 70 % missing      responses  seconds  us per response  peak GB")
    per_response, held = [], True
    for items in (largest // 4, largest // 2, largest):
        scores = simulated(1000, items, 0.7).scores
        responses = int((~np.isnan(scores)).sum())
        seconds, _ = timed(scores, 1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        per_response.append(seconds / responses)
        cost = 1e6 * per_response[-1]
        cells = f"{responses:14d} {seconds:8.1f} {cost:16.2f} {peak:8.2f}"
        print(f"  {items:6d} items            {cells}", flush=True)
        held &= seconds < SECONDS_CLAIM and peak < GIGABYTES_CLAIM
    return held and per_response[-1] < LINEAR_CLAIM * per_response[0]


def main() -> int:
    """Print the tables; 1 if a claim fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="interpreter with py-irt and girth")
    parser.add_argument("--epochs", type=int, nargs="+", default=[2000, 300])
    parser.add_argument("--small", action="store_true", help="a tenth of the largest matrix")
    options = parser.parse_args()
    held = [speed(options.peer, options.epochs), agreement(options.peer)]
    held.append(scale(1000 if options.small else 10_000))
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
