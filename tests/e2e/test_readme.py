"""README cannot rot: its tables are what the code says, and its shell lines do what stands below them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import click
import pytest

from gateway.authz.routes import ROUTES
from gateway.cli import main
from gateway.http1 import STATUS, Reason
from gateway.settings import table

README = (Path(__file__).parents[2] / "README.md").read_text()


def between(mark):
    return README.partition(f"<!-- {mark} -->\n")[2].partition(f"<!-- /{mark} -->")[0].strip()


def test_the_settings_table_is_generated():
    assert between("settings") == table().strip()


def test_every_reason_is_explained_with_its_status():
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+) \|$", between("reasons"), re.MULTILINE)
    assert {(int(status), reason) for status, reason, _ in rows} == {(STATUS[reason], str(reason)) for reason in Reason}


def test_every_route_is_in_the_table():
    table = between("routes")
    for path in ROUTES:
        head = path.partition("/jobs")[0].partition("openapi.json")[0]
        assert f"`{head}" in table or f" {head}" in table, path


def test_every_command_is_named():
    context = click.Context(main)
    for name in main.list_commands(context):
        for inner in getattr(main.get_command(context, name), "commands", None) or [""]:
            assert f"gateway {name} {inner}".strip() in README, (name, inner)


def test_every_file_that_readme_names_is_there():
    root = Path(__file__).parents[2]
    for path in re.findall(r"`((?:[a-z0-9_]+/)+(?:[a-z0-9_]+\.(?:py|txt))?|tests/[a-z0-9_/.]+)`", README):
        assert (root / path).exists() or (root / "gateway" / path).exists(), path


LINES = re.findall(r"```sh\n(curl .*?)```\n```json\n(.*?)\n```", README, re.DOTALL)


@pytest.mark.parametrize(("line", "shown"), LINES, ids=range(len(LINES)))
def test_the_shell_lines_answer_what_stands_below_them(demo, line, shown):
    (keys,) = re.findall(r"```sh\n(key\(\).*?)```", README, re.DOTALL)
    script = (keys + line).replace(".demo/", f"{demo.dir}/").replace("http://127.0.0.1:8080", demo.told["gateway"])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    told = re.sub(r'"requestId":"\w+"', '"requestId":"…"', done.stdout)
    assert json.loads(told) == json.loads(shown)


def test_there_are_lines_to_try():
    assert len(LINES) == 5
