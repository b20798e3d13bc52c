"""Digest -> principal, in three levels: this process, Redis, the database.

**The promise.** `find` and `held` never answer with what was no longer true when the call began, however warm the
caches are and whichever process made the change, on this machine (SQLite) or on any (PostgreSQL). No entry's age plays
a part in it. A change is made when it is acknowledged: when `change` of the registry ends. A call may see it before,
from its commit.

**What it stands on.** The database holds a history: one row of `changes` for each change of what a digest resolves to,
written in the transaction that makes the change. Changes are made one after the other (SQLite has one writer at a time;
for PostgreSQL see `postgres`), so the order of the rows is the order of the commits, and whoever sees a row sees its
change and all before it. A process follows the history (see `journal`, `postgres_journal`):

1. *Before the memory is looked into*, `catch_up` makes sure that the rows of all changes that were acknowledged before
   the call have been read, and that what they name was dropped. So what is left in memory was true then or later. In
   SQLite it asks the file. In PostgreSQL either this gateway's lease holds, and then no change is acknowledged whose
   row it has not read (see `leases`), or `catch_up` asks the server. `catch_up_at_once` is the same where nothing needs
   to be waited for, and says so; `held` answers then alone. Calls share a question only if it was asked after the
   heads of both had come (`came`): it is answered with all that was acknowledged before either of them began. A turn of
   the loop that brings many calls asks once.
2. *Before a record is kept or answered with*, two things are asked. `is_current`: is the record's mark a point of this
   history, and does no later row concern its digest or its organization? A record carries the mark at which it was
   read, in the same statement. And, in the step in which the record is kept: has `catch_up` told of its digest since
   the record was asked for (`_overtaken`), or of its organization a row that is newer than its mark (its epoch, see
   below)? In SQLite the two are one, because nothing there suspends; in PostgreSQL the answer to the first may be
   older than what was told meanwhile.

**Epochs.** A group, a limit or the longest life of an organization's keys may concern 10^5 keys in memory; dropping
them one by one would stop the loop. The epoch of an organization is the number of the newest row for it that was told.
What is in memory has the organization of its key, also of one that is suspended, and the number of its mark: it is
dropped, which is to say not used, when that is less than the epoch. That a record's mark is not less means that the
row was there when the record was read. Both are numbers of one history: when another one is found, all that is in
memory and under way is dropped at once, and with it the epochs. A key never moves to another organization.

**Why no stale record gets through.**

- *What is used from memory is never older than where the journal stands.* A record was true at the moment A of its
  reading. The rows that the journal had read when the asking began are in it; those that it read since would have
  overtaken it, or raised the epoch above it; all others it will still read, and then the record is dropped. Who reads
  them, a call or the lease, is the same.
- *A refill after a revocation.* A reads the key, B revokes it, A writes what it has read to Redis or to its memory:
  the mark is older than B's row, so rule 2 refuses it in every process, whatever the order of the writes. That Redis
  keeps the newer of two records, and that keys which were revoked leave theirs, is housekeeping; so are deletions from
  it, and the messages that wake the gateways of a PostgreSQL save time. Nothing depends on them.
- *A change that is lost again*, because a server takes over that lacks it or a backup is put back: who has been told of
  it learns that the history is another one. So what was read after a change that was not told yet is answered with,
  and not kept: where the journal stands before that change, the history that goes on without it is the same one.
- *Callers that share one look-up.* One that joined late may have begun after a revocation that the look-up did not
  see. But by rule 1 its row was read before they joined, which has overtaken the look-up, or raised the epoch above
  what it has read. A flight is taken off the board in the step in which its record is kept, so nobody can join an
  answer that was given before they called.
- *Redis back with old data*, a failover to a lagging replica, another installation's entries, or a database restored
  from a backup whose numbers run on differently: marks carry a random nonce beside the number, so a mark of another
  history is no point of ours. Redis answering under the wrong name: the digest in the record is compared.
- *Absent keys* are remembered under rule 1 too: making the key writes a row that drops the memory of its absence, and
  giving a group its right back raises the epoch of those that were suspended.

**When the history cannot be read** (a disk error; the file gone or replaced: its inode is compared for every call; the
server away), nothing held can be trusted, and the answer is `Unavailable` until it can be read again. A lease that was
given before holds to its end: nobody acknowledges a change in that time.

Junk cannot push out good keys: absent digests have a cache of their own, those that no key ever had are never put into
Redis, and all take one of `lookups` places while they are looked up.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from cachetools import TTLCache
from msgspec import Struct

from gateway.keys import Digest, Key, Principal
from gateway.stores.base import Absent, Found, Level, Observer, StoreUnavailable, Unavailable
from gateway.stores.journal import Changed, History, Record
from gateway.stores.options import StoreOptions
from gateway.stores.redis import RedisLevel

_log = logging.getLogger(__name__)

_ROUNDS = 3
"""How often a key is read at most because it changed while it was read; one change in that moment is rare enough."""

_NOBODY = Digest("")
"""No key's digest: what health looks up."""


