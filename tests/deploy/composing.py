"""The compose files as compose itself reads them, and what containers are given, on this machine instead.

Merged as "Merge" in the specification of compose files says, for the keys that ours have: mappings by their keys,
commands are replaced, volumes are replaced where they are mounted at the same place, other lists are put together.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

DEPLOY = Path(__file__).parents[2] / "deploy"
VARIANTS = {"alone": ("compose.yaml",), "sentinel": ("compose.yaml", "compose.sentinel.yaml")}
REPLACED = {"command", "entrypoint", "test"}
SECRETS = "/run/secrets"
OURS = "gateway"
"""The image that is built from this repository."""

Tree = dict[str, Any]


def read(name: str) -> Tree:
    """A file of YAML. A key that occurs twice is an error."""
    return YAML(typ="safe", pure=True).load((DEPLOY / name).read_text("utf-8"))


def variant(name: str) -> Tree:
    first, *rest = (read(each) for each in VARIANTS[name])
    for each in rest:
        first = merged(first, each)
    return {name: value for name, value in first.items() if not name.startswith("x-")}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    both = base.keys() & over.keys()
    return {**base, **over, **{name: merged_value(name, base[name], over[name]) for name in both}}


def merged_value(name: str, base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return merged(base, over)
    if isinstance(base, list) and isinstance(over, list) and name not in REPLACED:
        if name == "volumes":
            taken = {target(each) for each in over}
            return [each for each in base if target(each) not in taken] + over
        return base + [each for each in over if each not in base]
    return over


def source(volume: str) -> str:
    return volume.split(":", maxsplit=1)[0]


def target(volume: str) -> str:
    return volume.split(":")[1]


def make_secrets(folder: Path) -> Path:
    subprocess.run([DEPLOY / "make-secrets.sh", folder], check=True, capture_output=True)
    return folder


def at_home(text: str, places: Mapping[str, object]) -> str:
    """A text with what it says of containers replaced: `/run/secrets` by a folder, `redis:6379` by an address here."""
    for there, here in places.items():
        text = text.replace(there, str(here))
    return text
