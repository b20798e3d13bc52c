"""Two organizations with people in them, in a real database; callers are what the real resolver makes of their keys."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.control import Desk, Issued, LoginOptions, Logins, NewKey, NewUser, TokenOptions, Tokens, desk_over
from gateway.keys import Operator, Principal, Project, ProjectRole, Role, Variable, digest
from gateway.stores import Absent, IntegrationInstance, Organization, Store, StoreOptions, create, open_store


@dataclass
class Clock:
    """Milliseconds since the epoch, moved by hand."""

    now: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Platform:
    """The control plane over an open store, and the ways of the tests to look at it from outside."""

    store: Store
    clock: Clock
    desk: Desk
    logins: Logins
    path: Path

    @property
    def tokens(self) -> Tokens:
        return self.desk.tokens

    async def caller(self, issued: Issued | str) -> Principal:
        """Whom the data plane takes the bearer of a secret for."""
        found = await self.find(issued)
        assert isinstance(found, Principal)
        return found

    async def find(self, issued: Issued | str) -> object:
        return await self.store.resolver.find(digest(issued if isinstance(issued, str) else issued.secret))

    async def is_dead(self, issued: Issued) -> bool:
        return isinstance(await self.find(issued), Absent)

    async def user(self, name: str, organization: str, role: Role) -> Principal:
        """A new user, by a key of theirs."""
        wanted = NewUser(f"{name}@example.com", role)
        owner = await self.desk.people.add_user(Operator(), wanted, organization=organization)
        return await self.caller(await self.tokens.create_user_key(Operator(), NewKey(name), owner=owner))

    async def session(self, name: str, organization: str) -> Principal:
        """A user who is there, by a login."""
        login = await self.logins.create_login(f"{name}@example.com", organization)
        return await self.caller(await self.logins.redeem(login.code))

    async def audited(self) -> list[str]:
        return [event.event for event in await self.store.registry.audit_events(None, limit=1000)]


def _reading(*conditions: dict[str, object]) -> ProjectRole:
    """A role that reads the graph under conditions, whose holes are its variables."""
    reading = {"effect": "ALLOW", "actions": ["query:ReadGraphData"], "resources": ["*"]}
    statements = tuple(reading | {"condition": {"stringEquals": each}} for each in conditions)
    names = [value["variable"] for each in conditions for value in each.values() if isinstance(value, dict)]
    return ProjectRole(statements or (reading,), {name: Variable() for name in names})


PROJECTS = {
    "my-blog": Project(
        "my-blog",
        "acme",
        "My blog",
        {"editor": _reading({"language": {"variable": "language"}}), "viewer": _reading({"public": "yes"})},
    ),
    "shop": Project("shop", "acme", "Shop", {"clerk": _reading({"shop": {"variable": "shop"}})}),
    "elsewhere": Project("elsewhere", "globex", "Elsewhere", {"editor": _reading()}),
}


@pytest.fixture
def options() -> TokenOptions:
    """What a test may override to turn a switch."""
    return TokenOptions(projects=PROJECTS)


@pytest.fixture
async def empty(tmp_path: Path, options: TokenOptions) -> AsyncIterator[Platform]:
    """An installation that nobody has founded yet."""
    clock = Clock()
    create(tmp_path / "gateway.db")
    async with open_store(StoreOptions(tmp_path / "gateway.db"), projects=options.projects) as store:
        desk = desk_over(store.registry, options, clock, secrets.token_bytes)
        logins = Logins(store.registry, LoginOptions(), clock, secrets.token_bytes)
        yield Platform(store, clock, desk, logins, tmp_path / "gateway.db")


@pytest.fixture
async def platform(empty: Platform) -> Platform:
    """Organizations `acme` and `globex`, each with an integration instance: `github-1`, `github-2`."""
    async with empty.store.registry.change() as change:
        for organization, instance in (("acme", "github-1"), ("globex", "github-2")):
            await change.add_organization(Organization(organization, organization.title()))
            await change.add_integration_instance(IntegrationInstance(instance, organization, "GitHub"))
    return empty


@pytest.fixture
async def admin(platform: Platform) -> Principal:
    """The administrator of acme."""
    return await platform.user("ann", "acme", Role.ORGANIZATION_ADMIN)


@pytest.fixture
async def stranger(platform: Platform) -> Principal:
    """The administrator of globex."""
    return await platform.user("bob", "globex", Role.ORGANIZATION_ADMIN)


@pytest.fixture
async def user(platform: Platform) -> Principal:
    """A plain user of acme."""
    return await platform.user("uli", "acme", Role.USER)


@pytest.fixture
async def root(platform: Platform) -> Principal:
    """The platform administrator, a member of acme."""
    return await platform.user("pat", "acme", Role.PLATFORM_ADMIN)
