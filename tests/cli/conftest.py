"""The commands, run in this process with a configuration in a temporary directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main

CONFIG = """
[data]
port = 0
[admin]
port = 0
[ops]
port = 0
[secrets]
identity = "not-a-secret-but-long-enough-for-one"
seal = "not-a-secret-but-long-enough-for-one"
[store]
sqlite = "{folder}/gateway.db"
[decision_log]
file = "{folder}/decisions.jsonl"
[organizations.acme.upstream]
j1ql = "http://127.0.0.1:9/j1ql"
graphql = "http://127.0.0.1:9/graphql"
persister = "http://127.0.0.1:9"
account = "acme"
credential = "ours"
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("GATEWAY_"):
            monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


_PROJECT = """
[projects.my-blog]
organization = "acme"
[projects.my-blog.roles.editor]
variables = { language = {} }
[[projects.my-blog.roles.editor.permissions]]
effect = "ALLOW"
actions = ["query:ReadGraphData"]
resources = ["*"]
condition = { stringEquals = { language = { variable = "language" } } }
"""


@pytest.fixture
def project(config: Path) -> None:
    """The project `my-blog` with the role `editor`, whose variable is `language`, in the configuration."""
    config.write_text(config.read_text() + _PROJECT)


@pytest.fixture
def gateway() -> Callable[..., Result]:
    """Runs a command line; `result.stdout` and `result.stderr` are apart. A traceback fails the test."""

    def run(*words: str, answer: str = "") -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words], input=answer)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def operate(gateway: Callable[..., Result], config: Path) -> Callable[..., Result]:
    """Runs `gateway GROUP COMMAND --config …` on an installation whose first organization is `acme`."""
    result = gateway("init", "--config", config, "--organization", "acme", "--email", "admin@example.com")
    assert result.exit_code == 0, result.stderr
    return lambda group, command, *words, **more: gateway(group, command, "--config", config, *words, **more)
