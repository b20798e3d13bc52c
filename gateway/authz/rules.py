"""What deciding depends on besides the call and the key: limits and tables, built from the settings, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from gateway.authz.capabilities import Capabilities, Mode
from gateway.authz.roots import ROOTS, Needs
from gateway.j1ql import Limits
from gateway.policy import Predicate

ENFORCE: Final = "enforce"
QueryFields = bool | Literal["enforce"]


@dataclass(frozen=True, slots=True)
class GraphQLLimits:
    """Bounds on one GraphQL request. What is said of real documents is of the 200 that the platform's clients send."""

    characters: int = 100_000
    """Of one document, or of all those of an array, without variables; the longest real one has under 10,000. Each
    character is looked at by itself."""
    tokens: int = 5_000
    """Lexical tokens of one document; the largest of a real client has some 600."""
    depth: int = 24
    """Fields, inline fragments and spreads below each other; real documents have 9, the introspection query has 18."""
    fields: int = 2_000
    """Of one operation, as often as fragments repeat them; real ones have under 200, the introspection as many."""
    aliases: int = 50
    """Of one operation, as often as fragments repeat them; real ones have one."""
    directives: int = 50
    """Of one operation, as often as fragments repeat them; real ones have one."""
    values: int = 24
    """Lists and objects in each other in one literal; clients send what is deep as variables, whose nesting is that of
    the body (`strict_json.MAX_DEPTH`)."""
    roots: int = 50
    """Root fields of one operation after fragments; real ones have one."""
    batch: int = 50
    """Elements of an array; Apollo's batching link sends ten by default."""
    queries: int = 10
    """Query fields of a key with a condition in one call; no client has more than one in an operation."""


class Introspection(StrEnum):
    """Who may ask the upstream for its schema (`__schema`, `__type`), which tells of no object of the graph."""

    NOBODY = "nobody"
    UNRESTRICTED = "unrestricted"
    """Keys that may do everything, as with any field that the table does not have."""
    EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class Rules:
    """Sizes are bytes of a body. Bodies over their limit are refused with 413, where clients shrink and retry."""

    mode: Mode = Mode.STRICT
    capabilities: Capabilities = field(default_factory=Capabilities)
    page: int = 250
    """Rows of a page for a conditioned key: the platform's own page size."""
    query_body: int = 256 * 1024
    """A J1QL call; the longest real query has under 1,000 characters."""
    graphql_body: int = 2 * 1024 * 1024
    """A GraphQL call; rule packs and compliance documents reach some hundred kilobytes."""
    control_body: int = 256 * 1024
    """A call about keys; the longest has a policy in it, of at most 65,536 characters."""
    validated_queries: int = 250
    """Queries in one `/j1ql/validate` call, as on the platform."""
    job_body: int = 64 * 1024
    """The creation of a synchronization job."""
    upload_body: int = 16 * 1024 * 1024
    """An upload that must be inspected; the integration SDK cuts its batches at 5 MB."""
    narrowed: int = 250_000
    """Characters that the key's condition may add to a query, and the values of variables as many."""
    j1ql: Limits = field(default_factory=Limits)
    graphql: GraphQLLimits = field(default_factory=GraphQLLimits)
    query_fields: QueryFields = True
    """Whether `queryV1` and its like are open to keys that may do everything. "Currently, only the /j1ql REST route
    supports the query:ReadGraphData permission. The GraphQL API (queryV1) does not."; without it they are to nobody.
    With ENFORCE `queryV1` and `queryV2` are open to whom `/j1ql` is, on the same conditions."""
    introspection: Introspection = Introspection.UNRESTRICTED
    doubted: frozenset[Predicate] = frozenset()
    """Conditions that the upstream was seen to read otherwise than the row check does, see `calibration.policies`: what
    cannot be checked is refused for them."""
    roots: Mapping[str, tuple[Needs, ...]] = field(default_factory=lambda: ROOTS)
