from __future__ import annotations

import pytest

from gateway.sandbox.uploads import Flags, Mode, Reference, SynchronizationError, read_chunk

MEMBERS = ("entities", "relationships", "deleteEntities", "deleteRelationships")


def read(body, mode=Mode.DIFF, **flags):
    return read_chunk(body, MEMBERS, mode, Flags(**flags))


def test_an_entity_has_key_type_classes_and_properties():
    (item,) = read(
        {"entities": [{"_key": "1", "_type": "app", "_class": ["A", "B"], "name": "One", "port": 22}]}
    ).entities
    assert (item.key, item.type, item.classes, item.display_name) == ("1", "app", ("A", "B"), "One")
    assert item.properties == {"name": "One", "port": 22}


def test_names_with_an_underscore_are_the_platforms_own():
    body = {"_key": "1", "_type": "app", "_id": "stolen", "_accountId": "other", "_integrationInstanceId": "x"}
    (item,) = read({"entities": [body]}).entities
    assert item.properties == {}


def test_null_is_no_value():
    (item,) = read({"entities": [{"_key": "1", "_type": "app", "a": None, "b": False}]}).entities
    assert item.properties == {"b": False}


def test_a_relationship_names_its_ends_by_key_or_by_id():
    body = {"_key": "r", "_type": "a_has_b", "_class": "HAS", "_fromEntityKey": "1", "_toEntityId": "uuid"}
    (edge,) = read({"relationships": [body]}).relationships
    assert edge.ends == (Reference(None, "1"), Reference("uuid", None))
    assert edge.item.display_name == "HAS"


def test_a_patch_may_name_an_entity_by_its_id_alone():
    (patch,) = read({"entities": [{"_id": "uuid", "risk": 5}]}, Mode.PATCH).patches
    assert patch.target == Reference("uuid", None)
    assert patch.properties == {"risk": 5}
    assert patch.item is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "INVALID_REQUEST_BODY"),
        ({}, "INVALID_REQUEST_BODY"),
        ({"other": []}, "INVALID_REQUEST_BODY"),
        ({"entities": {}}, "ENTITY_IS_NOT_ARRAY"),
        ({"entities": None}, "ENTITY_IS_NOT_ARRAY"),
        ({"relationships": "x"}, "RELATIONSHIP_IS_NOT_ARRAY"),
        ({"entities": ["x"]}, "INVALID_GRAPH_OBJECT"),
        ({"entities": [{"_type": "app"}]}, "INVALID_GRAPH_OBJECT"),
        ({"entities": [{"_key": "", "_type": "app"}]}, "INVALID_GRAPH_OBJECT"),
        ({"entities": [{"_key": 1, "_type": "app"}]}, "INVALID_GRAPH_OBJECT"),
        ({"entities": [{"_key": "1"}]}, "INVALID_GRAPH_OBJECT"),
        ({"entities": [{"_key": "1", "_type": "app", "_class": [1]}]}, "INVALID_GRAPH_OBJECT"),
        ({"relationships": [{"_key": "1", "_type": "r", "_fromEntityKey": "a"}]}, "INVALID_GRAPH_OBJECT"),
        (
            {
                "relationships": [
                    {"_key": "1", "_type": "r", "_class": ["A", "B"], "_fromEntityKey": "a", "_toEntityKey": "b"}
                ]
            },
            "INVALID_GRAPH_OBJECT",
        ),
        ({"deleteEntities": [{}]}, "INVALID_GRAPH_OBJECT"),
    ],
)
def test_what_is_no_upload_is_refused_with_a_code(body, code):
    with pytest.raises(SynchronizationError) as refused:
        read(body)
    assert refused.value.code == code
    assert refused.value.status == 400


@pytest.mark.parametrize("value", [{"a": 1}, [{}], [[1]], [1, "a"], [True, 1], float("inf"), [float("nan")]])
def test_a_value_that_cannot_be_stored_is_refused_or_left_out(value):
    body = {"entities": [{"_key": "1", "_type": "app", "bad": value, "good": [1, 2.5]}]}
    with pytest.raises(SynchronizationError, match="bad"):
        read(body)
    (item,) = read(body, lenient=True).entities
    assert item.properties == {"good": [1, 2.5]}


def test_a_patch_job_takes_no_relationships():
    with pytest.raises(SynchronizationError) as refused:
        read({"relationships": [{}]}, Mode.PATCH)
    assert refused.value.code == "INVALID_SYNC_MODE"


def test_raw_data_is_counted():
    chunk = read({"entities": [{"_key": "1", "_type": "app", "_rawData": [{"name": "default", "rawData": {}}]}]})
    assert chunk.raw_data == 1
