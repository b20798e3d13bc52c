"""The help is there at once: it is told from a table, which says what the commands say."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from gateway.cli import main


def test_the_help_loads_no_database_driver_and_no_server():
    heavy = "{'sqlalchemy', 'aiohttp', 'alembic', 'pydantic', 'graphql', 'asyncpg'}"
    script = f"""
import sys
from gateway.cli import main
try:
    main(["--help"])
finally:
    print(sorted({heavy} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "users" in done.stdout


def test_checking_the_settings_loads_neither_either():
    heavy = "{'sqlalchemy', 'aiohttp', 'alembic', 'asyncpg'}"
    script = f"import sys, gateway.cli.checking; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_what_the_table_says_of_a_command_is_how_its_own_help_begins(name):
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    summary = main._table[name][1].rstrip(".")
    assert (command.help or "").replace("\n", " ").startswith(summary), command.help


def test_a_command_that_there_is_not_is_told(gateway):
    result = gateway("keis", "list")
    assert (result.exit_code, "No such command 'keis'" in result.stderr) == (2, True)
