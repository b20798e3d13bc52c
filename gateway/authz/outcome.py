"""What `plan` answers: values that the handler carries out, each with the grounds it stands on.

Deny      answer with a refusal
Local     the control plane (or `whoami`) answers
Forward   an upstream answers; `answer` says what happens to its answer on the way back
Collect   a result that was put aside is fetched from where it lies
Queried   query fields of GraphQL are answered like calls of `/j1ql`
Batch     a GraphQL array: some elements are refused, some are ours, the rest goes upstream in one request
Need      not decidable yet: the handler gets what is named and asks again
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from gateway.authz.capabilities import Mode
from gateway.authz.routes import Face
from gateway.http1 import Call, Refusal
from gateway.policy import Policy, Predicate


class Upstream(StrEnum):
    """The three services behind the gateway."""

    J1QL = "j1ql"
    GRAPHQL = "graphql"
    PERSISTER = "persister"


class Grounds(Struct, frozen=True):
    """What was asked and what decided it; the decision log writes it down.

    `action` and `resource` are the permission that was looked for; `because` holds the ids of the statements, and, if
    a narrowed query was not sent because `verify` did not prove it, what the proof lacks.
    """

    action: str = ""
    resource: str = ""
    because: tuple[str, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    """Action and resource of whatever else the same call needed, and had."""


def together(grounds: Iterable[Grounds]) -> Grounds:
    """The grounds of a call that needs several permissions and has them all: the first, and the others beside it."""
    found = [each for each in grounds if each.action]
    if len(found) < 2:  # noqa: PLR2004
        return found[0] if found else Grounds()
    needs = dict.fromkeys(need for each in found for need in ((each.action, each.resource), *each.also))
    (action, resource), *also = needs
    because = tuple(dict.fromkeys(cause for each in found for cause in each.because))
    return Grounds(action, resource, because, tuple(also))


# --- what happens to an upstream's answer -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pass:
    """Streamed on as it comes."""


@dataclass(frozen=True, slots=True)
class HiddenObject:
    """One object of each row of a table: (hidden column, property) pairs. An `optional` one may be absent."""

    columns: tuple[tuple[str, str], ...]
    optional: bool = False


class Seal(Struct, frozen=True):
    """What a cursor is bound to: with any other key, policy, mode, query or variables it is of no use.

    `variables` are JSON with their names in order, empty without any.
    """

    key: str
    predicate: Predicate
    mode: Mode
    query: str
    variables: str

    def digest(self) -> bytes:
        """32 bytes that nothing else has."""
        predicate = [
            [[[name, list(values)] for name, values in condition.equals] for condition in conditions]
            for conditions in (self.predicate.allows, self.predicate.denies)
        ]
        bound = json.dumps([self.key, predicate, self.mode, self.query, self.variables])
        return hashlib.sha256(bound.encode()).digest()


class Check(Struct, frozen=True):
    """The answer to a narrowed query: every row is checked before the first byte is sent, pages are cut by us.

    `shape` is the `type` that the answer must have: `list`, `table` or `tree`. `columns` are the columns of a table
    that the caller asked for, `whole` those of them that hold whole objects, `hidden` those that narrowing added
    (none to tables of aggregates). `strict`: relationships must satisfy the predicate as well. `sort`: the order of a
    tree tells of hidden objects, so it is made anew. `connected`: in a tree, each entity is at the end of a
    relationship. `page` is the number of rows a page is filled to. `seal` is what cursors are bound to; `cursor` is the
    caller's own, still sealed.
    """

    predicate: Predicate
    shape: str
    hidden: tuple[HiddenObject, ...]
    page: int
    seal: Seal
    cursor: str | None
    request: dict[str, object]
    """The members of the body to send upstream; the handler adds `cursor`."""
    columns: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    strict: bool = True
    sort: bool = False
    connected: bool = False
    deferred: bool = False
    """The caller wants an address to fetch the answer from, instead of the answer."""
    organization: str = ""
    """The key's; an alarm concerns the queries of one, see `query_class`."""


class Link(Struct, frozen=True):
    """Where an upstream's answer has the address of a result that was put aside.

    `path` are the names of the members that lead to an object, `members` those of it that hold an address, `field` the
    GraphQL field that was asked for it, empty for `/j1ql`.
    """

    path: tuple[str, ...]
    members: tuple[str, ...]
    field: str = ""


class Relink(Struct, frozen=True):
    """Passed on, with addresses of our own in the place of the upstream's.

    `small`: an answer with an address has nothing else that is large, whatever the caller asked.
    """

    links: tuple[Link, ...]
    small: bool = False


@dataclass(frozen=True, slots=True)
class Learn:
    """The answer to the creation of a synchronization job: it must name this instance, and is then remembered."""

    instance: str | None


class GraphQLRequest(Struct, frozen=True):
    """One GraphQL operation as the caller sent it."""

    query: str
    variables: dict[str, object]
    operation_name: str | None


