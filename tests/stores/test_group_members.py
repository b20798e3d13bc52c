"""Who is in a group, on both databases."""

from __future__ import annotations

from gateway.keys import Identity, Kind, Role
from gateway.stores import Organization
from gateway.stores.values import Group


async def members_of(registry, group, **page):
    return [each.user.id for each in await registry.members("acme", limit=10, group=group.id, **page)]


async def test_a_group_holds_those_who_were_put_in_and_the_built_in_one_everybody(opened):
    registry = (await opened()).registry
    one, other = Group("g1", "acme", "one"), Group("g2", "acme", "other")
    async with registry.change() as change:
        await change.add_organization(Organization("acme", "Acme"))
        for user in ("u1", "u2", "u3"):
            await change.add_user(user, f"{user}@example.com", platform_admin=False)
            await change.add_member(user, "acme", Role.USER)
            await change.add_identity(Identity(f"i-{user}", Kind.USER, "acme", user=user))
        for group in (one, other):
            await change.add_group(group)
        await change.add_to_group(one, "u2")
        await change.add_to_group(one, "u3")

    assert await members_of(registry, one) == ["u2", "u3"]
    assert await members_of(registry, one, after="u2") == ["u3"]
    assert await members_of(registry, other) == []
    everyone = next(group for group in await registry.groups("acme") if group.everyone)
    assert await members_of(registry, everyone) == ["u1", "u2", "u3"]
    assert [group.id for group in await registry.groups_of_user("u2", "acme")] == [everyone.id, "g1"]
