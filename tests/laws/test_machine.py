"""The control plane against its model: administrators, users and keys who do anything, in any order.

Each step is one use case through one of two workers, by any actor, with good and bad arguments. Before it the model
says whether it is accepted; after it the invariants are looked at, see `driver`. What the model says of every key, both
workers must say at once. `make prove` makes more and other runs.

I8, that a condition filters the graph, is the business of `tests/proof`; I7 and I13 are in `test_policies` for policies
of any shape, I15 and I16 in `test_secrets`.
"""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from gateway.control import NewUser
from gateway.keys import GroupRights, Role
from gateway.stores import Group, IntegrationInstance, create
from laws.asking import ACCEPTED, EMAILS, FILTERS, HOUR, INDEX, INSTANCES, ORGANIZATIONS, USER_ROLES, WORDS, WORKER
from laws.key_rules import KeyRules
from laws.model import DAY, OPERATOR
from laws.world import FileLook, ServerLook, copied


class ControlPlane(KeyRules):
    """And the steps about people, groups, organizations, logins and time."""

    @initialize()
    def people_and_keys_of_every_kind(self) -> None:
        self.found_two_organizations()
        for email, role, home in (("ann", "ORGANIZATION_ADMIN", "acme"), ("bob", "ORGANIZATION_ADMIN", "globex")):
            self.add_user(0, 0, f"{email}@example.com", Role[role], home)
        self.add_user(0, 1, "uli@example.com", Role.USER, "acme")
        self.add_instance(0, 0, "acme", "one")
        for number in range(4):
            self.create_user_key(0, number % 2, None, number, None)
        self.create_account_key(0, 0, "acme", ACCEPTED[2], None, None)
        self.create_organization_key(0, 0, "globex", 30, None)
        self.create_integration_key(0, 0, 0, None)
        for slug, name, given in (
            ("my-blog", "admin", {}),
            ("shop", "admin", {"shop": ["1"]}),
            ("shop", "clerk", {"shop": ["2"]}),
        ):
            self.create_project_key(0, 0, (slug, [(name, given)]), None)
        for role in ("project_admin", "monitor"):
            self.create_global_key(0, 1, [role], None)

    # --- people ---------------------------------------------------------------------------------------------------

    def manages(self, who: str, organization: str) -> bool:
        return organization in self.model.max_days and self.model.may(who, "people", {"organization": organization})

    def user(self, index: int) -> str:
        """Seldom the founder, and those who were deleted, so that there is somebody left to do something."""
        rather = [each for each, its in self.model.users.items() if its["status"] != "deleted"][1:]
        return str(self.pick((index % 6 and rather) or self.model.users, index))

    def manager(self, actor: int, home: str) -> str:
        return self.someone(actor, lambda who: self.manages(who, home))

    @rule(actor=INDEX, at=WORKER, email=EMAILS, role=USER_ROLES, home=ORGANIZATIONS)
    def add_user(self, actor, at, email, role, home) -> None:
        who, user = self.manager(actor, home), self.model.user_of(email)
        expected = self.manages(who, home) and (user, home) not in self.model.members
        expected = expected and (role is not Role.PLATFORM_ADMIN or self.model.is_above(who))
        elsewhere = any(each == user for each, _ in self.model.members)
        expected = expected and (not elsewhere or self.model.is_above(who))
        people = self.desk(at).people
        identity = self.do(who, people.add_user(self.real(who), NewUser(email, role), organization=home), expected)
        if identity:
            self.joined(identity.id, identity.user, email, role, home)

    def joined(self, identity: str, user: str, email: str, role: Role, home: str) -> None:
        known = self.model.users.setdefault(user, {"email": email, "status": "active", "platform": False})
        known["platform"] |= role is Role.PLATFORM_ADMIN
        self.model.members[user, home] = "user" if role is Role.USER else "organization_admin"
        if self.model.identity_of(user, home) is None:
            fresh = {"kind": "user", "organization": home, "user": user, "instance": None}
            self.model.identities[identity] = fresh | {"roles": set(), "memberships": {}}
        assert self.model.identity_of(user, home) == identity

    @rule(actor=INDEX, at=WORKER, user=INDEX, role=USER_ROLES, home=ORGANIZATIONS)
    def set_role(self, actor, at, user, role, home) -> None:
        who, which = self.manager(actor, home), self.user(user)
        flips = self.model.users[which]["platform"] is not (role is Role.PLATFORM_ADMIN)
        expected = self.manages(who, home) and (which, home) in self.model.members
        expected = expected and (not flips or self.model.is_above(who))
        people = self.desk(at).people
        work = people.set_role(self.real(who), which, role, organization=home)
        if self.do(who, work, expected, removes=role is Role.USER):
            self.model.users[which]["platform"] = role is Role.PLATFORM_ADMIN
            self.model.members[which, home] = "user" if role is Role.USER else "organization_admin"

    @rule(actor=INDEX, at=WORKER, user=INDEX, enabled=st.booleans())
    def enable_or_disable(self, actor, at, user, enabled) -> None:
        which = self.user(user)
        who = self.someone(actor, lambda who: self.model.decides_about(who, which))
        work = self.desk(at).people.set_enabled(self.real(who), which, enabled=enabled)
        if self.do(who, work, self.model.decides_about(who, which), removes=not enabled):
            self.model.users[which]["status"] = "active" if enabled else "disabled"

    @rule(actor=INDEX, at=WORKER, user=INDEX, home=ORGANIZATIONS)
    def remove_member(self, actor, at, user, home) -> None:
        who, which = self.manager(actor, home), self.user(user)
        expected = self.manages(who, home) and (which, home) in self.model.members
        work = self.desk(at).people.remove_member(self.real(who), which, organization=home)
        if self.do(who, work, expected, removes=True):
            self.left(which, home)

    def left(self, user: str, home: str) -> None:
        """Out of an organization: out of its groups and projects, and all keys of it are revoked."""
        self.model.members.pop((user, home), None)
        identity = self.model.identity_of(user, home)
        if identity is not None:
            self.model.identities[identity] |= {"memberships": {}, "roles": set()}
        for its in self.model.keys.values():
            if its["identity"] == identity:
                its["revoked"] = its["revoked"] or self.model.now
        for group in self.model.groups.values():
            if group["organization"] == home:
                group["users"].discard(user)

    @rule(actor=INDEX, at=WORKER, user=INDEX)
    def delete_user(self, actor, at, user) -> None:
        which = self.user(user)
        who = self.someone(actor, lambda who: self.model.decides_about(who, which))
        expected = self.model.decides_about(who, which)
        if self.do(who, self.desk(at).people.delete_user(self.real(who), which), expected, removes=True):
            for home in ("acme", "globex"):
                self.left(which, home)
            self.model.users[which] |= {"status": "deleted", "platform": False}

    # --- groups ---------------------------------------------------------------------------------------------------

    @rule(actor=INDEX, at=WORKER, home=ORGANIZATIONS, words=WORDS, filters=FILTERS)
    def add_group(self, actor, at, home, words, filters) -> None:
        who, name = self.manager(actor, home), f"group {len(self.model.groups)}"
        group = Group("", home, name, rights=GroupRights(tuple(sorted(words)), json.dumps(filters)))
        added = self.do(who, self.desk(at).groups.add_group(self.real(who), group), self.manages(who, home))
        if added:
            its = {"organization": home, "everyone": False, "users": set(), "words": words, "filters": filters}
            self.model.groups[added.id] = its

    def group(self, index: int) -> str:
        """Rather one that is not built in."""
        rather = [each for each, its in self.model.groups.items() if not its["everyone"]]
        return str(self.pick((index % 4 and rather) or self.model.groups, index))

    @rule(actor=INDEX, at=WORKER, group=INDEX, words=WORDS, fewer=st.booleans(), filters=FILTERS)
    def change_group(self, actor, at, group, words, fewer, filters) -> None:
        which = self.group(group)
        its = self.model.groups[which]
        who = self.manager(actor, its["organization"])
        words, filters = (its["words"] - words, its["filters"]) if fewer else (words, filters)
        rights = GroupRights(tuple(sorted(words)), json.dumps(filters))
        work = self.desk(at).groups.change_group(self.real(who), which, rights=rights)
        if self.do(who, work, self.manages(who, its["organization"]), removes=fewer):
            its |= {"words": words, "filters": filters}

    @rule(actor=INDEX, at=WORKER, group=INDEX)
    def delete_group(self, actor, at, group) -> None:
        which = self.group(group)
        its = self.model.groups[which]
        who = self.manager(actor, its["organization"])
        expected = self.manages(who, its["organization"]) and not its["everyone"]
        if self.do(who, self.desk(at).groups.delete_group(self.real(who), which), expected, removes=True):
            del self.model.groups[which]

    @rule(actor=INDEX, at=WORKER, group=INDEX, user=INDEX, add=st.booleans())
    def into_or_out_of_group(self, actor, at, group, user, add) -> None:
        which, whom = self.group(group), self.user(user)
        its = self.model.groups[which]
        who = self.manager(actor, its["organization"])
        expected = self.manages(who, its["organization"]) and (whom, its["organization"]) in self.model.members
        expected = expected and (add or not its["everyone"])
        groups = self.desk(at).groups
        change = groups.add_to_group if add else groups.remove_from_group
        if self.do(who, change(self.real(who), which, whom), expected, removes=not add):
            (its["users"].add if add else its["users"].discard)(whom)

    # --- organizations, logins, time ------------------------------------------------------------------------------

    @rule(actor=INDEX, at=WORKER, home=ORGANIZATIONS, days=st.sampled_from([None, 1, 30, 730, 731, 0]))
    def set_max_key_days(self, actor, at, home, days) -> None:
        who = self.manager(actor, home)
        expected = self.manages(who, home) and (days is None or 1 <= days <= 730)
        if self.do(who, self.desk(at).organizations.set_max_key_days(self.real(who), home, days), expected):
            self.model.max_days[home] = days

    @rule(actor=INDEX, at=WORKER, home=ORGANIZATIONS, name=INSTANCES)
    def add_instance(self, actor, at, home, name) -> None:
        who = self.manager(actor, home)
        expected = self.manages(who, home) and name not in self.model.instances
        instance = IntegrationInstance(name, home, name)
        organizations = self.desk(at).organizations
        if self.do(who, organizations.add_integration_instance(self.real(who), instance), expected):
            self.model.instances[name] = {"organization": home, "deleted": False}

    @rule(actor=INDEX, at=WORKER, name=INSTANCES)
    def delete_instance(self, actor, at, name) -> None:
        its = self.model.instances.get(name, {"organization": "nowhere", "deleted": True})
        who = self.manager(actor, its["organization"])
        expected = not its["deleted"] and self.manages(who, its["organization"])
        organizations = self.desk(at).organizations
        work = organizations.delete_integration_instance(self.real(who), name)
        if self.do(who, work, expected, removes=True):
            its["deleted"] = True
            for key, each in self.model.keys.items():
                if self.model.owner(key)["instance"] == name:
                    each["revoked"] = each["revoked"] or self.model.now

    @rule(at=WORKER, email=EMAILS, home=ORGANIZATIONS)
    def create_login(self, at, email, home) -> None:
        identity = self.model.identity_of(self.model.user_of(email), home)
        login = self.do(OPERATOR, self.world.workers[at].logins.create_login(email, home), identity)
        if login:
            self.codes.append(login.code)
            self.model.logins[login.code] = {"identity": identity, "end": self.model.now + HOUR}

    @rule(at=WORKER, code=INDEX)
    def redeem(self, at, code) -> None:
        others = [*self.codes[-2:], *list(self.secrets.values())[:1], "nonsense"]
        which = self.pick([*self.model.logins, *self.model.logins, *others], code)
        its = self.model.logins.get(which)
        owner = self.model.identities[its["identity"]] if its else {"user": None, "organization": None}
        expected = bool(its) and self.model.now < its["end"] and self.model.level(owner) is not None
        expected = expected and self.model.users[owner["user"]]["status"] == "active"
        session = self.do(OPERATOR, self.world.workers[at].logins.redeem(which), expected)
        if session:
            del self.model.logins[which]
        self.made(session, session=True)

    @rule(step=st.sampled_from([1, HOUR, DAY, 40 * DAY]))
    def wait(self, step) -> None:
        self.model.now += step

    @rule(off=st.sampled_from([-1, 0, 1]))
    def wait_for_an_end(self, off) -> None:
        """Until one millisecond before, exactly at, or one after the next end of a key."""
        ends = [end for end in map(self.model.end, self.model.keys) if end and end > self.model.now + 1]
        self.model.now = min(ends, default=self.model.now + 1) + off


# --- on both databases --------------------------------------------------------------------------------------------

RUNS = settings(
    max_examples=settings().max_examples // 10,
    stateful_step_count=40,
    derandomize=settings().max_examples == 100,  # `make test` is the same each time, `make prove` never is
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.hypothesis
@pytest.mark.timeout(0)
def test_the_control_plane_agrees_with_its_model_on_sqlite(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    create(empty)
    numbers = itertools.count()

    class OnSQLite(ControlPlane):
        @staticmethod
        def look() -> FileLook:
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            return FileLook(shutil.copy(empty, folder / "gateway.db"))

    run_state_machine_as_test(OnSQLite, settings=RUNS)


@pytest.mark.hypothesis
@pytest.mark.timeout(0)
def test_the_control_plane_agrees_with_its_model_on_postgresql(postgres: Any, empty_database: str) -> None:
    class OnPostgreSQL(ControlPlane):
        @staticmethod
        def look() -> ServerLook:
            return ServerLook(postgres, copied(postgres, empty_database))

    run_state_machine_as_test(OnPostgreSQL, settings=settings(RUNS, max_examples=RUNS.max_examples // 2))
