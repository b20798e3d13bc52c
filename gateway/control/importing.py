"""Keys that live elsewhere today: their digests are taken over, so that their bearers notice nothing.

All of it is one change: every line is held against the same rules as a key that is made here, each fault is told with
its line, and with one fault nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.control.rejection import Rejection, existing
from gateway.control.tokens import NewKey, Tokens
from gateway.http1 import Reason
from gateway.keys import Identity, Kind, Membership, Operator
from gateway.stores.base import Change, Conflict, Registry

LINES = 1_000
"""Keys in one import. They are one change, and every other change, a revocation too, waits until it ends."""


@dataclass(frozen=True, slots=True)
class ImportedKey:
    """One key: `line` is where it stands in its file. Of the last five that one is given which belongs to the kind."""

    line: int
    kind: Kind
    wanted: NewKey
    organization: str
    user: str | None = None
    """An email address."""
    instance: str | None = None
    project: str | None = None
    memberships: tuple[Membership, ...] = ()
    roles: tuple[str, ...] = ()


class ImportRejected(Exception):  # noqa: N818 (an answer, not a fault)
    """Nothing was imported; `faults` are (line, what is wrong with it), by line."""

    def __init__(self, faults: Sequence[tuple[int, str]]) -> None:
        super().__init__("\n".join(f"line {line}: {fault}" for line, fault in faults))
        self.faults = tuple(faults)


async def import_keys(registry: Registry, tokens: Tokens, keys: Sequence[ImportedKey]) -> int:
    """Makes all of the keys or none; their number. For the operator only. Raises ImportRejected, StoreUnavailable."""
    if len(keys) > LINES:
        raise ImportRejected([(keys[LINES].line, f"an import has up to {LINES} keys: split the file")])
    if faults := list(_faults(keys)):
        raise ImportRejected(faults)
    async with registry.change() as change:
        for key in keys:
            try:
                await _create(change, tokens.within(change), key)
            except Rejection as rejection:
                if _is_taken(rejection):  # the database may have given the change up: no later line can be judged
                    raise ImportRejected([*faults, (key.line, rejection.refusal.message)]) from None
                faults.append((key.line, rejection.refusal.message))
        if faults:
            raise ImportRejected(faults)
    return len(keys)


def _faults(keys: Iterable[ImportedKey]) -> Iterable[tuple[int, str]]:
    """What can be told without the store."""
    seen: dict[str, int] = {}
    for key in keys:
        digest = key.wanted.digest
        if digest is None:
            yield key.line, "the digest is missing: the SHA-256 of the secret"
        elif digest in seen:
            yield key.line, f"the digest stands in line {seen[digest]} already"
        else:
            seen[digest] = key.line


def _is_taken(rejection: Rejection) -> bool:
    return isinstance(rejection.__context__, Conflict)


async def _create(change: Change, tokens: Tokens, key: ImportedKey) -> None:
    operator, wanted = Operator(), key.wanted
    match key.kind:
        case Kind.ACCOUNT:
            await tokens.create_account_key(operator, wanted, organization=key.organization)
        case Kind.ORGANIZATION:
            await tokens.create_organization_key(operator, wanted, organization=key.organization)
        case Kind.USER:
            await tokens.create_user_key(operator, wanted, owner=await _owner(change, key))
        case Kind.INTEGRATION:
            await tokens.create_integration_key(operator, wanted, instance=key.instance or "")
        case Kind.PROJECT:
            await tokens.create_project_key(operator, wanted, project=key.project or "", memberships=key.memberships)
        case Kind.GLOBAL:
            await tokens.create_global_key(operator, wanted, roles=key.roles)


async def _owner(change: Change, key: ImportedKey) -> Identity:
    user = await change.user_of(key.user or "")
    found = await change.identity_of(user.id, key.organization) if user else None
    return existing(found, Reason.UNKNOWN_USER, "user")
