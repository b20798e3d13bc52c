"""Runs the users of `locustfile.py` for `load.py`, in a process of its own: its work must not hide in another's.

A line of JSON on standard input is a step: `users` (0 sends them away), `settle` and `seconds`. Calls that end within
`seconds`, once it has settled for so long, are measured, and told in a line of JSON on standard output; failures are
told whenever they were. It ends with its input. `--fixed` leaves out what a fixed upstream does not answer.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from typing import Any

import gevent
import locustfile
from gevent.fileobject import FileObjectThread
from locust import User
from locust.env import Environment
from locust.user.task import filter_tasks_by_tags

SPAWN = 100
"""Users a second: as many as locust thinks wise."""
STOP = 60.0
"""Seconds that users may take to end their task: those of the longest time-out of a call, twice."""
FAULT_CHARACTERS = 200


def user_classes(*, fixed: bool) -> list[type[User]]:
    found = [locustfile.Reader, locustfile.Restricted, locustfile.Synchronizer, locustfile.Junk]
    found += [locustfile.Administrator]
    if fixed:
        for each in found:
            filter_tasks_by_tags(each, {"fixed"})
    return [each for each in found if each.tasks]


class Recorder:
    """Latencies by name, in units of 0.1 ms so that a long step needs little memory, and failures."""

    def __init__(self) -> None:
        self.times: dict[str, Counter[int]] = {}
        self.failures: Counter[str] = Counter()

    def record(self, name: str, response_time: float, exception: Any, request_type: str, **_: Any) -> None:
        if request_type:
            self.times.setdefault(name, Counter())[_rounded(response_time)] += 1
        if exception is not None:
            self.failures[f"{name}: {str(exception)[:FAULT_CHARACTERS]}"] += 1

    def broken(self, user_instance: Any, exception: Exception, **_: Any) -> None:
        """A user has failed in what is no call: it is wrong, or an answer was of another shape."""
        user = getattr(user_instance, "user", user_instance)  # locust gives the set of tasks, if it is one of these
        self.failures[f"{type(user).__name__}: {exception!r}"[:FAULT_CHARACTERS]] += 1

    def clear(self) -> None:
        self.times.clear()


def _rounded(milliseconds: float) -> int:
    """In units of 0.1 ms; three digits of it."""
    units = max(1, round(milliseconds * 10))
    digits = len(str(units)) - 3
    return round(units, -digits) if digits > 0 else units


def step(runner: Any, recorder: Recorder, wanted: dict[str, Any]) -> dict[str, Any]:
    if not wanted["users"]:
        runner.stop()
    elif wanted["users"] != runner.user_count:
        runner.start(wanted["users"], spawn_rate=SPAWN)
    gevent.sleep(wanted["settle"])
    recorder.clear()
    computed, began = time.process_time(), time.monotonic()
    gevent.sleep(wanted["seconds"])
    took = time.monotonic() - began
    told = {
        "users": runner.user_count,
        "seconds": took,
        "busy": (time.process_time() - computed) / took if took else 0.0,
        "times": {name: dict(each) for name, each in recorder.times.items()},
        "failures": dict(recorder.failures),
    }
    recorder.clear()
    recorder.failures.clear()
    return told


def main() -> None:
    environment = Environment(user_classes=user_classes(fixed="--fixed" in sys.argv), stop_timeout=STOP)
    recorder = Recorder()
    environment.events.request.add_listener(recorder.record)
    environment.events.user_error.add_listener(recorder.broken)
    runner = environment.create_local_runner()
    for line in FileObjectThread(os.fdopen(os.dup(0))):
        print(json.dumps(step(runner, recorder, json.loads(line))), flush=True)
    runner.quit()


if __name__ == "__main__":
    main()
