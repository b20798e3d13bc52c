"""What a newcomer types first: the words of the Makefile, and the lock files that they stand on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS = PROJECT["dependency-groups"]
RUNTIME = [*PROJECT["project"]["dependencies"], *GROUPS["build"]]
LOCKS = {
    "requirements.lock": RUNTIME,
    "requirements-dev.lock": [*RUNTIME, *GROUPS["dev"]],
    "requirements-bench.lock": [*RUNTIME, *GROUPS["bench"]],
    "requirements-node.lock": [*RUNTIME, *GROUPS["node"]],
}
CLIENTS = ROOT / "tests" / "clients"


def locked(name: str) -> dict[str, Version]:
    pins = re.findall(r"^([a-z0-9.-]+)==([^ ]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    return {project: Version(version) for project, version in pins}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_holds_every_dependency_in_a_version_that_is_allowed(name):
    pins = locked(name)
    for line in LOCKS[name]:
        wanted = Requirement(line)
        assert pins[wanted.name.lower()] in wanted.specifier, f"`make lock` is due for {line}"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes_and_no_file_names_where_to_get_it(name):
    text = (ROOT / name).read_text("utf-8")
    pins = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.parametrize("name", LOCKS)
def test_the_other_locks_only_add_to_the_runtime_lock(name):
    assert locked("requirements.lock").items() <= locked(name).items()


def test_the_clients_from_npm_are_locked_with_hashes_and_nothing_names_where_to_get_them():
    wanted = json.loads((CLIENTS / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((CLIENTS / "package-lock.json").read_text("utf-8"))["packages"]
    assert locked.pop("")["dependencies"] == wanted
    assert all(locked[f"node_modules/{name}"]["version"] == version for name, version in wanted.items())
    assert all(package["integrity"].startswith("sha512-") for package in locked.values())
    assert not any("resolved" in package for package in locked.values())


# --- a machine that lacks something ---


@pytest.fixture
def machine(tmp_path):
    """A folder with the Makefile, and a PATH that holds nothing but what make itself needs."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "id", "touch"):
        (tools / tool).symlink_to(shutil.which(tool))
    shutil.copy(ROOT / "Makefile", tmp_path)

    def make(*words: str, python: str | None = None) -> subprocess.CompletedProcess[str]:
        if python:
            (tools / "python3").write_text(f"#!{tools}/sh\n{python}\n")
            (tools / "python3").chmod(0o755)
        return subprocess.run(
            [shutil.which("make"), *words],
            cwd=tmp_path,
            env={"PATH": str(tools)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return make


def test_without_python_it_says_which_and_how_to_get_it(machine):
    outcome = machine("demo")
    assert outcome.returncode != 0
    assert "Python 3.11 or newer is needed" in outcome.stderr
    assert "apt-get install" in outcome.stderr


def test_an_old_python_is_named_with_its_version(machine):
    outcome = machine("demo", python='[ "$1" = --version ] && echo Python 3.9.1; exit 1')
    assert outcome.returncode != 0
    assert "Python 3.9.1" in outcome.stderr


def test_without_the_venv_module_it_says_how_to_get_it(machine):
    version = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    python = f'case "$2" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"'
    outcome = machine("test", python=python)
    assert outcome.returncode != 0
    assert f"apt-get install {version}" in outcome.stderr


def test_without_redis_and_apt_the_tests_say_what_to_install(machine):
    outcome = machine("redis")
    assert outcome.returncode != 0
    assert "redis-server" in outcome.stderr


def test_without_postgresql_and_apt_the_tests_say_what_to_install(machine, tmp_path):
    text = (tmp_path / "Makefile").read_text()
    (tmp_path / "Makefile").write_text(text.replace("/usr/lib/postgresql", f"{tmp_path}/nowhere"))
    outcome = machine("postgres")
    assert outcome.returncode != 0
    assert "initdb" in outcome.stderr
    assert "apt-get install postgresql" in outcome.stderr


def test_without_nginx_and_haproxy_the_benchmark_goes_on_and_says_what_to_install(machine, tmp_path):
    (tmp_path / "Makefile").write_text((tmp_path / "Makefile").read_text().replace("/usr/sbin", f"{tmp_path}/nowhere"))
    outcome = machine("proxies")
    assert outcome.returncode == 0
    assert "apt-get install nginx-light haproxy" in outcome.stderr


@pytest.mark.parametrize(
    ("word", "package", "without"),
    [("redis", "redis-server", 2), ("postgres", "postgresql", 2), ("proxies", "nginx-light haproxy", 0)],
)
def test_servers_are_installed_by_apt_only_as_root(machine, tmp_path, word, package, without):
    text = (tmp_path / "Makefile").read_text()
    for place in ("/usr/lib/postgresql", "/usr/sbin"):
        text = text.replace(place, f"{tmp_path}/nowhere")
    (tmp_path / "Makefile").write_text(text)
    (tmp_path / "bin" / "apt-get").write_text(f'#!{tmp_path}/bin/sh\necho "apt-get $*" >> {tmp_path}/called\n')
    (tmp_path / "bin" / "apt-get").chmod(0o755)
    (tmp_path / "bin" / "id").unlink()
    for user, status in (("1000", without), ("0", 0)):
        (tmp_path / "bin" / "id").write_text(f"#!{tmp_path}/bin/sh\necho {user}\n")
        (tmp_path / "bin" / "id").chmod(0o755)
        assert machine(word).returncode == status
        assert (tmp_path / "called").exists() is (user == "0")
    assert f"install --yes --no-install-recommends {package}" in (tmp_path / "called").read_text()


def program(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([f"#!{shutil.which('sh')}", *lines]) + "\n")
    path.chmod(0o755)


@pytest.fixture
def with_python(machine, tmp_path):
    """A machine whose virtual environment is made already; `pip` writes down what it is asked for."""
    for name in ("pyproject.toml", *LOCKS):
        shutil.copy(ROOT / name, tmp_path)
    program(tmp_path / ".venv" / "bin" / "python", f'echo "$*" >> {tmp_path}/asked')
    for stamp in (".created", ".runtime", ".dev"):
        (tmp_path / ".venv" / stamp).touch()
    return machine


@pytest.mark.parametrize("node", [None, "exit 1"])
def test_node_comes_from_a_wheel_where_the_system_has_none_or_an_old_one(with_python, tmp_path, node):
    program(tmp_path / "bin" / "npm", "exit 0")
    if node:
        program(tmp_path / "bin" / "node", node)
    assert with_python("node").returncode == 0
    assert "--require-hashes --requirement requirements-node.lock" in (tmp_path / "asked").read_text()


def test_the_systems_node_is_enough_if_it_is_new_and_has_npm(with_python, tmp_path):
    program(tmp_path / "bin" / "node", "exit 0")
    program(tmp_path / "bin" / "npm", "exit 0")
    outcome = with_python("node")
    assert (outcome.returncode, outcome.stdout) == (0, "")
    assert not (tmp_path / "asked").exists()


def test_without_node_and_its_wheel_the_tests_say_what_to_install(with_python, tmp_path):
    program(tmp_path / ".venv" / "bin" / "python", "exit 1")
    outcome = with_python("node")
    assert outcome.returncode != 0
    assert "Node.js 18 or newer, with npm" in outcome.stderr
    assert "apt-get install nodejs npm" in outcome.stderr


def test_the_clients_are_installed_once_and_no_script_of_theirs_is_run(with_python, tmp_path):
    for tool in ("mkdir", "cp"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    program(tmp_path / "bin" / "node", "exit 0")
    program(tmp_path / "bin" / "npm", f'echo "$*" >> {tmp_path}/asked')
    shutil.copytree(CLIENTS, tmp_path / "tests" / "clients")
    for _ in range(2):
        outcome = with_python(".venv/clients/.installed")
        assert outcome.returncode == 0, outcome.stderr
    (asked,) = (tmp_path / "asked").read_text().splitlines()
    assert asked.startswith("ci --prefix .venv/clients --ignore-scripts ")
    assert "npm" not in outcome.stdout, "the second time it is quiet"


def test_the_gate_runs_the_tests_and_the_checks(tmp_path):
    (tmp_path / "make").write_text("#!/bin/sh\necho $PWD $*\n")
    (tmp_path / "make").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    outcome = subprocess.run(
        [ROOT / ".ci" / "run"], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=True
    )
    assert outcome.stdout.splitlines() == [f"{ROOT} test", f"{ROOT} check"]
