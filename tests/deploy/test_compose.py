"""The compose files say what compose understands, and what they say fits together. No container is needed to see it."""

from __future__ import annotations

import json
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from contextlib import ExitStack
from urllib.parse import urlsplit

import click
import pytest
from click.testing import CliRunner
from deploy.composing import DEPLOY, OURS, SECRETS, VARIANTS, at_home, make_secrets, merged, read, source, variant

from gateway.cli import main
from gateway.redis_address import redis_address
from gateway.settings import Settings

WORKERS_STOP = 20
"""Seconds that workers have to go beside `timeouts.drain`, see `cli.running`."""


@pytest.fixture(params=VARIANTS)
def compose(request):
    return variant(request.param)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    return make_secrets(tmp_path_factory.mktemp("deploy") / "secrets")


@pytest.fixture
def here(secrets):
    """Where is what containers are given."""
    return {SECRETS: secrets, "/etc/gateway": secrets.parent}


def ours(compose):
    return {name: service for name, service in compose["services"].items() if service["image"] == OURS}


def granted(service):
    return {f"{SECRETS}/{name}" for name in service.get("secrets", ())}


def words(service):
    """All that a service is told, as one text."""
    told = [service.get("command", []), service.get("environment", {}), service.get("healthcheck", {})]
    files = [source(each) for each in service.get("volumes", ()) if source(each).startswith("./")]
    return json.dumps(told) + "".join((DEPLOY / file).read_text() for file in files)


# --- what compose understands -------------------------------------------------------------------------------------


def test_the_schema_of_the_specification_allows_each_file_and_both_together(tmp_path):
    together = tmp_path / "compose.json"
    together.write_text(json.dumps(variant("sentinel")))
    files = [DEPLOY / name for name in VARIANTS["sentinel"]]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *files, together]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout


def test_the_schema_notices_a_key_that_is_none(tmp_path):
    wrong = tmp_path / "compose.json"
    wrong.write_text(json.dumps(merged(variant("alone"), {"services": {"redis": {"read-only": True}}})))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", wrong]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1


def test_nothing_is_left_to_variables_of_whoever_starts_it():
    assert not any("$" in (DEPLOY / name).read_text() for name in VARIANTS["sentinel"])


def test_what_a_service_waits_for_is_there_and_can_come_true(compose):
    services = compose["services"]
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            match how["condition"]:
                case "service_healthy":
                    assert services[name]["healthcheck"]["test"][0] == "CMD", name
                case "service_completed_successfully":
                    assert services[name]["restart"] == "no", name
                case other:
                    pytest.fail(f"{other} says nothing of whether {name} serves")
            assert how.get("required", True) is not bool(services[name].get("profiles")), name


def test_nothing_waits_for_itself(compose):
    waits = {name: set(service.get("depends_on", ())) for name, service in compose["services"].items()}
    while ready := {name for name, others in waits.items() if not others & waits.keys()}:
        waits = {name: others for name, others in waits.items() if name not in ready}
    assert not waits


def test_every_file_network_and_volume_that_is_named_is_there(compose, secrets):
    for service in compose["services"].values():
        assert set(service["networks"]) <= compose["networks"].keys()
        assert set(service.get("secrets", ())) <= compose["secrets"].keys()
        for volume in service.get("volumes", ()):
            if source(volume).startswith("./"):
                assert volume.endswith(":ro")
                assert (DEPLOY / source(volume)).is_file()
            else:
                assert source(volume) in compose["volumes"]
    for secret in compose["secrets"].values():
        assert (secrets / secret["file"].removeprefix("./secrets/")).is_file()


def test_nothing_is_declared_or_made_in_vain(secrets):
    both = variant("sentinel")
    services = both["services"].values()
    assert both["networks"].keys() == {name for service in services for name in service["networks"]}
    assert both["secrets"].keys() == {name for service in services for name in service.get("secrets", ())}
    assert both["secrets"].keys() == {file.name for file in secrets.iterdir()}
    assert both["volumes"].keys() == {
        source(each) for service in services for each in service.get("volumes", ()) if not each.startswith("./")
    }


