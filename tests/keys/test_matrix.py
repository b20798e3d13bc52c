"""The permission matrix, written down a second time as it was specified, and held against what the rules answer.

Columns: PA platform administrator, OA organization administrator, U+ user with access to API keys, U- user without,
AK account key, OK organization key, IK integration key, GP global key with `project_admin`, PM project member with the
role `admin`, PV any other member of a project. What is asked about is in organization A, where all callers are, in
organization B, or their own; projects are `a` of A, which PM administers, `a2` of A, and `b` of B.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from msgspec import structs

from gateway.http1 import Reason, Refusal
from gateway.keys import (
    ADMIN,
    API_KEYS,
    GlobalRole,
    GroupRights,
    Identity,
    Key,
    Kind,
    Membership,
    Operation,
    Operator,
    Principal,
    Project,
    Role,
    Switches,
    extents,
    grantable,
    limitable,
    may_create,
    may_give_roles,
    may_know,
    may_limit,
    may_limit_organization,
    may_manage_people,
    may_see,
    may_see_organization_limits,
    principal,
    ranks,
    reaches,
    revocable,
)

ENABLED = (GroupRights((API_KEYS,)),)
PROJECTS = {slug: Project(slug, organization, slug) for slug, organization in (("a", "A"), ("a2", "A"), ("b", "B"))}
SUPER = '{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}'


def user(name: str, organization: str = "A", role: Role = Role.USER, *, enabled: bool = True) -> Identity:
    groups = ENABLED if enabled else ()
    return Identity(f"{name}@{organization}", Kind.USER, organization, user=name, role=role, groups=groups)


def machine(kind: Kind, organization: str = "A") -> Identity:
    instance = f"instance of {organization}" if kind is Kind.INTEGRATION else None
    return Identity(f"{kind} of {organization}", kind, organization, integration_instance=instance)


def member(*memberships: tuple[str, str], organization: str = "A") -> Identity:
    given = tuple(Membership(project, role) for project, role in memberships)
    return Identity(f"member {memberships}", Kind.PROJECT, organization, memberships=given)


def holder(*roles: GlobalRole) -> Identity:
    return Identity(f"holder of {roles}", Kind.GLOBAL, "", roles=roles)


def key(identity: Identity, key_id: str = "") -> Key:
    policy = SUPER if identity.kind is Kind.ACCOUNT else None
    return Key(key_id or f"key of {identity.id}", identity, "name", None, policy, "gw", 0, None, None, None)


def caller(identity: Identity) -> Principal:
    return principal(key(identity, "the key in use"), PROJECTS)


COLUMNS: dict[str, Principal] = {
    "PA": caller(user("pat", role=Role.PLATFORM_ADMIN)),
    "OA": caller(user("ann", role=Role.ORGANIZATION_ADMIN)),
    "U+": caller(user("uli")),
    "U-": caller(user("una", enabled=False)),
    "AK": caller(machine(Kind.ACCOUNT)),
    "OK": caller(machine(Kind.ORGANIZATION)),
    "IK": caller(machine(Kind.INTEGRATION)),
    "GP": caller(holder(GlobalRole.PROJECT_ADMIN)),
    "PM": caller(member(("a", ADMIN))),
    "PV": caller(member(("a", "viewer"))),
}
MANAGING = Switches(organization_keys_manage=True)
HOME_ONLY = Switches(user_keys_reach_all=False)

MATRIX = """
                                     PA   OA   U+   U-   AK   OK   IK   GP   PM   PV
