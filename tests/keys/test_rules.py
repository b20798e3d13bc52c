"""The permission matrix, cell by cell. Numbers are those of the edge cases that the product was specified with."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from gateway.http1 import Reason, Refusal
from gateway.keys import (
    API_KEYS,
    Actor,
    GroupRights,
    Identity,
    Key,
    Kind,
    Lifetimes,
    Operator,
    Principal,
    Role,
    expired,
    expiry,
    is_session,
    may_create,
    may_see,
    principal,
    revocable,
)

DAY = 24 * 60 * 60 * 1000
SUPER = '{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}'


def user(name: str, organization: str, role: Role = Role.USER) -> Identity:
    enabled = (GroupRights((API_KEYS,)),)
    return Identity(f"{name}@{organization}", Kind.USER, organization, user=name, role=role, groups=enabled)


def account(organization: str) -> Identity:
    return Identity(f"account@{organization}", Kind.ACCOUNT, organization)


def integration(organization: str) -> Identity:
    return Identity(f"integration@{organization}", Kind.INTEGRATION, organization, integration_instance="i1")


def key(identity: Identity, key_id: str = "", policy: str | None = None) -> Key:
    return Key(key_id or f"key of {identity.id}", identity, "name", None, policy, "gwa_abcd", 0, None, None, None)


def actor(identity: Identity, policy: str | None = None) -> Principal:
    return principal(key(identity, "the key in use", policy), {})


ACTORS: dict[str, Actor] = {
    "operator": Operator(),
    "operator of A": Operator("A"),
    "platform": actor(user("pat", "A", Role.PLATFORM_ADMIN)),
    "admin": actor(user("ann", "A", Role.ORGANIZATION_ADMIN)),
    "user": actor(user("uli", "A")),
    "super": actor(account("A"), SUPER),
    "integration": actor(integration("A")),
}
OWNERS = {
    "own": None,
    "user of A": user("other", "A"),
    "account of A": account("A"),
    "integration of A": integration("A"),
    "user of B": user("other", "B"),
    "account of B": account("B"),
    "integration of B": integration("B"),
}

CREATE = """
                    operator  operator of A  platform  admin  user  super  integration
own                 -         -              yes       yes    yes   no     no
user of A           yes       yes            no        no     no    no     no
account of A        yes       yes            yes       yes    no    no     no
integration of A    yes       yes            yes       yes    no    no     no
user of B           yes       no             no        no     no    no     no
account of B        yes       no             yes       no     no    no     no
integration of B    yes       no             yes       no     no    no     no
"""
SEE_AND_REVOKE = """
                    operator  operator of A  platform  admin  user  super  integration