# --- what the programs understand ---------------------------------------------------------------------------------


def parsed(words):
    """What click makes of them, down to the options of the command that they name. Raises ClickException."""
    with ExitStack() as opened:
        command, rest = main, [*words]
        context = opened.enter_context(main.make_context(OURS, [*words]))
        while isinstance(command, click.Group):
            name, command, rest = command.resolve_command(context, rest)
            context = opened.enter_context(command.make_context(name, [*rest], parent=context))
            rest = [*context._protected_args, *context.args]
        return context.params


def test_every_command_of_the_gateway_is_one(compose, here):
    for service in ours(compose).values():
        assert parsed([at_home(word, here) for word in service["command"]])


def test_every_command_of_the_readme_is_one():
    text = (DEPLOY / "README.md").read_text().replace("\\\n", "")
    lines = re.findall(
        r"(?:^|[ `])(?:gw|gateway gateway|gateway) +((?:keys|init|audit|check) [^<>|`\n]*)", text, re.MULTILINE
    )
    assert len(lines) == 5
    for line in lines:
        assert parsed(shlex.split(line, comments=True))


@pytest.mark.parametrize("wrong", ["migrate --make", "audit verify --head -", "serve --workers two"])
def test_a_command_that_is_none_is_noticed(wrong):
    with pytest.raises(click.UsageError):
        parsed(wrong.split())


def test_the_settings_hold_as_each_container_is_given_them(compose, secrets, here):
    file = secrets.parent / "gateway.toml"
    file.write_text(at_home((DEPLOY / "gateway.toml").read_text(), here))
    for service in ours(compose).values():
        if "--config" in service["command"]:
            given = {name: at_home(value, here) for name, value in service["environment"].items()}
            result = CliRunner().invoke(main, ["check", "--config", str(file)], env=given)
            assert result.exit_code == 0, result.output
            assert all((secrets / name).read_text() not in result.output for name in ("identity", "database_url"))


def test_every_variable_of_the_gateway_is_a_setting(compose):
    names = {name for service in ours(compose).values() for name in service.get("environment", ())}
    sections = {name.partition("__")[0].removeprefix("GATEWAY_").lower() for name in names}
    assert sections <= Settings.model_fields.keys()
    assert names


def test_a_container_is_given_the_secrets_that_it_is_told_of_and_knows_no_other_way(compose):
    for name, service in compose["services"].items():
        named = set(re.findall(rf"{SECRETS}/\w+", words(service)))
        assert named <= granted(service), name
        for variable in service.get("environment", ()):
            assert variable.endswith("_FILE") or not re.search("PASSWORD|SECRET|URL|REDIS|CREDENTIAL", variable)


def test_the_configuration_of_the_databases_server_is_one_that_the_image_looks_into(compose):
    server = compose["services"]["postgres"]
    (file,) = re.findall(r"config_file=(\S+)", " ".join(server["command"]))
    assert file in {each.split(":")[1] for each in server["volumes"]}


# --- what fits together -------------------------------------------------------------------------------------------


def settings_file():
    return tomllib.loads((DEPLOY / "gateway.toml").read_text())


def test_data_and_admin_alone_are_published_to_this_machine_alone(compose):
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    ports = [Settings.model_fields[name].default.port for name in ("data", "admin")]
    assert published == {"gateway": [f"127.0.0.1:{port}:{port}" for port in ports]}
    assert not settings_file().keys() & {"admin", "ops"}
    (subnet,) = compose["networks"]["edge"]["ipam"]["config"]
    assert settings_file()["data"] == {"trusted_proxies": [subnet["subnet"]]}
    assert not any(
        name.startswith(("GATEWAY_DATA", "GATEWAY_ADMIN")) for name in ours(compose)["gateway"]["environment"]
    )


def test_the_health_of_the_gateway_is_asked_where_it_is_told(compose):
    (asked,) = re.findall(
        r"http://127\.0\.0\.1:(\d+)/readyz", json.dumps(compose["services"]["gateway"]["healthcheck"])
    )
    assert int(asked) == Settings.model_fields["ops"].default.port


