"""The settings as text: those that take effect, and the table of all that there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.settings.sections import Organization, Settings


def effective(settings: Settings) -> str:
    """Each setting as a TOML line, secrets masked."""
    return "\n".join(
        f"{path} = {json.dumps(value, ensure_ascii=False)}" for path, value in _values(settings.model_dump(mode="json"))
    )


def _values(section: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _values(value, f"{path}{name}.")
        elif value is not None:
            yield f"{path}{name}", value


def table() -> str:
    """The table of all settings in Markdown, for README."""
    head = "| setting | default | meaning |\n|---|---|---|\n"
    return head + "\n".join(
        f"| `{path}` | {_default(field)} | {field.description} |" for path, field in fields(Settings)
    )


def fields(section: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Each setting's path and field; `organizations.<id>` stands for any organization."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields(kind, f"{path}{name}.")
        elif name == "organizations":
            yield from fields(Organization, f"{path}{name}.<id>.")
        else:
            yield f"{path}{name}", field


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{json.dumps(field.default, default=str)}`"
