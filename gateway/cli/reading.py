"""What people write on a command line or in a file of keys: memberships, lengths of time, limits, keys to import."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.control import NewKey
from gateway.control.importing import ImportedKey
from gateway.keys import CallLimits, Kind, Membership, Quota, Rate, limits_refused, quota_of, rate_of

T = TypeVar("T")

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int:
    """`90s`, `15m`, `24h`, `7d`, or 0. Raises click.BadParameter."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if match is None and text != "0":
        raise click.BadParameter(f"`{text}` is no length of time such as 0, 90s, 15m, 24h or 7d")
    return int(match[1]) * _SECONDS[match[2]] if match else 0


def membership(text: str, project: str) -> Membership:
    """`ROLE[:variable=value,…]`; a variable that stands there again has several values. Raises click.BadParameter."""
    role, _, rest = text.partition(":")
    values: dict[str, list[str]] = {}
    for pair in rest.split(",") if rest else ():
        name, equals, value = pair.partition("=")
        if not (role and name and equals):
            raise click.BadParameter(f"`{text}` is no membership such as viewer or editor:language=cs,language=en")
        values.setdefault(name, []).append(value)
    if not role:
        raise click.BadParameter("a membership begins with its role")
    return Membership(project, role, tuple((name, tuple(each)) for name, each in values.items()))


def rate(text: str) -> Rate:
    """`1000/60`: calls and seconds. Raises click.BadParameter."""
    return _read(rate_of, text)


def quota(text: str) -> Quota:
    """`100000/day`: calls and the period. Raises click.BadParameter."""
    return _read(quota_of, text)


def _read(reader: Callable[[str], T], text: str) -> T:
    try:
        return reader(text)
    except ValueError as fault:
        raise click.BadParameter(f"`{text[:64]}` {fault}") from None


def concurrent(text: str) -> int:
    """`20`: calls under way at once. Raises click.BadParameter."""
    if not re.fullmatch(r"[0-9]{1,16}", text):
        raise click.BadParameter(f"`{text[:64]}` must be a number of calls, such as 20")
    return int(text)


LIMITS: Mapping[str, Callable[[str], Any]] = {"rate": rate, "quota": quota, "concurrent": concurrent}
"""How each limit is read, by its name in CallLimits, which is that of its option and of its column."""


# --- files of keys ------------------------------------------------------------------------------------------------

_TEXTS = ("digest", "name", "kind", "organization", "user", "integration_instance", "project", "category")
_LISTS = ("memberships", "roles")
_NUMBERS = ("days", "expires_at")
COLUMNS = (*_TEXTS, *_LISTS, *_NUMBERS, *LIMITS, "policy")
_OF_KIND = {
    "policy": Kind.ACCOUNT,
    "category": Kind.ACCOUNT,
    "user": Kind.USER,
    "integration_instance": Kind.INTEGRATION,
    "project": Kind.PROJECT,
    "memberships": Kind.PROJECT,
    "roles": Kind.GLOBAL,
}
"""Columns that say something about one kind of key alone."""


class Faults(Exception):  # noqa: N818 (what is wrong with a file, not with us)
    """All that is wrong with a file: (line, fault)."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        super().__init__(faults)
        self.faults = faults


def imported(file: Path, home: str | None) -> list[ImportedKey]:
    """The keys of a file, CSV by its ending and else JSON lines; `home` is the organization of those that name none.

    Raises Faults and OSError.
    """
    keys, faults = [], []
    for line, row in _csv(file) if file.suffix.lower() == ".csv" else _json_lines(file):
        try:
            keys.append(_key(line, row, home))
        except ValueError as fault:
            faults.append((line, str(fault)))
    if faults:
        raise Faults(faults)
    return keys


def _csv(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Lists are written with `;` between their entries; an empty cell is none."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        try:
            reader = csv.DictReader(stream, strict=True)
            for row in reader:
                cells = {name: cell for name, cell in row.items() if cell not in ("", None)}
                lists = {name: [part.strip() for part in cells[name].split(";")] for name in _LISTS if name in cells}
                yield reader.line_num, cells | lists
        except (csv.Error, UnicodeDecodeError) as fault:
            raise Faults([(reader.line_num + 1, f"cannot be read as CSV: {fault}")]) from None


def _json_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in enumerate(file.read_bytes().splitlines(), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise Faults([(number, "is no JSON object")])
        yield number, {name: value for name, value in row.items() if value is not None}


def _key(line: int, row: Mapping[Any, Any], home: str | None) -> ImportedKey:
    """Raises ValueError."""
    if unknown := [name for name in row if name not in COLUMNS]:
        raise ValueError(f"`{unknown[0]}` is no column; there are {', '.join(COLUMNS)}")
    texts = {name: _text(name, row.get(name)) for name in _TEXTS}
    kind = _kind(texts["kind"])
    for name, its in _OF_KIND.items():
        if name in row and kind is not its:
            raise ValueError(f"`{name}` is for keys of kind {its}, not {kind}")
    organization = texts["organization"] or home
    if organization is None and kind is not Kind.GLOBAL:
        raise ValueError("the organization is missing; name it here, or for all lines with --organization")
    numbers = {name: _number(name, row.get(name)) for name in _NUMBERS}
    return ImportedKey(
        line=line,
        kind=kind,
        wanted=NewKey(
            name=texts["name"] or "",
            days=numbers["days"],
            category=texts["category"],
            policy=_policy(row.get("policy")),
            expires_at=numbers["expires_at"],
            digest=texts["digest"],
            limits=_limits(row),
        ),
        organization=organization or "",
        user=texts["user"],
        instance=texts["integration_instance"],
        project=texts["project"],
        memberships=_memberships(row.get("memberships", ()), texts["project"] or ""),
        roles=tuple(_list("roles", row.get("roles", ()))),
    )


def _text(name: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"`{name}` must be a text")
    return value


def _kind(word: str | None) -> Kind:
    try:
        return Kind(word or "")
    except ValueError:
        raise ValueError(f"`kind` must be one of {', '.join(Kind)}") from None


def _number(name: str, value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value):
        return int(value)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"`{name}` must be a whole number")
    return value


def _limits(row: Mapping[Any, Any]) -> CallLimits:
    """Written as on the command line; JSON may say a number of calls as one."""
    try:
        limits = CallLimits(**{name: read(_written(name, row[name])) for name, read in LIMITS.items() if name in row})
    except click.BadParameter as fault:
        raise ValueError(fault.message) from None
    if fault_of := limits_refused(limits):
        raise ValueError(fault_of)
    return limits


def _written(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"`{name}` must be a text, or a whole number")  # noqa: TRY004 (a fault of the file)
    return str(value)


def _policy(value: object) -> str | None:
    """A text, or the JSON object that the text would say."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _list(name: str, value: object) -> Iterable[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"`{name}` must be a list of texts")
    return value


def _memberships(value: object, project: str) -> tuple[Membership, ...]:
    try:
        return tuple(membership(each, project) for each in _list("memberships", value))
    except click.BadParameter as fault:
        raise ValueError(fault.message) from None
