"""The clock of this machine that no one sets, for what lasts."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Where the first is missing, on macOS, the second counts sleep."""


def boot_clock() -> float:
    """Seconds that have passed on this machine, those included that it slept."""
    return time.clock_gettime(_CLOCK)
