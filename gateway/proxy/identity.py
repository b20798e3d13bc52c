"""The signed `Gateway-Identity` header: who is asking, in a form that an upstream can verify.

A JSON Web Token, HS256, with the claims `iss`, `sub` (identity), `key`, `org`, `kind`, `iat` and `exp`. It is only made
here, never read, and always with the same head: that is one line of RFC 7515 (section 7.1), for which PyJWT takes six
times as long; the tests read it with PyJWT.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass, field

import msgspec

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


_HEAD = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
"""`{"alg":"HS256","typ":"JWT"}`"""

_encode = msgspec.json.Encoder().encode


class Identities:
    """Tokens for principals."""

    def __init__(self, options: IdentityOptions) -> None:
        self._options = options
        self._mac = hmac.new(options.secret.encode(), digestmod="sha256")
        self._made: OrderedDict[tuple[str, int], tuple[int, bytes]] = OrderedDict()  # the last that was made at the end

    def token(self, principal: Principal, now: int) -> bytes:
        """The token of a key at `now` (milliseconds since the epoch), good for `lifetime - reuse` at least."""
        name = (principal.key_id, principal.version)
        made_at, token = self._made.get(name, (0, b""))
        if token and 0 <= now - made_at < self._options.reuse * 1000:
            return token
        token = self._signed(principal, now // 1000)
        self._made[name] = (now, token)
        self._made.move_to_end(name)
        if len(self._made) > self._options.kept:
            self._made.popitem(last=False)
        return token

    def own(self, organization: str, now: int) -> bytes:
        """A token for what the gateway asks on its own behalf: of no key, and of a kind that no identity has."""
        return self._signed_claims({"sub": "gateway", "key": "", "org": organization, "kind": "gateway"}, now // 1000)

    def _signed(self, principal: Principal, now: int) -> bytes:
        whose = {
            "sub": principal.identity.id,
            "key": principal.key_id,
            "org": principal.organization,
            "kind": principal.identity.kind,
        }
        return self._signed_claims(whose, now)

    def _signed_claims(self, whose: dict[str, str], now: int) -> bytes:
        claims = {"iss": self._options.issuer, **whose, "iat": now, "exp": now + self._options.lifetime}
        text = b"%b.%b" % (_HEAD, _base64url(_encode(claims)))
        mac = self._mac.copy()  # the secret is hashed already
        mac.update(text)
        return b"%b.%b" % (text, _base64url(mac.digest()))


def _base64url(data: bytes) -> bytes:
    """Without padding: RFC 7515, section 2."""
    return urlsafe_b64encode(data).rstrip(b"=")
