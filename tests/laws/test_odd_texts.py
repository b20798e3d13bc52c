"""Texts that a database cannot hold: they name nothing, and no store is said to be away for them."""

from __future__ import annotations

import pytest

from gateway.control import NewKey, NewUser, Rejection
from gateway.keys import Kind, Operator, Role
from gateway.stores import Group, Organization
from laws.world import Look, Randomness, ServerLook, worker

OPERATOR = Operator()
NUL = "\0"


async def test_a_zero_character_names_nothing(look: Look):
    async with worker(look, lambda: 1_700_000_000_000, Randomness()) as at:
        await at.desk.organizations.add_organization(OPERATOR, Organization("acme", "Acme"))
        wanted = NewUser("pat@example.com", Role.PLATFORM_ADMIN)
        owner = await at.desk.people.add_user(OPERATOR, wanted, organization="acme")
        root = await at.find((await at.desk.tokens.create_user_key(OPERATOR, NewKey("k"), owner=owner)).secret)
        tokens, people = at.desk.tokens, at.desk.people
        for narrowed in ("instance", "identity", "organization"):
            assert await tokens.list_keys(root, limit=5, kinds=tuple(Kind), **{narrowed: NUL}) == ()
        assert await people.list_members(root, limit=5, organization=NUL) == ()
        assert await people.find_user_of(root, NUL, homes=["acme"]) is None
        with pytest.raises(Rejection):
            await tokens.create_organization_key(root, NewKey("k"), organization=NUL)
        with pytest.raises(Rejection):
            await at.desk.groups.add_group(root, Group("", "acme", "readers", description=NUL))
    if isinstance(look, ServerLook):
        await look.close()
