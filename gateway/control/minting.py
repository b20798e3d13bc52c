"""Making secrets and ids, from a clock and a source of randomness that are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from gateway.keys import RANDOM_BYTES, Digest, Key, Prefix, digest, issue


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key and its secret, which is shown to its creator and is nowhere else, not even in a repr."""

    key: Key
    secret: str = field(repr=False)

    @property
    def digest(self) -> Digest:
        return digest(self.secret)


@dataclass(frozen=True, slots=True)
class Mint:
    """`now` is milliseconds since the epoch; `randomness(n)` is n bytes fit for secrets."""

    now: Callable[[], int]
    randomness: Callable[[int], bytes]

    def id(self) -> str:
        """A random UUID."""
        return str(UUID(bytes=self.randomness(16), version=4))

    def secret(self, prefix: Prefix) -> str:
        return issue(prefix, self.randomness(RANDOM_BYTES))
