"""Entities and relationships as answers write them, read for one predicate.

Only what decides is read: of metadata and properties the members that the predicate speaks of, and `_deleted`. The
decoder looks at the rest no further than that it is JSON. A member that is written twice has two readings, and the
last one, which the decoder takes, need not be everybody's: so where something that decides is written more than once,
either each occurrence satisfies the predicate (`certain`), or the object has no meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct, defstruct

from gateway.authz.rows.certain import certain_types, judged
from gateway.authz.rows.values import holds, in_metadata, names_of
from gateway.policy import Predicate

_REMEMBERED = 1024
"""Predicates: 10 to 40 KB each, and 0.2 ms to make anew."""

_VERDICTS = 64
"""Remembered for each predicate: objects of an answer are of few kinds."""
_SHORT = 512
"""Bytes of what an object says, up to which its verdict is remembered."""

_NO_VALUE = Raw()


class UnclearError(ValueError):
    """Something that decides is written twice."""


class _Written:
    """Of a member that is written, whatever its value."""


_WRITTEN = _Written()


class _Members(Struct, rename="camel", omit_defaults=True):
    """The members of an object as they came, and no other: the score of a hit, for one, tells of hidden ones."""

    id: Raw = _NO_VALUE
    entity: Raw = _NO_VALUE
    relationship: Raw = _NO_VALUE
    properties: Raw = _NO_VALUE
    from_vertex_id: Raw = _NO_VALUE
    to_vertex_id: Raw = _NO_VALUE


_members = msgspec.json.Decoder(_Members)
_encode = msgspec.json.Encoder().encode

Part = Literal["entity", "relationship"]


class Found(Struct):
    """An object that was read."""

    part: Part | None
    """What it is; None for what is neither, or both."""
    visible: bool
    """Whether it satisfies the predicate, and is not deleted."""
    id: str | None
    ends: tuple[str | None, str | None]
    passed: Raw
    """What is passed on of it: its own bytes, but for members that are not known."""


class Objects:
    """Reads what one predicate is held against."""

    def __init__(self, predicate: Predicate) -> None:
        self._predicate = predicate
        self._names = names_of(predicate)
        self._verdicts: dict[bytes, bool] = {}
        self._written = 0

    def all_visible(self, array: memoryview) -> int | None:
        """How many entities an array holds, if each one certainly may be seen; None where `entity` must tell."""
        if self._array is None:
            return None
        try:
            return len(self._array.decode(array))
        except msgspec.DecodeError:
            return None

    def entity(self, raw: Raw) -> Found:
        """What is expected to be an entity, and visible. Raises like `read`."""
        for decoder in self._certain:
            try:
                known = decoder.decode(raw)
            except msgspec.ValidationError:
                continue
            return Found(part="entity", visible=True, id=known.id, ends=(None, None), passed=raw)
        return self.read(raw)

    def read(self, raw: Raw, *, passed_on: bool = False) -> Found:
        """Any object. `passed_on`: even if it is not visible; else nobody cares how it is written then.

        Raises UnclearError, or msgspec's ValidationError for what is no object of the platform.
        """
        found = self._read(raw)
        if found.visible or passed_on:
            self._refuse_unclear(found.passed)
        return found

    @cached_property
    def _array(self) -> msgspec.json.Decoder[Any] | None:
        types = certain_types(self._predicate) if len(self._predicate.allows) == 1 else []
        return msgspec.json.Decoder(list[types[0]], dec_hook=judged) if types else None  # type: ignore[valid-type]

    @cached_property
    def _certain(self) -> list[msgspec.json.Decoder[Any]]:
        return [msgspec.json.Decoder(each, dec_hook=judged) for each in certain_types(self._predicate)]

    # --- whatever an object holds

    def _read(self, raw: Raw) -> Found:
        """By the last occurrence of each member."""
        passed = raw
        try:
            found = self._decoder.decode(raw)
        except msgspec.ValidationError:
            passed = Raw(_encode(_members.decode(raw)))
            found = self._decoder.decode(passed)
        metadata = found.entity or found.relationship
        part: Part | None = None
        if found.entity is None or found.relationship is None:
            part = "entity" if found.entity else "relationship" if found.relationship else None
        visible = metadata is not None and self._visible(metadata, found.properties or self._nothing)
        return Found(part, visible, found.id, (found.from_vertex_id, found.to_vertex_id), passed)

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[Any]:
        told = self._told("Told", Raw, _NO_VALUE)
        return msgspec.json.Decoder(_known("Known", told, str | None))

    def _told(self, called: str, value: Any, default: Any, **namespace: Any) -> type[Struct]:
        """Members of metadata or of properties that decide."""
        names = ("_deleted", *self._names)
        fields = [(f"value{at}", value, msgspec.field(name=name, default=default)) for at, name in enumerate(names)]
        return defstruct(called, fields, namespace=namespace, gc=False)

    @cached_property
    def _nothing(self) -> Struct:
        return self._told("Nothing", Raw, _NO_VALUE)()

    def _visible(self, metadata: Struct, properties: Struct) -> bool:
        """Objects that say the same are judged once: no text of JSON has a NUL."""
        told, beside = msgspec.structs.astuple(metadata), msgspec.structs.astuple(properties)
        same = b"\0".join(told + beside)
        verdict = self._verdicts.get(same)
        if verdict is None:
            verdict = self._judged(told, beside)
            if len(self._verdicts) >= _VERDICTS:
                self._verdicts.clear()
            if len(same) <= _SHORT:
                self._verdicts[same] = verdict
        return verdict

    def _judged(self, told: Sequence[Raw], beside: Sequence[Raw]) -> bool:
        """Metadata and properties must not contradict each other."""
        if told[0] and msgspec.json.decode(told[0]) not in (None, False):
            return False
        values = {}
        for name, in_it, in_other in zip(self._names, told[1:], beside[1:], strict=True):
            home, other = (in_it, in_other) if in_metadata(name) else (in_other, in_it)
            values[name] = msgspec.json.decode(home) if home else None
            if other and msgspec.json.decode(other) != values[name]:
                return False
        return holds(self._predicate, values)

    # --- that it is written once

    def _refuse_unclear(self, passed: Raw) -> None:
        self._written = 0
        found = self._counter.decode(passed)
        if self._written != _present(found) + sum(map(_present, (found.entity, found.relationship, found.properties))):
            raise UnclearError

    @cached_property
    def _counter(self) -> msgspec.json.Decoder[Any]:
        """Counts whatever is written: each value, and each object that has one of the parts' names."""
        told = self._told("Counted", _Written, None, __post_init__=self._count)
        return msgspec.json.Decoder(_known("CountedIn", told, _Written), dec_hook=self._value)

    def _count(self, _: object) -> None:
        self._written += 1

    def _value(self, _: type, __: object) -> _Written:
        self._written += 1
        return _WRITTEN


def _known(called: str, told: type[Struct], identifier: Any) -> type[Struct]:
    """An object with no other members than those of `_Members`."""
    members: list[tuple[str, Any, Any]] = [
        *((part, told | None, None) for part in ("entity", "relationship", "properties")),
        *((name, identifier, None) for name in ("id", "from_vertex_id", "to_vertex_id")),
    ]
    return defstruct(called, members, rename="camel", forbid_unknown_fields=True, gc=False)


@lru_cache(_REMEMBERED)
def objects_of(predicate: Predicate) -> Objects:
    """The reader for a predicate."""
    return Objects(predicate)


def _present(found: Struct | None) -> int:
    """How many members an object has."""
    if found is None:
        return 0
    members = msgspec.structs.astuple(found)
    return len(members) - members.count(None)