own                 -         -              yes       yes    yes   no     no
user of A           yes       yes            yes       yes    no    no     no
account of A        yes       yes            yes       yes    no    no     no
integration of A    yes       yes            yes       yes    no    no     no
user of B           yes       no             yes       no     no    no     no
account of B        yes       no             yes       no     no    no     no
integration of B    yes       no             yes       no     no    no     no
"""


def cells(matrix: str) -> list[tuple[str, str, bool]]:
    """(actor, owner, may) of a table above; `-` is no case: an operator has no keys of their own."""
    _, _, *lines, _ = matrix.split("\n")
    rows = [(line[:20].strip(), line[20:].split()) for line in lines]
    return [
        (who, owner, answer == "yes")
        for owner, answers in rows
        for who, answer in zip(ACTORS, answers, strict=True)
        if answer != "-"
    ]


def owned(who: str, owner: str) -> tuple[Actor, Identity]:
    caller = ACTORS[who]
    identity = OWNERS[owner]
    if identity is None:
        assert isinstance(caller, Principal)
        # another key of the same owner; account and integration keys have an identity each
        identity = caller.identity
        if identity.kind is not Kind.USER:
            identity = structs.replace(identity, id="another")
    return caller, identity


@pytest.mark.parametrize(("who", "owner", "may"), cells(CREATE))
def test_who_may_create_whose_keys(who, owner, may):
    refusal = may_create(*owned(who, owner))
    assert (refusal is None) == may
    assert refusal is None or refusal.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize(("who", "owner", "may"), cells(SEE_AND_REVOKE))
def test_who_may_see_and_revoke_whose_keys(who, owner, may):
    caller, identity = owned(who, owner)
    stored = key(identity)
    assert may_see(caller, stored) == may
    assert (revocable(caller, stored) == stored) == may


@pytest.mark.parametrize("who", [who for who, caller in ACTORS.items() if isinstance(caller, Principal)])
def test_133_every_key_may_end_itself(who):
    caller = ACTORS[who]
    itself = key(caller.identity, caller.key_id)
    assert revocable(caller, itself) is itself


@pytest.mark.parametrize("who", ACTORS)
def test_130_a_key_that_is_not_yours_is_answered_like_one_that_there_is_not(who):
    answers = {revocable(ACTORS[who], stored) for stored in (None, *(key(owner) for owner in OWNERS.values() if owner))}
    refusals = {answer for answer in answers if isinstance(answer, Refusal)}
    (refusal,) = refusals
    assert refusal.reason is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("who", "owner", "told"),
    [
        ("super", account("A"), "whatever the policy allows"),
        ("user", account("A"), "need to be an administrator"),
        ("admin", account("B"), "your own organization and projects only"),
        ("admin", user("uli", "A"), "by its own user only"),
    ],
)
def test_a_refusal_tells_a_person_what_to_do(who, owner, told):
    refusal = may_create(ACTORS[who], owner)
    assert refusal is not None
    assert told in refusal.message
    assert "contact a platform administrator" in refusal.message or "own user" in refusal.message


def test_153_a_user_key_of_one_organization_makes_none_for_the_same_user_in_another():
    assert may_create(actor(user("uli", "A")), user("uli", "B")) is not None
    login = structs.replace(actor(user("uli", "A")), session=True)
    assert may_create(login, user("uli", "B")) is None


def test_148_an_administrator_of_one_organization_sees_their_own_keys_of_another_and_nobody_elses_there():
    ann = actor(user("ann", "A", Role.ORGANIZATION_ADMIN))
    assert may_see(ann, key(user("uli", "A")))
    assert may_see(ann, key(user("ann", "B")))
    assert not may_see(ann, key(user("uli", "B")))
    assert not may_see(ann, key(account("B")))


def test_a_user_without_a_role_manages_nothing():
    nobody = actor(structs.replace(user("uli", "A"), role=None))
    assert may_create(nobody, nobody.identity) is not None
    assert not may_see(nobody, key(nobody.identity))


def test_168_an_administrator_of_another_organization_has_no_say_here():
    assert revocable(actor(user("ann", "B", Role.ORGANIZATION_ADMIN)), key(account("A"))) != key(account("A"))


# --- lifetimes ----------------------------------------------------------------------------------------------------

USERS_AND_ACCOUNTS = pytest.mark.parametrize("kind", [Kind.USER, Kind.ACCOUNT])
ALL_KINDS = pytest.mark.parametrize("kind", Kind)


@ALL_KINDS
def test_14_a_day_has_24_hours(kind):
    assert expiry(kind, 1_700_000_000_123, 30, Lifetimes()) == 1_700_000_000_123 + 30 * DAY


@ALL_KINDS
@pytest.mark.parametrize("days", [0, -1, 8, 10**9])
def test_15_days_are_between_one_and_the_longest_lifetime(kind, days):
    refusal = expiry(kind, 0, days, Lifetimes(default_days=5, max_days=7))
    assert refusal == Refusal(Reason.INVALID_INPUT, "a key can live for 1 to 7 days")
    assert expiry(kind, 0, 1, Lifetimes(5, 7)) == DAY
    assert expiry(kind, 0, 7, Lifetimes(5, 7)) == 7 * DAY


@pytest.mark.parametrize(("now", "dead"), [(99, False), (100, True), (101, True)])
def test_17_the_end_has_come_at_its_very_millisecond(now, dead):
    assert expired(100, now) == dead
    assert not expired(None, now)


@USERS_AND_ACCOUNTS
def test_25_a_key_without_a_wish_has_the_default_lifetime(kind):
    assert expiry(kind, 7, None, Lifetimes(default_days=5, max_days=7)) == 7 + 5 * DAY


def test_an_integration_key_has_no_end_unless_asked_for():
    assert expiry(Kind.INTEGRATION, 7, None, Lifetimes()) is None


def test_a_session_is_a_users_key_of_that_category_and_no_other():
    session = replace(key(user("uli", "A")), category="session")
    assert is_session(session)
    assert not is_session(replace(session, category=None))
    assert not is_session(replace(session, identity=account("A")))