Answer = TypeVar("Answer", Principal, Absent)


class _Held(Struct, Generic[Answer], frozen=True, gc=False):
    """What is in memory: true at change number `at`, and until the organization's next one.

    Like the answer, nothing that the garbage collector need walk: there are 10^5 of them.
    """

    answer: Answer
    organization: str
    at: int


class LayeredResolver:
    """The three levels; see the module's text for what it promises. Close it before the levels below.

    `load` asks the database; `compiled` makes of a key what it may do now; `timer` counts seconds, for forgetting
    absent digests.
    """

    def __init__(  # noqa: PLR0913 (the parts it is put together from)
        self,
        options: StoreOptions,
        *,
        journal: History,
        load: Callable[[Digest], Awaitable[Record]],
        compiled: Callable[[Key], Principal],
        redis: RedisLevel | None,
        observer: Observer,
        timer: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._load = load
        self._compiled = compiled
        self._redis = redis
        self._observer = observer
        self._timeout = options.lookup_timeout
        self._places = asyncio.Semaphore(options.lookups)
        self._flights: dict[Digest, asyncio.Task[Found]] = {}
        self._overtaken: set[Digest] = set()  # of those under way: changed since their record was asked for
        self._present: OrderedDict[Digest, _Held[Principal]] = OrderedDict()  # what was used the longest ago first
        self._absent: TTLCache[Digest, _Held[Absent]] = TTLCache(options.absent_keys, options.absent_seconds, timer)
        self._epochs: dict[str, int] = {}  # of the organizations that have changed since all was dropped
        self._dropped: OrderedDict[Digest, None] = OrderedDict()  # were present, and may be again; the oldest first
        self._room = options.memory_keys
        self._asked_at = -math.inf  # when the journal was asked last that answered at once

    async def find(self, digest: Digest) -> Found:
        """See `Resolver`. A call that is cancelled leaves the look-up to the others who wait for it."""
        try:
            await self._journal.catch_up(self._forget)
        except StoreUnavailable as away:
            return self._unavailable(str(away))
        if present := self._remembered(digest):
            return present
        if (absent := self._absent.get(digest)) and self._epochs.get(absent.organization, 0) <= absent.at:
            self._observer.looked_up("memory", "absent")
            return absent.answer
        self._observer.looked_up("memory", "miss")
        return await asyncio.shield(self._flight(digest))

    def held(self, digest: Digest, came: float = math.inf) -> Principal | None:
        """See `Resolver`: the first steps of `find`, in the same order, as far as they go without waiting."""
        if digest not in self._present:  # strangers cost nothing here
            return None
        if came >= self._asked_at and not self._has_caught_up():
            return None
        return self._remembered(digest)

    def _has_caught_up(self) -> bool:
        asked_at = time.monotonic()  # before the question: what is acknowledged from here on may not be in the answer
        try:
            caught_up = self._journal.catch_up_at_once(self._forget)
        except StoreUnavailable:  # `find` asks again, and tells
            return False
        if caught_up:
            self._asked_at = asked_at
        return caught_up

    def _remembered(self, digest: Digest) -> Principal | None:
        """What is in memory, to be asked when the journal has caught up."""
        known = self._present.get(digest)
        if known is None or self._epochs.get(known.organization, 0) > known.at:
            return None
        self._present.move_to_end(digest)
        self._observer.looked_up("memory", "found")
        return known.answer

    def knows(self, digest: Digest) -> bool:
        """See `Resolver`. Keys that a change has dropped count: whoever holds one is no stranger."""
        return digest in self._present or digest in self._dropped

    async def health(self) -> dict[str, str]:
        """`ok`, `off`, or what is wrong with `sql` and with `redis`; asks both, within their time limits."""
        redis = "off" if self._redis is None else await self._redis.health()
        return {"sql": await self._sql_health(), "redis": redis}

    async def _sql_health(self) -> str:
        try:
            await self._journal.catch_up(self._forget)
            async with asyncio.timeout(self._timeout):
                await self._load(_NOBODY)
        except StoreUnavailable as away:
            return str(away)
        except TimeoutError:
            return self._too_late()
        return "ok"

    async def close(self) -> None:
        """Waits for the look-ups under way, which takes `lookup_timeout` at most."""
        if self._flights:
            await asyncio.wait(self._flights.values())

    def _forget(self, changes: Sequence[Changed]) -> None:
        for seq, digest, organization in changes:
            if digest is not None:
                if self._present.pop(digest, None):
                    self._drop((digest,))
                self._absent.pop(digest, None)
                if digest in self._flights:
                    self._overtaken.add(digest)
            elif organization is not None:
                self._epochs[organization] = seq
            else:
                self._drop(self._present)
                self._present.clear()
                self._absent.clear()
                self._epochs.clear()
                self._overtaken.update(self._flights)

    def _drop(self, digests: Iterable[Digest]) -> None:
        self._dropped.update(dict.fromkeys(digests))
        while len(self._dropped) > self._room:
            self._dropped.popitem(last=False)

    def _hold(self, digest: Digest, held: _Held[Principal]) -> None:
        self._present[digest] = held
        self._present.move_to_end(digest)
        if len(self._present) > self._room:
            self._present.popitem(last=False)

    async def _holds(self, record: Record) -> bool:
        """Rule 2, to be asked last: from here to keeping the record and to the answer there is no `await`."""
        if not await self._journal.is_current(record):
            return False
        return record.digest not in self._overtaken and self._epochs.get(record.organization, 0) <= record.at.seq

    def _flight(self, digest: Digest) -> asyncio.Task[Found]:
        """The look-up of this digest that is under way, or a new one."""
        if digest not in self._flights:
            self._flights[digest] = asyncio.get_running_loop().create_task(self._fly(digest))
        return self._flights[digest]

    async def _fly(self, digest: Digest) -> Found:
        try:
            async with asyncio.timeout(self._timeout), self._places:
                return await self._look_up(digest)
        except StoreUnavailable as away:
            return self._unavailable(str(away))
        except TimeoutError:
            return self._unavailable(self._too_late())
        except Exception:  # noqa: BLE001 (a fault of ours must not read as an answer)
            _log.exception("looking up a key failed")
            return self._unavailable("internal error")
        finally:
            # In the step of the last check: nobody joins an answer from before their call.
            del self._flights[digest]
            self._overtaken.discard(digest)

    def _unavailable(self, why: str) -> Unavailable:
        self._observer.looked_up("sql", "unavailable")
        return Unavailable(why)

    def _too_late(self) -> str:
        return f"no answer within {self._timeout} s"

    async def _look_up(self, digest: Digest) -> Found:
        return await self._from_redis(digest) or await self._from_sql(digest)

    async def _from_redis(self, digest: Digest) -> Found | None:
        if self._redis is None:
            return None
        self._overtaken.discard(digest)
        record = await self._redis.get(digest)
        if record is None:
            self._observer.looked_up("redis", "miss")
            return None
        if await self._holds(record):
            return self._keep(record, "redis")
        self._observer.looked_up("redis", "stale")
        await self._redis.drop(digest)
        return None

    async def _from_sql(self, digest: Digest) -> Found:
        for _ in range(_ROUNDS):
            self._overtaken.discard(digest)
            record = await self._load(digest)
            if self._redis is not None:
                await self._redis.put(record)
            if await self._holds(record):
                return self._keep(record, "sql")
            self._observer.looked_up("sql", "stale")
        raise StoreUnavailable(f"the key changed {_ROUNDS} times while it was read")

    def _keep(self, record: Record, level: Level) -> Found:
        """The answer that a record gives; it is remembered unless it tells of changes that the journal has not."""
        is_told = record.at.seq <= self._journal.position.seq
        if record.key is None:
            absent = Absent(record.why)
            self._present.pop(record.digest, None)  # one that its organization's epoch has overtaken
            self._dropped.pop(record.digest, None)
            if is_told:
                self._absent[record.digest] = _Held(absent, record.organization, record.at.seq)
            self._observer.looked_up(level, "absent")
            return absent
        present = self._compiled(record.key)
        if is_told:
            self._dropped.pop(record.digest, None)
            self._hold(record.digest, _Held(present, record.organization, record.at.seq))
        self._observer.looked_up(level, "found")
        return present
