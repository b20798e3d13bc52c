"""All fuzzers, or those named: `python -m fuzz [TARGET …]`, each for GATEWAY_FUZZ_SECONDS.

What they learn is kept in `.fuzz`, and the next run goes on from there. An input that fails is kept there too; once its
fault is found, it belongs in `tests/fuzz/found`, under a name that says what it was.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fuzz.targets import TARGETS

SECONDS = os.environ.get("GATEWAY_FUZZ_SECONDS", "60")
KEPT = Path(".fuzz")


def fuzzed(target: str) -> bool:
    """Whether a target held out."""
    learned, failed = KEPT / "learned" / target, KEPT / "failed" / target
    for folder in (learned, failed):
        folder.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={SECONDS}", f"-artifact_prefix={failed}/", "-print_final_stats=1"]
    return subprocess.run([sys.executable, "-m", "fuzz.driver", target, learned, *options], check=False).returncode == 0


def main(names: list[str]) -> None:
    if unknown := set(names) - TARGETS.keys():
        sys.exit(f"no target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    failed = [name for name in names or TARGETS if not fuzzed(name)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; the inputs are in {KEPT / 'failed'}")


if __name__ == "__main__":
    main(sys.argv[1:])
