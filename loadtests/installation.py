"""A whole installation under load: an upstream, a gateway with so many workers, and keys of every kind.

The upstream is the sandbox, which answers anything and is slow Python, or a fixed one, which knows a few answers and
costs next to nothing: with it the gateway is what is full first.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calls import INSTANCE
from measured_gateway import ACCOUNT, EVERYTHING, LIMITS, made_keys, written
from processes import PATIENCE, pin, started

from gateway.app import Control, opened_control
from gateway.control import NewKey, NewUser
from gateway.keys import Operator, Principal, Role, digest
from gateway.settings import load
from gateway.stores import IntegrationInstance, Organization, StoreOptions, create

CONDITIONS: dict[str, dict[str, list[str]]] = {
    "repositories": {"_type": ["github_repo"]},
    "confidential": {"classification": ["confidential"]},
}
"""Of the restricted keys. The rows of the fixed upstream satisfy the first."""
SANDBOX = ("-m", "gateway", "sandbox", "--port", "0")
ROOM = """
connections = 4096
"""
"""Each user holds a connection or several, and all of them come from this machine."""
TIMEOUTS = """
[timeouts]
upstream_keepalive = 3.0
"""
"""Short, so that soon after the last call it can be seen that no connection is left."""


@dataclass(frozen=True, slots=True)
class Wanted:
    workers: int
    keys: int
    """Of readers, and as many restricted ones."""
    fixed: bool = True
    """Whether the upstream is the fixed one."""
    lookup_timeout: float = 2.0
    """Seconds, `store.lookup_timeout`: more where the work is measured, and not what happens when time runs out."""
    gateway_cores: frozenset[int] = frozenset()
    other_cores: frozenset[int] = frozenset()
    """None pins nothing."""


@dataclass(frozen=True, slots=True)
class Installation:
    """`told` is what callers must know, in the form of `demo.json`; processes are told by the first of their family."""

    gateway: int
    upstream: int
    told: Path
    log: Path
    ops: str
    """The base URL of the ops listener."""


@contextmanager
def installed(folder: Path, wanted: Wanted, upstream_url: str | None = None) -> Iterator[Installation]:
    """All of it, running while the block does; or in front of an upstream that is there."""
    with ExitStack() as stack:
        upstream, theirs = os.getpid(), {"url": upstream_url, "account": "theirs", "credential": "theirs"}
        if upstream_url is None:
            words = [Path(__file__).with_name("upstream.py")] if wanted.fixed else SANDBOX
            upstream, said = stack.enter_context(started(*words, on=wanted.other_cores))
            theirs |= {name: value for name, value in said.groupdict().items() if value}
        config = written(folder, theirs, limits=LIMITS + ROOM, store=f"lookup_timeout = {wanted.lookup_timeout}")
        config.write_text(config.read_text() + TIMEOUTS)
        told = asyncio.run(_keys(config, wanted))
        log = folder / "gateway.log"
        gateway, ports = stack.enter_context(_serving(config, log, wanted))
        told |= {"gateway": f"http://127.0.0.1:{ports['data']}"}
        file = folder / "load.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(told))
        yield Installation(gateway, upstream, file, log, f"http://127.0.0.1:{ports['ops']}")


@contextmanager
def _serving(config: Path, log: Path, wanted: Wanted) -> Iterator[tuple[int, Mapping[str, str]]]:
    """What it says goes to a file: a pipe that nobody reads would stop it one day."""
    words = [sys.executable, "-m", "gateway", "serve", "--config", str(config), "--workers", str(wanted.workers)]
    before = os.sched_getaffinity(0) if wanted.gateway_cores else frozenset[int]()
    pin(wanted.gateway_cores)
    with log.open("w") as stream:
        process = subprocess.Popen(words, stdout=stream, stderr=subprocess.STDOUT)
    pin(frozenset(before))
    try:
        yield process.pid, _ports(process, log)
    finally:
        process.terminate()
        process.wait()


def _ports(process: subprocess.Popen[bytes], log: Path) -> Mapping[str, str]:
    """The ports of the listeners by name, once it serves."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        if (said := log.read_text()).startswith("serving") and said.endswith("\n"):
            return dict(re.findall(r"(data|admin|ops) (?:http://\S+:|port )(\d+)", said))
        time.sleep(0.05)
    raise SystemExit(f"the gateway did not start:\n{log.read_text()}")


# --- keys ---------------------------------------------------------------------------------------------------------


async def _keys(config: Path, wanted: Wanted) -> dict[str, Any]:
    settings = load(config)
    create(settings.store.sqlite)
    async with opened_control(settings) as control:
        told = await _people(control)
    options = StoreOptions(settings.store.sqlite)
    names = ["repositories"] if wanted.fixed else list(CONDITIONS)
    restricted = []
    for name in names:
        statement = {"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"]}
        statement |= {"condition": {"stringEquals": CONDITIONS[name]}}
        keys = await made_keys(options, name, statement, max(1, wanted.keys // len(names)))
        restricted.append({"condition": CONDITIONS[name], "keys": keys})
    readers = await made_keys(options, "everything", EVERYTHING, wanted.keys)
    return told | {"readers": readers, "restricted": restricted}


async def _people(control: Control) -> dict[str, Any]:
    """An administrator's key and that of an integration, each made by who may."""
    await control.logins.found(Organization(ACCOUNT, ACCOUNT), "platform@example.com")
    await control.people.add_user(
        Operator(), NewUser("admin@example.com", Role.ORGANIZATION_ADMIN), organization=ACCOUNT
    )
    login = await control.logins.create_login("admin@example.com", ACCOUNT)
    session = await control.logins.redeem(login.code)
    admin = await control.store.resolver.find(digest(session.secret))
    if not isinstance(admin, Principal):
        raise SystemExit(f"a session that was just made is not found: {admin}")
    await control.organizations.add_integration_instance(Operator(), IntegrationInstance(INSTANCE, ACCOUNT, "load"))
    made = {
        "admin": await control.tokens.create_user_key(admin, NewKey("load: administrator")),
        "integration": await control.tokens.create_integration_key(admin, NewKey("load"), instance=INSTANCE),
    }
    return {"integration_instance": INSTANCE, "keys": {name: one.secret for name, one in made.items()}}
