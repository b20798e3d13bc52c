"""Deferred results: the platform puts an answer aside and gives an address for it, to be asked without a key.

Source: JupiterOne's documentation ("Querying with deferred response") and its public clients. The address leads to a
document that says whether the result is there (`status`: IN_PROGRESS, COMPLETED, FAILED). Older clients take the
result from a second address, the document's `url`; newer ones from the document itself, which then has the members of
the result too. Both are served.

Such an address is a way round the gateway, open to whoever has it, so none is passed on: each is replaced by one of
ours that stands for it (`Postponed`), sealed, and good for a while. What is asked for by it is decided like any call:
the key is looked up and its policy read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from gateway.authz.account_parameters import parameters_granted, texts
from gateway.authz.conditioned import conditioned
from gateway.authz.documents import Field
from gateway.authz.graphql_call import decide_field
from gateway.authz.outcome import Collect, Deny, Grounds, Link, Postponed, Unusable
from gateway.authz.rows import Body
from gateway.authz.rules import Rules
from gateway.http1 import Reason, Refusal
from gateway.keys import Principal
from gateway.policy import ANY, READ_GRAPH, Allowed, Narrowed, decide

# --- asking for a result ------------------------------------------------------------------------------------------

_GONE = Refusal(Reason.UNKNOWN_RESULT, "this address stands for no result, or no longer: send the query again")
_CHANGED = Refusal(Reason.UNKNOWN_RESULT, "what this key may see has changed since: send the query again")


def plan_result(postponed: Postponed | None, principal: Principal, rules: Rules, now: int) -> Collect | Deny:
    """`GET /deferred/…`; `now` is milliseconds since the epoch."""
    if postponed is None or now >= postponed.expires_at:
        return Deny(_GONE)
    if postponed.bound:
        return _conditioned_result(postponed, principal, rules)
    grounds = _grounds(postponed.field, principal, rules)
    return grounds if isinstance(grounds, Deny) else Collect(postponed, None, grounds)


def _conditioned_result(postponed: Postponed, principal: Principal, rules: Rules) -> Collect | Deny:
    """The result was made for one predicate, and is held against the same or not shown."""
    verdict = decide(principal.policy, READ_GRAPH, ANY)
    grounds = Grounds(READ_GRAPH, ANY, verdict.because)
    if not isinstance(verdict, Narrowed):
        return Deny(_CHANGED, grounds)
    arguments = msgspec.json.decode(postponed.arguments)
    if isinstance(parameters_granted(texts(arguments), principal.policy), Refusal):
        return Deny(_CHANGED, grounds)
    check = conditioned(arguments, principal, verdict.predicate, rules, grounds)
    if isinstance(check, Deny) or check.seal.digest() != postponed.bound:
        return Deny(_CHANGED, grounds)
    return Collect(postponed, check, grounds, rules.mode)


def _grounds(field: str, principal: Principal, rules: Rules) -> Grounds | Deny:
    """Those on which the same would be asked for now."""
    if field:
        return decide_field(Field(field, {}, frozenset()), principal, rules)
    verdict = decide(principal.policy, READ_GRAPH, ANY)
    grounds = Grounds(READ_GRAPH, ANY, verdict.because)
    return grounds if isinstance(verdict, Allowed) else Deny(_CHANGED, grounds)


# --- what the upstream says ---------------------------------------------------------------------------------------


class _Deferred(msgspec.Struct):
    type: Literal["deferred"]
    url: str


_NOTHING = msgspec.Raw(b"null")


class State(msgspec.Struct):
    """The document that says whether a result is there."""

    status: str
    url: str | None = None
    type: str | None = None
    data: msgspec.Raw = _NOTHING  # no union: as one of several types, Raw decodes nothing

    @property
    def is_under_way(self) -> bool:
        return self.status == "IN_PROGRESS"

    @property
    def is_there(self) -> bool:
        """The platform's MCP server knows a shorter word, too."""
        return self.status in {"COMPLETED", "COMPLETE"}

    @property
    def holds_result(self) -> bool:
        return self.type is not None and self.data != _NOTHING


_deferred = msgspec.json.Decoder(_Deferred)
_state = msgspec.json.Decoder(State)


def put_aside(body: bytes) -> str | Unusable:
    """The address in an answer that had to be deferred."""
    try:
        return _deferred.decode(body).url
    except (msgspec.DecodeError, RecursionError):
        return Unusable("it put no result aside")


def read_state(document: Body) -> State | Unusable:
    try:
        return _state.decode(document)
    except (msgspec.DecodeError, RecursionError):
        return Unusable("it does not say whether the result is there")


# --- addresses of ours in their place -----------------------------------------------------------------------------

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str | None)
_encode = msgspec.json.Encoder().encode


_PLAIN = re.compile(rb'\s*(?:[^\s{\xef]|\{\s*"type"\s*:\s*"(?!deferred")[a-z]+")')
"""No object, and none after a byte order mark, which clients read over."""


def has_no_address(start: bytes, links: Sequence[Link]) -> bool:
    """Whether an answer that begins so certainly has none: `/j1ql` says first of what type it is."""
    return links[0].path == () and _PLAIN.match(start) is not None


def relinked(body: bytes, links: Iterable[Link], ours: Callable[[str, Link], str]) -> bytes | Unusable:
    """A JSON value with our addresses where it has an upstream's; all other members are its own bytes.

    What has no address is as it was; Unusable where that cannot be told, since a client may read more than we do: a
    part of an answer, several in one, a byte order mark, what is nested too deeply.
    """
    for link in links:
        try:
            body = _relinked(body, link.path, link, ours) or body
        except (msgspec.DecodeError, RecursionError):
            return Unusable("it cannot be told whether it has the address of a result")
    return body


def _relinked(body: bytes, path: tuple[str, ...], link: Link, ours: Callable[[str, Link], str]) -> bytes | None:
    """None if there is no address. Raises DecodeError, RecursionError: no object, or no text where one would be."""
    if body == b"null":
        return None
    members = _members.decode(body)
    changed = False
    for name in path[:1] or link.members:
        if name not in members:
            continue
        if path:
            inner = _relinked(bytes(members[name]), path[1:], link, ours)
        else:
            place = _text.decode(members[name])
            inner = _encode(ours(place, link)) if place else None
        if inner is not None:
            members[name] = msgspec.Raw(inner)
            changed = True
    return _encode(members) if changed else None


def restated(
    document: Body, place: str, ours: Callable[[str], str], result: Body = b""
) -> Sequence[bytes | msgspec.Raw] | Unusable:
    """A document that says whether a result is there, in pieces and in both contracts, with our address as its `url`.

    `place` is where it lies itself, which is where the result is if it says no other; `result` is one that it does not
    hold, if that was fetched.
    """
    try:
        members = _members.decode(document)
        elsewhere = _text.decode(members["url"]) if "url" in members else None
    except (msgspec.DecodeError, RecursionError):
        return Unusable("it does not say whether the result is there")
    members = _members_of(result) | members
    if elsewhere is not None or "data" in members:
        members["url"] = msgspec.Raw(_encode(ours(elsewhere or place)))
    pieces: list[bytes | msgspec.Raw] = []
    for name, value in members.items():
        pieces += [b",", _encode(name), b":", value]
    return [b"{", *pieces[1:], b"}"]


def _members_of(result: Body) -> dict[str, msgspec.Raw]:
    """Empty for what is no object: CSV has no members that a document could have."""
    try:
        return _members.decode(result)
    except (msgspec.DecodeError, RecursionError):
        return {}
