"""What an operator can set about the stores; times are in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Where the keys are, and the limits of looking them up. Raises ValueError for one that is not positive; only
    `lease` may be 0."""

    path: Path
    """The SQLite file, made by `gateway init`; with `url` it is not used."""

    url: str | None = field(default=None, repr=False)
    """`postgresql://` address with its credentials; None for the SQLite file."""

    sql_connections: int = 4
    """Connections to the database, in SQLite a thread each. One may be held by a change, the others serve reads; calls
    look keys up in SQLite without them, see `local_keys`."""

    sql_wait: float = 5.0
    """How long a change waits for another one to end, in this process or in another. An import may take seconds."""

    loop_wait: float = 0.05
    """How long the event loop itself may be held up by a locked database. Readers are locked out only while another
    process repairs the file after a crash, which takes milliseconds. SQLite only."""

    lookup_timeout: float = 2.0
    """The longest that a call waits for its key, whatever is away; then it is `Unavailable`. Clients give up later."""

    lookups: int = 32
    """Look-ups under way at once, and so connections to Redis; the others wait their turn within `lookup_timeout`."""

    memory_keys: int = 10_000
    """Keys held in this process, least recently used first to go; about 2 KB each."""

    absent_keys: int = 10_000
    """Digests remembered to be nobody's. They have their own room, so that junk cannot push out good keys."""

    absent_seconds: float = 10.0
    """How long an absent digest is remembered. Creating the key ends it at once; this only gives the room back."""

    catch_up_rows: int = 1_000
    """Changes read one by one before a call; further behind than that, everything is forgotten instead."""

    lease: float = 2.0
    """For how long a gateway may trust what it remembers without hearing from PostgreSQL. A revocation waits so long at
    most for a gateway that is stopped or cut off; known keys are served so long at most while the server is away. With
    0 every call asks the server, and while that is away no key is served."""

    redis_url: str | None = field(default=None, repr=False)
    """Address with its credentials, of a form of `redis_address`; None leaves the level out."""

    redis_timeout: float = 0.1
    """The longest that a look-up waits for Redis before SQL is asked; a healthy one answers in under 0.001."""

    redis_cooldown: float = 1.0
    """After a failure one look-up in so many seconds tries Redis again, the others go straight to SQL."""

    redis_ttl: int = 300
    """How long Redis keeps an entry. Not what makes a revocation take effect: see `resolver`."""

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if option.name != "lease" and isinstance(value, int | float) and value <= 0:
                raise ValueError(f"`{option.name}` must be more than 0, not {value}")
        if self.lease < 0:
            raise ValueError(f"`lease` must not be less than 0, not {self.lease}")
        if self.sql_connections == 1:
            raise ValueError("`sql_connections` must be at least 2: a change under way holds one")
