"""What the compose files start, started without containers: the same commands and files, on free ports of loopback."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from click.testing import CliRunner
from conftest import PostgresServer, program
from deploy.composing import DEPLOY, SECRETS, at_home, make_secrets, variant

import gateway
from gateway.cli import main
from gateway.stores import StoreOptions, make_store, open_store
from ports import free_port

PATIENCE = 60
"""Seconds until what must happen counts as not happening; nothing here depends on how fast it does."""
COMPOSE, COMPOSE_ALONE = variant("sentinel")["services"], variant("alone")["services"]


@pytest.fixture
def started():
    """Starts programs, and ends them with the test."""
    running = []

    def start(*command, **more):
        running.append(subprocess.Popen([str(word) for word in command], **more))
        return running[-1]

    yield start
    for process in reversed(running):
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.terminate()
    for process in reversed(running):
        process.wait(PATIENCE)
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()


@pytest.fixture
def secrets(tmp_path):
    return make_secrets(tmp_path / "secrets")


def until(true, process=None):
    """While the process runs that is to make it true."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends and (process is None or process.poll() is None):
        with suppress(redis.RedisError, OSError):
            if true():
                return
        time.sleep(0.05)
    pytest.fail("it did not come true")


# --- Redis --------------------------------------------------------------------------------------------------------


@pytest.fixture
def redis_port(started, secrets, tmp_path):
    """A redis-server with our file, as in compose.yaml."""
    port = free_port()
    own = ["--port", port, "--bind", "127.0.0.1", "--aclfile", secrets / "redis_users"]
    name, file = COMPOSE_ALONE["redis"]["command"]
    process = started(name, DEPLOY / Path(file).name, *own, cwd=tmp_path, stdout=subprocess.DEVNULL)
    until(lambda: healthy("redis", {"redis-cli": f"redis-cli -p {port}"}), process)
    return port


def healthy(service, places):
    """Whether what compose asks a service for its health says yes."""
    _, *words = COMPOSE[service]["healthcheck"]["test"]
    words = [part for word in words for part in (places[word].split() if word in places else [word])]
    return subprocess.run(words, check=False, capture_output=True, timeout=PATIENCE).returncode == 0


