"""A gateway to be measured, with all that a real one does: keys in a database, limits, decision log, metrics, ids."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from keys import identity_row, into_file, key_row
from processes import started

from gateway.app import opened_control
from gateway.keys import digest
from gateway.keys.token import RANDOM_BYTES, Prefix, issue
from gateway.settings import load
from gateway.stores import Organization, StoreOptions, create
from gateway.stores.tables import identities, keys

ACCOUNT = "bench"
EVERYTHING = {"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}
CONDITIONED = {
    "effect": "ALLOW",
    "actions": ["query:ReadGraphData"],
    "resources": ["*"],
    "condition": {"stringEquals": {"_type": "github_repo"}},
}
CONFIG = """
[data]
port = 0
{data}
[admin]
port = 0
[ops]
port = 0
[store]
sqlite = "{folder}/gateway.db"
memory_keys = 50_000
{store}
[limits]
{limits}
[identity]
kept = 50_000
[decision_log]
file = "{folder}/decisions.jsonl"
[calibration]
on = false
[secrets]
identity = "{secret}"
seal = "{secret}"
[organizations.{account}.upstream]
j1ql = "{upstream}/j1ql"
graphql = "{upstream}/graphql"
persister = "{upstream}"
account = "{theirs}"
credential = "{credential}"
"""
"""There is room for all keys of a measurement: what more keys than that cost is told by `distinct_keys.py`."""
LIMITS = """
counted = 50_000
key_rate = "6000000/60"
key_quota = "1000000000/day"
key_concurrent = 100
organization_rate = "60000000/60"
organization_quota = "1000000000/day"
organization_concurrent = 1000
"""
"""Of every kind one, and none that is reached."""


def written(
    folder: Path, upstream: Mapping[str, str], *, limits: str = LIMITS, data: str = "", store: str = ""
) -> Path:
    """The settings of a gateway in front of an upstream: its `url`, and what it takes as `account` and `credential`.

    `limits`, `data` and `store` are what stands in these sections.
    """
    config = folder / "gateway.toml"
    theirs = {"upstream": upstream["url"], "theirs": upstream["account"], "credential": upstream["credential"]}
    ours = {
        "folder": folder,
        "secret": os.urandom(32).hex(),
        "account": ACCOUNT,
        "limits": limits,
        "data": data,
        "store": store,
    }
    config.write_text(CONFIG.format(**theirs, **ours))
    return config


def with_tls(config: Path, certificate: Path) -> Path:
    """The settings of another gateway on the same database, which takes calls over TLS."""
    file = config.with_name("gateway-tls.toml")
    lines = f'[data]\ntls_certificate = "{certificate}"\ntls_key = "{certificate}"'
    file.write_text(config.read_text().replace("[data]", lines))
    return file


async def founded(config: Path) -> StoreOptions:
    """The database of a gateway, with its first organization."""
    settings = load(config)
    create(settings.store.sqlite)
    async with opened_control(settings) as control:
        await control.logins.found(Organization(ACCOUNT, ACCOUNT), "bench@example.com")
    return StoreOptions(settings.store.sqlite)


async def made_keys(options: StoreOptions, name: str, statement: dict[str, Any], count: int) -> list[str]:
    """The secrets of so many account keys of one policy; their rows are written by hand, past the use cases."""
    secrets = [issue(Prefix.ACCOUNT, os.urandom(RANDOM_BYTES)) for _ in range(count)]
    policy = json.dumps({"permissions": [statement]})
    rows = []
    for number, secret in enumerate(secrets):
        row = key_row(number, f"of-{name}-{number}", "account", ACCOUNT)
        rows.append(row | {"id": f"{name}-{number}", "digest": digest(secret), "policy": policy})
    owners = [identity_row(row["identity_id"], "account", ACCOUNT) for row in rows]
    await into_file(options, {identities: owners, keys: rows})
    return secrets


@contextmanager
def serving(config: Path, on: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Its process and the port of its data listener."""
    with started("-m", "gateway", "serve", "--config", config, on=on) as (pid, told):
        yield pid, int(urlsplit(told["url"]).port or 0)