enable a group of A                  Y    Y    -    -    -    -    -    -    -    -
enable a group of B                  Y    -    -    -    -    -    -    -    -    -
create own user key                  Y    Y    Y    -    -    -    -    -    -    -
create somebody else's user key      -    -    -    -    -    -    -    -    -    -
create organization key of A         Y    Y    -    -    -    *2   -    -    -    -
create organization key of B         Y    -    -    -    -    -    -    -    -    -
create account key of A              Y    Y    -    -    -    *2   -    -    -    -
create account key of B              Y    -    -    -    -    -    -    -    -    -
create integration key of A          Y    Y    -    -    -    *2   -    -    -    -
create integration key of B          Y    -    -    -    -    -    -    -    -    -
create project key of a              Y    Y    -    -    -    *2   -    Y    Y    -
create project key of a2             Y    Y    -    -    -    *2   -    Y    -    -
create project key of b              Y    -    -    -    -    -    -    Y    -    -
create global key                    Y    -    -    -    -    -    -    Y    -    -
give login                           Y    -    -    -    -    -    -    Y    -    -
give project_admin                   Y    -    -    -    -    -    -    Y    -    -
give entrypoint_deployer             Y    -    -    -    -    -    -    Y    -    -
give monitor                         Y    -    -    -    -    -    -    -    -    -
give super_admin                     Y    -    -    -    -    -    -    -    -    -
edit memberships in a                Y    Y    -    -    -    *2   -    Y    Y    -
edit memberships in a2               Y    Y    -    -    -    *2   -    Y    -    -
edit memberships in b                Y    -    -    -    -    -    -    Y    -    -
see own user key                     Y    Y    Y    Y    -    -    -    -    -    -
see user key of A                    Y    Y    -    -    -    -    -    -    -    -
see user key of B                    Y    -    -    -    -    -    -    -    -    -
see organization key of A            Y    Y    -    -    -    *2   -    -    -    -
see account key of A                 Y    Y    -    -    -    *2   -    -    -    -
see integration key of A             Y    Y    -    -    -    *2   -    -    -    -
see organization key of B            Y    -    -    -    -    -    -    -    -    -
see account key of B                 Y    -    -    -    -    -    -    -    -    -
see integration key of B             Y    -    -    -    -    -    -    -    -    -
see project key of a                 Y    Y    -    -    -    *2   -    Y    Y    -
see project key of a2                Y    Y    -    -    -    *2   -    Y    -    -
see project key of b                 Y    -    -    -    -    -    -    Y    -    -
see global key                       Y    -    -    -    -    -    -    -    -    -
revoke own user key                  Y    Y    Y    Y    -    -    -    -    -    -
revoke user key of A                 Y    Y    -    -    -    -    -    -    -    -
revoke platform admin's key of A     Y    Y    -    -    -    -    -    -    -    -
revoke user key of B                 Y    -    -    -    -    -    -    -    -    -
revoke organization key of A         Y    Y    -    -    -    *2   -    -    -    -
revoke account key of A              Y    Y    -    -    -    *2   -    -    -    -
revoke integration key of A          Y    Y    -    -    -    *2   -    -    -    -
revoke organization key of B         Y    -    -    -    -    -    -    -    -    -
revoke account key of B              Y    -    -    -    -    -    -    -    -    -
revoke integration key of B          Y    -    -    -    -    -    -    -    -    -
revoke project key of a              Y    Y    -    -    -    *2   -    Y    Y    -
revoke project key of a2             Y    Y    -    -    -    *2   -    Y    -    -
revoke project key of a and a2       Y    Y    -    -    -    *2   -    Y    -    -
revoke project key of b              Y    -    -    -    -    -    -    Y    -    -
revoke global key of low rank        Y    -    -    -    -    -    -    Y    -    -
revoke global key of high rank       Y    -    -    -    -    -    -    -    -    -
revoke itself                        Y    Y    Y    Y    Y    Y    Y    Y    Y    Y
limit own user key                   Y    Y    -    -    -    -    -    -    -    -
limit user key of A                  Y    Y    -    -    -    -    -    -    -    -
limit user key of B                  Y    -    -    -    -    -    -    -    -    -
limit organization key of A          Y    Y    -    -    -    *2   -    -    -    -
limit account key of A               Y    Y    -    -    -    *2   -    -    -    -
limit integration key of A           Y    Y    -    -    -    *2   -    -    -    -
limit organization key of B          Y    -    -    -    -    -    -    -    -    -
limit account key of B               Y    -    -    -    -    -    -    -    -    -
limit integration key of B           Y    -    -    -    -    -    -    -    -    -
limit project key of a               Y    Y    -    -    -    *2   -    Y    Y    -
limit project key of a2              Y    Y    -    -    -    *2   -    Y    -    -
limit project key of a and a2        Y    Y    -    -    -    *2   -    Y    -    -
limit project key of b               Y    -    -    -    -    -    -    Y    -    -
limit global key of low rank         Y    -    -    -    -    -    -    Y    -    -
limit global key of high rank        Y    -    -    -    -    -    -    -    -    -
limit itself                         -    -    -    -    -    -    -    -    -    -
limit all keys of A                  Y    -    -    -    -    -    -    -    -    -
limit all keys of B                  Y    -    -    -    -    -    -    -    -    -
ask for the limits of A              Y    Y    -    -    -    *2   -    -    -    -
ask for the limits of B              Y    -    -    -    -    -    -    -    -    -
read the audit trail of A            Y    Y    -    -    -    -    -    -    -    -
read the audit trail of B            Y    -    -    -    -    -    -    -    -    -
read own events                      Y    Y    Y    Y    -    -    -    -    -    -
"""

THINGS = {
    "organization key of A": machine(Kind.ORGANIZATION),
    "organization key of B": machine(Kind.ORGANIZATION, "B"),
    "account key of A": machine(Kind.ACCOUNT),
    "account key of B": machine(Kind.ACCOUNT, "B"),
    "integration key of A": machine(Kind.INTEGRATION),
    "integration key of B": machine(Kind.INTEGRATION, "B"),
    "user key of A": user("other"),
    "user key of B": user("other", "B"),
    "somebody else's user key": user("other"),
    "platform admin's key of A": user("root", role=Role.PLATFORM_ADMIN),
    "project key of a": member(("a", "viewer")),
    "project key of a2": member(("a2", "viewer")),
    "project key of a and a2": member(("a", "viewer"), ("a2", "viewer")),
    "project key of b": member(("b", "viewer"), organization="B"),
    "global key": holder(GlobalRole.LOGIN),
    "global key of low rank": holder(GlobalRole.LOGIN, GlobalRole.PROJECT_ADMIN),
    "global key of high rank": holder(GlobalRole.LOGIN, GlobalRole.SUPER_ADMIN),
}
GROUPS = {"enable a group of A": "A", "enable a group of B": "B"}
TRAILS = {"read the audit trail of A": user("other"), "read the audit trail of B": user("other", "B")}
MEMBERSHIPS = {
    "edit memberships in a": THINGS["project key of a"],
    "edit memberships in a2": THINGS["project key of a2"],
    "edit memberships in b": THINGS["project key of b"],
}


def own(who: Principal) -> Identity:
    """The caller as the owner of a user key; for one who is no user, somebody that no user is."""
    return who.identity if who.identity.kind is Kind.USER else user("nobody")


def answer(who: Principal, operation: str, switches: Switches) -> bool:
    """What the rules say to a row of the matrix."""
    verb, _, thing = operation.partition(" ")
    identity = own(who) if thing == "own user key" else THINGS.get(thing)
    match verb:
        case "create" if identity is not None:
            return may_create(who, identity, switches) is None
        case "see" if identity is not None:
            return may_see(who, key(identity), switches)
        case "revoke":
            it = key(who.identity, who.key_id) if identity is None else key(identity)
            return revocable(who, it, switches) == it
        case "give":
            return may_give_roles(who, [GlobalRole(thing)], Operation.EDIT_GLOBAL_ROLES, switches) is None
        case "limit" if thing.startswith("all keys of "):
            return may_limit_organization(who, thing[-1], switches) is None
        case "limit":
            it = key(who.identity, who.key_id) if identity is None else key(identity)
            return limitable(who, it, switches) == it
        case "ask":
            return may_see_organization_limits(who, thing[-1], switches) is None
        case "enable":
            return may_manage_people(who, GROUPS[operation], switches) is None
        case "edit":
            return reaches(who, Operation.EDIT_MEMBERSHIPS, MEMBERSHIPS[operation], switches)
        case _:
            return reaches(who, Operation.READ_AUDIT, TRAILS.get(operation, own(who)), switches)


def rows() -> list[tuple[str, str, str]]:
    """(row, column, cell)."""
    head, *lines = MATRIX.strip("\n").split("\n")
    return [
        (line[:37].strip(), column, cell)
        for line in lines
        for column, cell in zip(head.split(), line[37:].split(), strict=True)
    ]


def expected(row: str, column: str, cell: str, switches: Switches) -> bool:
    if column == "PA" and not switches.user_keys_reach_all:  # as an organization administrator
        cell = next(other for name, each, other in rows() if (name, each) == (row, "OA"))
    return cell == "Y" or (cell == "*2" and switches.organization_keys_manage)


def test_the_table_has_every_column_and_a_row_for_each_thing():
    assert {column for _, column, _ in rows()} == set(COLUMNS)
    named = {row.partition(" ")[2] for row, _, _ in rows()}
    assert set(THINGS) <= named
    assert {cell for _, _, cell in rows()} == {"Y", "-", "*2"}


@pytest.mark.parametrize("switches", [Switches(), MANAGING, HOME_ONLY], ids=["default", "D9", "D22"])
@pytest.mark.parametrize(("row", "column", "cell"), rows())
def test_each_cell_of_the_matrix(row, column, cell, switches):
    assert answer(COLUMNS[column], row, switches) == expected(row, column, cell, switches)


@pytest.mark.parametrize(("row", "column", "cell"), [each for each in rows() if each[1] == "PA"])
def test_d22_a_login_of_a_platform_administrator_reaches_everything_in_both_positions(row, column, cell):
    assert answer(structs.replace(COLUMNS[column], session=True), row, HOME_ONLY) == (cell == "Y")


def test_an_identity_of_the_global_role_super_admin_has_the_column_of_a_platform_administrator():
    super_admin = caller(holder(GlobalRole.SUPER_ADMIN))
    for row, _, cell in (each for each in rows() if each[1] == "PA"):
        assert answer(super_admin, row, HOME_ONLY) == (cell == "Y" and row != "create own user key"), row


def test_a_global_role_given_to_a_user_adds_its_column_to_theirs():
    given = COLUMNS["U+"].identity
    both = caller(structs.replace(given, roles=(GlobalRole.PROJECT_ADMIN,)))
    for row in {name for name, _, _ in rows()}:
        either = answer(COLUMNS["U+"], row, Switches()) or answer(COLUMNS["GP"], row, Switches())
        assert answer(both, row, Switches()) == either, row


# --- what the columns leave open ----------------------------------------------------------------------------------


def test_1_note_1_an_administrator_outside_every_enabled_group_makes_no_user_key_and_all_others():
    for role in (Role.PLATFORM_ADMIN, Role.ORGANIZATION_ADMIN):
        outside = caller(user("ann", role=role, enabled=False))
        refusal = may_create(outside, outside.identity)
        assert refusal is not None
        assert "not enabled for any of your groups" in refusal.message
        assert may_create(outside, machine(Kind.ACCOUNT)) is None


def test_4_one_enabled_group_among_several_is_enough():
    some = structs.replace(user("uli"), groups=(GroupRights(("readGraph",)), *ENABLED))
    assert may_create(caller(some), some) is None


@pytest.mark.parametrize("switches", [Switches(), MANAGING], ids=["default", "D9"])
def test_157_an_organizations_key_never_makes_a_users(switches):
    for owner in (user("uli"), user("ann", role=Role.ORGANIZATION_ADMIN)):
        assert may_create(COLUMNS["OK"], owner, switches) is not None
        assert not may_see(COLUMNS["OK"], key(owner), switches)


@pytest.mark.parametrize("column", COLUMNS)
def test_there_is_no_way_to_know_of_what_one_does_not_see(column):
    who = COLUMNS[column]
    for identity in THINGS.values():
        assert may_know(who, identity) == may_see(who, key(identity))
        if not may_see(who, key(identity)):
            found = revocable(who, key(identity))
            blind = revocable(who, None)
            assert found in (blind, key(identity))  # hidden, or of low rank and theirs to revoke
            assert isinstance(blind, Refusal)
            assert blind.reason is Reason.UNKNOWN_KEY


def test_131_a_projects_administrator_is_told_apart_a_key_of_more_projects_and_a_foreign_one():
    pm = COLUMNS["PM"]
    more, foreign = (revocable(pm, key(THINGS[f"project key of {name}"])) for name in ("a and a2", "a2"))
    assert isinstance(more, Refusal)
    assert more.reason is Reason.NOT_ALLOWED
    assert foreign == revocable(pm, None)


@pytest.mark.parametrize(
    ("who", "identity", "above"),
    [
        ("GP", holder(), False),
        ("GP", holder(GlobalRole.LOGIN), False),
        ("GP", holder(GlobalRole.LOGIN, GlobalRole.MONITOR), True),
        ("GP", structs.replace(THINGS["project key of a"], roles=(GlobalRole.SUPER_ADMIN,)), True),
        ("PM", THINGS["project key of a"], False),
        ("PM", THINGS["project key of a and a2"], True),
        ("PM", structs.replace(THINGS["project key of a"], roles=(GlobalRole.LOGIN,)), True),
        ("OA", THINGS["project key of a and a2"], False),
        ("OA", structs.replace(THINGS["project key of a"], roles=(GlobalRole.LOGIN,)), True),
        ("OA", user("root", role=Role.PLATFORM_ADMIN), False),
        ("PA", structs.replace(THINGS["project key of a"], roles=tuple(GlobalRole)), False),
    ],
)
def test_132_nobody_revokes_what_ranks_above_them(who, identity, above):
    assert ranks(COLUMNS[who], identity) != above
    if above:
        assert isinstance(revocable(COLUMNS[who], key(identity)), Refusal)


# --- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", COLUMNS)
def test_no_key_sets_its_own_limits_whoever_it_stands_for(column):
    own = limitable(COLUMNS[column], key(COLUMNS[column].identity, "the key in use"))
    assert isinstance(own, Refusal)
    assert own.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize("column", COLUMNS)
def test_limits_tell_nobody_of_a_key_that_they_do_not_see(column):
    who = COLUMNS[column]
    blind = limitable(who, None)
    assert isinstance(blind, Refusal)
    assert blind.reason is Reason.UNKNOWN_KEY
    for identity in THINGS.values():
        if not may_see(who, key(identity)):
            assert limitable(who, key(identity)) in (blind, key(identity))  # hidden, or theirs to limit


@pytest.mark.parametrize("who", [*COLUMNS.values(), Operator()])
def test_the_session_of_a_login_is_no_key_to_limit(who):
    session = replace(key(user("other")), category="session")
    assert limitable(who, session) == limitable(who, None)


@pytest.mark.parametrize("column", COLUMNS)
def test_whoever_sets_limits_of_a_key_could_make_one_like_it(column):
    """But for users' keys, which nobody makes for somebody else."""
    who = COLUMNS[column]
    for identity in THINGS.values():
        assert (may_limit(who, identity) is None) == (limitable(who, key(identity)) == key(identity))
        if identity.kind is not Kind.USER and may_limit(who, identity) is None:
            assert may_create(who, identity) is None


