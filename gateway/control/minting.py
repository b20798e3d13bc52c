"""Making secrets and ids, from a clock and a source of randomness that are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from gateway.keys import RANDOM_BYTES, Key, Prefix, hexadecimal, issue


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key and its secret, which is shown to its creator and is nowhere else, not even in a repr.

    The secret is empty where its owner chose it and told its digest alone.
    """

    key: Key
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mint:
    """`now` is milliseconds since the epoch; `randomness(n)` is n bytes fit for secrets.

    `plain`: secrets of projects' and global keys look as Contember's do, 40 hexadecimal digits.
    """

    now: Callable[[], int]
    randomness: Callable[[int], bytes]
    plain: bool = False

    def id(self) -> str:
        """A random UUID."""
        return str(UUID(bytes=self.randomness(16), version=4))

    def secret(self, prefix: Prefix) -> str:
        fresh = self.randomness(RANDOM_BYTES)
        if self.plain and prefix in (Prefix.PROJECT, Prefix.GLOBAL):
            return hexadecimal(fresh)
        return issue(prefix, fresh)
