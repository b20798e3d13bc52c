"""What a use case costs by how many keys there are: 10^3 to 10^6 of them, in SQLite and in PostgreSQL.

    create      an account key, by an organization administrator
    find        a live key by its digest, which no memory holds: what a call with an unknown or new key costs
    list …      a page of keys: the first, and one from the middle by its keyset, as each of four callers
    revoke      a key
    rotate      a key, without an overlap

In milliseconds, the median and the 99th percentile over some rounds, then how the median of the largest store compares
with that of the smallest. Half of the keys are one organization's, the rest is spread over a hundred. Of ten keys six
are for accounts, two for users (of whom there are ever more), one is for an integration and one for a project. The rows
are written by hand, past the use cases, which wait for the disk each time.

A PostgreSQL is started for the time of the run where its programs are there; `--postgresql URL` names an empty database
instead. Times of a shared machine mean little by themselves: compare the sizes of one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pwd
import random
import secrets
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from processes import free_port
from sqlalchemy import Table

from gateway.control import Desk, NewKey, NewUser, TokenOptions, desk_over
from gateway.keys import ADMIN, Digest, Membership, Operator, Principal, Project, Role, digest
from gateway.stores import IntegrationInstance, Organization, Store, StoreOptions, make_store, open_store
from gateway.stores.tables import identities, keys, members, memberships, users

HUGE = "huge"
ITS_PART = 0.5
SMALL = 100
"""Organizations beside the huge one."""
PROJECTS = {"site": Project("site", HUGE, "Site")}
POLICY = json.dumps({"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]})
KINDS = ("account",) * 6 + ("user",) * 2 + ("integration", "project")
KEYS_OF_A_USER = 4
MEMBERS = 500
"""Keys of the project whose administrator lists them: all of these are read for a page, see `sql_keys`."""
AT_ONCE = 50_000
BEGINNING = 1_600_000_000_000
PAGE = 50


Rows = dict[Table, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds."""

    median: float
    worst: float
    """The 99th percentile, or the longest of fewer than a hundred."""


@dataclass
class Filled:
    """What is in a store by now, so that there are keys to find."""

    size: int = 0
    members: int = 0
    live: list[tuple[str, Digest]] = field(default_factory=list)
    """A sample of account keys of the huge organization, (id, digest)."""
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 (the same keys each time)


# --- filling ------------------------------------------------------------------------------------------------------


def batch(filled: Filled, count: int) -> Rows:
    """Rows of so many more keys and of their identities."""
    rows: Rows = {users: [], members: [], identities: [], memberships: [], keys: []}
    for number in range(filled.size, filled.size + count):
        kind = KINDS[number % len(KINDS)]
        home = HUGE if filled.chance.random() < ITS_PART or kind in ("user", "project") else f"small-{number % SMALL}"
        owner = f"identity-{number}"
        if kind == "user":
            owner = f"identity-{number - number % (10 * KEYS_OF_A_USER // 2) + 6}"
        if kind != "user" or owner == f"identity-{number}":
            rows[identities].append(identity_row(owner, kind, home))
        if kind == "user" and owner == f"identity-{number}":
            add_user(rows, owner)
        if kind == "project" and filled.members < MEMBERS:
            filled.members += 1
            given = json.dumps(["site", 0, "viewer", []])
            rows[memberships].append({"identity_id": owner, "project": "site", "position": 0, "membership": given})
        rows[keys].append(key_row(number, owner, kind, home))
        if kind == "account" and home == HUGE and filled.chance.random() < 0.02 + 500 / (number + 1):
            filled.live.append((f"key-{number}", digest(f"secret {number}")))
    filled.size += count
    return rows


def add_user(rows: Rows, name: str) -> None:
    email = f"{name}@example.com"
    row = {"id": name, "email": email, "email_folded": email, "platform_admin": False, "status": "active"}
    rows[users].append(row)
    rows[members].append({"user_id": name, "organization_id": HUGE, "role": "user"})


def identity_row(name: str, kind: str, home: str) -> dict[str, Any]:
    instance = f"instance-{home}" if kind == "integration" else None
    user = name if kind == "user" else None
    row = {"id": name, "kind": kind, "organization_id": home, "user_id": user, "instance_id": instance}
    return row | {"description": "", "roles": "[]"}


