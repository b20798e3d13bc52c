"""What a key of one integration may upload: objects of that integration, named by its own keys.

An object could name another one outside the integration by `_id`, across scopes, or in the filter of a mapped
relationship (`_mapping`, which the platform resolves over the whole account); and it could say that it belongs
elsewhere. What the platform reads of an object is at its top and in `_mapping`; `_rawData` is a provider's own text,
and may hold any of these words.

Facts: JupiterOne's documentation ("Bulk upload schema", "Sync jobs API reference") and its integration SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from gateway.authz.json_body import read_object, unusable
from gateway.http1 import Reason, Refusal
from gateway.strict_json import StrictJSONError, loads

_FOREIGN = frozenset({"_id", "_fromEntityId", "_toEntityId", "_fromEntityScope", "_toEntityScope", "_scope"})
"""Members by which an object names another one, or a place, outside the integration's own keys."""
_INSTANCE = "_integrationInstanceId"
_MAPPING = "_mapping"

_Uploaded = Mapping[str, Any]
"""Member of the body -> what should be a list of objects."""

_Lists = dict[str, list[dict[str, Raw]] | None]
_spelt = msgspec.json.Decoder(_Lists)


def upload_refused(body: bytes, members: frozenset[str], instance: str | None) -> Refusal | None:
    """Why a body may not be uploaded to a job of this integration instance; `members` are those it may have."""
    uploaded = _read(body)
    if isinstance(uploaded, Refusal):
        return uploaded
    try:
        surplus = next(_surplus(uploaded, members, instance), None)
    except StrictJSONError as fault:
        return unusable(fault)
    if surplus is None:
        return None
    message = f"this key may upload objects of its own integration only; it may not send `{surplus}`"
    return Refusal(Reason.NOT_ALLOWED, message)


def _read(body: bytes) -> _Uploaded | Refusal:
    """The body's lists of objects. Values of members are text yet (`Raw`) where that is as good."""
    plain = _spelt_plainly(body)
    if plain is not None:
        return plain
    value = read_object(body)
    if isinstance(value, Refusal):
        return value
    for name, things in value.items():
        if things is not None and not (isinstance(things, list) and all(isinstance(thing, dict) for thing in things)):
            return Refusal(Reason.MALFORMED_BODY, f"`{name}` must be a list of objects")
    return value


def _spelt_plainly(body: bytes) -> _Uploaded | None:
    """What a body holds that is spelt as JSON.stringify or json.dumps does, down to the members of its objects.

    A body of 5 MB takes 10 ms so, and the strict reader 100, in which a worker does nothing else. Written anew it must
    be the same bytes: then no member occurs twice, and each is spelt as read.
    """
    try:
        body.decode()  # texts that nobody looked into are passed over by the decoder, whatever bytes they hold
        value = _spelt.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if body == msgspec.json.encode(value) or body == _spaced(value) else None


def _spaced(value: _Lists) -> bytes:
    """As json.dumps writes it, with a blank after each comma and colon outside of the texts."""
    return b"{" + b", ".join([_name(name) + b": " + _spaced_list(things) for name, things in value.items()]) + b"}"


def _spaced_list(things: list[dict[str, Raw]] | None) -> bytes:
    if things is None:
        return b"null"
    members = (b", ".join([_name(name) + b": " + bytes(raw) for name, raw in thing.items()]) for thing in things)
    return b"[" + b", ".join([b"{" + each + b"}" for each in members]) + b"]"


_name = lru_cache(1024)(msgspec.json.encode)  # of members: an integration has some hundred different ones


def _surplus(uploaded: _Uploaded, members: frozenset[str], instance: str | None) -> Iterator[str]:
    """What reaches past the integration, by its name."""
    yield from (name for name in uploaded if name not in members)
    for things in uploaded.values():
        for thing in things or ():
            yield from _FOREIGN & thing.keys()
            if _INSTANCE in thing and _value(thing[_INSTANCE]) != instance:
                yield _INSTANCE
            if _MAPPING in thing:
                yield from _FOREIGN.intersection(_names(_value(thing[_MAPPING])))


def _value(value: object) -> object:
    """Raises StrictJSONError."""
    return loads(bytes(value)) if isinstance(value, Raw) else value


def _names(value: object) -> Iterator[str]:
    """Names of members at any depth, and what lists of names have (`targetFilterKeys`)."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            if isinstance(item, dict | list):
                yield from _names(item)
