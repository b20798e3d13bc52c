"""Users of an organization: who may manage them, and what becomes of their keys."""

from __future__ import annotations

import pytest

from gateway.control import NewKey, NewUser, Rejection
from gateway.http1 import Reason
from gateway.keys import Membership, Operator, Principal, Role


async def refused(doing, reason):
    with pytest.raises(Rejection) as rejection:
        await doing
    assert rejection.value.refusal.reason is reason


async def test_who_is_taken_out_of_an_organization_and_comes_back_comes_with_nothing(platform, admin, user):
    people, grants = platform.desk.people, platform.desk.grants
    own = await platform.tokens.create_user_key(user, NewKey("second"))
    session = await platform.session("uli", "acme")
    await grants.add_member(admin, "my-blog", user.identity.id, [Membership("my-blog", "viewer")])

    ended = await people.remove_member(admin, user.identity.user, organization="acme")

    assert ended == 3  # the key by which the fixture calls, the second one, the session
    assert await platform.is_dead(own)
    again = await people.add_user(admin, NewUser("uli@example.com"), organization="acme")
    assert (again.id, again.memberships) == (user.identity.id, ())
    assert await platform.is_dead(own)
    await refused(platform.tokens.create_user_key(session, NewKey("by the old session")), Reason.INVALID_KEY)
    fresh = await platform.tokens.create_user_key(Operator(), NewKey("third"), owner=again)
    assert isinstance(await platform.find(fresh), Principal)


async def test_an_administrator_manages_the_users_of_the_own_organization_alone(platform, admin, stranger, user):
    people, somebody = platform.desk.people, user.identity.user
    await refused(people.remove_member(stranger, somebody, organization="acme"), Reason.UNKNOWN_ORGANIZATION)
    await refused(people.delete_user(stranger, somebody), Reason.UNKNOWN_USER)
    await refused(people.set_enabled(stranger, somebody, enabled=False), Reason.UNKNOWN_USER)
    await refused(people.set_role(user, somebody, Role.ORGANIZATION_ADMIN, organization="acme"), Reason.NOT_ALLOWED)
    await refused(people.add_user(user, NewUser("eve@example.com"), organization="acme"), Reason.NOT_ALLOWED)
    await refused(people.set_role(admin, somebody, Role.PLATFORM_ADMIN, organization="acme"), Reason.NOT_ALLOWED)
    events = await platform.audited()
    assert [event for event in events if event.startswith("user.")] == ["user.add"] * 3


async def test_a_user_of_two_organizations_is_ended_by_no_administrator_of_one(platform, admin, stranger, user, root):
    people, somebody = platform.desk.people, user.identity.user
    await refused(people.add_user(stranger, NewUser("uli@example.com"), organization="globex"), Reason.NOT_ALLOWED)
    await people.add_user(root, NewUser("ULI@example.com"), organization="globex")  # the same person
    for one in (admin, stranger):
        await refused(people.delete_user(one, somebody), Reason.NOT_ALLOWED)
        await refused(people.set_enabled(one, somebody, enabled=False), Reason.NOT_ALLOWED)
    assert await people.delete_user(root, somebody) == 1


async def test_a_platform_administrator_is_no_administrators_to_end(platform, admin, root):
    people = platform.desk.people
    await refused(people.delete_user(admin, root.identity.user), Reason.NOT_ALLOWED)
    await refused(people.set_enabled(admin, root.identity.user, enabled=False), Reason.NOT_ALLOWED)
    await refused(people.set_role(admin, root.identity.user, Role.USER, organization="acme"), Reason.NOT_ALLOWED)


@pytest.mark.parametrize(
    "email", ["", "eve", "eve@", "@example.com", "e ve@example.com", "eve@exam\nple.com", "e" * 65 + "@x"]
)
async def test_what_is_no_address_makes_no_user(platform, admin, email):
    before = await platform.audited()
    await refused(platform.desk.people.add_user(admin, NewUser(email), organization="acme"), Reason.INVALID_INPUT)
    assert await platform.audited() == before
