"""Reading what a client uploads to a synchronization job: JSON values -> checked values, or an error with a code.

The shapes and the rules are those of the JupiterOne documentation ("Bulk upload schema", "Sync jobs API reference"):
an upload names key, type and class; other names with an underscore are the platform's own and are passed over; values
are strings, numbers, booleans, or lists of one of these. Where an upload names no class, we say `Record` for an entity
and `RELATES_TO` for a relationship; the documentation has such uploads, but not what becomes of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

from gateway.sandbox.graph import is_metadata
from gateway.sandbox.origin import Item

DEFAULT_CLASS = "Record"
DEFAULT_VERB = "RELATES_TO"


class SynchronizationError(Exception):
    """What the persister answers with a status other than 200: `{"error": {"code", "message"}}`."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class Mode(StrEnum):
    """What finalizing does with the objects that were not uploaded: DIFF deletes them, the others leave them."""

    DIFF = "DIFF"
    PATCH = "PATCH"
    CREATE_OR_UPDATE = "CREATE_OR_UPDATE"


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that is meant: by `_id` anywhere in the account, or by `_key` in the scope of the job."""

    id: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Patch:
    """Properties to write to one entity, which is made when `item` says enough for that and it is not there yet."""

    target: Reference
    properties: Mapping[str, Any]
    display_name: str | None
    item: Item | None


@dataclass(frozen=True, slots=True)
class Edge:
    """A relationship and the entities it goes from and to."""

    item: Item
    ends: tuple[Reference, Reference]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One upload. A job of mode PATCH has patches, any other has entities and relationships."""

    entities: tuple[Item, ...] = ()
    patches: tuple[Patch, ...] = ()
    relationships: tuple[Edge, ...] = ()
    delete_entities: tuple[Reference, ...] = ()
    delete_relationships: tuple[Reference, ...] = ()
    raw_data: int = 0
    """How many records of raw data came along; they are counted and not kept."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of an upload.

    `lenient` (ignoreIllegalProperties) leaves out a value that cannot be stored; `latest` (ignoreDuplicates) lets the
    latest of two objects with one key win.
    """

    lenient: bool = False
    latest: bool = False


def read_chunk(body: Any, members: Sequence[str], mode: Mode, flags: Flags) -> Chunk:
    """The upload in a JSON body; at least one of the members must be there. Raises SynchronizationError."""
    if not isinstance(body, dict):
        raise SynchronizationError("INVALID_REQUEST_BODY", "the body should be a JSON object")
    if not any(member in body for member in members):
        raise SynchronizationError("INVALID_REQUEST_BODY", f"the body should have {' or '.join(members)}")
    lists = {member: _objects(body, member) for member in members}
    entities, relationships = lists.get("entities", []), lists.get("relationships", [])
    if mode is Mode.PATCH and relationships:
        raise SynchronizationError("INVALID_SYNC_MODE", "a PATCH job does not accept relationships")
    patching = mode is Mode.PATCH
    return Chunk(
        entities=() if patching else tuple(_item(entity, DEFAULT_CLASS, flags) for entity in entities),
        patches=tuple(_patch(entity, flags) for entity in entities) if patching else (),
        relationships=tuple(_edge(relationship, flags) for relationship in relationships),
        delete_entities=tuple(_reference(entity) for entity in lists.get("deleteEntities", [])),
        delete_relationships=tuple(_reference(relationship) for relationship in lists.get("deleteRelationships", [])),
        raw_data=sum(_raw_data(thing) for thing in (*entities, *relationships)),
    )


def _objects(body: Mapping[str, Any], member: str) -> list[dict[str, Any]]:
    things = body.get(member, [])
    if not isinstance(things, list):
        code = "ENTITY_IS_NOT_ARRAY" if member == "entities" else "RELATIONSHIP_IS_NOT_ARRAY"
        raise SynchronizationError(code, f'"{member}" should be an array')
    for index, thing in enumerate(things):
        if not isinstance(thing, dict):
            raise SynchronizationError("INVALID_GRAPH_OBJECT", f"{member}[{index}] should be an object")
    return things


def _item(thing: Mapping[str, Any], default_class: str, flags: Flags) -> Item:
    key, kind = _text(thing, "_key"), _text(thing, "_type")
    name = thing.get("displayName", thing.get("name"))
    classes = _classes(thing.get("_class"), key) or (default_class,)
    return Item(key, kind, classes, name if isinstance(name, str) else key, _properties(thing, flags))


def _patch(thing: Mapping[str, Any], flags: Flags) -> Patch:
    name = thing.get("displayName")
    whole = "_key" in thing and "_type" in thing
    return Patch(
        _reference(thing),
        _properties(thing, flags),
        name if isinstance(name, str) else None,
        _item(thing, DEFAULT_CLASS, flags) if whole else None,
    )


def _edge(thing: Mapping[str, Any], flags: Flags) -> Edge:
    item = _item(thing, DEFAULT_VERB, flags)
    if len(item.classes) > 1:
        raise SynchronizationError(
            "INVALID_GRAPH_OBJECT", f'"_class" of relationship "{item.key}" should be one string'
        )
    if "displayName" not in thing:
        item = Item(item.key, item.type, item.classes, item.classes[0], item.properties)
    return Edge(item, (_end(thing, "_from"), _end(thing, "_to")))


def _end(thing: Mapping[str, Any], side: str) -> Reference:
    if f"{side}EntityId" in thing:
        return Reference(_text(thing, f"{side}EntityId"), None)
    return Reference(None, _text(thing, f"{side}EntityKey"))


def _reference(thing: Mapping[str, Any]) -> Reference:
    if "_id" in thing:
        return Reference(_text(thing, "_id"), None)
    return Reference(None, _text(thing, "_key"))


def _text(thing: Mapping[str, Any], name: str) -> str:
    value = thing.get(name)
    if not isinstance(value, str) or not value:
        raise SynchronizationError("INVALID_GRAPH_OBJECT", f'"{name}" should be a string that is not empty')
    return value


def _classes(value: Any, key: str) -> tuple[str, ...]:
    if value is None:
        return ()
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise SynchronizationError(
            "INVALID_GRAPH_OBJECT", f'"_class" of "{key}" should be a string or a list of strings'
        )
    return tuple(names)


def _properties(thing: Mapping[str, Any], flags: Flags) -> dict[str, Any]:
    """The properties that can be stored; null means that there is none."""
    properties: dict[str, Any] = {}
    for name, value in thing.items():
        if is_metadata(name) or value is None:
            continue
        if _storable(value):
            properties[name] = value
        elif not flags.lenient:
            message = f'property "{name}" should be a string, a number, a boolean, or a list of one of these'
            raise SynchronizationError("ILLEGAL_PROPERTY", message)
    return properties


def _storable(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_primitive(item) for item in value) and len({_kind(item) for item in value}) <= 1
    return _is_primitive(value)


def _is_primitive(value: Any) -> bool:
    """A string, a boolean, or a number that JSON can say again (1e999 was read as infinity)."""
    return isfinite(value) if isinstance(value, float) else isinstance(value, (str, int))


def _kind(value: Any) -> type:
    """The JSON type: every number is one kind, a boolean is no number."""
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def _raw_data(thing: Mapping[str, Any]) -> int:
    raw = thing.get("_rawData")
    return len(raw) if isinstance(raw, list) else 0
