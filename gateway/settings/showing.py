"""The settings as text: those that take effect, and the table of all that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.settings.sections import Settings


def effective(settings: Settings) -> str:
    """Each setting as a TOML line, secrets masked."""
    return "\n".join(f"{path} = {_toml(value)}" for path, value in _values(settings.model_dump(mode="json")))


def _values(section: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if value and isinstance(value, dict):
            yield from _values(value, f"{path}{_key(name)}.")
        elif value is not None:
            yield f"{path}{_key(name)}", value


def _toml(value: Any) -> str:
    """A value on one line; TOML's texts, numbers and truth values are those of JSON."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(name)} = {_toml(each)}' for name, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def table() -> str:
    """The table of all settings in Markdown, for README."""
    head = "| setting | default | meaning |\n|---|---|---|\n"
    return head + "\n".join(
        f"| `{path}` | {_default(field)} | {field.description} |" for path, field in fields(Settings)
    )


_ANY_NAME = {
    "organizations": "<id>",
    "projects": "<slug>",
    "roots": "<field>",
    "roles": "<role>",
    "variables": "<name>",
}
"""What stands in the table for the name of any section of a kind."""


def fields(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Each setting's path and field; `organizations.<id>` stands for any organization."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields(kind, f"{path}{name}.")
        elif name in _ANY_NAME:
            _, each = get_args(kind)
            if field.description:
                yield f"{path}{name}", field
            yield from fields(each, f"{path}{name}.{_ANY_NAME[name]}.")
        else:
            yield f"{path}{name}", field


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{json.dumps(field.default, default=str)}`"
