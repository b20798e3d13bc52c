"""A sandbox with a gateway in front of it, and the platform's own clients, unchanged, that are run against the gateway.

Those from npm are in the virtual environment (`make test` installs them); what drives them are the scripts beside this
file. Nothing in here reaches inside a client: what they send goes over real sockets to the address they are given.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

from jupiterone import JupiterOneClient

from gateway import sandbox
from gateway.app import Gateway, serving
from gateway.control import Issued, NewKey
from gateway.keys import Operator
from gateway.sandbox.received import Received
from gateway.settings import validated
from gateway.stores import IntegrationInstance, Organization, create
from revocation.processes import loop_beside, opened_in, run, until

T = TypeVar("T")

HERE = Path(__file__).parent
INSTALLED = Path(sys.prefix) / "clients" / "node_modules"
PROGRAMS = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
PATIENCE = 100
"""Seconds after which a client that goes on counts as one that never ends."""

ACCOUNT = "acme"
INSTANCE = sandbox.INTEGRATION_INSTANCE
OTHER_INSTANCE = "11111111-2222-4333-8444-555555555555"


def allow(action: str, resource: str = "*", **equals: Any) -> dict[str, Any]:
    statement = {"effect": "ALLOW", "actions": [action], "resources": [resource]}
    return statement | ({"condition": {"stringEquals": equals}} if equals else {})


SUPER = (allow("*"),)
REPOS = (allow("query:ReadGraphData", _type="github_repo"),)
DASHBOARD = (allow("dashboard:View", "dashboard:123456"),)


@dataclass(frozen=True)
class World:
    """The servers, in a loop beside the tests."""

    folder: Path
    loop: asyncio.AbstractEventLoop
    upstream: sandbox.Running
    gateway: Gateway

    @property
    def url(self) -> str:
        return self.gateway.data

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return run(self.loop, work)

    def key(self, *statements: dict[str, Any]) -> Issued:
        """An account key with this policy."""
        wanted = NewKey("a key", policy=json.dumps({"permissions": statements}))
        return self.wait(self.gateway.control.tokens.create_account_key(Operator(), wanted, organization=ACCOUNT))

    def integration_key(self, instance: str = INSTANCE) -> Issued:
        wanted = NewKey("an integration's key")
        return self.wait(self.gateway.control.tokens.create_integration_key(Operator(), wanted, instance=instance))

    def revoke(self, issued: Issued) -> None:
        self.wait(self.gateway.control.tokens.revoke_key(Operator(), issued.key.id))

    def revoked(self, *statements: dict[str, Any]) -> str:
        """The secret of a key that worked once."""
        issued = self.key(*statements)
        self.revoke(issued)
        return issued.secret

    @property
    def received(self) -> list[Received]:
        """What reached the platform, the oldest first."""
        return list(self.upstream.received.calls)

    def forget(self) -> None:
        """Forgets what reached the platform so far."""
        self.loop.call_soon_threadsafe(self.upstream.received.calls.clear)
        self.wait(asyncio.sleep(0))

    def decisions(self) -> list[dict[str, Any]]:
        """The records of all calls, as soon as none is under way and all are written."""
        file = self.folder / "decisions.jsonl"
        until(lambda: not self._metric("gateway_inflight_requests"))
        ended = self._metric("gateway_requests_total")
        until(lambda: len(file.read_bytes().splitlines()) >= ended)
        return [json.loads(line) for line in file.read_bytes().splitlines()]

    @property
    def reasons(self) -> list[str]:
        """Why calls were refused so far, in order."""
        file = self.folder / "decisions.jsonl"
        records = [json.loads(line) for line in file.read_bytes().splitlines()]
        return [record["reason"] for record in records if "reason" in record]

    def _metric(self, name: str) -> float:
        """The sum over its labels."""
        with urlopen(f"{self.gateway.ops}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line))

    def count(self, kind: str) -> int:
        """Entities of a type in the platform's graph."""
        return sum(1 for _ in self.upstream.graph.of_type(kind))

    @property
    def entities(self) -> set[str]:
        """The `_id` of every entity in the platform's graph."""
        return {entity.get("_id") for entity in self.upstream.graph.entities}

    def python_client(self, secret: str) -> JupiterOneClient:
        return JupiterOneClient(account=ACCOUNT, token=secret, url=f"{self.url}/graphql", sync_url=self.url)


def settings(folder: Path, upstream: sandbox.Running, more: dict[str, Any]) -> dict[str, Any]:
    url = upstream.url
    places = {"j1ql": f"{url}/j1ql", "graphql": f"{url}/graphql", "persister": url}
    binding = {**places, "account": upstream.options.account, "credential": upstream.options.credential}
    return {
        **{listener: {"port": 0} for listener in ("data", "admin", "ops")},
        "secrets": {"identity": "i" * 32, "seal": "s" * 32},
        "store": {"sqlite": folder / "gateway.db"},
        "decision_log": {"file": folder / "decisions.jsonl"},
        "calibration": {"on": False},  # what reaches the platform is what a client sent
        "organizations": {ACCOUNT: {"upstream": binding}},
        **more,
    }


async def found(gateway: Gateway) -> None:
    control = gateway.control
    await control.logins.found(Organization(ACCOUNT, "Acme"), "first@acme.example")
    for instance in (INSTANCE, OTHER_INSTANCE):
        made = IntegrationInstance(instance, ACCOUNT, "Assets")
        await control.organizations.add_integration_instance(Operator(), made)


@contextmanager
def installation(folder: Path, options: sandbox.Options | None = None, **more: Any) -> Iterator[World]:
    """A gateway with settings of its own (`more`, by section), and a sandbox behind it."""
    create(folder / "gateway.db")
    upstream_options = options or sandbox.Options(account=ACCOUNT)
    with loop_beside() as loop, opened_in(loop, sandbox.running(upstream_options)) as upstream:
        chosen = validated(settings(folder, upstream, more))
        with opened_in(loop, serving(chosen)) as gateway:
            run(loop, found(gateway))
            yield World(folder, loop, upstream, gateway)


# --- clients from npm ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """A client's run."""

    code: int
    said: str
    """All that it wrote, to a terminal without colours."""

    @property
    def lines(self) -> list[Any]:
        """What a script of ours printed: JSON, a line each."""
        return [json.loads(line) for line in self.said.splitlines() if line.startswith(("{", "["))]


class Node:
    """Runs JavaScript that requires the installed packages."""

    def __init__(self, program: str) -> None:
        self._program = program

    def start(self, words: Sequence[str], folder: Path | None = None) -> subprocess.Popen[str]:
        """Colours are for people; nothing of this machine's environment tells a client which account to use."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("J1_", "JUPITERONE_"))}
        environment = kept | {"NODE_PATH": str(INSTALLED), "NO_COLOR": "1", "FORCE_COLOR": "0"}
        return subprocess.Popen(
            [self._program, "--no-warnings", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str, folder: Path | None = None) -> Ended:
        process = self.start(words, folder)
        try:
            said, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        return Ended(process.returncode, said)
