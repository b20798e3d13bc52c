"""What the collector still does: cycles go, sooner or later, and what lives is not looked at again and again.

Each test is a process of its own, because there is one collector in each; with nothing in it but the module.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROLOGUE = """
import gc, runpy, weakref
from collections import deque
module = runpy.run_path("gateway/app/garbage.py")
GROWTH, kept_aside = module["GROWTH"], module["kept_aside"]

class Node:
    pass

def cycle():
    one, other = Node(), Node()
    one.other, other.other = other, one
    return one

def failed():
    node = Node()
    try:
        raise ValueError
    except ValueError as fault:
        node.fault = fault  # whose traceback has this frame, which has the node
    return weakref.ref(node)
"""


@pytest.fixture
def process():
    def run(text):
        code = PROLOGUE + textwrap.dedent(text)
        command = [sys.executable, "-c", code]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr

    return run


def test_exceptions_with_their_tracebacks_go_while_they_are_young(process):
    process("""
    with kept_aside():
        gone = [failed() for _ in range(20_000)]
        left = sum(each() is not None for each in gone)
        assert left <= 5_000, left
    """)


def test_cycles_that_grew_old_go_too(process):
    """Older than any young collection, and younger than the last full one."""
    process("""
    with kept_aside():
        waiting, seen = deque(), []
        for _ in range(60_000):
            waiting.append(cycle())
            seen.append(weakref.ref(waiting[-1]))
            if len(waiting) > 3_000:
                waiting.popleft()
        assert sum(each() is not None for each in seen) <= 30_000
    """)


def test_a_cycle_that_was_set_aside_alive_goes_when_that_has_doubled(process):
    process("""
    with kept_aside():
        held = [cycle() for _ in range(1_000)]
        seen = [weakref.ref(each) for each in held]
        gc.collect()
        assert gc.is_tracked(held[0]) and not any(each is held[0] for each in gc.get_objects())
        held.clear()
        gc.collect()
        assert all(each() is not None for each in seen), "they were set aside"
        more = [Node() for _ in range(GROWTH * gc.get_freeze_count())]
        gc.collect()
        gc.collect()
        assert all(each() is None for each in seen)
    """)


def test_memory_does_not_creep_when_cycles_are_alive_whenever_it_is_looked(process):
    """The worst for setting aside: all that is there at any time becomes a cycle that nobody has."""
    process("""
    with kept_aside():
        living, most = gc.get_freeze_count(), 0
        waiting = deque(maxlen=2_000)
        for number in range(100_000):
            waiting.append(cycle())
            if number % 10_000 == 0:
                gc.collect()
                most = max(most, gc.get_freeze_count() + len(gc.get_objects()))
        assert most <= (GROWTH + 1) * (living + 12_000), (most, living)
    """)


def test_what_lives_is_looked_at_once(process):
    process("""
    before = gc.get_threshold()
    with kept_aside():
        kept = [[[]] for _ in range(50_000)]
        gc.collect()
        assert len(gc.get_objects()) < 5_000
        assert gc.get_freeze_count() > 100_000
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before
    assert not gc.callbacks
    """)
