"""One J1QL call, as `/j1ql` and `queryV1` take it: arguments -> a page of the answer.

The arguments and the answer are those of `queryV1` (the GraphQL schema in JupiterOne's client-go); no public document
says what `/j1ql` takes, so it takes the same; those of `queryV2` are what JupiterOne's MCP server sends. What this
sandbox cannot do truthfully it refuses: `scopeFilters`. Nothing deleted is kept, so `includeDeleted` changes nothing;
no property is computed, and a page is full whenever there is more, so `computedProperties` and `variableResultSize`
change nothing either.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.j1ql import J1QLSyntaxError, parse, tree
from gateway.sandbox.account import Account
from gateway.sandbox.aliases import selected_names
from gateway.sandbox.compression import Compression
from gateway.sandbox.deferred import AT_ONCE, Results
from gateway.sandbox.dialect import PLAINEST, Dialect
from gateway.sandbox.evaluate import EvaluationError, Result, evaluate
from gateway.sandbox.graph import Graph

ARGUMENTS: dict[str, tuple[type, ...]] = {
    "query": (str,),
    "variables": (dict,),
    "cursor": (str,),
    "dryRun": (bool,),
    "includeDeleted": (bool,),
    "deferredResponse": (str,),
    "deferredFormat": (str,),
    "remember": (bool,),
    "flags": (dict,),
    "scopeFilters": (list,),
    "sourceMetadata": (dict,),
}
"""What a call may say, and the JSON types it says it in; null is the same as nothing."""

V2_ARGUMENTS: dict[str, tuple[type, ...]] = {
    "query": (str,),
    "variables": (dict,),
    "cursor": (str,),
    "scopeFilters": (list,),
    "includeDeleted": (bool,),
    "returnRowMetadata": (bool,),
    "returnComputedProperties": (bool,),
}
"""The same of `queryV2`, which is always deferred."""

FLAGS = ("computedProperties", "rowMetadata", "variableResultSize")
DEFERRED = ("DISABLED", "OPTIONAL", "FORCE")
"""OPTIONAL leaves it to the platform; here such an answer comes at once."""
FORMATS = ("JSON", "CSV")


class QueryError(Exception):
    """What the platform answers with an error; the codes are those of its `/j1ql/validate`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class QueryCall:
    """A checked call."""

    query: str
    variables: Mapping[str, Any]
    cursor: str | None
    dry_run: bool = False
    deferred: bool = False
    as_csv: bool = False
    row_metadata: bool = False

    @property
    def digest(self) -> str:
        """What a cursor is bound to: a page of one query is no page of another."""
        said = json.dumps([self.query, self.variables], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:32]


def read_call(arguments: Any) -> QueryCall:
    """The call that the arguments of `/j1ql` or `queryV1` make. Raises QueryError."""
    said = _checked(arguments, ARGUMENTS)
    deferred = _one_of(said, "deferredResponse", DEFERRED) == "FORCE"
    as_csv = _one_of(said, "deferredFormat", FORMATS) == "CSV"
    flags = said.get("flags", {})
    for name in flags:
        if name not in FLAGS:
            raise QueryError("VALIDATION_ERROR", f'unknown flag "{name}"')
    return QueryCall(
        said["query"],
        said.get("variables", {}),
        said.get("cursor"),
        dry_run=said.get("dryRun", False),
        deferred=deferred,
        as_csv=as_csv,
        row_metadata=bool(flags.get("rowMetadata")),
    )


def read_call_v2(arguments: Any) -> QueryCall:
    """The call that the arguments of `queryV2` make. Raises QueryError."""
    said = _checked(arguments, V2_ARGUMENTS)
    return QueryCall(
        said["query"],
        said.get("variables", {}),
        said.get("cursor"),
        deferred=True,
        row_metadata=said.get("returnRowMetadata", False),
    )


