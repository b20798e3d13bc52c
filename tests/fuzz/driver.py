"""One fuzzer: `python -m fuzz.driver TARGET FOLDER [-option=value …]`, with libFuzzer's options.

It does not return: it ends the process, with a traceback and the input in a file if the target's property is broken.
FOLDER is for what it begins with and what it learns. `TARGET:FAULT` puts a fault in first (see `faults`).
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import atheris

with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["gateway"]):
    from fuzz.faults import FAULTS
    from fuzz.mutate import Mutator
    from fuzz.seeds import dictionary, found, seeds, words
    from fuzz.targets import TARGETS

_SIZES = {"language": 300, "narrowing": 400, "scanner": 700, "rows": 800}
"""Bytes of an input: what a fault needs to show, and no more, because longer inputs are slower ones."""


def _at_random(data: bytes, size: int) -> bytes:
    """Looked up at each call: another function stands under this name when the fuzzer runs."""
    changed: bytes = atheris.Mutate(data, size)
    return changed


def main(name: str, folder: str, *options: str) -> None:
    target, _, fault = name.partition(":")
    if fault:
        FAULTS[name]()
    for number, data in enumerate([*seeds(target), *(path.read_bytes() for path in found(target))]):
        (Path(folder) / f"seed-{number}").write_bytes(data)
    mutator = Mutator(words(target), whole=0 if target == "language" else 1, at_random=_at_random)
    # one change at a time: each one by tokens may already be several, and what they make is to be a query still
    ours = [f"-dict={dictionary(target)}", f"-max_len={_SIZES[target]}", "-timeout=20", "-mutate_depth=1"]
    atheris.Setup(
        [sys.argv[0], *ours, *options, folder],
        TARGETS[target],
        custom_mutator=mutator.mutated,
        custom_crossover=mutator.crossed,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
