"""CPU of `steelyard verify` on a passport of 100,000 records.

Claim: at most 1 s CPU beyond start-up. Peer in the same run: rebuilding the
same Merkle root one record at a time with the rfc8785 package, which is what a
straightforward verifier would do, without any recomputation of levels.

    python bench/verify_speed.py [--records 100000]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import rfc8785

from steelyard.attest import generate_key, merkle_root
from steelyard.evidence import Elicitation, Evidence
from steelyard.kernel import days_after, utc_now
from steelyard.passport import (
    Claim,
    Identity,
    Intent,
    PlannedSamples,
    Run,
    build_matrix,
    sign_classification,
    sign_evidence,
    sign_identity,
    sign_intent,
    verify_passport,
    write_passport,
)
from steelyard.passport.matrix import read_matrix
from steelyard.risk import Plan, classify
from steelyard.standard import load_release

LIMIT_SECONDS = 1.0
ROUNDS = 5


def make_passport(records: int) -> tuple[bytes, bytes]:
    """A genuine passport with that many records, and its matrix."""
    release, key = load_release(), generate_key()
    indicator = release.framework.indicators["pe1.fabrication"]
    arms = tuple(indicator.arms.values())
    items = records // len(arms)
    rows = [
        {
            "model": "bench/model", "protocol": indicator.protocol,
            "protocol_version": indicator.protocol_version, "domain": indicator.domain,
            "indicator": indicator.id, "item": f"{n:024x}",
            "template": f"template {n % indicator.planned_templates}", "arm": arm, "epoch": 1,
            "elicitation": Elicitation.E1.value,
            "outcome": "behaviour" if arm == arms[0] and n % 9 == 0 else "no_behaviour",
            "score": float(arm == arms[0] and n % 9 == 0), "reason": "", "covariates": {},
            "measures": {}, "input_tokens": 300, "output_tokens": 40, "seconds": 0.25,
            "commitment": f"{2 * n + (arm == arms[0]):064x}", "source": "bench",
        }
        for n in range(items)
        for arm in arms
    ]  # fmt: skip
    evidence = Evidence.from_objects(rows).in_key_order()
    created, finished = days_after(utc_now(), -1), utc_now()
    planned = tuple(
        PlannedSamples(indicator.protocol, indicator.protocol_version, arm, items, 1)
        for arm in arms
    )
    identity = Identity(model="bench/model", kind="hosted", digest="0" * 64)
    intent = Intent(created, release, (indicator.domain,), "E1", planned, split="private")
    statements = {
        "model-identity": sign_identity(identity, key),
        "run-intent": sign_intent(intent, identity, key),
    }
    matrix = build_matrix(evidence)
    usage = {"input_tokens": None, "output_tokens": None, "seconds": None}
    run = Run(created, finished, release, usage, {})
    statements["evaluation-evidence"] = sign_evidence(run, matrix, statements["run-intent"], key)
    claim = classify(
        matrix.evidence,
        release,
        scope=intent.scope,
        as_of=finished,
        plan=Plan.from_predicate(intent.predicate()),
    ).to_json()
    statements["classification"] = sign_classification(
        Claim(claim, finished, b"<!doctype html>"), identity, matrix, statements, key
    )
    data = write_passport(statements, matrix, release, b"<!doctype html>", [key.public_key])
    return data, matrix.data


def naive_root(evidence: Evidence) -> str:
    """The same root, one record at a time."""
    dropped = ("measures", "input_tokens", "output_tokens", "seconds", "source")
    return merkle_root(
        rfc8785.dumps({k: v for k, v in row.items() if k not in dropped})
        for row in evidence.objects()
    )


def cpu_seconds(work: object, *arguments: object, **options: object) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    work(*arguments, **options)  # type: ignore[operator]
    return time.process_time() - start


def main() -> int:
    """Print the figures; 1 if the claim fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    records = parser.parse_args().records
    data, matrix = make_passport(records)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "passport.zip"
        path.write_bytes(data)
        print(f"{records} records, passport {len(data) / 1e6:.1f} MB")
    evidence, at = read_matrix(matrix).evidence, utc_now()
    if verify_passport(data, at=at).exit_status != 0:
        print("the passport does not verify; nothing was measured")
        return 1
    ours = [cpu_seconds(verify_passport, data, at=at) for _ in range(ROUNDS)]
    peer = [cpu_seconds(naive_root, evidence) for _ in range(ROUNDS)]
    mine, theirs = statistics.median(ours), statistics.median(peer)
    print(f"verify, everything      {mine:.2f} s CPU (min {min(ours):.2f}, max {max(ours):.2f})")
    print(f"peer, root only         {theirs:.2f} s CPU (min {min(peer):.2f}, max {max(peer):.2f})")
    print(f"ratio verify / peer     {mine / theirs:.2f}")
    print(f"claim: at most {LIMIT_SECONDS} s  ->  {'holds' if mine <= LIMIT_SECONDS else 'FAILS'}")
    return 0 if mine <= LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
