"""What a key may do at all: its effective policy, whatever stands behind it.

| kind | policy |
|---|---|
| user | everything for an administrator, else what the user's groups give, and the user's memberships |
| account | its own policy text |
| organization | everything in its organization |
| integration | `persister:Synchronize` on its own instance, and nothing else |
| project | what its memberships give |
| global | nothing: global roles are about keys and people |

All of it is in the product data of the identity's own organization. Managing keys is no part of it, see `rules`.
"""

from __future__ import annotations

from functools import lru_cache

from gateway.keys.model import Identity, Key, Kind, Principal, Role
from gateway.keys.permissions import group_statements
from gateway.keys.projects import Projects, membership_statements
from gateway.keys.rules import is_session
from gateway.policy import ANY, UNLIMITED, Effect, Policy, PolicyError, Statement, parse

_NOTHING = Policy(())

_REMEMBERED = 1024
"""Policies of texts that were read lately: keys that a program makes have one text among them, and so one policy."""
_REMEMBERED_TEXT = 4096
"""Characters up to which that is done; the documented policies have about 200."""


def principal(key: Key, projects: Projects) -> Principal:
    """The key compiled for deciding. Whether it is live is not looked at here."""
    policy = _account(key.policy) if key.identity.kind is Kind.ACCOUNT else policy_of(key.identity, projects)
    return Principal(
        key.id,
        key.version,
        key.name,
        key.identity,
        policy,
        key.expires_at,
        session=is_session(key),
        limits=key.limits,
        organization_limits=key.organization_limits,
    )


def policy_of(identity: Identity, projects: Projects) -> Policy:
    """What an identity may do now, whatever key it uses; the policy of an account key is the key's own."""
    match identity.kind:
        case Kind.USER:
            return _user(identity, projects)
        case Kind.ORGANIZATION:
            return _allow("organization", ANY, ANY)
        case Kind.INTEGRATION if identity.integration_instance:
            return _allow("integration", "persister:Synchronize", f"integration:{identity.integration_instance}")
        case Kind.PROJECT:
            return Policy(membership_statements(identity, projects))
        case _:
            return _NOTHING


def _account(text: str | None) -> Policy:
    """A text that does not parse, such as one from an import, allows nothing; it is never read in part."""
    if text is None:
        return _NOTHING
    return _remembered(text) if len(text) <= _REMEMBERED_TEXT else _read(text)


def _read(text: str) -> Policy:
    try:
        return parse(text, UNLIMITED)
    except PolicyError:
        return _NOTHING


_remembered = lru_cache(_REMEMBERED)(_read)


def _user(identity: Identity, projects: Projects) -> Policy:
    if identity.role in (Role.PLATFORM_ADMIN, Role.ORGANIZATION_ADMIN):
        return _allow(f"role:{identity.role}", ANY, ANY)
    return Policy((*group_statements(identity.groups), *membership_statements(identity, projects)))


@lru_cache(_REMEMBERED)
def _allow(statement: str, action: str, resource: str) -> Policy:
    return Policy((Statement(statement, Effect.ALLOW, (action,), (resource,)),))
