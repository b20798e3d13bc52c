"""Attacks on the control plane that worked once: what the attacker wanted, and that they do not get it."""

from __future__ import annotations

import json
import secrets
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from control.jupiterone_client import ask

from contember_calls import CREATE, Tenant
from gateway.control import Contember, JupiterOne, NewKey, NewUser, Rejection, TokenOptions, desk_over
from gateway.control.answer import AWAY
from gateway.control.jupiterone.asking import ROWS
from gateway.http1 import Reason
from gateway.keys import Kind, Membership, Operator, Project, Role, membership_faults, permissions
from gateway.policy import DEFAULT_OPTIONS
from gateway.stores import StoreUnavailable

OPERATOR = Operator()
ADMINISTRATOR = Membership("my-blog", "admin")


@pytest.fixture
def face(platform) -> JupiterOne:
    return JupiterOne(platform.desk)


# --- rights -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def moved(platform, options: TokenOptions):
    """The project `my-blog` after the configuration gave its name to another organization, with a key of that one."""
    projects = {**options.projects, "my-blog": replace(options.projects["my-blog"], organization="globex")}
    desk = desk_over(platform.store.registry, replace(options, projects=projects), platform.clock, secrets.token_bytes)
    theirs = await desk.tokens.create_project_key(
        OPERATOR, NewKey("of globex"), project="my-blog", memberships=[ADMINISTRATOR]
    )
    return desk, theirs.key


@pytest.fixture
async def project_admin(platform):
    """A key of acme that administers `my-blog`, made before anything else happened."""
    issued = await platform.tokens.create_project_key(
        OPERATOR, NewKey("ours"), project="my-blog", memberships=[ADMINISTRATOR]
    )
    return await platform.caller(issued)


async def test_a_membership_of_a_project_that_went_to_another_organization_reaches_nothing_there(project_admin, moved):
    """The administrators of its name saw and ended keys of the other organization, and made new ones."""
    desk, theirs = moved
    listed = await desk.tokens.list_keys(project_admin, limit=10, kinds=(Kind.PROJECT,))
    assert [key.name for key in listed] == ["ours"]
    with pytest.raises(Rejection) as unknown:
        await desk.tokens.revoke_key(project_admin, theirs.id)
    assert unknown.value.refusal.reason is Reason.UNKNOWN_KEY
    with pytest.raises(Rejection) as refused:
        await desk.tokens.create_project_key(project_admin, NewKey("intruder"), project="my-blog", memberships=())
    assert refused.value.refusal.reason is Reason.NOT_ALLOWED
    with pytest.raises(Rejection):
        await desk.grants.remove_member(project_admin, "my-blog", theirs.identity.id)
    assert await desk.grants.members(project_admin, "my-blog") == ()
    assert desk.grants.project_of(project_admin, "my-blog") is None
    assert await desk.tokens.find_key(OPERATOR, theirs.id, revoked=False)


async def test_members_of_a_project_are_not_found_by_persons_whom_the_caller_may_not_see(platform, project_admin):
    """Its administrator sees identities, and could ask of each who it is."""
    member = await platform.desk.people.add_user(OPERATOR, NewUser("mia@example.com"), organization="acme")
    await platform.desk.grants.add_member(OPERATOR, "my-blog", member.id, [ADMINISTRATOR])
    tenant = Tenant(Contember(platform.desk))
    query = """query ($people: [String!]) { projectBySlug(slug: "my-blog") {
      members(input: {filter: {personId: $people}}) { identity { id } } } }"""

    async def found(actor) -> list[str]:
        data = await tenant.data(actor, query, people=[member.user])
        return [each["identity"]["id"] for each in data["projectBySlug"]["members"]]

    assert await found(project_admin) == []
    assert await found(await platform.session("mia", "acme")) == [member.id]


# --- work ---------------------------------------------------------------------------------------------------------


async def test_nobody_has_a_query_policy_read_who_may_not_set_one(face, user, monkeypatch):
    """Fifty roots with a policy of a megabyte kept a worker busy for half a minute, whatever the key could do."""
    read: list[int] = []
    dumps = json.dumps
    monkeypatch.setattr(permissions, "loads", lambda text, **_: read.append(len(text)))
    monkeypatch.setattr(json, "dumps", lambda value, **more: read.append(len(value)) or dumps(value, **more))
    roots = " ".join(f'a{i}: createIamGroup(name: "g", queryPolicy: $filters) {{ id }}' for i in range(50))
    answer = await ask(face, user, f"mutation ($filters: [JSON!]) {{ {roots} }}", filters=[{"a": "b"}] * 1000)
    monkeypatch.undo()
    assert {error["extensions"]["reason"] for error in answer.body["errors"]} == {"not_allowed"}
    assert max(read, default=0) < 1_000  # what the groups of the caller say is read


def test_a_query_policy_that_is_too_long_is_not_read(monkeypatch):
    monkeypatch.setattr(permissions, "loads", None)
    refused = permissions.query_policy_refused("[" + " " * DEFAULT_OPTIONS.max_characters, DEFAULT_OPTIONS)
    assert refused is not None
    assert "characters" in refused


async def test_memberships_with_very_many_variables_are_refused_at_once(platform, project_admin):
    """Under the lock of the change each name was compared with every other."""
    variables = [{"name": f"v{i}", "values": ["x"]} for i in range(3_000)]
    given = {"projectSlug": "my-blog", "description": "k", "memberships": [{"role": "editor", "variables": variables}]}
    answer = await Tenant(Contember(platform.desk)).ask(project_admin, CREATE, **given)
    (error,) = answer.body["errors"]
    assert error["extensions"]["reason"] == "invalid_input"
    assert "variables" in error["message"]


