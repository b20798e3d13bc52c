"""The canary graph: a few dozen objects, of which everything is known, in a scope of their own.

They are uploaded by a synchronization job (`source: api`), and removed by another one of the same scope with nothing in
it. What a run left behind, because it was killed, is found by its type and removed by a later one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.authz.calibration.asking import Asking, Question, Refused, Unclear, cells, rows, text_of
from gateway.authz.calibration.scene import SMART, Edge, Pair, Property, Scene, Searched

TYPE = "gateway_canary"
CLASS = "Record"
SEARCHED = 40
"""Entities that share a word: a search or a subquery that is cut off sooner is found out."""

LEFT_AFTER = 3_600_000
"""Milliseconds after which a canary is taken for left behind: a run may take far less, and another one may be on."""

_RUN = re.compile("[0-9a-f]{1,64}")

_PARAMETER = "gateway_canary_"
_NOTES = ("plain", "x' OR _id != 'x", 'x" OR _id != "x', "'x' OR _id != 'x'")
"""A plain text, and others that open a condition where they are put in between quotes of one kind, or none."""

_TEXTS = ("alpha", "Beta")
_NUMBER = 22


_ENDS = (("HAS", "leaf", "1"), ("HAS", "leaf", "2"), ("HAS", "twin", "3"), ("USES", "twin", "4"))
"""Of the relationships, which all begin at `hub`: verb, where it leads, and what tells it from the others."""


def scope(run: str) -> str:
    """The scope of a run; `run` is lower-case hexadecimal digits."""
    return f"gateway-canary-{run}"


def entities(run: str, now: int) -> list[dict[str, Any]]:
    """The entities to upload. `now` is milliseconds since the epoch."""
    known = {"_type": TYPE, "_class": CLASS, "canaryScope": scope(run), "canaryMade": now}
    critical = {"tag.Production": True, "classification": "critical", "_class": "Host"}
    special = [
        _named(run, "hub"),
        _named(run, "leaf"),
        _named(run, "twin"),
        _named(run, "values") | {"several": list(_TEXTS), "number": _NUMBER, "truth": True},
        _named(run, "tagged") | {"tags": [SMART]},
        _named(run, "defined") | critical,
        *(_named(run, f"note{number}") | {"note": text} for number, text in enumerate(_NOTES)),
        *(_named(run, f"item{number}") for number in range(SEARCHED)),
    ]
    return [known | each for each in special]


def relationships(run: str) -> list[dict[str, Any]]:
    """The relationships to upload: two of one verb, and two of different ones."""
    return [
        {
            "_key": f"{_key(run, 'edge')}-{number}",
            "_type": f"{TYPE}_edge",
            "_class": verb,
            "_fromEntityKey": _key(run, "hub"),
            "_toEntityKey": _key(run, end),
        }
        for verb, end, number in _ENDS
    ]


def parameters(run: str) -> dict[str, str]:
    """The account parameters to make, by name."""
    return {f"{_PARAMETER}{run}_{number}": text for number, text in enumerate(_NOTES)}


def _named(run: str, name: str) -> dict[str, Any]:
    return {"_key": _key(run, name), "displayName": f"{_word(run)} {name}", "canaryName": name}


def _key(run: str, name: str) -> str:
    return f"{scope(run)}-{name}"


def _word(run: str) -> str:
    return f"gatewaycanary{run}"


# --- found again --------------------------------------------------------------------------------------------------


def _ours(run: str) -> str:
    return f"FIND * WITH _type = {text_of(TYPE)} AND canaryScope = {text_of(scope(run))} AS c"


def found(run: str) -> Asking[Mapping[str, str] | None]:
    """The `_id` of each canary by its name, once all of them are there, and related to each other; None before.

    That several relationships are there between two of them is for the job to say that made them.
    """
    items = yield from rows(f"{_ours(run)} RETURN c.canaryName AS name, c._id AS id")
    told = ((row.get("name"), row.get("id")) for row in items if isinstance(row, dict))
    ids = {name: its for name, its in told if isinstance(name, str) and isinstance(its, str)}
    if not ids.keys() >= {each["canaryName"] for each in entities(run, 0)}:
        return None
    for verb, end, _ in _ENDS:
        step = f"THAT {verb} * WITH _id = {text_of(ids[end])}"
        if not (yield from rows(f"FIND * WITH _id = {text_of(ids['hub'])} AS a {step} RETURN a._id AS id")):
            return None
    return ids


def scene(run: str, ids: Mapping[str, str], nobody: str, *, with_parameters: bool) -> Scene:
    """What the probes see by the canaries."""
    items = [f"item{number}" for number in range(SEARCHED)]
    hits = tuple((ids[name], f"{_word(run)} {name}") for name in items)
    notes = tuple(zip(parameters(run), (ids[f"note{number}"] for number in range(len(_NOTES))), strict=True))
    values = ids["values"]
    return Scene(
        nobody=nobody,
        unknown=f"gateway_nothing_{run}",
        edge=Edge(ids["hub"], "HAS", ids["leaf"]),
        pairs=(
            Pair(ids["hub"], "HAS", ids["leaf"], 2),
            Pair(ids["hub"], "(HAS|USES)", ids["twin"], 2),
            Pair(ids["hub"], "RELATES TO", ids["twin"], 2),
        ),
        texts=Property(values, "several", list(_TEXTS)),
        number=Property(values, "number", _NUMBER),
        boolean=Property(values, "truth", value=True),
        searched=Searched(_word(run), hits),
        places=tuple(ids[name] for name in (items[0], items[SEARCHED // 2], items[-1])),
        parameters=notes if with_parameters else (),
    )


def left_behind(now: int) -> Asking[frozenset[str]]:
    """The runs of canaries that are too old to be of one that goes on."""
    pattern = f"FIND * WITH _type = {text_of(TYPE)} AND canaryMade < {now - LEFT_AFTER} AS c"
    scopes = yield from cells(f"{pattern} RETURN c.canaryScope AS scope", "scope")
    names = (each.removeprefix(scope("")) for each in scopes if isinstance(each, str) and each.startswith(scope("")))
    return frozenset(name for name in names if _RUN.fullmatch(name))


def is_gone(run: str) -> Asking[bool]:
    """Whether nothing of a run is left."""
    said = yield Question(f"{_ours(run)} RETURN c._id AS id", pages=1)
    if isinstance(said, Refused):
        raise Unclear(said.why)
    return not said.rows


def job_of(its_scope: str) -> dict[str, str]:
    """The body that begins a synchronization job; one that ends with nothing uploaded empties the scope."""
    return {"source": "api", "scope": its_scope, "syncMode": "DIFF"}


def uploads(run: str, now: int) -> Iterable[tuple[str, dict[str, Any]]]:
    """Last segments of the paths of the job's uploads, with their bodies."""
    return (("entities", {"entities": entities(run, now)}), ("relationships", {"relationships": relationships(run)}))
