"""The account API is what its OpenAPI document says: calls that are made up from it, right and wrong ones.

No answer is a fault of the server's, every answer has a status, headers and a body that the document tells of, and
what the document forbids is refused. The calls are the same in every run.
"""

from __future__ import annotations

from itertools import count
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance

from account_calls import user_of
from account_server import installation
from gateway.control.rapid7.openapi import document
from gateway.control.rapid7.operations import OPERATIONS
from gateway.keys import Role

API = schemathesis.openapi.from_dict(document())
bounded = settings(
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
LEFT_OUT = [positive_data_acceptance]
"""A text can be of the right type and yet no name, no cursor and no address: that is a 400."""


@pytest.fixture(scope="module")
def face(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture(scope="module")
def keys(face):
    """The secrets of a platform administrator, who changes others and not themselves, and of a plain user."""
    people = {"platform": Role.PLATFORM_ADMIN, "user": Role.USER}
    return {name: face.run(face.account.user(name, "acme", role)).secret for name, role in people.items()}


class Victims:
    """Real ids in the place of made up ones, in every other call: a user, a key of theirs, and an organization."""

    def __init__(self, face):
        self._face = face
        self._numbers, self._names = count(), count()

    def put_into(self, case):
        if case.meta is not None and case.meta.generation.mode is not GenerationMode.POSITIVE:
            return
        if next(self._numbers) % 2:
            return
        if isinstance(case.body, dict) and "organization_id" in case.body:
            case.body["organization_id"] = "acme"
        case.path_parameters.update(self.ids(case.operation.path))

    def ids(self, path):
        """Of a new user, as far as the path has places for them."""
        if "{id}" not in path:
            return {}
        key = self._face.run(self._face.account.user(f"victim{next(self._names)}", "acme"))
        real = {
            "id": user_of(key) if path.startswith("/account/api/1/users") else key.key.id,
            "organization_id": "acme",
        }
        return {name: value for name, value in real.items() if f"{{{name}}}" in path}


@pytest.fixture(scope="module")
def victims(face):
    return Victims(face)


@API.parametrize()
@bounded
def test_a_platform_administrator_gets_what_the_document_says(case, face, keys, victims):
    victims.put_into(case)
    headers = {"X-Api-Key": keys["platform"]}
    case.call_and_validate(base_url=face.gateway.data, headers=headers, excluded_checks=LEFT_OUT)


@API.parametrize()
@bounded
def test_a_plain_user_gets_what_the_document_says(case, face, keys, victims):
    victims.put_into(case)
    headers = {"X-Api-Key": keys["user"]}
    case.call_and_validate(base_url=face.gateway.data, headers=headers, excluded_checks=LEFT_OUT)


@API.parametrize()
@bounded
def test_without_a_key_that_works_there_is_nothing_but_refusals(case, face):
    answer = case.call_and_validate(base_url=face.gateway.data, excluded_checks=LEFT_OUT)
    assert answer.status_code in (400, 401, 405)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.id)
def test_with_real_ids_every_operation_succeeds_as_the_document_says(face, keys, victims, operation):
    """So that what is proved above is not only how ids that nobody has are refused."""
    own = {"organization_id": "acme", "email": f"{uuid4()}@example.com"}  # the example's user may be there already
    body = operation.example | {name: value for name, value in own.items() if name in operation.example}
    sent = {"body": body, "media_type": "application/json"} if operation.body is not None else {}
    case = API[operation.path][operation.method].Case(path_parameters=victims.ids(operation.path), **sent)
    headers = {"X-Api-Key": keys["platform"]}
    answer = case.call_and_validate(base_url=face.gateway.data, headers=headers, excluded_checks=LEFT_OUT)
    assert answer.status_code == operation.status