def test_redis_knows_the_gateway_and_nobody_else(redis_port, secrets):
    assert not healthy("redis", {"redis-cli": f"redis-cli -p {redis_port}", "ping": "info"})
    with redis.Redis(port=redis_port) as nobody, pytest.raises(redis.AuthenticationError):
        nobody.ping()
    password = urlsplit((secrets / "redis_url").read_text()).password
    with redis.Redis(port=redis_port, username="gateway", password=password) as ours:
        assert ours.set("gateway:key:1", "x", ex=300)
        counting = "redis.call('HSET', KEYS[1], 'a', redis.call('TIME')[1]) return redis.call('HGETALL', KEYS[1])[1]"
        assert ours.eval(counting, 1, "gateway:calls:1") == b"a"
        for forbidden in (ours.flushall, ours.config_get, ours.keys, ours.shutdown, lambda: ours.get("other")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                forbidden()


class Here:
    """Copies of the files for Redis and Sentinel, with addresses of this machine, and what compose does with them."""

    def __init__(self, folder, secrets):
        self.ports = {
            name: free_port() for name in ("redis", "redis-replica", "sentinel-1", "sentinel-2", "sentinel-3")
        }
        self._folder, self._secrets = folder, secrets

    def command(self, service):
        """That of compose, with the service's own folders."""
        _, _, script = COMPOSE[service]["command"]
        data, mounted = self._folder / service, self._folder / f"{service}-files"
        data.mkdir()
        mounted.mkdir()
        files = {each.split(":")[1]: each.split(":")[0] for each in COMPOSE[service]["volumes"] if each[:2] == "./"}
        for there, name in files.items():
            (mounted / Path(there).name).write_text(self._adapted(service, (DEPLOY / name).read_text()))
        places = {" /data": f" {data}", "/usr/local/etc/redis": mounted, SECRETS: self._secrets}
        return ["sh", "-c", at_home(script, places)]

    def _adapted(self, service, text):
        own, master = self.ports[service], self.ports["redis"]
        text = at_home(text, {SECRETS: self._secrets, "bind * -::*": "bind 127.0.0.1"})
        text = at_home(text, {f" {name} 6379": f" 127.0.0.1 {master}" for name in ("redis", "gateway redis")})
        text = re.sub(r"^(port|replica-announce-port) \d+$", rf"\1 {own}", text, flags=re.MULTILINE)
        text = re.sub(r"^replica-announce-ip \S+$", "replica-announce-ip 127.0.0.1", text, flags=re.MULTILINE)
        return text.replace("milliseconds gateway 3000", "milliseconds gateway 500")

    def address(self):
        hosts = {f"{name}:26379": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        return at_home((self._secrets / "redis_sentinel_url").read_text(), hosts)


@pytest.fixture
def sentinels(started, secrets, tmp_path):
    """The Redis, its replica and the three Sentinels of compose.sentinel.yaml."""
    here = Here(tmp_path, secrets)
    here.processes = {}
    for name, port in here.ports.items():
        here.processes[name] = started(*here.command(name), cwd=tmp_path / name, stdout=subprocess.DEVNULL)
        asked = {"redis-cli": f"redis-cli -p {port}", "-p": "", "26379": ""}
        until(lambda name=name, asked=asked: healthy(name, asked), here.processes[name])
    return here


async def test_a_replica_takes_the_masters_place_and_the_gateway_finds_it(sentinels, tmp_path):
    password = urlsplit(sentinels.address()).query.rpartition("=")[2]
    sentinel = redis.Redis(port=sentinels.ports["sentinel-1"], password=password, decode_responses=True)
    replica = sentinels.ports["redis-replica"]
    with sentinel:
        until(lambda: len(sentinel.sentinel_sentinels("gateway")) == 2)
        until(lambda: [each["port"] for each in sentinel.sentinel_slaves("gateway")] == [replica])
        until(lambda: sentinel.sentinel_slaves("gateway")[0]["flags"] == "slave")
        options = StoreOptions(tmp_path / "gateway.db", redis_url=sentinels.address(), redis_timeout=5.0)
        await make_store(options)
        async with open_store(options) as store:
            assert (await store.health())["redis"] == "ok"

            sentinels.processes["redis"].kill()
            until(lambda: sentinel.sentinel_get_master_addr_by_name("gateway") == ("127.0.0.1", replica))
            async with asyncio.timeout(PATIENCE):
                while (await store.health())["redis"] != "ok":  # noqa: ASYNC110 (a server sets no event)
                    await asyncio.sleep(0.1)
    assert "replicaof" not in (tmp_path / "redis-replica" / "redis.conf").read_text()  # also after its next start


# --- all of it ----------------------------------------------------------------------------------------------------


@pytest.fixture
def database(secrets):
    """A PostgreSQL with our configuration, in which our script was run as the image runs it."""
    server = PostgresServer()
    server.make()
    server.start()
    owner = server.url("postgres").replace("//gateway:", "//postgres:")  # as in the image
    server.tell("postgres", f"CREATE ROLE postgres SUPERUSER LOGIN PASSWORD '{server.password}'")
    server.tell(owner, "ALTER ROLE gateway RENAME TO nobody_knows")
    given = os.environ | {"GATEWAY_PASSWORD_FILE": str(secrets / "gateway_password")}
    script = [program("psql"), "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", owner]
    subprocess.run([*script, "-f", DEPLOY / "postgres" / "gateway.sql"], check=True, env=given, capture_output=True)
    yield server
    server.stop()
    server.remove()


def test_the_database_is_the_gateways_who_is_nobody_else(database, secrets):
    url = local_database(database, secrets)
    asked = "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    assert database.tell(url, asked) == "gateway|f|f|f\n"
    with pytest.raises(subprocess.CalledProcessError):
        database.tell(url, "COPY (SELECT 1) TO PROGRAM 'true'")


def test_postgresql_takes_our_configuration(database):
    user = "nobody" if os.geteuid() == 0 else None
    file = database._folder / "postgresql.conf"
    file.write_text((DEPLOY / "postgres" / "postgresql.conf").read_text())
    file.chmod(0o644)
    server = [program("postgres"), "-C", "max_connections", "-D", database._folder / "data"]
    said = subprocess.run(
        [*server, "-c", f"config_file={file}"], user=user, capture_output=True, text=True, check=False
    )
    assert said.stdout == "100\n", said.stderr


def local_database(server, secrets):
    return (secrets / "database_url").read_text().replace("@postgres:5432/", f"@127.0.0.1:{server.port}/")


class Installation:
    """The gateway of compose.yaml: its commands with its environment, but for hosts and ports."""

    def __init__(self, folder, secrets, addresses, upstream):
        self.places = {SECRETS: secrets, "/etc/gateway": folder}
        (folder / "gateway.toml").write_text(at_home((DEPLOY / "gateway.toml").read_text(), self.places))
        for name, address in addresses.items():
            (folder / name).write_text(address)
        files = {"GATEWAY_STORE__URL_FILE": "database_url", "GATEWAY_STORE__REDIS_FILE": "redis_url"}
        own = {name: str(folder / file) for name, file in files.items()}
        own |= {f"GATEWAY_{name}__PORT": "0" for name in ("DATA", "ADMIN", "OPS")}
        paths = {"J1QL": "/j1ql", "GRAPHQL": "/graphql", "PERSISTER": ""}
        own |= {f"GATEWAY_ORGANIZATIONS__ACME__UPSTREAM__{name}": upstream + path for name, path in paths.items()}
        given = COMPOSE_ALONE["gateway"]["environment"].items()
        module = {"PYTHONPATH": str(Path(gateway.__file__).parents[1])}
        self.environment = os.environ | module | {name: at_home(value, self.places) for name, value in given} | own

    def command(self, service, *more):
        words = [at_home(word, self.places) for word in COMPOSE_ALONE[service]["command"]]
        return [sys.executable, "-m", "gateway", *words, *more]

    def tell(self, *words):
        """A command that needs no process of its own."""
        config = self.places["/etc/gateway"] / "gateway.toml"
        result = CliRunner().invoke(main, [*words, "--config", str(config)], env=self.environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    def new_key(self, action):
        policy = self.places["/etc/gateway"] / "policy.json"
        policy.write_text(json.dumps({"permissions": [{"effect": "ALLOW", "actions": [action], "resources": ["*"]}]}))
        return self.tell("keys", "create", "--name", action, "--policy", str(policy)).split()[-1]


@pytest.fixture
def installation(started, secrets, redis_port, database, tmp_path):
    """All of compose.yaml with the sandbox, up to where the gateway itself starts."""
    credential = str(secrets / "platform_credential")
    command = [at_home(word, {SECRETS: secrets}) for word in COMPOSE_ALONE["sandbox"]["command"]]
    words = [sys.executable, "-m", "gateway", *command, "--host", "127.0.0.1", "--port", "0"]
    sandbox = started(*words, stderr=subprocess.PIPE, text=True)
    told = sandbox.stderr.readline()
    assert Path(credential).read_text() not in told
    addresses = {
        "database_url": local_database(database, secrets),
        "redis_url": (secrets / "redis_url").read_text().replace("@redis:6379/", f"@127.0.0.1:{redis_port}/"),
    }
    return Installation(tmp_path, secrets, addresses, re.search(r"http://\S+", told)[0])


def call(port, path, key=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        connection.request("GET" if body is None else "POST", path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.timeout(300)  # a dozen processes start one after the other
def test_what_compose_starts_serves(installation, started, redis_port, secrets):
    subprocess.run(installation.command("migrate"), check=True, env=installation.environment)
    link = installation.tell("init", "--organization", "acme", "--email", "you@example.org")
    assert "/login#" in link
    reader, other = (installation.new_key(action) for action in ("query:ReadGraphData", "dashboard:View"))

    serving = started(*installation.command("gateway"), env=installation.environment, stderr=subprocess.PIPE, text=True)
    told = serving.stderr.readline()
    assert "serving with 2 workers" in told
    ports = {name: int(port) for name, port in re.findall(r"(\w+) port (\d+)", told)}
    _, _, *asked = COMPOSE_ALONE["gateway"]["healthcheck"]["test"]
    asked = [word.replace(":9090/", f":{ports['ops']}/") for word in asked]
    subprocess.run([sys.executable, *asked], check=True)

    query = {"query": "FIND github_repo LIMIT 1"}
    status, answer = call(ports["data"], "/j1ql", reader, query)
    assert (status, len(json.loads(answer)["data"])) == (200, 1)
    status, answer = call(ports["data"], "/j1ql", other, query)
    assert (status, json.loads(answer)["error"]["reason"]) == (403, "not_allowed")
    assert call(ports["data"], "/j1ql", None, query)[0] == 401
    assert b"gateway_workers 2.0" in call(ports["ops"], "/metrics")[1]
    assert b'gateway_store_up{store="redis"} 1.0' in call(ports["ops"], "/metrics")[1]
    password = urlsplit((secrets / "redis_url").read_text()).password
    with redis.Redis(port=redis_port, username="gateway", password=password) as kept:
        assert next(kept.scan_iter("gateway:key:*")).startswith(b"gateway:key:")

    serving.send_signal(signal.SIGHUP)  # how an operator changes settings
    until(lambda: "renewed" in serving.stderr.readline())
    assert call(ports["data"], "/j1ql", reader, query)[0] == 200
    serving.terminate()
    assert serving.wait(PATIENCE) == 0
