"""From a TOML file and `GATEWAY_…` variables to the settings, or to all that is wrong with them."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.settings.sections import PREFIX, Settings


class SettingsError(ValueError):
    """The settings do not hold; `faults` are lines such as `data.port: …`, all that there are."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


_IN_A_USERS_WORDS = {"missing": "is missing", "extra_forbidden": "is not a setting"}


def load(file: Path | None) -> Settings:
    """The settings of a file (None for none) and of the environment. Raises SettingsError with all that is wrong."""
    content = _toml(file) if file else {}
    content.setdefault("secrets", {})  # so that each secret that is missing is named
    stray = _stray_variables()
    try:
        settings = Settings(**content)
    except ValidationError as fault:
        raise SettingsError((*map(_line, fault.errors()), *stray)) from None
    if stray:
        raise SettingsError(stray)
    return settings


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as fault:
        raise SettingsError((f"{file}: {fault.strerror}",)) from None
    except UnicodeDecodeError:
        raise SettingsError((f"{file}: is not UTF-8",)) from None
    except tomllib.TOMLDecodeError as fault:
        raise SettingsError((f"{file}: {fault}",)) from None


def _line(fault: ErrorDetails) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    message = _IN_A_USERS_WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
    return f"{path}: {message}"


def _stray_variables() -> tuple[str, ...]:
    """Variables that name no section. Without `__` they are not ours: orchestrators set GATEWAY_PORT and the like."""
    names = (name for name in os.environ if name.startswith(PREFIX) and "__" in name)
    return tuple(
        f"{name}: is not a setting"
        for name in sorted(names)
        if name.removeprefix(PREFIX).partition("__")[0].lower() not in Settings.model_fields
    )


def validated(content: dict[str, Any]) -> Settings:
    """The settings of a value, with nothing from the environment. Raises SettingsError."""
    try:
        return Settings.model_validate(content)
    except ValidationError as fault:
        raise SettingsError(tuple(map(_line, fault.errors()))) from None
