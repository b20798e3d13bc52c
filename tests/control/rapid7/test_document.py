"""The OpenAPI document and the table that it is made from."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from gateway.authz import Face, route_of
from gateway.control.rapid7.models import KINDS, ROLES, GeneratedApiKey, KeyTypeName, RoleName
from gateway.control.rapid7.openapi import PLACE, document
from gateway.control.rapid7.operations import OPERATIONS, operations_at
from gateway.control.rapid7.reading import cursor_of, position_of
from gateway.control.rejection import Rejection
from gateway.keys import Kind, Role

DOCUMENT = document()


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_operation_is_in_the_document_under_its_own_id():
    told = {
        (method.upper(), path): operation["operationId"]
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    assert told == {(each.method, each.path): each.id for each in OPERATIONS}
    assert len(set(told.values())) == len(told)


def test_every_reference_leads_somewhere():
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        place = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.body], ids=lambda each: each.id)
def test_the_example_of_a_body_is_one(operation):
    assert msgspec.convert(operation.example, operation.body)


def test_the_document_is_plain_json():
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_every_path_is_routed_to_this_face_and_finds_its_operations():
    for each in OPERATIONS:
        path = re.sub(r"\{\w+\}", "some-id", each.path)
        route = route_of(path)
        assert route is not None
        assert (route.face, each.method in route.methods) == (Face.ACCOUNT, True)
        found, ids = operations_at(path)
        assert each in found
        assert ids == ("some-id",) * each.path.count("{")
    assert route_of(PLACE).face is Face.ACCOUNT


def test_every_kind_of_key_and_every_role_has_a_name():
    assert set(KINDS) == set(KeyTypeName.__args__)
    assert set(KINDS.values()) == set(Kind)
    assert set(ROLES) == set(RoleName.__args__)
    assert set(ROLES.values()) == set(Role)


def test_the_representation_of_a_new_key_does_not_show_its_secret():
    names = GeneratedApiKey.__struct_fields__
    made = GeneratedApiKey(**dict.fromkeys(names, "x") | {"api_key": "gwo_secret"})
    assert "gwo_secret" not in repr(made)
    assert "gwo_secret" in msgspec.json.encode(made).decode()


@pytest.mark.parametrize("position", [(0, "a"), (1_700_000_000_000, "0b4f3f6e-3a52-4c4f-9c0e-4b7a6a0c1d11")])
def test_a_cursor_is_read_as_it_was_written(position):
    assert position_of(cursor_of(position)) == position


@pytest.mark.parametrize("cursor", ["", "!", "====", "AA", cursor_of((10**16, "a")), cursor_of((1, "a b")), "é"])
def test_what_is_no_cursor_is_refused(cursor):
    with pytest.raises(Rejection, match="cursor"):
        position_of(cursor)
