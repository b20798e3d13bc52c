"""What the control plane must do, told a second time: dictionaries, and the permission matrix in a form of its own.

Nothing here is taken from `gateway.keys.rules`, `matrix`, `authority` or `permissions`; ids, secrets and times come
from the answers of the real one. An actor is the id of a key, or OPERATOR. Times are milliseconds since the epoch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from laws.reference import READ, allowed

OPERATOR = "operator"
DAY = 86_400_000

RIGHTS = {
    "people": "OP PA OA:organization",
    "user key": "OP U:own",
    "machine key": "OP PA OA:organization",
    "project key": "OP PA GP OA:organization PM:project",
    "global key": "OP PA GP",
    "roles": "OP PA GP",
    "memberships": "OP PA GP OA:organization PM:project",
    "see user": "OP PA MO OA:organization U:own",
    "see machine": "OP PA MO OA:organization",
    "see project": "OP PA GP MO OA:organization PM:project",
    "see global": "OP PA MO",
    "end user": "OP PA OA:organization U:own",
    "end machine": "OP PA OA:organization",
    "end project": "OP PA GP OA:organization PM:project",
    "end global": "OP PA GP",
    "limit user": "OP PA OA:organization",
    "limit machine": "OP PA OA:organization",
    "limit project": "OP PA GP OA:organization PM:project",
    "limit global": "OP PA GP",
    "limit all": "OP PA",
}
"""Who may do what, and to whose: the operator, a platform administrator, an organization administrator, a user, a
global and a project's administrator of projects, a monitor. Without a word after it: to anybody's."""

ALL_ROLES = {
    *("super_admin", "monitor", "project_admin", "login", "entrypoint_deployer"),
    *("self", "person", "project_creator", "project_member"),
}
DEALT_BY_PROJECT_ADMIN = {"login", "project_admin", "entrypoint_deployer"}

PROJECTS: dict[str, tuple[str, dict[str, tuple[set[str], dict[str, Any]]]]] = {
    "my-blog": (
        "acme",
        {"editor": ({"language"}, {}), "viewer": (set(), {"public": "yes"}), "admin": (set(), {})},
    ),
    "shop": ("acme", {"clerk": ({"shop"}, {}), "admin": ({"shop"}, {})}),
    "elsewhere": ("globex", {"editor": (set(), {"public": "no"}), "admin": (set(), {})}),
}
"""Slug -> (organization, role -> (variables that must be given, properties that must be equal beside them))."""

THINGS = [
    {name: value for name, value in zip(("language", "shop", "public"), values, strict=True) if value}
    for values in product(["", "cs", "de"], ["", "1", "2"], ["", "yes", "no"])
]
REQUESTS = (
    *(("dashboard:View", "dashboard:1", {}), ("dashboard:View", "dashboard:2", {}), ("dashboard:View", "*", {})),
    *(("persister:Synchronize", f"integration:{name}", {}) for name in ("one", "two", "three")),
    ("settings:GetSettings", "settings-category:x", {}),
    *((READ, "*", thing) for thing in THINGS),
)
"""What keys are compared by: (action, resource, object)."""
EVERYTHING = frozenset(range(len(REQUESTS)))

GIVEN_BY_GROUPS = {
    "readGraph": (),
    "accessInsights": ("dashboard:View",),
    "adminIntegrations": ("persister:Synchronize",),
}
"""Permission -> actions beside the reading of the graph, which `readGraph` alone gives, under the group's filters."""

Memberships = Sequence[tuple[str, dict[str, list[str]]]]


