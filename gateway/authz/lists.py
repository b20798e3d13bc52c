"""Lists of things that a policy may name one by one: the list as the key sees it, totals and pages included.

The upstream's own list tells of every item: by its items, by how many there are on a page, and by its errors. So a key
that may not see all of them gets a list that is made here. Where its policy names what it may see, each of these is
asked for by name and nothing is learnt of any other. Where it may see all but some, the upstream's list is read to its
end and these are left out.

A DENY of one thing takes it from the list as it takes it from a call that names it: each item is decided by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from gateway.authz.account_parameters import parameters_granted
from gateway.authz.documents import Field
from gateway.authz.outcome import Assemble, Deny, Forward, GraphQLRequest, Grounds, Unusable, Upstream, together
from gateway.authz.rules import GraphQLLimits
from gateway.http1 import Reason, Refusal
from gateway.policy import ANY, Allowed, Policy, decide, decide_named

LIST_BYTES = 32 * 1024 * 1024
"""Of an answer made here, which may hold each value as often as the operation selects it under another alias."""

PAGES = 100
"""Of the upstream's own list that are read for one answer."""


class Listed(Struct, frozen=True):
    """A root field that gives a list, and the permission that each of its items needs: `action` on `prefix` + id."""

    field: str
    action: str
    prefix: str

    def resource(self, name: str) -> str:
        return self.prefix + name

    def allows(self, policy: Policy, name: str) -> bool:
        return isinstance(decide(policy, self.action, self.resource(name)), Allowed)


PARAMETERS = Listed("parameterList", "parameters:GetParameterList", "parameter:")
DASHBOARDS = Listed("getDashboards", "dashboard:View", "dashboard:")


# --- what a key sees of a list ------------------------------------------------------------------------------------


class Named(Struct, frozen=True):
    """The things that a policy names, sorted."""

    names: tuple[str, ...]


class AllBut(Struct, frozen=True):
    """All of them, but for what a DENY names."""


def part_of(listed: Listed, policy: Policy) -> Named | AllBut | None:
    """None for a key that may see the whole list, or nothing of it."""
    if isinstance(decide(policy, listed.action, ANY), Allowed):
        return None
    if listed.allows(policy, _NOBODYS):
        return AllBut()
    resources = decide_named(policy, listed.action)
    names = sorted(each.removeprefix(listed.prefix) for each in resources if each.startswith(listed.prefix))
    return Named(tuple(names)) if names else None


_NOBODYS = "*"
"""A name that no policy can name, so what allows it is an ALLOW on `*`; `policy.tighten` knows it as well."""


# --- on the way up ------------------------------------------------------------------------------------------------


def only_field(roots: Sequence[Field], listed: Listed) -> Field | Deny:
    """The list, if the operation asks for nothing else."""
    fields = [field for field in roots if field.name != "__typename"]
    if len(fields) == 1:
        return fields[0]
    message = f"`{listed.field}` is made for this key here, so it must be the only field of its operation"
    return denied(Reason.UNSUPPORTED_QUERY, message, listed)


def denied(reason: Reason, message: str, listed: Listed) -> Deny:
    return Deny(Refusal(reason, message), Grounds(listed.action, ANY))


def asked(listed: Listed, answer: Assemble, question: bytes, words: Iterable[str], policy: Policy) -> Forward | Deny:
    """`question` is what the upstream is asked first; a parameter that is in its `words` needs its permission."""
    filled_in = parameters_granted(words, policy)
    if isinstance(filled_in, Refusal):
        return Deny(filled_in)
    names = answer.names if answer.only is None else (_NOBODYS,)
    grounds = together([*(_granted(listed, name, policy) for name in names), *filled_in])
    return Forward(Upstream.GRAPHQL, "POST", "", "", question, answer, grounds)


def _granted(listed: Listed, name: str, policy: Policy) -> Grounds:
    resource = listed.resource(name)
    return Grounds(listed.action, resource, decide(policy, listed.action, resource).because)


def fits(names: Collection[str], request: GraphQLRequest, limits: GraphQLLimits) -> bool:
    """Whether what the caller selects may be asked for once for each of so many things."""
    return len(names) <= limits.roots and len(names) * len(request.query) <= limits.characters


# --- on the way back ----------------------------------------------------------------------------------------------


class _Error(msgspec.Struct):
    message: str
    path: list[str | int] | None = None
    extensions: dict[str, Any] | None = None


class _Answer(msgspec.Struct):
    data: dict[str, msgspec.Raw]
    errors: list[_Error] | None = None


_answer = msgspec.json.Decoder(_Answer)
_NULL = b"null"


def things(body: bytes, names: Sequence[str]) -> list[tuple[str, msgspec.Raw]] | Unusable:
    """What the upstream said of each thing that was asked for by name and is there.

    One that is null, with an error or without, is not in the list. An error that speaks of anything but absence makes
    the answer unusable: a list without a thing that is there would be taken for its deletion.
    """
    answer = _decoded(body)
    if isinstance(answer, Unusable):
        return answer
    keys = [f"p{number}" for number in range(len(names))]
    if missing := [key for key in keys if key not in answer.data]:
        return Unusable(f"it says nothing about {missing[0]!r}")
    absent = {key for key in keys if bytes(answer.data[key]) == _NULL}
    if any(_is_failure(error, absent) for error in answer.errors or ()):
        return Unusable("it has an error that is not about an absent item")
    return [(name, answer.data[key]) for name, key in zip(names, keys, strict=True) if key not in absent]


def whole(body: bytes, key: str) -> msgspec.Raw | Unusable:
    """What the upstream said of its list, if it was all well."""
    answer = _decoded(body)
    if isinstance(answer, Unusable):
        return answer
    if answer.errors:
        return Unusable("it has an error")
    return answer.data.get(key) or Unusable(f"it says nothing about {key!r}")


def _decoded(body: bytes) -> _Answer | Unusable:
    try:
        body.decode()  # values are passed on as they came
        return _answer.decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return Unusable("it is not JSON of the expected shape")


_ABSENT = ("not found", "does not exist", "could not find")
"""Words by which the platform's Terraform provider knows that a thing is not there."""

_FAILURES = frozenset(
    "INTERNAL_SERVER_ERROR UNAUTHENTICATED FORBIDDEN RATE_LIMITED TOO_MANY_REQUESTS SERVICE_UNAVAILABLE".split()
)
"""Codes of errors that tell nothing about whether a thing is there: some are Apollo's, others in common use."""


def _is_failure(error: _Error, absent: Collection[str]) -> bool:
    """Whether an error is about anything but one of the absent things, by their names in the question."""
    if not error.path or error.path[0] not in absent:
        return True
    if any(words in error.message.lower() for words in _ABSENT):
        return False
    return "429" in error.message or (error.extensions or {}).get("code") in _FAILURES
