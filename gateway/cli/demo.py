"""`gateway demo`: a gateway in front of the sandbox, with an organization, people and keys, all of it made anew.

Whoever starts it can read `demo.json` (mode 0600) for the addresses and the keys; no other file holds a secret.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from gateway import sandbox
from gateway.app import REAL_WORLD, Control, Gateway, StartError, serving
from gateway.cli.common import run, stop_requested
from gateway.control import NewKey, NewUser, OneTimeLogin
from gateway.keys import Operator, Principal, Role, digest
from gateway.settings import Settings, validated
from gateway.stores import IntegrationInstance, Organization, create

ACCOUNT = "j1demo"

DATABASE, DECISIONS, TOLD = "gateway.db", "decisions.jsonl", "demo.json"
_MADE_ANEW = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", DECISIONS, TOLD)

POLICIES: dict[str, dict[str, object]] = {
    "super": {"effect": "ALLOW", "actions": ["*"], "resources": ["*"]},
    "repos": {
        "effect": "ALLOW",
        "actions": ["query:ReadGraphData"],
        "resources": ["*"],
        "condition": {"stringEquals": {"_type": "github_repo"}},
    },
    "dashboard": {"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:123456"]},
}
"""Account keys, by name: `repos` and `dashboard` are the examples of "Creating User and Account API Keys"."""

PROJECT = "my-blog"
_PROJECT = {
    "organization": ACCOUNT,
    "name": "My blog",
    "roles": {
        "editor": {
            "variables": {"language": {}},
            "permissions": [
                {
                    "effect": "ALLOW",
                    "actions": ["query:ReadGraphData"],
                    "resources": ["*"],
                    "condition": {"stringEquals": {"language": {"variable": "language"}}},
                }
            ],
        },
        "viewer": {"permissions": [{"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"]}]},
    },
}
"""The project of Contember's documentation, "API keys management"."""

CREATE_TOKEN = """mutation CreateToken($token: TokenInput!) {
  createToken(token: $token) {
    token id name category policy revoked createdAt expiresAt __typename
  }
}"""


CREATE_API_KEY = """mutation {
  createApiKey(
    projectSlug: "my-blog",
    description: "User-friendly description of the key",
    memberships: [{role: "editor", variables: [{name: "language", values: ["cs"]}]}]
  ) {
    ok error { code } result { apiKey { id token identity { id } } }
  }
}"""


@dataclass(frozen=True, slots=True)
class Ports:
    """0 takes a free one."""

    data: int
    admin: int
    ops: int


_port = click.IntRange(0, 65535)


@click.command()
@click.option("--port", type=_port, default=8080, show_default=True, help="Data listener; 0 takes a free port.")
@click.option("--admin-port", type=_port, default=8081, show_default=True)
@click.option("--ops-port", type=_port, default=9090, show_default=True)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".demo"),
    show_default=True,
    help="Where its files are; those of an earlier demo are removed.",
)
@click.option("--redis", metavar="URL", help="Use this Redis as the second level of the cache.")
def demo(port: int, admin_port: int, ops_port: int, folder: Path, redis: str | None) -> None:
    """Start a gateway in front of a small sandbox platform, with keys to try."""
    run(_demo(Ports(port, admin_port, ops_port), folder, redis))