@dataclass(frozen=True, slots=True)
class Assemble:
    """A list that the gateway makes of the upstream's answers, for a key that may see some of its items; see `lists`.

    `request` is the caller's, with `field` as its root. Either `names` are asked for one by one, sorted, the first as
    `p0`, and `more` tells that the policy names others after them; or the upstream's own list is, a page after the
    other, and those of its items are kept that `only` allows.
    """

    request: GraphQLRequest
    field: str
    names: tuple[str, ...] = ()
    more: bool = False
    only: Policy | None = None
    items: tuple[bytes, ...] = ()
    """Those that are kept of the pages before, as JSON."""
    calls: int = 1
    """Pages that were asked for."""


@dataclass(frozen=True, slots=True)
class More:
    """The list goes on: `question` is the JSON to ask next, `answer` what happens to its answer."""

    question: bytes
    answer: Assemble


@dataclass(frozen=True, slots=True)
class Unusable:
    """An upstream's answer that nothing can be made of; `why` is for operators."""

    why: str


Answer = Pass | Relink | Check | Learn | Assemble


# --- the plan -----------------------------------------------------------------------------------------------------


_NONE = Grounds()


class Deny(Struct, frozen=True):
    refusal: Refusal
    grounds: Grounds = _NONE


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """`GET /whoami`: what this key may do, until when, with what limits."""


@dataclass(frozen=True, slots=True)
class Computed:
    """An answer that follows from the call alone: its JSON value."""

    value: object


@dataclass(frozen=True, slots=True)
class FaceCall:
    """A whole call of one of the control plane's faces, with its body."""

    face: Face
    call: Call


class Local(Struct, frozen=True):
    operation: GraphQLRequest | WhoAmI | Computed | FaceCall
    grounds: Grounds = _NONE
    calls: int = 1
    """That it counts for, see `counted`."""


class Forward(Struct, frozen=True):
    """`path` and `query` are raw, below the upstream's base URL; `body` None streams the caller's own body on."""

    upstream: Upstream
    method: str
    path: str
    query: str
    body: bytes | None
    answer: Answer
    grounds: Grounds
    mode: str | None = None
    """`strict` or `induced` for an answer to a conditioned key: the Gateway-Narrowed header."""
    calls: int = 1
    """That it counts for, see `counted`."""


class Queried(Struct, frozen=True):
    """A GraphQL operation of query fields alone, each one narrowed and checked as on `/j1ql`.

    `checks` are those of the fields that are executed, by response key; `request` says what their answers become.
    """

    request: GraphQLRequest
    checks: tuple[tuple[str, Check], ...]
    grounds: Grounds
    mode: str
    """As in `Forward`."""
    calls: int = 1
    """That it counts for, see `counted`."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Elements in the caller's order; each Forward's body is that element's own bytes."""

    elements: tuple[Deny | Local | Forward | Queried, ...]


def counted(plan: Deny | Local | Forward | Queried | Batch | Collect) -> int:
    """How many calls a plan counts for: each root field of GraphQL is one, anything else is; what is refused is none,
    and neither is asking for a result: at the platform that goes to a store of files, which counts nothing.

    Source: JupiterOne's documentation, "JupiterOne Rate Limiting": each individual mutation or query uses one token.
    """
    match plan:
        case Deny() | Collect():
            return 0
        case Batch(elements):
            return sum(map(counted, elements))
        case _:
            return plan.calls


class Postponed(Struct, frozen=True):
    """What an address of ours stands for: a result that an upstream has put aside for one query of one key.

    `place` is the upstream's address of it, `is_result` tells the result itself from the document that says whether it
    is there yet. `key` is the digest of the key. For a key with a condition `bound` is the digest of what the query's
    cursors are bound to, `arguments` are the JSON of the query and its variables, and the page begins at `cursor`,
    after `offset` rows.
    """

    place: str
    is_result: bool
    key: str
    expires_at: int
    """Milliseconds since the epoch."""
    field: str = ""
    """The GraphQL field that was asked, empty for `/j1ql`."""
    bound: bytes = b""
    arguments: bytes = b""
    cursor: str | None = None
    offset: int = 0


class Collect(Struct, frozen=True):
    """`check` for a key with a condition: nothing of the result is sent before all of it is checked."""

    postponed: Postponed
    check: Check | None
    grounds: Grounds
    mode: str | None = None


class NeedBody(Struct, frozen=True):
    """Read the body whole, up to `limit` bytes; a longer one is refused with 413.

    `gzip`: it may be compressed, and `limit` is about what it holds.
    """

    limit: int
    gzip: bool = False


class NeedJob(Struct, frozen=True):
    """Find out which integration instance a synchronization job belongs to."""

    job: str


@dataclass(frozen=True, slots=True)
class Job:
    """A synchronization job as the upstream knows it; `instance` None for a job of no integration."""

    instance: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out for this call so far. A job that the upstream does not know is there as None."""

    jobs: tuple[tuple[str, Job | None], ...] = ()
    postponed: Postponed | None = None
    """What the call's own address stands for."""


Plan = Deny | Local | Forward | Queried | Batch | Collect | NeedBody | NeedJob
