"""What the machine found once, each alone."""

from __future__ import annotations

from gateway.control import NewKey, NewUser
from gateway.keys import GroupRights, Operator, Role
from gateway.stores import Absent, Group, Organization
from laws.world import Look, Randomness, ServerLook, authority, worker

OPERATOR = Operator()


async def test_a_group_gives_its_rights_to_its_own_users_alone(look: Look):
    """Not to every member of the organization as soon as anybody is in the group."""
    async with worker(look, lambda: 1_700_000_000_000, Randomness()) as at:
        await at.desk.organizations.add_organization(OPERATOR, Organization("acme", "Acme"))
        inside, outside = [
            await at.desk.people.add_user(OPERATOR, NewUser(f"{name}@example.com"), organization="acme")
            for name in ("in", "out")
        ]
        rights = GroupRights(("accessAdmin", "readGraph"))
        group = await at.desk.groups.add_group(OPERATOR, Group("", "acme", "Administrators", rights=rights))
        await at.desk.groups.add_to_group(OPERATOR, group.id, inside.user)
        keys = [await at.desk.tokens.create_user_key(OPERATOR, NewKey("k"), owner=each) for each in (inside, outside)]
        one, other = [await at.find(each.secret) for each in keys]
        assert one.identity.role is Role.ORGANIZATION_ADMIN
        assert other.identity.role is Role.USER
        assert authority(one)
        assert not authority(other)
        members = await at.store.registry.members("acme", limit=10, group=group.id)
        assert [each.user.id for each in members] == [inside.user]
        assert len(await at.store.registry.groups_of_user(outside.user, "acme")) == 1
    if isinstance(look, ServerLook):
        await look.close()


async def test_165_keys_and_sessions_of_an_organization_die_with_the_membership_of_a_platform_administrator_too(
    look: Look,
):
    async with worker(look, lambda: 1_700_000_000_000, Randomness()) as at:
        await at.desk.organizations.add_organization(OPERATOR, Organization("acme", "Acme"))
        wanted = NewUser("pat@example.com", Role.PLATFORM_ADMIN)
        owner = await at.desk.people.add_user(OPERATOR, wanted, organization="acme")
        key = await at.desk.tokens.create_user_key(OPERATOR, NewKey("k"), owner=owner)
        session = await at.logins.redeem((await at.logins.create_login("pat@example.com", "acme")).code)
        for each in (key, session):
            assert (await at.find(each.secret)).identity.role is Role.PLATFORM_ADMIN
        await at.desk.people.remove_member(OPERATOR, owner.user, organization="acme")
        for each in (key, session):
            assert isinstance(await at.find(each.secret), Absent)
    if isinstance(look, ServerLook):
        await look.close()