@dataclass
class Model:
    now: int = 1_700_000_000_000
    max_days: dict[str, int | None] = field(default_factory=dict)
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: dict[tuple[str, str], str] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    instances: dict[str, dict[str, Any]] = field(default_factory=dict)
    identities: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    logins: dict[str, dict[str, Any]] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)

    # --- what is

    def owner(self, actor: str) -> dict[str, Any]:
        return self.identities[self.keys[actor]["identity"]]

    def home(self, actor: str) -> str | None:
        return None if actor == OPERATOR else self.owner(actor)["organization"]

    def user_of(self, email: str) -> str | None:
        same = (each for each, user in self.users.items() if user["email"] == email and user["status"] != "deleted")
        return next(same, None)

    def identity_of(self, user: str | None, organization: str | None) -> str | None:
        pairs = ((each, found["user"], found["organization"]) for each, found in self.identities.items())
        return next((each for each, *pair in pairs if user and pair == [user, organization]), None)

    def groups_of(self, identity: dict[str, Any]) -> list[dict[str, Any]]:
        """Those of a user where the user is a member; Everyone is one of them."""
        if self.members.get((identity["user"], identity["organization"])) is None:
            return []
        of = (each for each in self.groups.values() if each["organization"] == identity["organization"])
        return [each for each in of if each["everyone"] or identity["user"] in each["users"]]

    def level(self, identity: dict[str, Any]) -> str | None:
        """PA, OA or U; None for whoever is no member."""
        role = self.members.get((identity["user"], identity["organization"]))
        if role is None:
            return None
        if self.users[identity["user"]]["platform"]:
            return "PA"
        administrates = any("accessAdmin" in group["words"] for group in self.groups_of(identity))
        return "OA" if administrates or role == "organization_admin" else "U"

    def open(self, identity: dict[str, Any]) -> bool:
        return any("apiKeyUser" in group["words"] for group in self.groups_of(identity))

    def end(self, key: str) -> int | None:
        its = self.keys[key]
        limit = self.max_days.get(self.owner(key)["organization"])
        ends = [its["expires"], None if limit is None else its["created"] + limit * DAY]
        return min((each for each in ends if each is not None), default=None)

    def expired(self, key: str) -> bool:
        end = self.end(key)
        return end is not None and end <= self.now

    def live(self, key: str) -> bool:
        """Whether the key is a credential, its end apart."""
        its, owner = self.keys[key], self.owner(key)
        if its["revoked"] is not None:
            return False
        if owner["kind"] != "user":
            return True
        active = self.users[owner["user"]]["status"] == "active" and self.level(owner) is not None
        return active and (its["session"] or self.open(owner))

    # --- what a key may do in the product data

    def authority(self, key: str) -> frozenset[int]:
        """The numbers of the REQUESTS that it may make."""
        owner = self.owner(key)
        if owner["kind"] == "organization" or (owner["kind"] == "user" and self.level(owner) in ("PA", "OA")):
            return EVERYTHING
        statements = {
            "user": lambda: [*self._of_groups(owner), *self.of_memberships(owner["memberships"])],
            "account": lambda: self.keys[key]["policy"],
            "integration": lambda: [_allow("persister:Synchronize", f"integration:{owner['instance']}")],
            "project": lambda: self.of_memberships(owner["memberships"]),
            "global": list,
        }[owner["kind"]]()
        return answers(statements)

    def _of_groups(self, identity: dict[str, Any]) -> Iterable[dict[str, Any]]:
        for group in self.groups_of(identity):
            for word in group["words"]:
                yield from (_allow(action, "*") for action in GIVEN_BY_GROUPS.get(word, ()))
            if "readGraph" in group["words"]:
                yield from (_reads(each) for each in group["filters"] or [{}])

    @staticmethod
    def of_memberships(memberships: dict[str, Memberships]) -> list[dict[str, Any]]:
        roles = ((PROJECTS[slug][1][name], given) for slug, each in memberships.items() for name, given in each)
        return [_reads(fixed | given) for (_, fixed), given in roles]

    # --- who may do what to whom

    def columns(self, actor: str) -> set[str]:
        if actor == OPERATOR:
            return {"OP"}
        owner = self.owner(actor)
        names = {"super_admin": "PA", "project_admin": "GP", "monitor": "MO"}
        found = {names[role] for role in owner["roles"] if role in names}
        found |= {"PM"} if self.administered(actor) else set()
        return found | ({"U", self.level(owner) or "U"} if owner["kind"] == "user" else set())

    def administered(self, actor: str) -> set[str]:
        memberships = {} if actor == OPERATOR else self.owner(actor)["memberships"]
        return {slug for slug, each in memberships.items() if any(name == "admin" for name, _ in each)}

    def may(self, actor: str, right: str, identity: dict[str, Any]) -> bool:
        """Whether the actor has a right over an identity, or what stands for the identities in question."""
        return any(self._reaches(actor, word, identity) for word in self._words(actor, right))

    def _words(self, actor: str, right: str) -> set[str]:
        columns = self.columns(actor)
        return {word.partition(":")[2] for word in RIGHTS[right].split() if word.partition(":")[0] in columns}

    def _reaches(self, actor: str, word: str, identity: dict[str, Any]) -> bool:
        match word:
            case "organization":
                return bool(self.home(actor) == identity.get("organization"))
            case "own":
                return bool(self.owner(actor)["user"] == identity.get("user"))
            case "project":
                return bool(self.administered(actor) & identity.get("memberships", {}).keys())
        return True

    def wide(self, actor: str, organization: str) -> bool:
        """Whether the actor edits memberships as more than a project's administrator."""
        return self.may(actor, "memberships", {"organization": organization})

    def dealt(self, actor: str) -> set[str]:
        columns = self.columns(actor)
        return ALL_ROLES if columns & {"OP", "PA"} else DEALT_BY_PROJECT_ADMIN if "GP" in columns else set()

    def ranks(self, actor: str, identity: dict[str, Any]) -> bool:
        if identity["kind"] not in ("project", "global"):
            return True
        inside = identity["memberships"].keys() <= self.administered(actor)
        wide = identity["kind"] == "global" or self.wide(actor, identity["organization"])
        return identity["roles"] <= self.dealt(actor) and (wide or inside)

    def right_over(self, what: str, identity: dict[str, Any]) -> str:
        kind = identity["kind"]
        return f"{what} {kind if kind in ('user', 'project', 'global') else 'machine'}"

    def sees(self, actor: str, key: str) -> bool:
        return self.may(actor, self.right_over("see", self.owner(key)), self.owner(key))

    def may_end(self, actor: str, key: str) -> bool:
        owner = self.owner(key)
        return actor == key or (self.may(actor, self.right_over("end", owner), owner) and self.ranks(actor, owner))

    def may_limit(self, actor: str, key: str) -> bool:
        its, owner = self.keys[key], self.owner(key)
        if actor == key or its["session"] or its["revoked"] is not None:
            return False
        return self.may(actor, self.right_over("limit", owner), owner) and self.ranks(actor, owner)

    def may_replace(self, actor: str, key: str) -> bool:
        its, owner = self.keys[key], self.owner(key)
        kind = owner["kind"] if owner["kind"] in ("user", "project", "global") else "machine"
        if not (self.live(key) and self.may_end(actor, key) and self.may(actor, f"{kind} key", owner)):
            return False
        enough = kind != "project" or self.has_as_much(actor, owner["organization"], owner["memberships"])
        return enough and self.ranks(actor, owner) and not its["session"] and not self.expired(key)

    def has_as_much(self, actor: str, organization: str, memberships: dict[str, Memberships]) -> bool:
        if self.wide(actor, organization):
            return True
        return answers(self.of_memberships(memberships)) <= self.authority(actor)

    def fits(self, slug: str, memberships: Memberships) -> bool:
        if slug not in PROJECTS:
            return False
        roles = PROJECTS[slug][1]
        return all(
            name in roles and roles[name][0] == given.keys() and all(given.values()) for name, given in memberships
        )

    def is_above(self, actor: str) -> bool:
        """Whether the actor manages people everywhere."""
        return bool(self.columns(actor) & {"OP", "PA"})

    def decides_about(self, actor: str, user: str) -> bool:
        """Whether a user is the actor's alone."""
        if self.users[user]["status"] == "deleted":
            return False
        homes = [organization for each, organization in self.members if each == user]
        managed = [self.may(actor, "people", {"organization": each}) for each in homes]
        return self.is_above(actor) or (bool(homes) and all(managed) and not self.users[user]["platform"])

    def longest(self, organization: str) -> int:
        return min(730, self.max_days.get(organization) or 730)

    def takes(self, chosen: str | None) -> bool:
        """Whether a digest can be chosen."""
        fine = chosen is None or (len(chosen) == 64 and set(chosen) <= set("0123456789abcdef"))
        return fine and chosen not in self.digests and chosen != hashlib.sha256(b"password").hexdigest()


def answers(statements: Iterable[dict[str, Any]]) -> frozenset[int]:
    given = list(statements)
    return frozenset(number for number, each in enumerate(REQUESTS) if allowed(given, *each))


def _allow(action: str, resource: str) -> dict[str, Any]:
    return {"effect": "ALLOW", "actions": [action], "resources": [resource]}


def _reads(equals: dict[str, Any]) -> dict[str, Any]:
    return _allow(READ, "*") | ({"condition": {"stringEquals": equals}} if equals else {})
