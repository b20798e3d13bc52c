"""How a step of the machine is done, and what must hold after it: each invariant in a function of its name."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant

from gateway.control import Desk, Issued, Rejection
from gateway.http1 import Reason
from gateway.keys import Actor, CallLimits, Operator, Principal, Role, expired
from gateway.stores import Absent, Organization
from laws.asking import HOUR
from laws.model import OPERATOR
from laws.world import Look, World, authority


class Listening(logging.Handler):
    """Keeps what is logged, whoever logs it."""

    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told.append(self.format(record))


class Driver(RuleBasedStateMachine):
    """One run; `look` makes its database."""

    look: Callable[[], Look]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(type(self).look())
        self.model = self.world.model
        self.callers: dict[str, Principal] = {}  # as they were when they first called: their rights are old
        self.secrets: dict[str, str] = {}  # of keys; of a chosen one the word that it is
        self.codes: list[str] = []
        self.told: list[str] = []  # whatever the gateway said
        self.actor = OPERATOR
        self.rows: Any = None
        self.events = 0
        self.before: dict[str, Any] = {}
        self.steps = 0
        self._listening = Listening(self.told)
        logging.getLogger().addHandler(self._listening)

    def pick(self, things: Iterable[Any], index: int) -> Any:
        ordered = list(things)
        return ordered[index % len(ordered)]

    def someone(self, index: int, expected: Callable[[str], Any]) -> str:
        """Who calls: number 0 is the operator, another one a key that could call once.

        Whether it still can, and may do this, is the question; of four times it does and may three. Where none does it
        is the operator.
        """
        if index == 0:
            return OPERATOR
        likely = [each for each in self.callers if self.alive(each) and expected(each)]
        return str(self.pick((index % 4 and (likely or [OPERATOR])) or self.callers, index))

    def alive(self, actor: str) -> bool:
        return actor == OPERATOR or (self.model.live(actor) and not self.model.expired(actor))

    def desk(self, at: int) -> Desk:
        return self.world.workers[at].desk

    def real(self, actor: str) -> Actor:
        return Operator() if actor == OPERATOR else self.callers[actor]

    # --- a step ---------------------------------------------------------------------------------------------------

    def do(self, actor: str, work: Any, expected: Any, *, silent: bool = False, removes: bool = False) -> Any:
        """One use case: its answer, or None where it was refused, which the model has foretold.

        `silent`: it changes nothing, being done already. `removes`: it takes away, and so adds to nothing (I10).
        """
        self.actor = actor
        rows = self.rows or self.world.run(self.world.look.rows())
        alive = self.alive(actor)
        if removes:
            self.before = {key: self.powers(key) for key in self.model.keys}
        try:
            answer = self.world.run(work) or True
        except Rejection as rejection:
            answer, reason, said = None, rejection.refusal.reason, f"{rejection} {rejection.refusal}"
        else:
            reason, said = None, repr(answer)
        self.told.append(said)
        assert (reason is None) is bool(expected and alive), said
        assert alive or not expected or reason is Reason.INVALID_KEY, said
        self.rows = self.world.run(self.world.look.rows())
        self.i11_one_event_or_no_trace(rows, changed=answer is not None and not silent)
        return answer

    def powers(self, key: str) -> frozenset[Any]:
        """What a key can do at present: requests, seeing other keys, managing people, giving roles."""
        if not self.model.live(key):
            return frozenset()
        seen = {other for other in self.model.keys if self.model.sees(key, other)}
        managed = {each for each in self.model.max_days if self.model.may(key, "people", {"organization": each})}
        return self.model.authority(key) | seen | managed | self.model.dealt(key) | self.model.administered(key)

    def made(self, issued: Any, word: str | None = None, policy: Any = None, *, session: bool = False) -> None:
        """Notes a new key, in the model too."""
        if issued is None:
            return
        assert isinstance(issued, Issued)
        key, identity = issued.key, issued.key.identity
        assert bool(issued.secret) is (word is None)
        self.secrets[key.id] = issued.secret or str(word)
        self.model.digests.add(hashlib.sha256(self.secrets[key.id].encode()).hexdigest())
        its = {"kind": identity.kind.value, "organization": identity.organization, "user": identity.user}
        its |= {"instance": identity.integration_instance, "roles": {*identity.roles}, "memberships": {}}
        self.model.identities.setdefault(identity.id, its)
        self.model.keys[key.id] = {"identity": identity.id, "policy": policy, "session": session}
        self.model.keys[key.id] |= {"created": self.model.now, "expires": key.expires_at, "revoked": None}
        self.model.keys[key.id] |= {"limits": {}}
        self.i1_ids(key.id)

    # --- what holds after each step -------------------------------------------------------------------------------

    @invariant()
    def both_workers_say_what_the_model_says(self) -> None:
        self.steps += 1
        for key, found in self.world.run(self.found()):
            self.agree(key, found)
        for key in self.before:
            self.i10_taking_away_adds_nothing(key)
        self.before = {}
        self.i9_listings(self.actor, 3 + self.steps % 20)

    async def found(self) -> list[tuple[str, Any]]:
        pairs = ((key, worker) for key in self.secrets for worker in self.world.workers)
        return [(key, await worker.find(self.secrets[key])) for key, worker in pairs]

    def agree(self, key: str, found: Any) -> None:
        self.i4_revoked_for_ever(key, found)
        assert isinstance(found, Principal) is self.model.live(key), (self.model.keys[key], found)
        if not isinstance(found, Principal):
            return
        self.callers.setdefault(key, found)
        self.i1_belongs_to_its_identity(key, found)
        self.i5_i6_i13_authority(key, found)
        self.i12_the_end(key, found)
        self.i15_limits(key, found)

    def i1_ids(self, key: str) -> None:
        """Every key belongs to exactly one identity; the ids of keys and of identities are never equal."""
        assert not self.model.keys.keys() & self.model.identities.keys()
        for each in (key, self.model.keys[key]["identity"]):
            assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each)

    def i1_belongs_to_its_identity(self, key: str, found: Principal) -> None:
        owner = self.model.owner(key)
        assert (found.key_id, found.identity.id) == (key, self.model.keys[key]["identity"])
        assert (found.identity.kind, found.identity.user) == (owner["kind"], owner["user"])

    def i4_revoked_for_ever(self, key: str, found: Any) -> None:
        """Revoked is absorbing: no sequence of calls turns a revoked key into an accepted one."""
        assert isinstance(found, Absent) or self.model.keys[key]["revoked"] is None

    def i5_i6_i13_authority(self, key: str, found: Principal) -> None:
        """A user key is what its owner is now, no more and no less; nothing of another organization; what is broken
        gives nothing. Told by the answers to all of the model's requests, and by roles and level."""
        owner = self.model.owner(key)
        assert found.organization == owner["organization"]
        assert authority(found) == self.model.authority(key)
        assert set(found.identity.roles) == owner["roles"]
        assert {each.project for each in found.identity.memberships} == owner["memberships"].keys()
        levels = {Role.PLATFORM_ADMIN: "PA", Role.ORGANIZATION_ADMIN: "OA", Role.USER: "U", None: None}
        assert levels[found.identity.role] == (self.model.level(owner) if owner["kind"] == "user" else None)

    def i12_the_end(self, key: str, found: Principal) -> None:
        """Expiry is a function of the clock, inclusive, the same for all workers."""
        assert found.expires_at == self.model.end(key)
        assert expired(found.expires_at, self.model.now) is self.model.expired(key)

    def i15_limits(self, key: str, found: Principal) -> None:
        """A key has the limits that were set last, and those of its organization, the same for all workers."""
        assert found.limits == CallLimits(**self.model.keys[key]["limits"])
        assert found.organization_limits == CallLimits(**self.model.limits.get(found.organization, {}))

    def i9_listings(self, actor: str, size: int) -> None:
        """What somebody lists, page by page, is what they may see; anything else is not found."""
        caller: Actor = Operator()
        if actor != OPERATOR:
            found = self.world.run(self.world.workers[self.steps % 2].find(self.secrets[actor]))
            if not isinstance(found, Principal):
                return
            caller = found
        tokens = self.world.workers[self.steps % 2].desk.tokens
        listed: list[Any] = []
        while len(page := self.world.run(tokens.list_keys(caller, limit=size, after=_last(listed)))) == size:
            listed += page
        listed += page
        self.told.append(repr(listed))
        seen = [key for key, its in self.model.keys.items() if not its["session"] and self.model.sees(actor, key)]
        assert [each.id for each in listed] == sorted(seen, key=lambda key: (self.model.keys[key]["created"], key))
        hidden = sorted({*self.model.keys, *self.model.identities} - set(seen))
        for key in hidden[self.steps % 7 :: 7][:2]:
            with pytest.raises(Rejection) as rejected:
                self.world.run(tokens.find_key(caller, key))
            assert rejected.value.refusal.reason is Reason.UNKNOWN_KEY

    def i10_taking_away_adds_nothing(self, key: str) -> None:
        """Removing a role, a membership, a group, its switch or a user never adds authority to any key."""
        assert self.powers(key) <= self.before[key], self.powers(key) - self.before[key]

    def i11_one_event_or_no_trace(self, rows: Any, *, changed: bool) -> None:
        """Every successful change has exactly one audit event; what fails changes not one row."""
        if not changed:
            assert self.rows == rows
        else:
            count = self.world.look.count(self.rows, "audit_events")
            assert count == self.world.look.count(rows, "audit_events") + 1

    def i14_no_more_than_its_maker(self, maker: str, key: str) -> None:
        """What a key gives others is covered by what its maker has, at that time."""
        if maker == OPERATOR:
            return
        roles = set(self.model.owner(key)["roles"])
        assert roles <= self.model.dealt(maker)
        found = self.world.run(self.world.workers[0].find(self.secrets[key]))
        if not self.model.wide(maker, self.model.owner(key)["organization"]):
            assert self.model.owner(key)["organization"] == self.model.home(maker)
            assert authority(found) <= self.model.authority(maker)

    # --- how a run begins and ends --------------------------------------------------------------------------------

    def found_two_organizations(self) -> None:
        """`acme` with its founder, who is a platform administrator; `globex`."""
        organization = Organization("acme", "Acme")
        login = self.world.run(self.world.workers[0].logins.found(organization, "pat@example.com"))
        self.codes.append(login.code)
        self.model.logins[login.code] = {"identity": login.identity.id, "end": self.model.now + HOUR}
        its, user = login.identity, login.identity.user
        self.model.users[user] = {"email": "pat@example.com", "status": "active", "platform": True}
        fresh = {"kind": "user", "organization": "acme", "user": user, "instance": None}
        self.model.members[user, "acme"] = "organization_admin"
        self.model.identities[its.id] = fresh | {"roles": set(), "memberships": {}}
        organizations = self.world.workers[1].desk.organizations
        self.do(OPERATOR, organizations.add_organization(Operator(), Organization("globex", "Globex")), True)
        for name in ("acme", "globex"):
            self.model.max_days[name] = None
            everyone = {"organization": name, "everyone": True, "users": set()}
            self.model.groups[f"everyone.{name}"] = everyone | {"words": {"apiKeyUser"}, "filters": []}

    def teardown(self) -> None:
        try:
            if self.secrets:
                self.at_the_end()
        finally:
            logging.getLogger().removeHandler(self._listening)
            self.world.close()

    def at_the_end(self) -> None:
        for size, actor in enumerate([OPERATOR, *self.callers]):
            self.i9_listings(actor, 1 + size)
        self.i2_no_secret_anywhere()
        self.i3_digests()
        verdicts = self.world.run(self.world.workers[0].store.registry.check_audit())
        assert verdicts
        assert all(each.fault is None for each in verdicts)

    def i2_no_secret_anywhere(self) -> None:
        """No text that authenticates is in the database, an answer after the first one, an error, or a log."""
        stored, told = self.world.look.bytes(), "\n".join(self.told)
        for secret in (*self.secrets.values(), *self.codes):
            if len(secret) >= 40:  # a chosen one is a word that may stand anywhere
                assert secret.encode() not in stored
                assert secret not in told

    def i3_digests(self) -> None:
        """A digest is unique for ever, well-formed, and no credential itself."""
        digests = self.world.run(self.world.look.digests())
        assert len(set(digests)) == len(digests) == len(self.model.keys)
        assert set(digests) == self.model.digests
        for each in digests:
            assert re.fullmatch("[0-9a-f]{64}", each)
            assert isinstance(self.world.run(self.world.workers[1].find(each)), Absent)


def _last(listed: list[Any]) -> tuple[int, str] | None:
    return (listed[-1].created_at, listed[-1].id) if listed else None