def test_a_monitor_sees_the_limits_of_organizations_and_sets_none():
    monitor = caller(holder(GlobalRole.MONITOR))
    assert may_see_organization_limits(monitor, "A") is None
    assert may_limit_organization(monitor, "A") is not None
    assert all(may_limit(monitor, identity) is not None for identity in THINGS.values())


# --- the command line ---------------------------------------------------------------------------------------------


def owners(organization: str | None) -> list[Identity]:
    return [each for each in THINGS.values() if organization in (None, each.organization)]


def test_an_operator_of_all_may_do_all():
    for identity in owners(None):
        assert may_create(Operator(), identity) is None
        assert may_see(Operator(), key(identity))
        assert revocable(Operator(), key(identity)) == key(identity)
        assert limitable(Operator(), key(identity)) == key(identity)
    assert may_limit_organization(Operator(), "A") is None
    assert grantable(Operator()) == frozenset(GlobalRole)


@pytest.mark.parametrize("identity", THINGS.values(), ids=THINGS)
def test_an_operator_of_one_organization_may_do_all_there_and_nothing_elsewhere(identity):
    here = identity.organization == "A"
    assert (may_create(Operator("A"), identity) is None) == here
    assert may_see(Operator("A"), key(identity)) == here
    assert (revocable(Operator("A"), key(identity)) == key(identity)) == here
    assert (limitable(Operator("A"), key(identity)) == key(identity)) == here


