"""What a key may do at all: its effective policy, whatever stands behind it.

| kind | policy |
|---|---|
| account | its own policy text |
| integration | `persister:Synchronize` on its own instance, and nothing else |
| user, administrator | everything in the product data of their organization |
| user | nothing yet: users get their rights from groups, and there are no groups yet |

Managing keys is no part of it, see `rules`.
"""

from __future__ import annotations

from gateway.keys.model import Identity, Key, Kind, Principal, Role
from gateway.policy import ANY, Effect, Policy, PolicyError, PolicyOptions, Statement, parse

_NOTHING = Policy(())

# What was accepted when the key was made stays so, under whatever limits that was.
_UNLIMITED = 2**31
_ACCEPTED = PolicyOptions(
    max_characters=_UNLIMITED,
    max_statements=_UNLIMITED,
    max_names=_UNLIMITED,
    max_values=_UNLIMITED,
    max_value_characters=_UNLIMITED,
)


def principal(key: Key) -> Principal:
    """The key compiled for deciding. Whether it is live is not looked at here."""
    return Principal(key.id, key.version, key.name, key.identity, _policy(key), key.expires_at)


def _policy(key: Key) -> Policy:
    match key.identity.kind:
        case Kind.ACCOUNT:
            return _account(key.policy)
        case Kind.INTEGRATION:
            return _integration(key.identity)
        case Kind.USER:
            return _user(key.identity)


def _account(text: str | None) -> Policy:
    """A text that does not parse, such as one from an import, allows nothing; it is never read in part."""
    try:
        return _NOTHING if text is None else parse(text, _ACCEPTED)
    except PolicyError:
        return _NOTHING


def _integration(identity: Identity) -> Policy:
    if not identity.integration_instance:
        return _NOTHING
    return _allow("integration", "persister:Synchronize", f"integration:{identity.integration_instance}")


def _user(identity: Identity) -> Policy:
    if identity.role not in (Role.PLATFORM_ADMIN, Role.ORGANIZATION_ADMIN):
        return _NOTHING
    return _allow(f"role:{identity.role}", ANY, ANY)


def _allow(statement: str, action: str, resource: str) -> Policy:
    return Policy((Statement(statement, Effect.ALLOW, (action,), (resource,)),))
