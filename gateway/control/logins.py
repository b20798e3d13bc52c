"""Getting in without a secret that somebody set beforehand: a one-time login link, exchanged for a session.

The link carries a code of which only the digest is stored. It works once, and not for long. A session is an ordinary
key of the user's identity with the category `session`: it ends by itself, and is revoked like any other key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gateway.control.minting import Issued, Mint
from gateway.control.rejection import Rejection, existing
from gateway.control.texts import refuse_email, refuse_organization_id
from gateway.control.trail import OPERATOR
from gateway.http1 import Reason
from gateway.keys import SESSION, Identity, Key, Kind, Prefix, Role, digest, prefix_of, start
from gateway.stores.base import Change, Registry
from gateway.stores.values import AuditEvent, Organization, User

_MINUTE = 60_000
_HOUR = 60 * _MINUTE


@dataclass(frozen=True, slots=True)
class LoginOptions:
    link_minutes: int = 60
    """A link is opened at once by the person who asked for it; later it is likely to be somebody else."""
    session_hours: int = 8
    """A working day."""


@dataclass(frozen=True, slots=True)
class OneTimeLogin:
    """A login that can be redeemed once, before `expires_at` (milliseconds since the epoch)."""

    identity: Identity
    expires_at: int
    code: str = field(repr=False)


class Logins:
    """`now` is milliseconds since the epoch, `randomness(n)` is n bytes fit for secrets. Raises as `Tokens` does."""

    def __init__(
        self, registry: Registry, options: LoginOptions, now: Callable[[], int], randomness: Callable[[int], bytes]
    ) -> None:
        self._registry = registry
        self._options = options
        self._mint = Mint(now, randomness)

    async def found(self, organization: Organization, email: str) -> OneTimeLogin:
        """The first organization of an installation and its platform administrator, who gets in by the login.

        Refused when there is an organization already.
        """
        refuse_organization_id(organization.id)
        refuse_email(email)
        if await self._registry.organizations():
            raise Rejection(Reason.NOT_ALLOWED, "this installation has its first organization already")
        user = self._mint.id()
        identity = Identity(self._mint.id(), Kind.USER, organization.id, user=user, role=Role.PLATFORM_ADMIN)
        async with self._registry.change() as change:
            await change.add_organization(organization)
            await change.add_user(user, email, platform_admin=True)
            await change.change_user(User(user, email, platform_admin=True, created_at=self._mint.now()))
            await change.add_member(user, organization.id, Role.ORGANIZATION_ADMIN)
            await change.add_identity(identity)
            await change.audit(self._event(identity, OPERATOR, "organization.found", organization.id))
            return await self._add(change, identity)

    async def create_login(self, email: str, organization: str) -> OneTimeLogin:
        """A login for a user who is there; for the operator only."""
        identity = await self._registry.user_identity(email, organization)
        if identity is None:
            raise Rejection(Reason.INVALID_INPUT, "there is no user of this email address in this organization")
        async with self._registry.change() as change:
            return await self._add(change, identity)

    async def redeem(self, code: str) -> Issued:
        """A session for a login's user; the login is used up."""
        if prefix_of(code) is not Prefix.LOGIN:  # before a change, for which others would wait
            raise _no_login()
        now = self._mint.now()
        async with self._registry.change() as change:
            identity = await change.use_login(digest(code), now=now)
            if identity is None:
                raise _no_login()
            user = existing(await change.user(identity.user or ""), Reason.UNKNOWN_USER, "user")
            await change.change_user(replace(user, last_login_at=now))
            session = self._session(identity, now)
            await change.add_key(session.key, digest(session.secret))
            await change.audit(self._event(identity, identity.id, "login.redeem", session.key.id))
            return session

    async def _add(self, change: Change, identity: Identity) -> OneTimeLogin:
        code = self._mint.secret(Prefix.LOGIN)
        expires_at = self._mint.now() + self._options.link_minutes * _MINUTE
        await change.add_login(digest(code), identity.id, expires_at=expires_at)
        await change.audit(self._event(identity, OPERATOR, "login.create", identity.id))
        return OneTimeLogin(identity, expires_at, code)

    def _session(self, identity: Identity, now: int) -> Issued:
        secret = self._mint.secret(Prefix.SESSION)
        key = Key(
            id=self._mint.id(),
            identity=identity,
            name="login",
            category=SESSION,
            policy=None,
            start=start(secret),
            created_at=now,
            created_by=identity.id,
            expires_at=now + self._options.session_hours * _HOUR,
            revoked_at=None,
        )
        return Issued(key, secret)

    def _event(self, identity: Identity, actor: str, event: str, subject: str) -> AuditEvent:
        return AuditEvent(self._mint.now(), actor, identity.organization, event, subject)


def _no_login() -> Rejection:
    return Rejection(Reason.INVALID_KEY, "this login was used, has expired, or never was: ask for a new one")
