"""Wall time of the demonstration.

Claim: `steelyard demo` takes under 90 s on two cores after installation. Peer in
the same run: `inspect eval` of the same three protocols, items and target,
which assesses but neither classifies, signs, reports nor verifies.

    python bench/demo_time.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from steelyard.redteam.kit import installed_protocols
from steelyard.standard import load_release

LIMIT_SECONDS = 90.0


def seconds(command: list[str], folder: str) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return time.perf_counter() - start


def main() -> int:
    """Print the figures; 1 if the claim fails."""
    scripts = Path(sys.executable).parent
    indicators = load_release().framework.indicators
    with tempfile.TemporaryDirectory() as folder:
        demo = seconds([str(scripts / "steelyard"), "demo"], folder)
        peer = sum(
            seconds(
                [
                    str(scripts / "inspect"), "eval", f"steelyard/{protocol.id}",
                    "--model", "steelyard/mixed?seed=demo", "--display", "none",
                    "-T", f"items={indicators[protocol.indicator].planned_items}",
                ],
                folder,
            )
            for protocol in installed_protocols().values()
        )  # fmt: skip
    print(f"steelyard demo              {demo:.1f} s")
    print(f"inspect eval, 3 protocols   {peer:.1f} s")
    print(f"ratio                       {demo / peer:.2f}")
    print(f"claim: under {LIMIT_SECONDS:.0f} s  ->  {'holds' if demo < LIMIT_SECONDS else 'FAILS'}")
    return 0 if demo < LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
