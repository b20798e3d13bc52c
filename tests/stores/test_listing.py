"""Pages of keys over both databases: the keys that are asked for, each once, oldest first, however they are cut."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from gateway.keys import SESSION, Extent, Identity, Key, Kind, Membership, Role, digest
from gateway.stores import IntegrationInstance, KeyQuery, Organization, StoreOptions, make_store, open_store

ORGANIZATIONS, PROJECTS, USERS = ("acme", "globex"), ("blog", "shop"), ("eve", "adam")
NOBODY = Extent(organization="nowhere")


def identities() -> list[Identity]:
    """Each kind in each organization, members of one, both and no project, and users of both organizations."""
    found = []
    for organization in ORGANIZATIONS:
        plain = [Identity(f"{kind} of {organization}", kind, organization) for kind in (Kind.ACCOUNT, Kind.PROJECT)]
        found += [*plain, Identity(f"organization {organization}", Kind.ORGANIZATION, organization)]
        bound = Identity(f"instance {organization}", Kind.INTEGRATION, organization)
        found.append(structs.replace(bound, integration_instance=f"aws of {organization}"))
        found += [Identity(f"{user}@{organization}", Kind.USER, organization, user=user) for user in USERS]
        for projects in (PROJECTS[:1], PROJECTS[1:], PROJECTS):
            memberships = tuple(Membership(project, "viewer") for project in projects for _ in range(2))
            named = f"{projects} of {organization}"
            found.append(Identity(named, Kind.PROJECT, organization, memberships=memberships))
    return [*found, Identity("a global one", Kind.GLOBAL, "")]


def all_keys() -> list[Key]:
    """Two of each identity at two times that several share, some revoked; users have a session beside them."""
    numbers = itertools.count()
    keys = []
    for identity in identities():
        for category in (None, "ci", SESSION if identity.kind is Kind.USER else None):
            number = next(numbers)
            revoked = 9_000 if number % 4 == 0 else None
            key = Key(f"key-{number * 7 % 100:02}", identity, "n", category, None, "", number * 3 % 5, None, None, None)
            keys.append(replace(key, revoked_at=revoked))
    return keys


KEYS = all_keys()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request, tmp_path_factory):
    """Where a database is with all of these keys."""
    url = request.getfixturevalue("postgres").new_database() if request.param == "postgresql" else None
    path = tmp_path_factory.mktemp("listing") / "gateway.db"
    options = StoreOptions(path if url is None else Path("/nowhere"), url, sql_wait=60.0)
    asyncio.run(fill(options))
    return options


async def fill(options):
    await make_store(options)
    async with open_store(options) as store, store.registry.change() as change:
        for user in USERS:
            await change.add_user(user, f"{user}@example.com", platform_admin=False)
        for organization in ORGANIZATIONS:
            await change.add_organization(Organization(organization, organization))
            await change.add_integration_instance(IntegrationInstance(f"aws of {organization}", organization, "AWS"))
            for user in USERS:
                await change.add_member(user, organization, Role.USER)
        for identity in identities():
            await change.add_identity(identity)
        for key in KEYS:
            await change.add_key(key, digest(key.id))


def expected(query: KeyQuery) -> list[str]:
    """The ids of a page, by looking at each key."""
    chosen = [key for key in KEYS if asked(query, key)]
    chosen.sort(key=lambda key: (key.created_at, key.id))
    return [key.id for key in chosen[: query.limit]]


def asked(query: KeyQuery, key: Key) -> bool:
    identity = key.identity
    return (
        any(extent.holds(identity) for extent in query.extents.get(identity.kind, ()))
        and not (identity.kind is Kind.USER and key.category == SESSION)
        and (query.after is None or (key.created_at, key.id) > query.after)
        and (query.revoked or key.revoked_at is None)
        and query.identity in (None, identity.id)
        and query.instance in (None, identity.integration_instance)
    )


def ask(options: StoreOptions, queries: list[KeyQuery]) -> list[list[Key]]:
    async def work():
        async with open_store(options) as store:
            return [list(await store.registry.keys(query)) for query in queries]

    return asyncio.run(work())


extents = st.builds(
    Extent,
    st.none() | st.sampled_from([*ORGANIZATIONS, "nowhere"]),
    st.none() | st.sampled_from(USERS),
    st.none() | st.sampled_from([*PROJECTS, "gone"]),
)
queries = st.builds(
    KeyQuery,
    st.dictionaries(st.sampled_from(Kind), st.lists(extents, max_size=3), max_size=len(Kind)),
    st.integers(min_value=1, max_value=8) | st.just(1_000),
    after=st.none() | st.sampled_from([(key.created_at, key.id) for key in KEYS]) | st.just((2, "")),
    revoked=st.booleans(),
    identity=st.none() | st.none() | st.sampled_from([key.identity.id for key in KEYS]),
    instance=st.none() | st.none() | st.sampled_from(["aws of acme", "gone"]),
)


@settings(max_examples=settings().max_examples // 2)
@given(asking=st.lists(queries, min_size=5, max_size=10))
def test_i9_a_page_is_what_looking_at_every_key_finds(filled, asking):
    for query, page in zip(asking, ask(filled, asking), strict=True):
        assert [key.id for key in page] == expected(query)


@pytest.mark.parametrize("limit", [1, 3, 1_000])
def test_149_pages_after_one_another_are_the_whole_list(filled, limit):
    everything = dict.fromkeys(Kind, (Extent(),))
    (whole,) = ask(filled, [KeyQuery(everything, 1_000)])
    assert [key.id for key in whole] == expected(KeyQuery(everything, 1_000))
    found: list[Key] = []
    while True:
        after = (found[-1].created_at, found[-1].id) if found else None
        (page,) = ask(filled, [KeyQuery(everything, limit, after=after)])
        if not page:
            break
        found += page
    assert found == whole


def test_a_key_that_several_extents_hold_is_there_once(filled):
    both = [Extent(project=project) for project in PROJECTS]
    wide = [Extent(), Extent(organization="acme"), *both, *both]
    for several in (both, wide):
        query = KeyQuery({Kind.PROJECT: several}, 1_000)
        (page,) = ask(filled, [query])
        ids = [key.id for key in page]
        assert len(ids) == len(set(ids))
        assert ids == expected(query)


@pytest.mark.parametrize("extents_of_kinds", [{}, {Kind.USER: []}, {Kind.USER: [NOBODY], Kind.ACCOUNT: ()}])
def test_who_sees_nothing_gets_an_empty_page(filled, extents_of_kinds):
    assert ask(filled, [KeyQuery(extents_of_kinds, 10)]) == [[]]


def test_sessions_are_never_listed_and_the_category_is_free_for_others(filled):
    (page,) = ask(filled, [KeyQuery({Kind.USER: [Extent()]}, 1_000)])
    assert {key.category for key in page} == {None, "ci"}
    assert {key.identity.user for key in page} == set(USERS)
