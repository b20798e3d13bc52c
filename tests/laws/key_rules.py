"""The machine's steps that are about keys and what identities hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from gateway.control import NewKey
from laws.asking import (
    ACCEPTED,
    DAYS,
    DIGESTS,
    HOMES,
    INDEX,
    LIMITS,
    ORGANIZATIONS,
    POLICIES,
    ROLES,
    SCOPES,
    WORKER,
    chosen_digest,
    held,
)
from laws.driver import Driver
from laws.model import DAY, OPERATOR, PROJECTS, Memberships


class KeyRules(Driver):
    """See the module. `actor` chooses who calls, see `Driver.someone`."""

    @rule(actor=INDEX, at=WORKER, home=HOMES, policy=POLICIES, days=DAYS, word=DIGESTS)
    def create_account_key(self, actor, at, home, policy, days, word) -> None:
        def expected(who: str) -> bool:
            return policy in ACCEPTED and self.may_make(who, home or self.model.home(who), days, word)

        who = self.someone(actor, expected)
        text = None if policy is None else json.dumps({"permissions": policy})
        wanted = NewKey("account", days=days, policy=text, digest=chosen_digest(word))
        work = self.desk(at).tokens.create_account_key(self.real(who), wanted, organization=home)
        self.made(self.do(who, work, expected(who)), word, policy)

    @rule(actor=INDEX, at=WORKER, home=HOMES, days=DAYS, word=DIGESTS)
    def create_organization_key(self, actor, at, home, days, word) -> None:
        def expected(who: str) -> bool:
            return self.may_make(who, home or self.model.home(who), days, word)

        who = self.someone(actor, expected)
        wanted = NewKey("organization", days=days, digest=chosen_digest(word))
        work = self.desk(at).tokens.create_organization_key(self.real(who), wanted, organization=home)
        self.made(self.do(who, work, expected(who)), word)

    @rule(actor=INDEX, at=WORKER, instance=INDEX, days=DAYS)
    def create_integration_key(self, actor, at, instance, days) -> None:
        which = self.pick([*self.model.instances, "nothing"], instance)
        its = self.model.instances.get(which, {"organization": "nowhere", "deleted": True})

        def expected(who: str) -> bool:
            return not its["deleted"] and self.may_make(who, its["organization"], days, None)

        who = self.someone(actor, expected)
        work = self.desk(at).tokens.create_integration_key(
            self.real(who), NewKey("integration", days=days), instance=which
        )
        self.made(self.do(who, work, expected(who)))

    @rule(actor=INDEX, at=WORKER, home=HOMES, owner=INDEX, days=DAYS)
    def create_user_key(self, actor, at, home, owner, days) -> None:
        """Of the actor; an operator names the user."""
        named = self.pick([each for each, its in self.model.identities.items() if its["kind"] == "user"], owner)

        def expected(who: str) -> bool:
            its = self.model.identities[named] if who == OPERATOR else self.model.owner(who)
            if who != OPERATOR and home not in (None, its["organization"]):
                target = self.model.identity_of(its["user"], home) if self.model.keys[who]["session"] else None
                its = self.model.identities[target] if target else {"kind": "nobody"}
            if its["kind"] != "user" or self.model.level(its) is None:
                return False
            open_ = who == OPERATOR or self.model.open(its)
            active = self.model.users[its["user"]]["status"] == "active"
            return active and open_ and self.lives(its["organization"], days)

        who = self.someone(actor, expected)
        known = self.world.run(self.world.workers[0].store.registry.identity(named))
        chosen = {"owner": known} if who == OPERATOR else {"organization": home}
        work = self.desk(at).tokens.create_user_key(self.real(who), NewKey("user", days=days), **chosen)
        self.made(self.do(who, work, expected(who)))

    @rule(actor=INDEX, at=WORKER, scope=SCOPES, word=DIGESTS)
    def create_project_key(self, actor, at, scope, word) -> None:
        slug, memberships = scope

        def expected(who: str) -> bool:
            if not self.model.fits(slug, memberships) or not self.model.takes(chosen_digest(word)):
                return False
            organization = PROJECTS[slug][0]
            anybody = {"organization": organization, "memberships": {slug: ()}}
            may = self.model.may(who, "project key", anybody)
            return may and self.model.has_as_much(who, organization, {slug: memberships})

        who = self.someone(actor, expected)
        wanted, given = NewKey("project", digest=chosen_digest(word)), held(slug, memberships)
        work = self.desk(at).tokens.create_project_key(self.real(who), wanted, project=slug, memberships=given)
        issued = self.do(who, work, expected(who))
        self.made(issued, word)
        if issued:
            self.model.identities[issued.key.identity.id]["memberships"] = {slug: memberships} if memberships else {}
            self.i14_no_more_than_its_maker(who, issued.key.id)

    @rule(actor=INDEX, at=WORKER, roles=ROLES, word=DIGESTS)
    def create_global_key(self, actor, at, roles, word) -> None:
        def expected(who: str) -> bool:
            may = self.model.may(who, "global key", {}) and set(roles) <= self.model.dealt(who)
            return may and self.model.takes(chosen_digest(word))

        who = self.someone(actor, expected)
        wanted = NewKey("global", digest=chosen_digest(word))
        issued = self.do(
            who, self.desk(at).tokens.create_global_key(self.real(who), wanted, roles=roles), expected(who)
        )
        self.made(issued, word)
        if issued:
            self.i14_no_more_than_its_maker(who, issued.key.id)

    def may_make(self, who: str, organization: str | None, days: int | None, word: str | None) -> bool:
        """A key of a machine."""
        if organization not in self.model.max_days:
            return False
        may = self.model.may(who, "machine key", {"organization": organization})
        return may and self.lives(str(organization), days) and self.model.takes(chosen_digest(word))

    def lives(self, organization: str, days: int | None) -> bool:
        return days is None or 1 <= days <= self.model.longest(organization)

    @rule(actor=INDEX, at=WORKER, key=INDEX)
    def revoke_key(self, actor, at, key) -> None:
        which = self.pick([*self.model.keys, "nothing", *list(self.model.identities)[:3]], key)
        known = which in self.model.keys
        over = known and self.model.keys[which]["revoked"] is not None

        def expected(who: str) -> bool:
            return known and self.model.may_end(who, which)

        who = self.someone(actor, expected)
        work = self.desk(at).tokens.revoke_key(self.real(who), which)
        if self.do(who, work, expected(who), silent=over, removes=True) and not over:
            self.model.keys[which]["revoked"] = self.model.now

    @rule(actor=INDEX, at=WORKER, key=INDEX, overlap=st.sampled_from([0, 0, 3_600, 604_800, 604_801]))
    def rotate_key(self, actor, at, key, overlap) -> None:
        which = self.pick(self.model.keys, key)
        its, owner, end = self.model.keys[which], self.model.owner(which), self.model.end(which)

        def expected(who: str) -> bool:
            gate = who == OPERATOR or owner["kind"] != "user" or self.model.open(owner)
            dealt = owner["kind"] != "global" or owner["roles"] <= self.model.dealt(who)
            return overlap <= 604_800 and gate and dealt and self.model.may_replace(who, which)

        who = self.someone(actor, expected)
        work = self.desk(at).tokens.rotate_key(self.real(who), which, overlap_seconds=overlap)
        issued = self.do(who, work, expected(who))
        self.made(issued, policy=its["policy"])
        if issued:
            self.model.keys[issued.key.id]["limits"] = its["limits"]
            longest = self.model.longest(owner["organization"]) * DAY
            assert issued.key.expires_at == (end and self.model.now + min(end - its["created"], longest))
            if overlap:
                its["expires"] = min(end or 2**62, self.model.now + overlap * 1000)
            else:
                its["revoked"] = self.model.now

    # --- limits ---------------------------------------------------------------------------------------------------

    @rule(actor=INDEX, at=WORKER, key=INDEX, limits=LIMITS)
    def limit_key(self, actor, at, key, limits) -> None:
        """What is not set stays."""
        which = self.pick([*self.model.keys, "nothing"], key)

        def expected(who: str) -> bool:
            return which in self.model.keys and _can_be(limits) and self.model.may_limit(who, which)

        who, limiting = self.someone(actor, expected), self.desk(at).limiting
        work = limiting.set_key_limits(self.real(who), which, lambda old: replace(old, **limits))
        if self.do(who, work, expected(who)):
            self.model.keys[which]["limits"] = self.model.keys[which]["limits"] | limits

    @rule(actor=INDEX, at=WORKER, home=ORGANIZATIONS, limits=LIMITS)
    def limit_organization(self, actor, at, home, limits) -> None:
        def expected(who: str) -> bool:
            return home in self.model.max_days and _can_be(limits) and self.model.may(who, "limit all", {})

        who, limiting = self.someone(actor, expected), self.desk(at).limiting
        work = limiting.set_organization_limits(self.real(who), home, lambda old: replace(old, **limits))
        if self.do(who, work, expected(who)):
            self.model.limits[home] = self.model.limits.get(home, {}) | limits

    # --- roles and memberships ------------------------------------------------------------------------------------

    @rule(actor=INDEX, at=WORKER, identity=INDEX, roles=ROLES, add=st.booleans())
    def give_or_take_roles(self, actor, at, identity, roles, add) -> None:
        which = self.pick([*self.model.identities, *list(self.model.keys)[:2]], identity)
        its = self.model.identities.get(which)

        def expected(who: str) -> bool:
            may = its is not None and self.model.may(who, "roles", {}) and set(roles) <= self.model.dealt(who)
            return may and self.model.ranks(who, its)

        who, grants = self.someone(actor, expected), self.desk(at).grants
        work = (grants.add_roles if add else grants.remove_roles)(self.real(who), which, roles)
        if self.do(who, work, expected(who), removes=not add):
            its["roles"] = its["roles"] | set(roles) if add else its["roles"] - set(roles)

    @rule(actor=INDEX, at=WORKER, scope=SCOPES, identity=INDEX, what=st.integers(0, 2))
    def edit_memberships(self, actor, at, scope, identity, what) -> None:
        slug, memberships = scope if what < 2 else (scope[0], [])
        members = [each for each, its in self.model.identities.items() if slug in its["memberships"]]
        others = [each for each in (*self.model.identities, *list(self.model.keys)[:2]) if each not in members]
        likely, unlikely = (others, members) if what == 0 else (members, others)
        which = self.pick((identity % 3 and likely) or unlikely or others, identity)

        def expected(who: str) -> bool:
            return self.may_edit(who, slug, self.model.identities.get(which), memberships, new=what == 0)

        who, grants = self.someone(actor, expected), self.desk(at).grants
        change = (grants.add_member, grants.change_member, grants.remove_member)[what]
        more = (held(slug, memberships),) if what < 2 else ()
        if self.do(who, change(self.real(who), slug, which, *more), expected(who), removes=what == 2):
            its = self.model.identities[which]["memberships"]
            its.pop(slug, None)
            its.update({slug: memberships} if memberships else {})

    def may_edit(self, who: str, slug: str, its: Any, memberships: Memberships, *, new: bool) -> bool:
        if slug not in PROJECTS or its is None or its["organization"] != PROJECTS[slug][0]:
            return False
        if its["kind"] not in ("user", "project") or (its["kind"] == "user" and not self.model.level(its)):
            return False
        scope = {"organization": PROJECTS[slug][0], "memberships": {slug: ()}}
        known = its["kind"] == "user" or self.model.may(who, "see project", its)
        over = its["kind"] == "user" or its["roles"] <= self.model.dealt(who)
        return (
            self.model.may(who, "memberships", scope)
            and (known and over and (slug in its["memberships"]) is not new)
            and self.model.fits(slug, memberships)
            and self.model.has_as_much(who, PROJECTS[slug][0], {slug: memberships})
        )


def _can_be(limits: dict[str, Any]) -> bool:
    return limits.get("concurrent") != 0
