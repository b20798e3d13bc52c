"""Organizations, people, groups and grants over both databases, and that every open store follows a change at once.

Numbers are those of the edge cases that the product was specified with.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from gateway.keys import (
    ADMINISTRATOR,
    API_KEYS,
    DAY,
    SESSION,
    GlobalRole,
    GroupRights,
    Identity,
    Key,
    Kind,
    Membership,
    Principal,
    Role,
    digest,
)
from gateway.stores import (
    Absent,
    AuditEvent,
    Conflict,
    Group,
    IntegrationInstance,
    KeyUse,
    Organization,
    User,
    UserStatus,
)

ACME, GLOBEX = Organization("acme", "Acme"), Organization("globex", "Globex", max_key_days=90)
EVERYONE = "everyone.acme"
READERS = Group("readers", "acme", "Readers", "They read", rights=GroupRights(("readGraph",), group="Readers"))
ENABLED = Group("enabled", "acme", "Enabled", rights=GroupRights((API_KEYS,), group="Enabled"))
SUSPENDED = Absent("the owner's API keys are suspended")
HERS, SESSIONS, ACCOUNTS = digest("hers"), digest("a session"), digest("an account's")


def user_identity(user: str, organization: str = "acme") -> Identity:
    return Identity(f"{user}@{organization}", Kind.USER, organization, user=user)


def key_of(identity: Identity, name: str = "key", **changed) -> Key:
    key = Key(f"{name} of {identity.id}", identity, name, None, None, "gwu_1234", 1_000, None, None, None)
    return replace(key, **changed)


async def changed(store, act):
    async with store.registry.change() as change:
        await act(change)


@pytest.fixture
async def stores(opened):
    """Two open stores on one database: eve is a member of acme with a key and a session; acme has an account key."""
    one, two = await opened(), await opened()
    account = Identity("an account", Kind.ACCOUNT, "acme")

    async def found(change):
        for organization in (ACME, GLOBEX):
            await change.add_organization(organization)
        for user in ("eve", "adam"):
            await change.add_user(user, f"{user}@example.com", platform_admin=False)
        await change.add_member("eve", "acme", Role.USER)
        for identity in (user_identity("eve"), account):
            await change.add_identity(identity)
        await change.add_key(key_of(user_identity("eve")), HERS)
        await change.add_key(key_of(user_identity("eve"), "session", category=SESSION), SESSIONS)
        await change.add_key(key_of(account), ACCOUNTS)

    await changed(one, found)
    for store in (one, two):
        for its in (HERS, SESSIONS, ACCOUNTS):
            assert isinstance(await store.find(its), Principal)  # warm
    return one, two


async def everywhere(stores, its):
    """What all stores say about a digest, which is the same."""
    one, two = [await store.find(its) for store in stores]
    assert one == two
    return one


# --- organizations ------------------------------------------------------------------------------------------------


async def test_an_organization_has_its_group_everyone_with_api_keys_enabled(stores):
    one, _ = stores
    (everyone,) = await one.registry.groups("globex")
    assert everyone.everyone
    assert (everyone.name, everyone.organization, everyone.rights.permissions) == ("Everyone", "globex", (API_KEYS,))
    assert await one.registry.organizations() == (ACME, GLOBEX)
    async with one.registry.change() as change:
        assert await change.organization("globex") == GLOBEX
        assert await change.group(everyone.id) == everyone
        assert await change.group("nobody's") is None


async def test_24_a_maximum_binds_at_once_the_keys_that_are_there(stores):
    one, _ = stores
    assert (await everywhere(stores, ACCOUNTS)).expires_at is None

    await changed(one, lambda change: change.set_max_key_days("acme", 7))
    assert (await everywhere(stores, ACCOUNTS)).expires_at == 1_000 + 7 * DAY
    assert (await one.registry.key("key of an account")).expires_at == 1_000 + 7 * DAY

    await changed(one, lambda change: change.set_max_key_days("acme", None))
    assert (await everywhere(stores, ACCOUNTS)).expires_at is None


async def test_24_a_maximum_shortens_and_never_lengthens(stores):
    one, _ = stores
    early = key_of(Identity("early", Kind.ACCOUNT, "acme"), expires_at=2_000)

    async def add(change):
        await change.add_identity(early.identity)
        await change.add_key(early, digest("early"))
        await change.set_max_key_days("acme", 7)

    await changed(one, add)
    assert (await everywhere(stores, digest("early"))).expires_at == 2_000


# --- users and members --------------------------------------------------------------------------------------------


async def test_everything_about_a_user_can_be_changed_but_the_id(stores):
    one, _ = stores
    async with one.registry.change() as change:
        before = await change.user_of("EVE@example.com")
        assert before == await change.user("eve") == User("eve", "eve@example.com")
        new = User("eve", "Ev@Example.com", True, UserStatus.ACTIVE, "Eve", "Ðoe", 5, 6)
        await change.change_user(new)
        assert await change.user_of("eve@example.com") is None
        assert await change.user_of("ev@EXAMPLE.com") == new
    assert await one.registry.user("eve") == new
    assert (await everywhere(stores, HERS)).identity.role is Role.PLATFORM_ADMIN


@pytest.mark.parametrize("status", [UserStatus.DISABLED, UserStatus.DELETED])
async def test_164_a_user_who_is_not_active_has_no_live_key_and_no_session(stores, status):
    one, _ = stores
    eve = await one.registry.user("eve")

    await changed(one, lambda change: change.change_user(replace(eve, status=status)))
    for its in (HERS, SESSIONS):
        assert await everywhere(stores, its) == Absent("the owner is not active")
    assert isinstance(await everywhere(stores, ACCOUNTS), Principal)

    await changed(one, lambda change: change.change_user(eve))
    assert isinstance(await everywhere(stores, HERS), Principal)


async def test_162_the_address_of_a_deleted_user_is_free_and_their_keys_are_not_the_next_ones(stores):
    one, _ = stores
    eve = await one.registry.user("eve")

    async def replaced(change):
        await change.change_user(replace(eve, status=UserStatus.DELETED))
        await change.add_user("eve-2", "eve@example.com", platform_admin=False)
        await change.add_member("eve-2", "acme", Role.USER)
        assert (await change.user_of("eve@example.com")).id == "eve-2"
        assert await change.keys_of_user("eve-2") == ()

    await changed(one, replaced)
    assert (await one.registry.user("eve")).status is UserStatus.DELETED
    assert await everywhere(stores, HERS) == Absent("the owner is not active")
    with pytest.raises(Conflict):  # the address has another owner by now
        await changed(one, lambda change: change.change_user(eve))


async def test_165_who_leaves_an_organization_leaves_its_groups_and_comes_back_with_live_keys(stores):
    one, _ = stores
    await changed(one, lambda change: change.add_group(READERS))
    await changed(one, lambda change: change.add_to_group(READERS, "eve"))

    await changed(one, lambda change: change.remove_member("eve", "acme"))
    for its in (HERS, SESSIONS):
        assert await everywhere(stores, its) == Absent("the owner is not a member")
    assert await one.registry.identities_of_user("eve") == ()

    await changed(one, lambda change: change.add_member("eve", "acme", Role.USER))
    assert (await everywhere(stores, HERS)).identity.groups == (GroupRights((API_KEYS,)),)


async def test_152_a_members_role_is_that_of_the_next_call(stores):
    one, _ = stores
    for role in (Role.ORGANIZATION_ADMIN, Role.USER):
        await changed(one, lambda change, role=role: change.change_member("eve", "acme", role))
        assert (await everywhere(stores, HERS)).identity.role is role


async def test_148_a_user_has_an_identity_in_each_organization(stores):
    one, _ = stores
    async with one.registry.change() as change:
        await change.add_member("eve", "globex", Role.ORGANIZATION_ADMIN)
        await change.add_identity(user_identity("eve", "globex"))
        here, there = await change.identities_of_user("eve")
        assert (here.organization, here.role) == ("acme", Role.USER)
        assert (there.organization, there.role) == ("globex", Role.ORGANIZATION_ADMIN)
        assert await change.identity_of("eve", "globex") == there == await change.identity("eve@globex")
        assert await change.identity_of("adam", "acme") is None
        assert await change.identity("nobody") is None
    assert await one.registry.identities_of_user("eve") == (here, there)
    assert await one.registry.identity("eve@globex") == there


async def test_members_come_in_pages_by_user_without_the_deleted(stores):
    one, _ = stores

    async def more(change):
        await change.add_member("adam", "acme", Role.ORGANIZATION_ADMIN)
        await change.add_identity(user_identity("adam"))
        await change.add_member("adam", "globex", Role.USER)
        await change.add_identity(user_identity("adam", "globex"))
        await change.add_user("zoe", "zoe@example.com", platform_admin=False)
        await change.add_member("zoe", "acme", Role.USER)
        await change.add_identity(user_identity("zoe"))
        await change.change_user(User("zoe", "zoe@example.com", status=UserStatus.DELETED))
        await change.add_group(READERS)
        await change.add_to_group(READERS, "adam")

    await changed(one, more)

    async def ids(organization, **options):
        found = await one.registry.members(organization, **({"limit": 9} | options))
        return [(each.user.id, each.identity.organization) for each in found]

    assert await ids("acme") == [("adam", "acme"), ("eve", "acme")]
    assert await ids("acme", limit=1) == [("adam", "acme")]
    assert await ids("acme", after="adam") == [("eve", "acme")]
    assert await ids("acme", after="eve") == []
    assert await ids(None) == [("adam", "acme"), ("adam", "globex"), ("eve", "acme")]
    assert await ids("acme", group="readers") == [("adam", "acme")]
    assert await ids("acme", group=EVERYONE) == [("adam", "acme"), ("eve", "acme")]
    assert await ids("globex", group="readers") == []
    (adam, *_) = await one.registry.members("acme", limit=1)
    assert adam.identity.role is Role.ORGANIZATION_ADMIN


# --- groups -------------------------------------------------------------------------------------------------------


def without(*groups: Group):
    async def act(change):
        for group in groups:
            await change.change_group(replace(group, rights=GroupRights()))

    return act


async def test_5_6_a_users_keys_are_suspended_with_the_switch_and_wake_with_it(stores):
    one, _ = stores
    everyone = await one.registry.group(EVERYONE)

    await changed(one, without(everyone))
    assert await everywhere(stores, HERS) == SUSPENDED
    assert isinstance(await everywhere(stores, SESSIONS), Principal)
    assert isinstance(await everywhere(stores, ACCOUNTS), Principal)
    assert "key of eve@acme" in {key.id for key in await one.keys("acme")}

    await changed(one, lambda change: change.change_group(everyone))
    assert isinstance(await everywhere(stores, HERS), Principal)


LEAVING = {
    "taken out": lambda change: change.remove_from_group(ENABLED, "eve"),
    "the group is deleted": lambda change: change.remove_group("enabled"),
    "the group is turned off": without(ENABLED),
}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
async def test_4_6_one_enabled_group_is_enough_until_it_is_left(stores, leave):
    one, two = stores
    everyone = await one.registry.group(EVERYONE)

    async def move(change):
        await change.add_group(ENABLED)
        await change.add_group(READERS)
        for group in (ENABLED, READERS, ENABLED):
            await change.add_to_group(group, "eve")
        await change.change_group(replace(everyone, rights=GroupRights()))

    await changed(one, move)
    assert isinstance(await everywhere(stores, HERS), Principal)

    await changed(two, leave)
    assert await everywhere(stores, HERS) == SUSPENDED
    assert isinstance(await everywhere(stores, SESSIONS), Principal)


async def test_7_a_key_revoked_while_it_is_suspended_stays_revoked(stores):
    one, _ = stores
    everyone = await one.registry.group(EVERYONE)
    await changed(one, without(everyone))
    await changed(one, lambda change: change.revoke_key("key of eve@acme", at=5, by="operator"))
    await changed(one, lambda change: change.change_group(everyone))
    assert await everywhere(stores, HERS) == Absent("revoked")


async def test_a_key_is_live_within_a_change_as_it_is_for_a_resolver(stores):
    one, _ = stores
    everyone = await one.registry.group(EVERYONE)
    async with one.registry.change() as change:
        assert (await change.live_key("key of eve@acme")).identity.user == "eve"
        await change.change_group(replace(everyone, rights=GroupRights()))
        assert await change.live_key("key of eve@acme") is None
        assert await change.live_key("session of eve@acme") is not None
        assert (await change.key("key of eve@acme")).revoked_at is None
        await change.remove_member("eve", "acme")
        assert await change.live_key("session of eve@acme") is None
        await change.revoke_key("key of an account", at=5, by="operator")
        assert await change.live_key("key of an account") is None
        assert await change.live_key("nobody's") is None


async def test_what_a_group_gives_is_in_the_next_call(stores):
    one, two = stores

    async def join(change):
        await change.add_group(READERS)
        await change.add_to_group(READERS, "eve")

    await changed(one, join)
    assert {each.id for each in (await everywhere(stores, HERS)).policy.statements} == {"group:Readers/permissions"}

    limited = replace(READERS, name="Few", rights=GroupRights(("readGraph",), '[{"a": "b"}]'))
    await changed(two, lambda change: change.change_group(limited))
    (statement,) = (await everywhere(stores, HERS)).policy.statements
    assert (statement.id, statement.condition.equals) == ("group:Few/queryPolicy[0]", (("a", ("b",)),))

    await changed(two, lambda change: change.change_group(replace(READERS, rights=GroupRights((ADMINISTRATOR,)))))
    assert (await everywhere(stores, HERS)).identity.role is Role.ORGANIZATION_ADMIN


async def test_a_group_gives_nothing_to_those_outside(stores):
    one, _ = stores

    async def join(change):
        await change.add_member("adam", "acme", Role.USER)
        await change.add_identity(user_identity("adam"))
        await change.add_key(key_of(user_identity("adam")), digest("his"))
        await change.add_group(replace(READERS, rights=GroupRights((ADMINISTRATOR, "readGraph"))))
        await change.add_to_group(READERS, "eve")

    await changed(one, join)
    assert (await everywhere(stores, HERS)).identity.role is Role.ORGANIZATION_ADMIN
    his = await everywhere(stores, digest("his"))
    assert (his.identity.role, his.identity.groups) == (Role.USER, (GroupRights((API_KEYS,)),))
    assert his.policy.statements == ()
    assert (await one.registry.identity("adam@acme")).role is Role.USER
    assert [group.name for group in await one.registry.groups_of_user("adam", "acme")] == ["Everyone"]
    async with one.registry.change() as change:
        assert (await change.identity_of("adam", "acme")).groups == his.identity.groups


async def test_groups_are_listed_by_name_and_are_of_one_organization(stores):
    one, _ = stores

    async def more(change):
        await change.add_group(READERS)
        await change.add_group(replace(ENABLED, name="Auditors"))
        await change.add_to_group(READERS, "eve")
        await change.remove_from_group(ENABLED, "eve")

    await changed(one, more)
    assert [group.name for group in await one.registry.groups("acme")] == ["Auditors", "Everyone", "Readers"]
    assert [group.name for group in await one.registry.groups_of_user("eve", "acme")] == ["Everyone", "Readers"]
    assert await one.registry.groups_of_user("adam", "acme") == ()
    assert await one.registry.group("readers") == READERS
    with pytest.raises(Conflict):
        await changed(one, lambda change: change.add_group(replace(READERS, id="others")))


WRONG = {
    "no member": lambda change: change.add_to_group(READERS, "adam"),
    "a group that is not there": lambda change: change.add_to_group(ENABLED, "eve"),
    "another organization": lambda change: change.add_to_group(replace(READERS, organization="globex"), "eve"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_nobody_is_in_a_group_of_an_organization_that_they_are_no_member_of(stores, database, wrong):
    one, _ = stores
    await changed(one, lambda change: change.add_group(READERS))
    before = database.dump()
    with pytest.raises(ValueError, match="contradicts the rest"):
        await changed(one, wrong)
    assert database.dump() == before


# --- roles, memberships, keys -------------------------------------------------------------------------------------

EDITOR = Membership("blog", "editor", (("language", ("cs", 'd"e')), ("zone", ())))
VIEWER, CLERK = Membership("blog", "viewer"), Membership("shop", "clerk", (("shop", ("1",)),))


async def test_115_global_roles_are_those_of_the_next_call(stores):
    one, _ = stores
    for roles in ((GlobalRole.SUPER_ADMIN, GlobalRole.MONITOR), (GlobalRole.MONITOR,), ()):
        await changed(one, lambda change, roles=roles: change.set_roles("an account", roles))
        assert (await everywhere(stores, ACCOUNTS)).identity.roles == roles


async def test_95_97_memberships_of_one_project_are_replaced_and_the_others_stay(stores):
    one, _ = stores
    member = Identity("member", Kind.PROJECT, "acme", description="CI", memberships=(EDITOR, VIEWER, CLERK))

    async def add(change):
        await change.add_identity(member)
        await change.add_key(key_of(member), digest("member"))

    await changed(one, add)
    assert (await everywhere(stores, digest("member"))).identity == member
    assert await one.registry.identities_of_project("blog", limit=5) == (member,)

    await changed(one, lambda change: change.set_memberships("member", "blog", [VIEWER]))
    assert (await everywhere(stores, digest("member"))).identity.memberships == (VIEWER, CLERK)

    await changed(one, lambda change: change.set_memberships("member", "blog", []))
    assert (await everywhere(stores, digest("member"))).identity.memberships == (CLERK,)
    assert await one.registry.identities_of_project("blog", limit=5) == ()
    assert [each.id for each in await one.registry.identities_of_project("shop", limit=5)] == ["member"]


@pytest.mark.parametrize(("end", "wish", "kept"), [(None, 50, 50), (100, 50, 50), (50, 100, 50), (50, 50, 50)])
async def test_180_a_keys_end_moves_to_earlier_only(stores, end, wish, kept):
    one, _ = stores
    key = key_of(Identity("short", Kind.ACCOUNT, "acme"), expires_at=end)

    async def add(change):
        await change.add_identity(key.identity)
        await change.add_key(key, digest("short"))

    await changed(one, add)
    await everywhere(stores, digest("short"))

    await changed(one, lambda change: change.shorten_key(key.id, expires_at=wish))
    assert (await everywhere(stores, digest("short"))).expires_at == kept


async def test_a_revoked_key_is_not_shortened_and_one_that_is_not_there_neither(stores):
    one, _ = stores
    await changed(one, lambda change: change.revoke_key("key of an account", at=5, by="operator"))
    before = await one.registry.key("key of an account")
    await changed(one, lambda change: change.shorten_key("key of an account", expires_at=7))
    await changed(one, lambda change: change.shorten_key("nobody's", expires_at=7))
    assert await one.registry.key("key of an account") == before


async def test_79_a_deleted_instance_is_gone_and_its_id_is_taken_for_ever(stores):
    one, _ = stores
    aws = IntegrationInstance("aws", "acme", "AWS")
    bound = Identity("bound", Kind.INTEGRATION, "acme", integration_instance="aws")

    async def add(change):
        await change.add_integration_instance(aws)
        await change.add_integration_instance(replace(aws, id="azure"))
        await change.add_identity(bound)
        await change.add_key(key_of(bound), digest("bound"))
        assert [key.id for key in await change.keys_of_instance("aws")] == ["key of bound"]
        assert await change.keys_of_instance("azure") == ()

    await changed(one, add)
    await changed(one, lambda change: change.delete_integration_instance("aws", at=9))
    assert [each.id for each in await one.registry.integration_instances("acme")] == ["azure"]
    async with one.registry.change() as change:
        assert await change.integration_instance("aws") is None
    with pytest.raises(Conflict):
        await changed(one, lambda change: change.add_integration_instance(aws))


async def test_160_all_keys_of_a_user_are_found_and_nobody_elses(stores):
    one, _ = stores
    async with one.registry.change() as change:
        found = await change.keys_of_user("eve")
        assert {key.id for key in found} == {"key of eve@acme", "session of eve@acme"}
        assert await change.keys_of_user("adam") == ()


# --- uses and the trail -------------------------------------------------------------------------------------------


async def test_181_the_last_use_and_the_last_refusal_are_kept_each_and_never_go_back(stores, database):
    one, two = stores
    before = database.by_hand("SELECT count(*) FROM changes")
    mine, hers = "key of an account", "key of eve@acme"
    await one.registry.note_uses({mine: KeyUse(used_at=10), hers: KeyUse(refused_at=3), "nobody's": KeyUse(5, 5)})
    await two.registry.note_uses({mine: KeyUse(used_at=7, refused_at=8), hers: KeyUse(used_at=4)})

    assert await one.registry.key_uses([mine, hers, "nobody's"]) == {mine: KeyUse(10, 8), hers: KeyUse(4, 3)}
    assert await one.registry.key_uses([hers]) == {hers: KeyUse(4, 3)}
    assert await one.registry.key_uses([]) == {}
    assert database.by_hand("SELECT count(*) FROM changes") == before


async def test_181_a_use_that_is_hardly_later_than_what_is_written_is_not_written(stores):
    one, two = stores
    mine, hers = "key of an account", "key of eve@acme"
    await one.registry.note_uses({mine: KeyUse(used_at=100), hers: KeyUse(100, 100)}, step=10)
    await two.registry.note_uses({mine: KeyUse(used_at=109), hers: KeyUse(109, 110)}, step=10)
    assert await one.registry.key_uses([mine, hers]) == {mine: KeyUse(100, None), hers: KeyUse(109, 110)}
    await two.registry.note_uses({mine: KeyUse(110, 7), hers: KeyUse(118, 119)}, step=10)
    assert await one.registry.key_uses([mine, hers]) == {mine: KeyUse(110, 7), hers: KeyUse(109, 110)}


async def test_the_trail_comes_in_pages_newest_first(stores):
    one, _ = stores

    async def write(change):
        for number in range(6):
            organization = "acme" if number % 3 else None
            await change.audit(AuditEvent(number, ("eve", "adam")[number % 2], organization, "something", str(number)))

    await changed(one, write)

    async def pages(organization, **options):
        subjects, before = [], None
        while found := await one.registry.audit_events(organization, limit=2, before=before, **options):
            subjects += [event.subject for event in found]
            before = found[-1].number
        return subjects

    assert await pages(None) == ["5", "4", "3", "2", "1", "0"]
    assert await pages("acme") == ["5", "4", "2", "1"]
    assert await pages("acme", actor="eve") == ["4", "2"]
    assert await pages("globex") == []


# --- every change tells the resolvers -----------------------------------------------------------------------------

TELLING = MappingProxyType(
    {
        "set_max_key_days": lambda change: change.set_max_key_days("acme", 7),
        "change_user": lambda change: change.change_user(User("eve", "eve@example.com")),
        "change_member": lambda change: change.change_member("eve", "acme", Role.USER),
        "remove_member": lambda change: change.remove_member("eve", "acme"),
        "add_to_group": lambda change: change.add_to_group(READERS, "eve"),
        "remove_from_group": lambda change: change.remove_from_group(READERS, "eve"),
        "change_group": lambda change: change.change_group(READERS),
        "remove_group": lambda change: change.remove_group("readers"),
        "set_roles": lambda change: change.set_roles("an account", []),
        "set_memberships": lambda change: change.set_memberships("an account", "blog", []),
        "revoke_key": lambda change: change.revoke_key("key of an account", at=1, by="eve"),
        "shorten_key": lambda change: change.shorten_key("key of an account", expires_at=5),
    }
)


@pytest.mark.parametrize("act", TELLING.values(), ids=TELLING)
async def test_what_changes_rights_writes_down_that_it_did(stores, database, act):
    one, _ = stores
    await changed(one, lambda change: change.add_group(READERS))
    (before,) = database.by_hand("SELECT max(seq) FROM changes")
    await changed(one, act)
    (after,) = database.by_hand("SELECT max(seq) FROM changes")
    assert int(after[0]) > int(before[0])