async def _demo(ports: Ports, folder: Path, redis: str | None) -> None:
    stop = stop_requested()
    with _own(folder):
        create(folder / DATABASE)
        async with (
            sandbox.running(sandbox.Options(account=ACCOUNT)) as upstream,
            serving(_settings(ports, folder, redis, upstream)) as gateway,
        ):
            keys = await _make_keys(gateway.control)
            _write(folder / TOLD, _told(gateway, upstream, keys))
            click.echo(_greeting(gateway, keys, folder))
            await stop.wait()
            click.echo("stopping: calls under way may end", err=True)


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """The folder, emptied of an earlier demo, as long as no other demo has it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as fault:
        raise StartError(f"`{folder}` cannot be used: {fault.strerror}") from fault
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartError(f"a demo is running in `{folder}`: stop it, or choose another --dir") from None
        for name in _MADE_ANEW:
            (folder / name).unlink(missing_ok=True)
        yield


def _settings(ports: Ports, folder: Path, redis: str | None, upstream: sandbox.Running) -> Settings:
    """Validated, but not read from a file or the environment: a demo is the same everywhere."""
    chosen = {
        "data": {"port": ports.data},
        "admin": {"port": ports.admin},
        "ops": {"port": ports.ops},
        "secrets": {"identity": REAL_WORLD.randomness(32).hex(), "seal": REAL_WORLD.randomness(32).hex()},
        "store": {"sqlite": folder / DATABASE, "redis": redis},
        "decision_log": {"file": folder / DECISIONS},
        "projects": {PROJECT: _PROJECT},
        "calibration": {"on": False},  # what it answers in its first second it answers later, too
        "organizations": {
            ACCOUNT: {
                "upstream": {
                    "j1ql": f"{upstream.url}/j1ql",
                    "graphql": f"{upstream.url}/graphql",
                    "persister": upstream.url,
                    "account": upstream.options.account,
                    "credential": upstream.options.credential,
                }
            }
        },
    }
    return validated(chosen)


# --- the keys -----------------------------------------------------------------------------------------------------


async def _make_keys(control: Control) -> dict[str, str]:
    """The secrets by name. Each key is made by somebody who may: people log in, and make their own."""
    founded = await control.logins.found(Organization(ACCOUNT, "Northwind"), "platform@northwind.example")
    platform = await _log_in(control, founded)
    administrator = NewUser("admin@northwind.example", Role.ORGANIZATION_ADMIN)
    await control.people.add_user(Operator(), administrator, organization=ACCOUNT)
    admin = await _log_in(control, await control.logins.create_login("admin@northwind.example", ACCOUNT))
    instance = IntegrationInstance(sandbox.INTEGRATION_INSTANCE, ACCOUNT, "Asset inventory")
    await control.organizations.add_integration_instance(Operator(), instance)

    tokens = control.tokens
    issued = {
        "platform": await tokens.create_user_key(platform, NewKey("demo: platform administrator")),
        "admin": await tokens.create_user_key(admin, NewKey("demo: organization administrator")),
    }
    for name, statement in POLICIES.items():
        wanted = NewKey(f"demo: {name}", category="demo", policy=json.dumps({"permissions": [statement]}))
        issued[name] = await tokens.create_account_key(admin, wanted)
    wanted = NewKey("demo: integration")
    issued["integration"] = await tokens.create_integration_key(admin, wanted, instance=instance.id)
    return {name: one.secret for name, one in issued.items()}


async def _log_in(control: Control, login: OneTimeLogin) -> Principal:
    session = await control.logins.redeem(login.code)
    found = await control.store.resolver.find(digest(session.secret))
    if not isinstance(found, Principal):
        raise StartError(f"the store does not know a session that was just made: {found.why}")
    return found


# --- what is told -------------------------------------------------------------------------------------------------


def _told(gateway: Gateway, upstream: sandbox.Running, keys: dict[str, str]) -> dict[str, object]:
    return {
        "gateway": gateway.data,
        "admin": gateway.admin,
        "ops": gateway.ops,
        "upstream": upstream.url,
        "account": ACCOUNT,
        "integration_instance": sandbox.INTEGRATION_INSTANCE,
        "keys": keys,
    }


def _write(file: Path, told: dict[str, object]) -> None:
    """In one step and for its owner only, so that whoever waits for the file finds it whole."""
    unfinished = file.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as stream:
        stream.write(json.dumps(told, indent=2) + "\n")
    unfinished.rename(file)


def _greeting(gateway: Gateway, keys: dict[str, str], folder: Path) -> str:
    policy = json.dumps({"permissions": [POLICIES["dashboard"]]})
    token = {"name": "Token Name", "category": "tags", "policy": policy}
    create_token = {"query": CREATE_TOKEN, "variables": {"token": token}}
    listed = "\n".join(f"  {name:12} {secret}" for name, secret in keys.items())
    return f"""
gateway   {gateway.data}
admin     {gateway.admin}
ops       {gateway.ops}

keys (also in {folder / TOLD}):
{listed}

# `repos` sees the github_repo objects, and nothing else:
{_curl(gateway.data + "/j1ql", keys["repos"], {"query": "FIND *"})}

# `super` sees everything; how much is it?
{_curl(gateway.data + "/j1ql", keys["super"], {"query": "FIND * AS e RETURN COUNT(e)"})}

# `admin` makes a key that can view one dashboard, the documented call:
{_curl(gateway.data + "/graphql", keys["admin"], create_token)}

# `platform` makes a key for the project `{PROJECT}`, which sees what is written in Czech:
{_curl(gateway.data + "/tenant", keys["platform"], {"query": CREATE_API_KEY})}

# does a key work?
{shlex.join(["curl", "-s", gateway.data + "/validate", "-H", f"X-Api-Key: {keys['admin']}"])}

Ctrl-C stops it."""


def _curl(url: str, key: str, body: Mapping[str, object]) -> str:
    headers = ("-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json")
    return shlex.join(["curl", "-s", url, *headers, "-d", json.dumps(body)])