def test_an_operator_of_one_organization_sets_its_limits_and_no_others():
    assert may_limit_organization(Operator("A"), "A") is None
    assert may_limit_organization(Operator("A"), "B") is not None


def test_an_operator_of_one_organization_gives_no_global_role():
    assert grantable(Operator("A")) == frozenset()
    assert may_give_roles(Operator("A"), [GlobalRole.LOGIN], Operation.EDIT_GLOBAL_ROLES) is not None
    with_role = structs.replace(THINGS["project key of a"], roles=(GlobalRole.LOGIN,))
    assert isinstance(revocable(Operator("A"), key(with_role)), Refusal)


# --- listings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("switches", [Switches(), MANAGING, HOME_ONLY], ids=["default", "D9", "D22"])
@pytest.mark.parametrize("who", [*COLUMNS.values(), Operator(), Operator("A")])
def test_i9_reaching_is_being_in_an_extent_and_no_extent_is_in_another(who, switches):
    for operation, identity in product(Operation, THINGS.values()):
        found = extents(who, operation, switches)
        assert reaches(who, operation, identity, switches) == any(each.holds(identity) for each in found)
        assert len(set(found)) == len(found)
        everything = [each for each in found if (each.organization, each.user, each.project) == (None, None, None)]
        assert not everything or len(found) == 1