def test_names_of_variables_are_counted_once():
    class Name(str):
        __slots__ = ()
        compared = 0

        def __eq__(self, other: object) -> bool:
            Name.compared += 1
            return super().__eq__(other)

        __hash__ = str.__hash__

    names = tuple((Name(f"v{i}"), ("x",)) for i in range(500))
    project = Project("p", "acme", "P")
    faults = membership_faults(project, Membership("p", "admin", names))
    assert len(faults) == 500
    assert Name.compared < 20 * 500


async def test_a_user_has_so_many_keys_that_ending_them_all_is_a_change_that_others_can_wait_for(
    platform, user, monkeypatch
):
    """Who left behind fifty thousand could not be removed without every other change failing meanwhile."""
    monkeypatch.setattr("gateway.control.granting.USER_KEYS", 3)
    first = await platform.tokens.create_user_key(user, NewKey("2"))
    await platform.tokens.create_user_key(user, NewKey("3"))
    with pytest.raises(Rejection) as refused:
        await platform.tokens.create_user_key(user, NewKey("4"))
    assert refused.value.refusal.reason is Reason.INVALID_INPUT
    await platform.session("uli", "acme")  # sessions are no API keys, and end by themselves
    await platform.tokens.revoke_key(user, first.key.id)
    await platform.tokens.create_user_key(user, NewKey("4"))
    await platform.tokens.create_user_key(OPERATOR, NewKey("5"), owner=user.identity)


async def test_one_operation_reads_so_many_rows_whatever_it_asks_for_again_and_again(platform, face, user, monkeypatch):
    """Each of fifty aliases read a page of a thousand keys, and only then was told that it was too much."""
    monkeypatch.setattr("gateway.control.jupiterone.asking.ROWS", 5)
    read: list[int] = []
    keys = platform.store.registry.keys

    async def noted(query):
        read.append(query.limit)
        return await keys(query)

    monkeypatch.setattr(platform.store.registry, "keys", noted)
    await platform.tokens.create_user_key(user, NewKey("another"))
    below = " ".join(f"b{i}: tokens(limit: 1000) {{ items {{ id }} }}" for i in range(20))
    for query in (f"{{ {below} }}", f"{{ iamGetCurrentUser {{ {below} }} }}"):
        read.clear()
        answer = await ask(face, user, query)
        assert len(read) == 3  # of two keys each
        assert {error["extensions"]["reason"] for error in answer.body["errors"]} == {"invalid_input"}


async def test_members_of_a_project_are_read_in_pages_and_one_alone(platform, project_admin, monkeypatch):
    """All of them were read at once, for the memberships of one: meanwhile the worker answered nobody."""
    monkeypatch.setattr("gateway.control.grants.PAGE", 2)
    read: list[int] = []
    one_by_one = platform.store.registry.identities_of_project

    async def noted(project, *, limit, after=None):
        found = await one_by_one(project, limit=limit, after=after)
        read.append(len(found))
        return found

    monkeypatch.setattr(platform.store.registry, "identities_of_project", noted)
    made = [
        (await platform.tokens.create_project_key(OPERATOR, NewKey("k"), project="my-blog", memberships=[each])).key
        for each in [ADMINISTRATOR] * 4
    ]
    everybody = await platform.desk.grants.members(project_admin, "my-blog")
    assert [each.id for each in everybody] == sorted([project_admin.identity.id, *(key.identity.id for key in made)])
    assert read == [2, 2, 1]
    read.clear()
    tenant = Tenant(Contember(platform.desk))
    query = """query ($id: String!) { projectMemberships(projectSlug: "my-blog", identityId: $id) { role } }"""
    found = await tenant.data(project_admin, query, id=made[0].identity.id)
    assert found == {"projectMemberships": [{"role": "admin"}]}
    for other in ("nobody", "\0", (await platform.user("uli", "acme", Role.USER)).identity.id):
        assert await tenant.data(project_admin, query, id=other) == {"projectMemberships": []}
    assert read == []


# --- trust --------------------------------------------------------------------------------------------------------


async def test_no_face_says_that_nothing_changed_where_the_store_failed_after_the_change(
    platform, face, root, monkeypatch
):
    """A client that believed it would try again, and leave a key behind that nobody knows."""
    change = platform.store.registry.change

    @asynccontextmanager
    async def ending_badly():
        async with change() as under_way:
            yield under_way
        raise StoreUnavailable("the connection was lost")

    monkeypatch.setattr(platform.store.registry, "change", ending_badly)
    expires = platform.clock() + 100_000
    query = f'mutation {{ createCurrentUserToken(input: {{name: "k", expiresAt: {expires}}}) {{ id }} }}'
    by_face = [(await ask(face, root, query)).body]
    given = {"projectSlug": "my-blog", "description": "k", "memberships": []}
    by_face.append((await Tenant(Contember(platform.desk)).ask(root, CREATE, **given)).body)
    made = await platform.tokens.list_keys(root, limit=10)
    assert sum(key.name == "k" for key in made) == 2
    for body in by_face:
        assert [error["message"] for error in body["errors"]] == [AWAY]
        assert "nothing" not in AWAY


def test_a_page_of_users_with_their_keys_is_within_the_rows_of_an_operation():
    assert ROWS >= 10 * 1_000
