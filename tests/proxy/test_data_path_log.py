"""A record that was written in part costs itself, and not the one that comes after it."""

from __future__ import annotations

import json
import os
import threading
import time

from gateway.proxy import DecisionLog, DecisionOptions, decisions
from gateway.proxy.trace import Trace

NOW = 1_700_000_000_000


def read_all(reading: int) -> bytes:
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read()


def test_a_line_that_was_cut_short_spoils_no_other(monkeypatch):
    """Lines longer than PIPE_BUF, whose reader stands still, and later goes on."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    dropped: list[int] = []
    got: list[bytes] = []
    monkeypatch.setattr(decisions, "_STDOUT", writing)
    options = DecisionOptions(bodies=True, body_bytes=30_000)
    with DecisionLog(options, dropped=lambda: dropped.append(1)) as log:
        for number in range(5):
            log.write(Trace(f"first-{number}", "POST", body=b"x" * 20_000), NOW)
        while len(dropped) < 2:
            time.sleep(0.01)
        reader = threading.Thread(target=lambda: got.append(read_all(reading)))
        reader.start()
        time.sleep(0.1)
        for number in range(5):
            log.write(Trace(f"later-{number}", "GET"), NOW)
    os.close(writing)
    reader.join()
    whole = [json.loads(line)["request"] for line in got[0].splitlines() if line.endswith(b"}")]
    assert whole == ["first-0", "first-1", "first-2", *[f"later-{number}" for number in range(5)]]
    assert len(dropped) == 2
