"""The signed `Gateway-Identity` header: who is asking, in a form that an upstream can verify.

A JSON Web Token, HS256, with the claims `iss`, `sub` (identity), `key`, `org`, `kind`, `iat` and `exp`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import jwt
from cachetools import LRUCache

from gateway.keys import Principal


@dataclass(frozen=True, slots=True)
class IdentityOptions:
    """Times are seconds. Raises ValueError for a secret that can be guessed."""

    secret: str = field(repr=False)
    """At least 32 bytes, the size of the hash: RFC 7518, section 3.2."""
    issuer: str = "gateway"
    lifetime: int = 60
    """How long a token is good: longer than a call takes to be looked at, too short to be of use elsewhere."""
    reuse: int = 30
    """How long one token is sent with a key's calls; signing each call would cost more than the rest of it."""
    kept: int = 10_000
    """Tokens held, a few hundred bytes each."""

    def __post_init__(self) -> None:
        if len(self.secret.encode()) < 32:  # noqa: PLR2004
            raise ValueError("the identity secret must have at least 32 bytes")
        if not 0 <= self.reuse < self.lifetime:
            raise ValueError("`reuse` must be less than `lifetime`")


class Identities:
    """Tokens for principals."""

    def __init__(self, options: IdentityOptions) -> None:
        self._options = options
        self._made: LRUCache[tuple[str, int], tuple[int, bytes]] = LRUCache(options.kept)

    def token(self, principal: Principal, now: int) -> bytes:
        """The token of a key at `now` (milliseconds since the epoch), good for `lifetime - reuse` at least."""
        name = (principal.key_id, principal.version)
        made_at, token = self._made.get(name, (0, b""))
        if token and 0 <= now - made_at < self._options.reuse * 1000:
            return token
        token = self._signed(principal, now // 1000)
        self._made[name] = (now, token)
        return token

    def _signed(self, principal: Principal, now: int) -> bytes:
        claims = {
            "iss": self._options.issuer,
            "sub": principal.identity.id,
            "key": principal.key_id,
            "org": principal.organization,
            "kind": str(principal.identity.kind),
            "iat": now,
            "exp": now + self._options.lifetime,
        }
        return jwt.encode(claims, self._options.secret, algorithm="HS256").encode()
