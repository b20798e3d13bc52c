"""What a newcomer types first: the words of the Makefile, and the lock files that they stand on."""

from __future__ import annotations

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
}


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


def test_the_gate_runs_the_tests_and_the_checks(tmp_path):
    (tmp_path / "make").write_text("#!/bin/sh\necho $PWD $*\n")
    (tmp_path / "make").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    outcome = subprocess.run(
        [ROOT / ".ci" / "run"], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=True
    )
    assert outcome.stdout.splitlines() == [f"{ROOT} test", f"{ROOT} check"]