def _checked(arguments: Any, known: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """The arguments that say something."""
    if not isinstance(arguments, Mapping):
        raise QueryError("VALIDATION_ERROR", "the body should be a JSON object")
    for name, value in arguments.items():
        if name not in known:
            raise QueryError("VALIDATION_ERROR", f'unknown argument "{name}"')
        if value is not None and not isinstance(value, known[name]):
            raise QueryError("VALIDATION_ERROR", f'"{name}" has the wrong type')
    if not arguments.get("query"):
        raise QueryError("VALIDATION_ERROR", '"query" is required')
    if arguments.get("scopeFilters"):
        raise QueryError("VALIDATION_ERROR", "this sandbox has no scopeFilters")
    return {name: value for name, value in arguments.items() if value is not None}


def _one_of(said: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value: str = said.get(name, choices[0])
    if value not in choices:
        raise QueryError("VALIDATION_ERROR", f'"{name}" should be one of {", ".join(choices)}')
    return value


@dataclass(frozen=True, slots=True)
class Serving:
    """How answers are served, apart from what is in them: ways in which the platform could differ from the plainest.

    `partitions` are the most rows on one page after the other, over and over: the platform walks "variable-sized
    partitions", so that "a page can return zero rows while pagination is still in progress".
    """

    dialect: Dialect = PLAINEST
    partitions: tuple[int, ...] = ()
    walk: int = 0
    """Objects of the graph that a page of a list walks over, if any: how many rows it has tells how many of them did
    not match. Lists in an order of their own, or with SKIP or LIMIT, are cut by rows all the same."""
    estimates: bool = False
    """`totalCount` is a guess: the size of the graph."""
    unknown_names_fail: bool = False
    """A class or type that no entity has is an error, not an empty answer."""
    parameters_as_text: bool = False
    """`${param.x}` is put in as it is written, quotes and all, not as a value."""
    relationships_found: bool = False
    """FIND and a verb gives relationships."""
    results: Results = AT_ONCE
    """How deferred answers are served."""
    compression: Compression = Compression.NEVER
    """Whose answers come in gzip."""
    talkative: bool = False
    """Unknown root fields and paths are answered with everything there is: see `talkative`."""

    def __post_init__(self) -> None:
        if self.partitions and max(self.partitions) < 1:
            raise ValueError("partitions without a row have no end")

    def size(self, number: int, page: int) -> int:
        """The most rows on a page, by its number from 0."""
        return min(self.partitions[number % len(self.partitions)], page) if self.partitions else page


PLAINLY = Serving()


def answer(  # noqa: PLR0913
    call: QueryCall, graph: Graph, account: Account, *, page: int, now: int, serving: Serving = PLAINLY
) -> dict[str, Any]:
    """The QueryV1Response; `cursor` is absent on the last page. A dry run answers as an empty graph does.

    Raises QueryError.
    """
    number, offset = (0, 0) if call.cursor is None else _position(call)
    result = _result(call, Graph() if call.dry_run else graph, account, now, serving)
    if result.type == "tree":
        return {"type": "tree", "data": result.data, "totalCount": len(result.data["vertices"])}
    if serving.walk and result.type == "list" and _is_in_the_order_of_the_graph(call.query):
        walked = [entity.id for entity in graph.entities]
        end, length = offset + serving.walk, len(walked)
        met = frozenset(walked[offset:end])
        rows = [row for row in result.data if row["id"] in met]
    else:
        end, length = offset + serving.size(number, page), len(result.data)
        rows = result.data[offset:end]
    total = len(graph) if serving.estimates else len(result.data)
    body: dict[str, Any] = {"type": result.type, "data": rows, "totalCount": total}
    if end < length:
        body["cursor"] = _cursor(call, number + 1, end)
    return body


def _is_in_the_order_of_the_graph(text: str) -> bool:
    query = parse(text)
    return not (query.order or query.windows)


def _result(call: QueryCall, graph: Graph, account: Account, now: int, serving: Serving) -> Result:
    values = account.values()
    try:
        query = parse(_with_texts(call.query, values) if serving.parameters_as_text else call.query)
        if serving.relationships_found and (found := _relationships(query, graph)):
            return found
        if serving.unknown_names_fail:
            _refuse_unknown_names(query, graph)
        return evaluate(
            query,
            graph,
            variables=call.variables,
            parameters=values,
            now=now,
            dialect=serving.dialect,
            row_metadata=call.row_metadata,
        )
    except J1QLSyntaxError as fault:
        where = f"at line {fault.line} column {fault.column}"
        raise QueryError("PARSER_ERROR", f"Error parsing query. {fault.message} {where}") from None
    except EvaluationError as fault:
        raise QueryError("VALIDATION_ERROR", str(fault)) from None


def _with_texts(query: str, values: Mapping[str, Any]) -> str:
    """OPEN (ambiguity 1): a text stands between quotes that it may end itself."""

    def text(match: re.Match[str]) -> str:
        value = values.get(match[1])
        return match[0] if value is None else f"'{value}'" if isinstance(value, str) else json.dumps(value)

    return re.sub(r"\$\{param\.([^}]*)\}", text, query)


def _relationships(query: tree.Query, graph: Graph) -> Result | None:
    """OPEN (assumption A15): a name alone may be that of relationships."""
    head = query.selector.head
    if not isinstance(head, tree.Name) or query.steps or query.returns is not None:
        return None
    found = [each.wire() for each in graph.relationships if each.metadata["_class"] == head.name]
    return Result("list", found) if found else None


def _refuse_unknown_names(query: tree.Query, graph: Graph) -> None:
    for name in selected_names(query):
        if not graph.of_type(name) and not graph.of_class(name):
            raise QueryError("VALIDATION_ERROR", f"Invalid entity type or class: {name}")


def _cursor(call: QueryCall, number: int, offset: int) -> str:
    said = {"query": call.digest, "page": number, "offset": offset}
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode()


def _position(call: QueryCall) -> tuple[int, int]:
    """The number of the page, and where its rows begin."""
    try:
        said = json.loads(base64.urlsafe_b64decode(call.cursor or ""))
        digest, number, offset = said["query"], said["page"], said["offset"]
    except (binascii.Error, ValueError, TypeError, KeyError):
        raise QueryError("VALIDATION_ERROR", "Invalid cursor") from None
    if digest != call.digest or not all(isinstance(each, int) and each >= 0 for each in (number, offset)):
        raise QueryError("VALIDATION_ERROR", "Invalid cursor")
    return number, offset
