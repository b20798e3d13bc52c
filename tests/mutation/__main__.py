"""How many small errors in the parts that carry the guarantee would go unnoticed: `make mutate`.

With words after it, only for the packages, modules or functions whose names contain one of them.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from mutation.driver import ROOT, mutants_of, survivors

EQUIVALENT = Path(__file__).with_name("equivalent.txt")

PROOF = ("tests/authz/test_leaf_cases.py", "tests/proof/test_agreement.py")
PACKAGES = {
    "policy": (("gateway.policy",), ("tests/policy",)),
    "rows": (("gateway.authz.rows",), ("tests/authz/test_rows.py", *PROOF)),
    "verify": (("gateway.authz.verify",), ("tests/authz/test_verify.py", "tests/authz/test_verify_laws.py")),
    "narrow": (
        ("gateway.authz.narrow",),
        ("tests/authz/test_narrow.py", "tests/authz/test_query_call.py", *PROOF),
    ),
}
"""What is tried, and the quick tests that watch over it, those first that find most."""


def modules(name: str) -> tuple[str, ...]:
    """A module, or all modules of a package."""
    path = ROOT / name.replace(".", "/")
    if not path.is_dir():
        return (name,)
    found = sorted(path.glob("*.py"))
    return tuple(name if each.stem == "__init__" else f"{name}.{each.stem}" for each in found)


def equivalents() -> dict[str, str]:
    """The names of mutants that no test could tell from the program, each with the reason."""
    listed, reason = {}, ""
    for line in EQUIVALENT.read_text().splitlines():
        if line.startswith("#"):
            reason = line
        elif line:
            listed[line] = reason
    return listed


def main(words: list[str]) -> int:
    equivalent, totals, missed = equivalents(), Counter(), []
    for package, (names, tests) in PACKAGES.items():
        chosen = [module for name in names for module in modules(name)]
        mutants = [each for module in chosen for each in mutants_of(module) if chosen_by(each.name, words)]
        if not mutants:
            continue
        began = time.monotonic()
        lasting = survivors(mutants, tests)
        missed += (new := [name for name in lasting if name not in equivalent])
        counts = Counter(mutants=len(mutants), survived=len(new), equivalent=len(lasting) - len(new))
        totals += counts
        print(line(package, counts), f"{time.monotonic() - began:6.0f} s", flush=True)
    print(line("all", totals))
    print(*(f"survived: {name}" for name in missed), sep="\n")
    return bool(missed)


def chosen_by(name: str, words: list[str]) -> bool:
    return not words or any(word in name for word in words)


def line(name: str, counts: Counter[str]) -> str:
    killed = counts["mutants"] - counts["survived"] - counts["equivalent"]
    return (
        f"{name:8}{counts['mutants']:6} mutants{killed:6} killed{counts['equivalent']:5} equivalent"
        f"{counts['survived']:5} survived"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