def key_row(number: int, owner: str, kind: str, home: str) -> dict[str, Any]:
    row = {"id": f"key-{number}", "digest": digest(f"secret {number}"), "identity_id": owner, "name": f"key {number}"}
    row |= {"category": None, "policy": POLICY if kind == "account" else None, "start": "gwa_1234"}
    row |= {"created_at": BEGINNING + number, "created_by": None, "created_via": None, "expires_at": None}
    row |= {"revoked_at": None, "revoked_by": None, "version": 1, "organization_id": home, "kind": kind}
    return row


async def fill(options: StoreOptions, filled: Filled, size: int) -> None:
    """Up to `size` keys."""
    write = into_server if options.url else into_file
    while filled.size < size:
        await write(options, batch(filled, min(AT_ONCE, size - filled.size)))


async def into_file(options: StoreOptions, rows: Rows) -> None:
    with closing(sqlite3.connect(options.path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        for table, each in rows.items():
            if each:
                names = ", ".join(each[0])
                holes = ", ".join("?" * len(each[0]))
                statement = f"INSERT INTO {table.name} ({names}) VALUES ({holes})"  # noqa: S608 (our own names)
                connection.executemany(statement, [tuple(row.values()) for row in each])
        connection.execute("ANALYZE")


async def into_server(options: StoreOptions, rows: Rows) -> None:
    connection = await asyncpg.connect(options.url)
    for table, each in rows.items():
        if each:
            records = [tuple(row.values()) for row in each]
            await connection.copy_records_to_table(table.name, records=records, columns=list(each[0]))
    await connection.execute("ANALYZE")
    await connection.close()


async def people(store: Store, desk: Desk) -> dict[str, Principal]:
    """The organizations, their integrations, and those who call, by their names in the table."""
    operator = Operator()
    for name in (HUGE, *(f"small-{number}" for number in range(SMALL))):
        await desk.organizations.add_organization(operator, Organization(name, name))
        instance = IntegrationInstance(f"instance-{name}", name, name)
        await desk.organizations.add_integration_instance(operator, instance)
    callers = {}
    roles = {"org admin": Role.ORGANIZATION_ADMIN, "platform admin": Role.PLATFORM_ADMIN, "user": Role.USER}
    for name, role in roles.items():
        wanted = NewUser(f"{name.replace(' ', '.')}@example.com", role)
        owner = await desk.people.add_user(operator, wanted, organization=HUGE)
        for _ in range(PAGE * 3 if name == "user" else 1):
            issued = await desk.tokens.create_user_key(operator, NewKey("caller"), owner=owner)
        callers[name] = await principal(store, issued.secret)
    issued = await desk.tokens.create_project_key(
        operator, NewKey("caller"), project="site", memberships=(Membership("site", ADMIN),)
    )
    callers["project admin"] = await principal(store, issued.secret)
    return callers


async def principal(store: Store, secret: str) -> Principal:
    found = await store.resolver.find(digest(secret))
    if not isinstance(found, Principal):
        raise SystemExit(f"a caller's key is not live: {found}")
    return found


# --- measuring ----------------------------------------------------------------------------------------------------


async def measured(
    store: Store, desk: Desk, filled: Filled, callers: dict[str, Principal], rounds: int
) -> dict[str, Timing]:
    """Every case at the present size; keys that are made are revoked or replaced, so that few come to it."""
    administrator = callers["org admin"]
    made: list[str] = []

    async def create(number: int) -> None:
        wanted = NewKey(f"new {number}", policy=POLICY)
        made.append((await desk.tokens.create_account_key(administrator, wanted)).key.id)

    async def find(number: int) -> None:
        await principal_of(store, filled.live[number % len(filled.live)][1])

    async def rotate(number: int) -> None:
        made[number] = (await desk.tokens.rotate_key(administrator, made[number], overlap_seconds=0)).key.id

    async def revoke(number: int) -> None:
        await desk.tokens.revoke_key(administrator, made[number])

    timings = {"create": await timed(create, rounds)}
    filled.chance.shuffle(filled.live)
    timings["find"] = await timed(find, min(rounds, len(filled.live)))
    for name, caller in callers.items():
        for place, after in (("first", None), ("middle", await middle(desk, caller, filled.size))):

            async def page(_number: int, caller: Principal = caller, after: Any = after) -> None:
                found = await desk.tokens.list_keys(caller, limit=PAGE, after=after)
                if len(found) < PAGE:
                    raise SystemExit(f"a page of {len(found)} keys is none to measure")

            timings[f"list, {name}, {place}"] = await timed(page, rounds)
    timings["rotate"] = await timed(rotate, rounds)
    timings["revoke"] = await timed(revoke, rounds)
    return timings


async def principal_of(store: Store, of: Digest) -> None:
    if not isinstance(await store.resolver.find(of), Principal):
        raise SystemExit("a key that was written by hand is not found")


async def middle(desk: Desk, caller: Principal, size: int) -> tuple[int, str]:
    """The place in the middle of what was written by hand; of a caller with few keys the one after a page of them."""
    place = (BEGINNING + size // 2, "")
    if len(await desk.tokens.list_keys(caller, limit=PAGE, after=place)) == PAGE:
        return place
    own = await desk.tokens.list_keys(caller, limit=PAGE)
    return own[-1].created_at, own[-1].id


async def timed(work: Callable[[int], Awaitable[None]], rounds: int) -> Timing:
    times = []
    for number in range(rounds):
        began = time.perf_counter_ns()
        await work(number)
        times.append((time.perf_counter_ns() - began) / 1e6)
    return Timing(statistics.median(times), sorted(times)[min(rounds - 1, rounds * 99 // 100)])


@asynccontextmanager
async def opened(options: StoreOptions) -> AsyncIterator[tuple[Store, Desk]]:
    await make_store(options)
    async with open_store(options, projects=PROJECTS) as store:
        given = TokenOptions(projects=PROJECTS)
        yield store, desk_over(store.registry, given, lambda: time.time_ns() // 1_000_000, secrets.token_bytes)


async def all_sizes(options: StoreOptions, sizes: list[int], rounds: int) -> dict[int, dict[str, Timing]]:
    filled, told = Filled(), {}
    async with opened(options) as (store, desk):
        callers = await people(store, desk)
        for size in sizes:
            await fill(options, filled, size)
            told[size] = await measured(store, desk, filled, callers, rounds)
    return told


# --- databases ----------------------------------------------------------------------------------------------------


@contextmanager
def databases(folder: Path, url: str | None) -> Iterator[Iterator[tuple[str, StoreOptions]]]:
    """SQLite, and PostgreSQL where there is one. Both write to the disk as they do in service."""

    def both() -> Iterator[tuple[str, StoreOptions]]:
        yield "SQLite", StoreOptions(folder / "gateway.db", sql_wait=600)
        if url is not None:
            yield "PostgreSQL", StoreOptions(folder / "gateway.db", url=url, sql_wait=600)
        elif program("initdb"):
            with server() as address:
                yield "PostgreSQL", StoreOptions(folder / "gateway.db", url=address, sql_wait=600)
        else:
            say("no PostgreSQL: its programs are not there, and no --postgresql URL was given")

    yield both()


@contextmanager
def server() -> Iterator[str]:
    """The address of a PostgreSQL of our own; it refuses to run as root."""
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", ignore_cleanup_errors=True) as folder:
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        data, port = f"{folder}/data", free_port()
        making = [program("initdb"), "--pgdata", data, "--username", "gateway", "--auth", "trust", "--encoding", "UTF8"]
        subprocess.run(making, user=user, check=True, capture_output=True)
        settings = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories="]
        words = [program("postgres"), "-D", data, *(word for each in settings for word in ("-c", each))]
        process = subprocess.Popen(words, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while subprocess.run(
                [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)], check=False
            ).returncode:
                time.sleep(0.05)
            yield f"postgresql://gateway@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait()


def program(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps beside the PATH; empty where there is none."""
    known = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(known[-1]) if known else shutil.which(name) or ""


# --- what is told -------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description="How the control plane's costs grow with the keys.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=100, help="of each case")
    parser.add_argument("--postgresql", metavar="URL", help="an empty database")
    parser.add_argument("--only", choices=["SQLite", "PostgreSQL"])
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go as well")
    chosen = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder), chosen.postgresql) as both:
        for name, options in both:
            if chosen.only in (None, name):
                told = asyncio.run(all_sizes(options, sorted(chosen.sizes), chosen.rounds))
                show(name, told)
                figures[name] = {
                    case: {size: [timings[case].median, timings[case].worst] for size, timings in told.items()}
                    for case in next(iter(told.values()))
                }
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1))


def show(name: str, told: dict[int, dict[str, Timing]]) -> None:
    smallest, *_, largest = told if len(told) > 1 else [*told, *told]
    say(f"{name}: milliseconds, median (99th percentile), by the number of keys")
    say(f"{'':30}" + "".join(f"{size:>18,}" for size in told) + f"{'largest/smallest':>18}")
    for case in told[smallest]:
        shown = "".join(f"{f'{each[case].median:.2f} ({each[case].worst:.1f})':>18}" for each in told.values())
        say(f"{case:30}{shown}{told[largest][case].median / told[smallest][case].median:>18.2f}")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