def test_upstreams_are_the_sandbox_which_the_gateway_can_reach(compose):
    command = compose["services"]["sandbox"]["command"]
    port = int(command[command.index("--port") + 1])
    upstream = settings_file()["organizations"]["acme"]["upstream"]
    for name in ("j1ql", "graphql", "persister"):
        assert (urlsplit(upstream[name]).hostname, urlsplit(upstream[name]).port) == ("sandbox", port)
    assert together(compose, "gateway", "sandbox")


def test_stores_are_where_their_addresses_say(compose, secrets):
    database = urlsplit((secrets / "database_url").read_text())
    assert (database.hostname, database.port, database.path) == ("postgres", 5432, "/gateway")
    assert database.password == (secrets / "gateway_password").read_text()
    service = compose["services"]["gateway"]
    address = redis_address(
        (secrets / service["environment"]["GATEWAY_STORE__REDIS_FILE"].rpartition("/")[2]).read_text()
    )
    for host, port in address.nodes:
        file = "sentinel.conf" if address.master else "redis.conf"
        assert f"\nport {port}\n" in (DEPLOY / file).read_text()
        assert together(compose, "gateway", host)
    assert together(compose, "gateway", "postgres")
    assert together(compose, "migrate", "postgres")
    assert compose["networks"]["stores"] == {"internal": True}


def together(compose, one, other):
    return set(compose["services"][one]["networks"]) & set(compose["services"][other]["networks"])


def test_the_master_is_called_as_in_the_gateways_address(secrets):
    address = redis_address((secrets / "redis_sentinel_url").read_text())
    watched = (DEPLOY / "sentinel.conf").read_text() + (secrets / "redis_sentinel").read_text()
    named = re.findall(r"^sentinel (?:monitor|down-after|failover|parallel|auth)\S* (\S+)", watched, re.MULTILINE)
    assert set(named) == {address.master}
    (sentinels,) = re.findall(r"^sentinel monitor \S+ redis 6379 (\d)$", watched, re.MULTILINE)
    assert int(sentinels) > len(address.nodes) / 2


def test_calls_under_way_may_end_before_docker_kills(compose):
    drain = Settings.model_fields["timeouts"].default.drain
    grace = ours(compose)["gateway"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > drain + WORKERS_STOP


def test_every_container_can_do_as_little_as_possible(compose):
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "devices"}, name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
        assert service["image"] == OURS or service["user"] in {"redis", "postgres"}, name
        if "working_dir" in service:
            assert service["working_dir"] in {each.split(":")[1] for each in service["volumes"]}, name
        assert "healthcheck" in service, name
    dockerfile = (DEPLOY.parent / "Dockerfile").read_text()
    assert "\nUSER gateway\n" in dockerfile


# --- secrets ------------------------------------------------------------------------------------------------------


def test_secrets_are_new_each_time_and_nobody_elses(secrets, tmp_path):
    other = make_secrets(tmp_path / "secrets")
    for file in secrets.iterdir():
        assert (other / file.name).read_text() != file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o444
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert not list(tmp_path.glob("*.new"))


def test_secrets_in_use_are_left_alone(secrets):
    before = (secrets / "seal").read_text()
    said = subprocess.run([DEPLOY / "make-secrets.sh", secrets], check=False, capture_output=True, text=True)
    assert said.returncode == 1
    assert "is there already" in said.stderr
    assert (secrets / "seal").read_text() == before


def test_secrets_are_not_taken_into_the_repository():
    assert "deploy/secrets/" in (DEPLOY.parent / ".gitignore").read_text().splitlines()


def test_a_key_of_yaml_that_occurs_twice_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "twice.yaml").write_text("a: 1\na: 2\n")
    monkeypatch.setattr("deploy.composing.DEPLOY", tmp_path)
    with pytest.raises(Exception, match="duplicate key"):
        read("twice.yaml")
