"""The platform's own clients: their documents fit the schema, and get answers of the shapes that they read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from control.jupiterone_client import ask, given, refused
from control.jupiterone_documents import DOCUMENTED, TERRAFORM
from graphql import parse, validate, validate_schema

from gateway.answers import TRIGGERS
from gateway.authz import Rules, plan
from gateway.authz.outcome import Facts, GraphQLRequest, Local
from gateway.control.jupiterone import JupiterOne
from gateway.control.jupiterone.schema import schema
from gateway.http1 import Call
from gateway.keys import Role

ALL = TERRAFORM | DOCUMENTED
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def face(platform) -> JupiterOne:
    return JupiterOne(platform.desk)


def test_the_schema_is_one():
    assert validate_schema(schema()) == []


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_clients_document_fits(name):
    assert validate(schema(), parse(ALL[name])) == []


@pytest.mark.parametrize("name", sorted(TERRAFORM))
async def test_a_clients_call_is_ours_as_it_is_sent(platform, admin, name):
    """Generated clients name the operation, and send all variables."""
    body = json.dumps({"query": TERRAFORM[name], "variables": {}, "operationName": name}).encode()
    headers = ((b"content-type", b"application/json"),)
    call = Call("call-1", "POST", "/", "", headers, body)
    made = plan(call, admin, Facts(), Rules(), 0)
    assert isinstance(made, Local)
    assert made.operation == GraphQLRequest(TERRAFORM[name], {}, name)


class Terraform:
    """Sends the provider's documents with the variables that it sends."""

    def __init__(self, face, actor) -> None:
        self._face, self._actor = face, actor

    async def __call__(self, operation: str, /, **variables: Any) -> Any:
        return await given(self._face, self._actor, TERRAFORM[operation], **variables)


@pytest.fixture
def terraform(face, admin) -> Terraform:
    return Terraform(face, admin)


async def test_a_group_is_made_read_changed_and_deleted(terraform, face, admin):
    wish = {
        "name": "auditors",
        "description": "They look at things",
        "queryPolicy": [{"_class": ["User"]}],
        "abacPermissions": ["accessInsights", "readGraph"],
    }
    made = await terraform("CreateUserGroup", **wish)
    assert list(made) == ["id"]
    assert UUID.fullmatch(made["id"])
    told = await terraform("GetUserGroup", id=made["id"])
    assert sorted(told["groupAbacPermission"].pop("statement")) == ["accessInsights", "readGraph"]
    assert told == {
        "id": made["id"],
        "groupName": "auditors",
        "groupDescription": "They look at things",
        "groupQueryPolicy": {"statement": [{"_class": ["User"]}]},
        "groupAbacPermission": {},
    }
    # what is no longer in the configuration is sent as null, and has to be gone
    change = wish | {"queryPolicy": None, "abacPermissions": ["apiKeyUser"], "description": ""}
    assert await terraform("UpdateUserGroup", id=made["id"], **change) == {"id": made["id"]}
    told = await terraform("GetUserGroup", id=made["id"])
    assert (told["groupQueryPolicy"], told["groupDescription"]) == ({"statement": []}, "")
    assert told["groupAbacPermission"] == {"statement": ["apiKeyUser"]}
    (found,) = (await terraform("GetGroupsByName", name="auditors"))["items"]
    assert (found["id"], found["status"]) == (made["id"], "ACTIVE")
    assert await terraform("DeleteUserGroup", name="auditors") == {"success": True}
    error = await refused(face, admin, TERRAFORM["GetUserGroup"], id=made["id"])
    assert not any(trigger in error["message"].lower() for trigger in TRIGGERS)


@pytest.mark.parametrize("unset", [{"queryPolicy": None, "abacPermissions": None}, {"abacPermissions": []}])
async def test_a_group_with_nothing_set_reads_back_with_nothing_set(terraform, unset):
    made = await terraform("CreateUserGroup", name="bare", description="", **unset)
    told = await terraform("GetUserGroup", id=made["id"])
    assert told == {
        "id": made["id"],
        "groupName": "bare",
        "groupDescription": "",
        "groupQueryPolicy": {"statement": []},
        "groupAbacPermission": {"statement": []},
    }


@pytest.mark.parametrize("known", [True, False], ids=["somebody who is there", "somebody new"])
async def test_a_membership_is_made_read_and_deleted(platform, terraform, known):
    if known:
        await platform.user("mia", "acme", Role.USER)
    group = await terraform("CreateUserGroup", name="auditors", description="", queryPolicy=None, abacPermissions=[])
    invited = await terraform("InviteUser", email="mia@example.com", groupId=group["id"])
    assert list(invited) == ["id"]
    (user,) = (await terraform("GetUsersByEmail", email="mia@example.com"))["items"]
    assert group["id"] in [each["id"] for each in user["userGroups"]["items"]]
    assert user["userGroups"]["pageInfo"] == {"endCursor": None}
    assert UUID.fullmatch(user["id"])
    assert (user["email"], user["nickName"], user["firstName"], user["lastName"]) == (
        "mia@example.com",
        "mia",
        None,
        None,
    )
    assert user["_timeCreated"] == str(platform.clock.now)
    assert await terraform("RemoveUserFromGroup", userId="mia@example.com", groupId=group["id"]) == {"success": True}
    (user,) = (await terraform("GetUsersByEmail", email="mia@example.com"))["items"]
    assert group["id"] not in [each["id"] for each in user["userGroups"]["items"]]
    account = await terraform("GetInvitations")
    assert account == {"id": "acme", "accountInvitations": {"items": [], "pageInfo": {"endCursor": None}}}


async def test_a_revoked_invitation_is_gone(terraform):
    group = await terraform("CreateUserGroup", name="auditors", description="", queryPolicy=None, abacPermissions=[])
    invited = await terraform("InviteUser", email="mia@example.com", groupId=group["id"])
    (pending,) = (await terraform("GetInvitations"))["accountInvitations"]["items"]
    assert pending == {"id": invited["id"], "groupId": group["id"], "email": "mia@example.com", "status": "PENDING"}
    assert await terraform("RevokeInvitation", id=invited["id"]) == {"id": invited["id"], "status": "REVOKED"}
    assert (await terraform("GetInvitations"))["accountInvitations"]["items"] == []


async def test_no_refusal_of_a_clients_call_has_words_that_clients_act_on(face, user):
    """The names quoted are such words."""
    for name, document in ALL.items():
        for word in TRIGGERS:
            variables = dict.fromkeys(("id", "groupId", "name", "email", "userEmail", "userId"), word)
            answer = await ask(face, user, document, **variables, limit=-429, cursor=word, token={"name": word})
            text = " ".join(error["message"] for error in answer.body.get("errors", ())).lower()
            assert not any(trigger in text for trigger in TRIGGERS), name
