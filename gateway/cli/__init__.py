"""The commands. A user's fault ends in one clear message, never in a traceback."""

from __future__ import annotations

import logging

import click

from gateway import __version__
from gateway.cli.lazily import LazyGroup

_COMMANDS = {
    "alarms": (
        "gateway.cli.alarms:alarms",
        "Queries that are refused because an upstream answered with objects outside the key's policy.",
    ),
    "audit": ("gateway.cli.keeping:audit", "The audit trail."),
    "calibrate": ("gateway.cli.calibrating:calibrate", "Ask the upstreams whether what is assumed of them holds."),
    "check": ("gateway.cli.checking:check", "Validate the settings, and print them as they take effect."),
    "demo": ("gateway.cli.demo:demo", "Start a gateway in front of a small sandbox platform, with keys to try."),
    "explain": ("gateway.cli.explaining:explain_command", "The decision on POST /j1ql."),
    "groups": ("gateway.cli.groups:groups", "Users with rights in common."),
    "init": ("gateway.cli.operating:init", "Make the store, the first organization and its administrator."),
    "integrations": (
        "gateway.cli.operating:integrations",
        "Integration instances, which integration keys are bound to.",
    ),
    "keys": ("gateway.cli.keys:keys", "API keys: create, list, limit, replace, revoke, import."),
    "migrate": ("gateway.cli.keeping:migrate", "Raise the database to this gateway's version."),
    "organizations": (
        "gateway.cli.operating:organizations",
        "Organizations, how long their keys may live, and how much they may call.",
    ),
    "projects": ("gateway.cli.operating:projects", "Projects and their roles, as configured."),
    "replay": ("gateway.cli.explaining:replay", "Which calls of a decision log would be decided otherwise."),
    "sandbox": ("gateway.cli.running:run_sandbox", "Serve the sandbox upstreams alone."),
    "serve": ("gateway.cli.running:serve", "Serve until SIGTERM or SIGINT."),
    "unused": ("gateway.cli.unused:unused", "What keys may do and never did, from a decision log."),
    "users": ("gateway.cli.people:users", "People."),
}
"""By name: where a command is, and its line in the help. What it imports is imported when it is called."""


@click.group(
    cls=LazyGroup,
    table=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="gateway")
def main() -> None:
    """An authorizing API gateway for a JupiterOne-like graph platform."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # the commands tell what was migrated
