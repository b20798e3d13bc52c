"""What README says about keys is what the code does."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from gateway.cli.reading import COLUMNS
from gateway.control.importing import LINES
from gateway.keys import PATTERN, Prefix, issue
from gateway.keys.token import RANDOM_BYTES

README = (Path(__file__).parents[2] / "README.md").read_text()


def between(mark: str, language: str) -> str:
    inside = README.partition(f"<!-- {mark} -->\n")[2].partition(f"<!-- /{mark} -->")[0]
    return inside.partition(f"```{language}\n")[2].partition("```")[0]


@pytest.fixture
def config(config):
    """The settings with README's project in them."""
    config.write_text(config.read_text() + between("project", "toml"))
    return config


def test_the_pattern_for_scanners_is_that_of_the_code():
    assert f"`{PATTERN}`" in README
    for prefix in Prefix:
        assert re.search(PATTERN, f'key = "{issue(prefix, bytes(RANDOM_BYTES))}";')


def test_the_project_and_the_key_of_readme_read_what_it_says(operate):
    (line,) = re.findall(r"`gateway (keys create --name blog .*?)`", README)
    made = operate(*shlex.split(line))
    assert made.exit_code == 0, made.stderr
    assert re.fullmatch(PATTERN, made.stdout.strip())
    key = json.loads(operate("keys", "list", "--json").stdout)["id"]
    shown = json.loads(operate("keys", "show", key, "--json").stdout)
    assert shown["memberships"] == [{"project": "my-blog", "role": "editor", "variables": {"language": ["cs"]}}]


def test_the_limits_of_readme_are_set_as_it_says(operate, tmp_path):
    policy = {"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]}
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    commands = [shlex.split(line, comments=True)[1:] for line in between("limits", "").splitlines() if line]
    assert [words[:2] for words in commands] == [
        ["keys", "create"],
        ["keys", "limit"],
        ["keys", "limit"],
        ["organizations", "limit"],
    ]
    told, key = [], {}
    for words in commands:
        named = {"KEY_ID": key.get("id"), "policy.json": tmp_path / "policy.json"}
        done = operate(*(named.get(word, word) for word in words))
        assert done.exit_code == 0, done.stderr
        key = json.loads(operate("keys", "list", "--json").stdout)
        told.append(key["limits"])
    rate = {"calls": 1000, "seconds": 60}
    assert told[0] == {"rate": rate, "quota": None, "concurrent": 20}
    assert told[1] == {"rate": rate, "quota": {"calls": 100_000, "period": "day"}, "concurrent": 20}
    assert told[2] == told[3] == {"rate": {"calls": 500, "seconds": 60}, "quota": None, "concurrent": None}
    (acme,) = map(json.loads, operate("organizations", "list", "--json").stdout.splitlines())
    assert acme["limits"]["rate"] == {"calls": 20_000, "seconds": 60}


def test_the_file_of_keys_of_readme_can_be_imported(operate, tmp_path):
    operate("users", "add", "ann@example.com")
    rows = [json.loads(line) for line in between("import", "json").splitlines()]
    for number, row in enumerate(rows):
        row["digest"] = f"{number:064x}"
        assert set(row) <= set(COLUMNS)
        row.pop("expires_at", None)  # a date in README passes
    (tmp_path / "keys.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = operate("keys", "import", tmp_path / "keys.jsonl")
    assert (done.exit_code, done.stderr) == (0, f"imported {len(rows)} keys\n")
    assert f"A file has up to {LINES:,} keys" in README
