"""The root fields about groups, users and the account.

Numbers are those of the edge cases that the product was specified with.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from control.jupiterone_client import ask, given, refused
from graphql import parse

from gateway.authz.roots import OURS
from gateway.control import NewKey, NewUser
from gateway.control.graphql_execution import opened_fields
from gateway.control.jupiterone import JupiterOne
from gateway.control.jupiterone.asking import VALUES, Asking
from gateway.control.jupiterone.face import ROOTS
from gateway.control.jupiterone.schema import schema
from gateway.control.rejection import Rejection
from gateway.keys import DAY, GroupRights, Operator, Principal, Role

OWN = "mutation ($input: CreateCurrentUserTokenInput!) { createCurrentUserToken(input: $input) { id secret } }"
ME = """{ iamGetCurrentUser {
  id email nickName firstName accountId apiKeyAccess status lastLogin _timeCreated
  userAbacPermission { subject statement }
  userGroups(limit: 10) { items { groupName } }
  userApiKeys(limit: 10) { items { id name dateExpires } }
  tokens { items { id revoked token secret } }
} }"""
ADD_GROUP = """mutation ($name: String!, $description: String, $words: [String!], $policy: [JSON!]) {
  createIamGroup(name: $name, description: $description, abacPermissions: $words, queryPolicy: $policy) {
    id name description
  }
}"""
SWITCH = "mutation ($id: String!, $words: [String!]) { updateIamGroup(id: $id, abacPermissions: $words) { id } }"
FILTER = "mutation ($id: String!, $policy: [JSON!]) { updateIamGroup(id: $id, queryPolicy: $policy) { id } }"
GROUP = """query ($id: String!) { iamGetGroup(group: $id) {
  id groupId groupName groupDescription accountId status
  groupQueryPolicy { statement } groupAbacPermission { statement }
  groupUsers(limit: 10) { items { email apiKeyAccess } }
} }"""
GROUPS = "query ($part: String) { iamGetGroupList(limit: 10, groupNameFilter: $part) { items { id groupName } } }"
PUT_IN = """mutation ($who: String!, $group: String!) {
  addIamUserToGroupByEmail(userEmail: $who, groupId: $group) { success }
}"""
TAKE_OUT = """mutation ($who: String!, $group: String!) {
  removeIamUserFromGroupByEmail(userEmail: $who, groupId: $group) { success }
}"""
KEYS = ["apiKeyUser"]


@pytest.fixture
def face(platform) -> JupiterOne:
    return JupiterOne(platform.desk)


@pytest.fixture
async def admin(platform) -> Principal:
    """The administrator by a login: a user key of theirs would sleep as soon as its group is switched off."""
    await platform.user("ann", "acme", Role.ORGANIZATION_ADMIN)
    return await platform.session("ann", "acme")


async def everyone(face: JupiterOne, admin: Principal) -> str:
    """The id of the built-in group."""
    (group,) = (await given(face, admin, GROUPS, part="everyone"))["items"]
    return group["id"]


async def group(face: JupiterOne, admin: Principal, name: str, *words: str, users: tuple[str, ...] = ()) -> str:
    made = await given(face, admin, ADD_GROUP, name=name, words=list(words))
    for user in users:
        await given(face, admin, PUT_IN, who=f"{user}@example.com", group=made["id"])
    return made["id"]


@pytest.fixture
async def closed(face, admin, user) -> str:
    """Everyone is switched off: a group alone enables API keys. The id of Everyone."""
    found = await everyone(face, admin)
    await given(face, admin, SWITCH, id=found, words=[])
    return found


@pytest.fixture
async def session(platform, user) -> Principal:
    """The plain user by a login, whom the switch for API keys does not keep from asking."""
    return await platform.session("uli", "acme")


def wanted(platform) -> dict[str, object]:
    return {"name": "mine", "expiresAt": platform.clock.now + DAY}


# --- API keys by group --------------------------------------------------------------------------------------------


async def test_1_2_who_is_in_no_enabled_group_gets_no_key_until_one_is_enabled(platform, face, admin, closed, session):
    developers = await group(face, admin, "developers", users=("uli",))
    before = await platform.tokens.list_keys(Operator(), limit=100)
    error = await refused(face, session, OWN, input=wanted(platform))
    assert error["code"] == "FORBIDDEN"
    assert error["message"].startswith("API key access is not enabled for any of your groups; contact a platform")
    assert "secret" not in json.dumps(error)
    assert await platform.tokens.list_keys(Operator(), limit=100) == before

    await given(face, admin, SWITCH, id=developers, words=KEYS)
    made = await given(face, session, OWN, input=wanted(platform))
    assert (await platform.caller(made["secret"])).identity.user == session.identity.user


async def test_3_who_is_no_administrator_enables_nothing(face, admin, closed, session):
    developers = await group(face, admin, "developers", users=("uli",))
    for query, more in (
        (SWITCH, {"id": developers, "words": KEYS}),
        (SWITCH, {"id": closed, "words": KEYS}),
        (ADD_GROUP, {"name": "mine", "words": KEYS}),
    ):
        error = await refused(face, session, query, **more)
        assert (error["code"], error["message"][-33:]) == ("FORBIDDEN", " contact a platform administrator")
    assert (await given(face, admin, GROUP, id=developers))["groupAbacPermission"]["statement"] == []
    assert (await given(face, session, ME))["apiKeyAccess"] is False


async def test_4_one_enabled_group_of_two_is_enough(platform, face, admin, closed, session):
    await group(face, admin, "without", users=("uli",))
    await group(face, admin, "with", "apiKeyUser", users=("uli",))
    await given(face, session, OWN, input=wanted(platform))


async def test_5_6_without_access_the_key_sleeps_and_wakes_with_it(platform, face, admin, closed, session):
    developers = await group(face, admin, "developers", "apiKeyUser", users=("uli",))
    issued = await platform.tokens.create_user_key(session, NewKey("mine"))

    async def sleeps() -> bool:
        listed = await given(face, admin, "query ($id: ID!) { token(id: $id) { id revoked } }", id=issued.key.id)
        assert listed == {"id": issued.key.id, "revoked": False}
        return await platform.is_dead(issued)

    assert not await sleeps()
    steps = [
        (SWITCH, {"id": developers, "words": []}, SWITCH, {"id": developers, "words": KEYS}),
        (
            TAKE_OUT,
            {"who": "ULI@example.com", "group": developers},
            PUT_IN,
            {"who": "uli@EXAMPLE.com", "group": developers},
        ),
    ]
    for off, off_with, on, on_with in steps:
        await given(face, admin, off, **off_with)
        assert await sleeps()
        await given(face, admin, on, **on_with)
        assert not await sleeps()
    await given(face, admin, 'mutation { deleteIamGroup(name: "developers") { success } }')
    assert await sleeps()
    await group(face, admin, "developers again", "apiKeyUser", users=("uli",))
    assert not await sleeps()


async def test_7_what_ended_while_it_slept_stays_ended(platform, face, admin, closed, session):
    developers = await group(face, admin, "developers", "apiKeyUser", users=("uli",))
    revoked = await platform.tokens.create_user_key(session, NewKey("revoked"))
    expired = await platform.tokens.create_user_key(session, NewKey("expired", days=1))
    await given(face, admin, SWITCH, id=developers, words=[])
    revoke = "mutation ($id: String!) { revokeToken(id: $id) { revoked } }"
    assert await given(face, session, revoke, id=revoked.key.id) == {"revoked": True}
    platform.clock.now = expired.key.expires_at or 0
    await platform.desk.groups.change_group(Operator(), developers, rights=GroupRights(("apiKeyUser",)))
    assert await platform.is_dead(revoked)
    assert (await platform.caller(expired)).expires_at == platform.clock.now  # over, by the clock of whoever asks


async def test_8_the_switch_covers_user_keys_alone(platform, face, admin, closed, session):
    await group(face, admin, "developers", "apiKeyUser", users=("uli",))
    query = 'mutation { createToken(token: {name: "n", policy: "{}"}) { id } }'
    assert (await refused(face, session, query))["code"] == "FORBIDDEN"


async def test_9_a_profile_says_whether_it_offers_keys(platform, face, admin, closed, session):
    developers = await group(face, admin, "developers")
    told = []
    for query, more in (
        (SWITCH, {"id": developers, "words": KEYS}),
        (PUT_IN, {"who": "uli@example.com", "group": developers}),
        (SWITCH, {"id": developers, "words": ["readGraph"]}),
        (SWITCH, {"id": developers, "words": ["readGraph", "apiKeyUser"]}),
        (TAKE_OUT, {"who": "uli@example.com", "group": developers}),
        (SWITCH, {"id": closed, "words": KEYS}),
    ):
        await given(face, admin, query, **more)
        told.append((await given(face, session, ME))["apiKeyAccess"])
    assert told == [False, True, False, True, False, True]


async def test_10_in_a_fresh_organization_everybody_may_have_keys(platform, face, user):
    session = await platform.session("uli", "acme")
    assert (await given(face, session, ME))["apiKeyAccess"] is True
    await given(face, session, OWN, input=wanted(platform))


async def test_11_an_administrator_is_held_to_the_switch_like_everybody(platform, face, admin, closed):
    session = await platform.session("ann", "acme")
    super_key = await platform.tokens.create_organization_key(session, NewKey("super"))
    assert (await refused(face, session, OWN, input=wanted(platform)))["code"] == "FORBIDDEN"
    policy = '{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}'
    make = 'mutation ($policy: String!) { createToken(token: {name: "n", policy: $policy}) { secret } }'
    account = await given(face, session, make, policy=policy)
    await platform.caller(account["secret"])
    await platform.caller(super_key)


async def test_12_a_group_of_another_organization_is_answered_like_none(face, admin, stranger):
    foreign = await everyone(face, stranger)
    for query in (SWITCH, GROUP):
        more = {"words": KEYS} if query is SWITCH else {}
        error = await refused(face, admin, query, id=foreign, **more)
        assert error == await refused(face, admin, query, id="00000000-0000-4000-8000-000000000000", **more)
        assert (error["code"], error["reason"]) == ("NOT_FOUND", "unknown_group")
    assert (await given(face, stranger, GROUP, id=foreign))["groupAbacPermission"]["statement"] == KEYS


async def test_13_permissions_overwrite_those_that_are_there(platform, face, admin, closed, session):
    developers = await group(face, admin, "developers", "apiKeyUser", "readGraph", users=("uli",))
    issued = await platform.tokens.create_user_key(session, NewKey("mine"))
    await given(face, admin, SWITCH, id=developers, words=["readGraph"])
    assert await platform.is_dead(issued)
    assert (await given(face, session, ME))["apiKeyAccess"] is False


# --- groups -------------------------------------------------------------------------------------------------------

CHANGE = """mutation ($id: String!, $name: String, $description: String, $words: [String!], $policy: [JSON!]) {
  updateIamGroup(id: $id, name: $name, description: $description, abacPermissions: $words, queryPolicy: $policy) {
    id name description
  }
}"""


async def test_what_is_left_out_stays_and_what_is_null_is_emptied(face, admin):
    made = await given(
        face, admin, ADD_GROUP, name="a", description="b", words=["readGraph"], policy=[{"_class": ["User", "Host"]}]
    )
    assert made["description"] == "b"
    assert await given(face, admin, CHANGE, id=made["id"], name="c") == {"id": made["id"], "name": "c",
                                                                        "description": "b"}  # fmt: skip
    found = await given(face, admin, GROUP, id=made["id"])
    assert found["groupAbacPermission"] == {"statement": ["readGraph"]}
    assert found["groupQueryPolicy"] == {"statement": [{"_class": ["User", "Host"]}]}
    await given(face, admin, CHANGE, id=made["id"], words=None, policy=None, description=None, name=None)
    found = await given(face, admin, GROUP, id=made["id"])
    assert (found["groupName"], found["groupDescription"]) == ("c", "b")
    assert (found["groupAbacPermission"], found["groupQueryPolicy"]) == ({"statement": []}, {"statement": []})


async def test_two_changes_at_once_both_happen(face, admin):
    """A change that does not speak of permissions must not bring back those that another has just taken away."""
    for _ in range(5):
        made = await given(face, admin, ADD_GROUP, name="a", words=KEYS)
        await asyncio.gather(
            given(face, admin, FILTER, id=made["id"], policy=[{"_type": ["x"]}]),
            given(face, admin, SWITCH, id=made["id"], words=["readGraph"]),
        )
        found = await given(face, admin, GROUP, id=made["id"])
        assert found["groupAbacPermission"] == {"statement": ["readGraph"]}
        assert found["groupQueryPolicy"] == {"statement": [{"_type": ["x"]}]}
        await given(face, admin, 'mutation { deleteIamGroup(name: "a") { success } }')


async def test_a_value_of_a_query_policy_comes_back_in_a_list(face, admin):
    made = await given(face, admin, ADD_GROUP, name="a", policy=[{"_type": "aws_instance", "_class": ["Host"]}])
    found = await given(face, admin, GROUP, id=made["id"])
    assert found["groupQueryPolicy"]["statement"] == [{"_type": ["aws_instance"], "_class": ["Host"]}]
    query = "query ($id: String!) { iamGroupQueryPolicy(groupId: $id) { id queryPolicy } }"
    told = await given(face, admin, query, id=made["id"])
    assert told == {"id": made["id"], "queryPolicy": [{"_type": "aws_instance", "_class": ["Host"]}]}


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"name": ""}, "a group has a name"),
        ({"name": "Everyone"}, "a group of this name already"),
        ({"name": "x" * 300}, "up to 256 characters"),
        ({"name": "a", "words": ["readGraph", "two words"]}, "`two words` is no permission"),
        ({"name": "a", "words": [""]}, "`` is no permission"),
        ({"name": "a", "words": ["readGraph", "readGraph"]}, "each once"),
        ({"name": "a", "policy": ["_type"]}, "query policy is refused: [0]"),
        ({"name": "a", "policy": [{"_type": 1}]}, "query policy is refused"),
        ({"name": "a", "policy": [{}]}, "query policy is refused"),
    ],
)
async def test_a_group_that_makes_no_sense_is_not_made(face, admin, wish, told):
    before = await given(face, admin, GROUPS)
    error = await refused(face, admin, ADD_GROUP, **wish)
    assert error["code"] == "BAD_USER_INPUT"
    assert told in error["message"]
    assert await given(face, admin, GROUPS) == before


async def test_groups_come_by_name_in_pages(face, admin):
    names = [f"g{number}" for number in range(5)] + ["Zoë 😀", "a"]
    for name in names:
        await group(face, admin, name)
    found, cursor = [], None
    query = """query ($cursor: String) {
      iamGroups(limit: 3, cursor: $cursor) { items { id name description } pageInfo { endCursor hasNextPage } }
    }"""
    while True:
        page = await given(face, admin, query, cursor=cursor)
        found += [each["name"] for each in page["items"]]
        cursor = page["pageInfo"]["endCursor"]
        if cursor is None:
            break
    assert found == sorted([*names, "Everyone"])
    assert [each["groupName"] for each in (await given(face, admin, GROUPS, part="G"))["items"]] == names[:5]


async def test_a_plain_user_sees_the_groups_they_are_in(face, admin, user):
    await group(face, admin, "others")
    mine = await group(face, admin, "mine", users=("uli",))
    assert [each["groupName"] for each in (await given(face, user, GROUPS))["items"]] == ["Everyone", "mine"]
    for query in (
        'mutation { deleteIamGroup(name: "mine") { success } }',
        f'mutation {{ iamDeleteGroup(input: {{group: "{mine}"}}) {{ success }} }}',
        f'query {{ iamGroupUsers(groupId: "{mine}", limit: 5) {{ items {{ id }} }} }}',
    ):
        assert (await refused(face, user, query))["code"] == "FORBIDDEN", query
    assert (await refused(face, user, 'mutation { deleteIamGroup(name: "others") { success } }')) == {
        "message": "no group of this name is yours to manage",
        "code": "NOT_FOUND",
        "reason": "unknown_group",
        "requestId": "call-1",
    }


async def test_the_older_fields_make_change_and_delete_a_group(platform, face, admin, user):
    put = """mutation ($input: SetGroupInput!) { iamSetGroup(input: $input) {
      id groupName groupAbacPermission { statement } groupUsers(limit: 5) { items { email } }
    } }"""
    uli, ann = [{"email": f"{name}@example.com"} for name in ("uli", "ann")]
    made = await given(face, admin, put, input={"groupName": "a", "groupUsers": ["uli@example.com"]})
    assert (made["groupName"], made["groupUsers"]["items"]) == ("a", [uli])
    wish = {"groupId": made["id"], "groupAbacPermission": KEYS, "groupUsers": [admin.identity.user]}
    changed = await given(face, admin, put, input=wish)
    assert changed["groupAbacPermission"] == {"statement": KEYS}
    assert (changed["groupName"], changed["groupUsers"]["items"]) == ("a", [ann])
    add = """mutation ($input: AddGroupUsersInput!) { iamAddGroupUsers(input: $input) {
      groupUsers(limit: 5) { items { email } } } }"""
    both = await given(face, admin, add, input={"group": made["id"], "users": ["uli@example.com", "ann@example.com"]})
    assert sorted(each["email"] for each in both["groupUsers"]["items"]) == ["ann@example.com", "uli@example.com"]
    error = await refused(
        face, admin, "mutation ($input: DeleteGroupUsersInput!) { iamDeleteGroupUsers(input: $input) { success } }",
        input={"group": made["id"], "users": ["uli@example.com", "bob@example.com"]},
    )  # fmt: skip
    assert error["code"] == "NOT_FOUND"
    assert len((await given(face, admin, GROUP, id=made["id"]))["groupUsers"]["items"]) == 2
    delete = "mutation ($input: DeleteGroupInput!) { iamDeleteGroup(input: $input) { success } }"
    assert await given(face, admin, delete, input={"group": made["id"]}) == {"success": True}
    assert (await refused(face, admin, GROUP, id=made["id"]))["code"] == "NOT_FOUND"


# --- users --------------------------------------------------------------------------------------------------------


async def test_a_profile_tells_the_truth(platform, face, admin, user):
    session = await platform.session("uli", "acme")
    await given(face, admin, 'mutation { createIamGroup(name: "x", abacPermissions: ["readGraph"]) { id } }')
    me = await given(face, session, ME)
    assert (me["id"], me["email"], me["nickName"]) == (user.identity.user, "uli@example.com", "uli")
    assert (me["firstName"], me["accountId"], me["status"]) == (None, "acme", "ACTIVE")
    assert me["lastLogin"] == me["_timeCreated"] == str(platform.clock.now)
    assert me["userAbacPermission"] == {"subject": user.identity.user, "statement": KEYS}
    assert me["userGroups"]["items"] == [{"groupName": "Everyone"}]
    assert me["userApiKeys"]["items"] == [{"id": user.key_id, "name": "uli", "dateExpires": user.expires_at}]
    (listed,) = me["tokens"]["items"]
    assert (listed["id"], listed["revoked"], listed["token"]) == (user.key_id, False, None)
    assert len(listed["secret"]) == 9
    assert "accessAdmin" in (await given(face, admin, ME))["userAbacPermission"]["statement"]


async def test_a_key_without_a_user_has_no_profile(platform, face, admin):
    key = await platform.tokens.create_organization_key(admin, NewKey("super"))
    error = await refused(face, await platform.caller(key), ME)
    assert (error["code"], error["message"]) == ("FORBIDDEN", "there is no user behind this key")


async def test_users_are_listed_to_administrators_and_themselves(face, admin, stranger, user):
    query = """query ($cursor: String) {
      iamGetUserList(limit: 1, cursor: $cursor) { items { email } pageInfo { endCursor } }
    }"""
    first = await given(face, admin, query)
    second = await given(face, admin, query, cursor=first["pageInfo"]["endCursor"])
    assert {each["items"][0]["email"] for each in (first, second)} == {"ann@example.com", "uli@example.com"}
    assert second["pageInfo"]["endCursor"] is None
    assert (await given(face, user, query))["items"] == [{"email": "uli@example.com"}]
    for asked in ("ann@example.com", admin.identity.user, "nobody@example.com", "nothing"):
        one = "query ($user: String!) { iamGetUser(user: $user) { email } }"
        assert (await refused(face, user, one, user=asked))["code"] == "NOT_FOUND"
    by_email = "query ($email: String) { iamGetUserList(limit: 9, emailFilter: $email) { items { email } } }"
    assert (await given(face, admin, by_email, email="ULI@EXAMPLE.COM"))["items"] == [{"email": "uli@example.com"}]
    for email in ("bob@example.com", "uli", ""):
        assert (await given(face, admin, by_email, email=email))["items"] == []
    assert (await given(face, user, by_email, email="ann@example.com"))["items"] == []


async def test_a_deleted_user_is_gone_with_their_keys(platform, face, admin, user):
    issued = await platform.tokens.create_user_key(user, NewKey("mine"))
    delete = "mutation ($user: ID!) { iamDeleteUser(input: {user: $user}) { success } }"
    assert (await refused(face, user, delete, user="ann@example.com"))["code"] == "NOT_FOUND"
    assert await given(face, admin, delete, user="uli@example.com") == {"success": True}
    assert await platform.is_dead(issued)
    assert (await refused(face, admin, delete, user="uli@example.com"))["code"] == "NOT_FOUND"


# --- the account --------------------------------------------------------------------------------------------------

INVITE = "mutation ($input: InviteInput!) { invite(input: $input) { id email status } }"
PENDING = """query ($limit: Int!, $cursor: String) { iamGetAccount {
  id accountName accountInvitations(limit: $limit, cursor: $cursor) {
    items { id groupId email status } pageInfo { endCursor }
  }
} }"""
PATCH = "mutation ($input: IamInvitationPatch!) { updateInvitation(input: $input) { id status } }"


async def pending(face: JupiterOne, admin: Principal, limit: int = 10_000) -> list[dict[str, str]]:
    found, cursor = [], None
    while True:
        page = (await given(face, admin, PENDING, limit=limit, cursor=cursor))["accountInvitations"]
        found += page["items"]
        cursor = page["pageInfo"]["endCursor"]
        if cursor is None:
            return found


async def test_an_invitation_is_a_place_in_a_group_until_the_first_login(platform, face, admin, user):
    one, other = await group(face, admin, "one"), await group(face, admin, "other")
    for email in ("new@example.com", "newer@example.com", "uli@example.com"):
        for each in (one, other):
            invited = await given(face, admin, INVITE, input={"email": email, "groupId": each})
            assert (invited["email"], invited["status"]) == (email, "PENDING")
    found = await pending(face, admin)
    assert len(found) == len({each["id"] for each in found}) == 6
    assert {each["status"] for each in found} == {"PENDING"}
    assert await pending(face, admin, 1) == await pending(face, admin, 4) == found

    await platform.session("newer", "acme")
    left = await pending(face, admin)
    assert {each["email"] for each in left} == {"new@example.com", "uli@example.com"}
    accepted = next(each for each in found if each["email"] == "newer@example.com")
    error = await refused(face, admin, PATCH, input={"invitationId": accepted["id"], "status": "REVOKED"})
    assert "has logged in" in error["message"]

    mine = next(each for each in left if each["email"] == "new@example.com")
    wish = {"invitationId": mine["id"], "status": "REVOKED"}
    assert await given(face, admin, PATCH, input=wish) == {"id": mine["id"], "status": "REVOKED"}
    assert await pending(face, admin) == [each for each in left if each["id"] != mine["id"]]
    assert (await refused(face, admin, PATCH, input=wish))["code"] == "NOT_FOUND"
    assert "by logging in" in (await refused(face, admin, PATCH, input=wish | {"status": "ACCEPTED"}))["message"]


async def test_who_may_not_invite_makes_no_user(platform, face, admin, stranger, user):
    own = await group(face, admin, "own", users=("uli",))
    before = await platform.desk.people.list_members(Operator(), limit=100)
    for actor, email in ((user, "new@example.com"), (stranger, "new@example.com"), (admin, "no address")):
        await refused(face, actor, INVITE, input={"email": email, "groupId": own})
    await refused(face, admin, INVITE, input={"email": "new@example.com", "groupId": await everyone(face, stranger)})
    assert await platform.desk.people.list_members(Operator(), limit=100) == before


async def test_the_account_is_the_callers_own(platform, face, stranger, admin):
    key = await platform.tokens.create_organization_key(stranger, NewKey("super"))
    query = "{ iamGetAccount { id accountId accountName status accountUsers(limit: 5) { items { email } } } }"
    told = await given(face, stranger, query)
    assert (told["id"], told["accountId"], told["accountName"]) == ("globex", "globex", "Globex")
    assert told["accountUsers"]["items"] == [{"email": "bob@example.com"}]
    assert (await given(face, await platform.caller(key), query))["accountUsers"]["items"] == []


async def test_the_platforms_own_server_for_assistants_learns_whose_key_it_has(face, admin):
    """The document by which it tests its connection, whoever asks."""
    document = """query account { iamGetAccount {
      accountId accountSubdomain accountName accountOwner status accountType accountLogoUrl __typename
    } }"""
    told = await given(face, admin, document)
    assert (told["accountId"], told["accountSubdomain"], told["status"]) == ("acme", "acme", "ACTIVE")
    assert (told["accountOwner"], told["accountType"], told["accountLogoUrl"]) == (None, None, None)


async def test_audit_events_come_newest_first_in_pages(platform, face, admin, stranger, user):
    made = await group(face, admin, "developers", *KEYS)
    query = """query ($limit: Int, $cursor: String) { getAuditEventsForAccount(limit: $limit, cursor: $cursor) {
      items { id resourceType resourceId category timestamp performedByUserId data } pageInfo { endCursor hasNextPage }
    } }"""
    page = await given(face, admin, query, limit=1)
    (newest,) = page["items"]
    assert (newest["resourceType"], newest["category"], newest["resourceId"]) == ("group", "group.create", made)
    assert (newest["performedByUserId"], newest["timestamp"]) == (admin.identity.user, platform.clock.now)
    assert newest["data"]["permissions"] == "apiKeyUser"
    older = await given(face, admin, query, cursor=page["pageInfo"]["endCursor"])
    everything = await given(face, admin, query)
    assert [newest, *older["items"]] == everything["items"]
    assert older["items"][0]["performedByUserId"] is None  # the operator made the first keys
    assert (await given(face, user, query))["items"] == []
    assert made not in json.dumps(await given(face, stranger, query))


# --- bounds and the store -----------------------------------------------------------------------------------------


async def test_many_aliases_of_a_page_end_where_the_answer_becomes_too_large(platform, face, admin):
    for number in range(25):
        await platform.desk.people.add_user(Operator(), NewUser(f"u{number}@example.com"), organization="acme")
    fields = " ".join(f"f{number}: id" for number in range(40))
    pages = " ".join(f"p{number}: iamGetUserList(limit: 1000) {{ items {{ ...F }} }}" for number in range(40))
    answer = await ask(face, admin, f"{{ {pages} }} fragment F on IamAccountUser {{ {fields} }}")
    assert answer.status == 200
    values = sum(len(page["items"]) * 40 for page in answer.body["data"].values() if page)
    assert 0 < values <= VALUES
    assert any("smaller pages" in error["message"] for error in answer.body["errors"])


async def test_the_budget_counts_items_times_fields(platform, admin):
    asking = Asking(platform.desk, admin, VALUES // 10)
    asking.spend(10)
    with pytest.raises(Rejection):
        asking.spend(1)


def test_fragments_count_wherever_they_are_spread():
    text = "{ a { ...F } ... on Q { b { ...F } } } fragment F on T { x y { ...G } } fragment G on U { z }"
    assert opened_fields(parse(text)) == 2 + 2 * 3


async def test_every_root_of_the_schema_has_its_value():
    built = schema()
    assert built.query_type
    assert built.mutation_type
    names = set(built.query_type.fields) | set(built.mutation_type.fields)
    assert names == set(ROOTS) == OURS


async def test_who_was_an_administrator_when_they_called_is_none_now(platform, face, admin):
    second = await platform.user("eve", "acme", Role.ORGANIZATION_ADMIN)
    await platform.desk.people.set_role(admin, second.identity.user, Role.USER, organization="acme")
    assert (await refused(face, second, ADD_GROUP, name="late"))["code"] == "FORBIDDEN"


READS = [
    "{ tokens { items { id } } }",
    '{ token(id: "x") { id } }',
    '{ integrationInstanceTokens(id: "github-1") { tokens { tokenId } } }',
    "{ iamGroups(limit: 5) { items { id } } }",
    "{ iamGetUserList(limit: 5) { items { id } } }",
    "{ iamGetCurrentUser { id } }",
    "{ iamGetAccount { id } }",
    "{ getAuditEventsForAccount { items { id } } }",
]
WRITES = [
    'mutation { createIamGroup(name: "late") { id } }',
    'mutation { createIntegrationInstanceToken(id: "github-1") { tokenId } }',
    'mutation { createCurrentUserToken(input: {name: "n", expiresAt: 1700086400000}) { id } }',
    'mutation { revokeToken(id: "x") { id } }',
]


@pytest.mark.parametrize("query", READS + WRITES)
async def test_141_without_its_database_nothing_is_refused_and_nothing_done(platform, face, admin, query):
    platform.path.rename(platform.path.with_name("elsewhere.db"))
    answer = await ask(face, admin, query)
    assert answer.status == 503
    assert list(answer.body["data"].values()) == [None]
    (error,) = answer.body["errors"]
    assert (error["extensions"]["code"], error["extensions"]["reason"]) == ("SERVICE_UNAVAILABLE", "store_unavailable")
