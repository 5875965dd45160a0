"""How soon the command line answers.

Claim: `steelyard --help` in under 0.3 s. Peer in the same run: `inspect --help`,
the engine's own command line, each started alternately as a whole process.

    python bench/startup.py [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

LIMIT_SECONDS = 0.3


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> int:
    """Print the figures; 1 if the claim fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    scripts = Path(sys.executable).parent
    ours, peer = [str(scripts / "steelyard"), "--help"], [str(scripts / "inspect"), "--help"]
    pairs = [(seconds(ours), seconds(peer)) for _ in range(rounds + 1)][1:]
    mine = statistics.median(a for a, _ in pairs)
    theirs = statistics.median(b for _, b in pairs)
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"steelyard --help  {mine:.3f} s")
    print(f"inspect --help    {theirs:.3f} s")
    print(f"ratio             {ratio:.2f}")
    print(f"claim: under {LIMIT_SECONDS} s  ->  {'holds' if mine < LIMIT_SECONDS else 'FAILS'}")
    return 0 if mine < LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
