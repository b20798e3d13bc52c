"""The account API over a store with two organizations, and the people who call it by keys of theirs."""

from __future__ import annotations

import pytest

from account_calls import Account
from gateway.keys import Role


@pytest.fixture
def account(platform) -> Account:
    return Account(platform.store, platform.desk)


@pytest.fixture
async def pat(account):
    """The platform administrator, a member of acme."""
    return await account.user("pat", "acme", Role.PLATFORM_ADMIN)


@pytest.fixture
async def ann(account):
    """The administrator of acme."""
    return await account.user("ann", "acme", Role.ORGANIZATION_ADMIN)


@pytest.fixture
async def bob(account):
    """The administrator of globex."""
    return await account.user("bob", "globex", Role.ORGANIZATION_ADMIN)


@pytest.fixture
async def uli(account):
    """A plain user of acme."""
    return await account.user("uli", "acme")
