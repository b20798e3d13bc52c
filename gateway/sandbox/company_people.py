"""People, their teams, their users and groups in the identity provider, and their devices."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from gateway.sandbox.company_builder import DAY, Builder, Value, by_property
from gateway.sandbox.company_names import APPLICATIONS, FIRST_NAMES, LAST_NAMES, TEAMS
from gateway.sandbox.graph import Entity

EMPLOYEES = 190
CONTRACTORS = 24
PLATFORMS = {"darwin": 6, "windows": 3, "linux": 1}


@dataclass(frozen=True, slots=True)
class People:
    """Who works here; `users` are the identity provider's, which a few people have none of."""

    account: Entity
    teams: list[Entity]
    everybody: list[Entity]
    users: list[Entity]


def people(make: Builder) -> People:
    """The company itself, its people with managers and teams, and what they sign in and work with."""
    origin = make.origin("hr")
    account = make.entity(
        origin,
        "jupiterone_account Account",
        f"account:{make.account}",
        "Northwind",
        {"accountId": make.account, "vendor": "JupiterOne", "webLink": "https://northwind.example"},
    )
    teams = [_team(make, account, name) for name in TEAMS]
    everybody = _everybody(make)
    _organize(make, account, teams, everybody)
    users = _identity_provider(make, everybody)
    _devices(make, everybody)
    return People(account, teams, everybody, users)


def _team(make: Builder, account: Entity, name: str) -> Entity:
    properties: dict[str, Value] = {
        "email": f"{name}@northwind.example",
        "tag.team": name,
        "costCenter": make.sometimes(0.8, f"CC-{make.random.randrange(100, 999)}"),
    }
    team = make.entity(make.origin("hr"), "team Team", f"team:{name}", name.title(), properties)
    make.relate(make.origin("hr"), account, "HAS", team)
    return team


def _everybody(make: Builder) -> list[Entity]:
    """Employees, then contractors; no two with one name."""
    names = [(first, last) for first in FIRST_NAMES for last in LAST_NAMES]
    chosen = make.random.sample(names, EMPLOYEES + CONTRACTORS)
    return [_person(make, names, contractor=index >= EMPLOYEES) for index, names in enumerate(chosen)]


def _person(make: Builder, names: tuple[str, str], *, contractor: bool) -> Entity:
    first, last = names
    login = f"{ascii_name(first)}.{ascii_name(last)}"
    hired = make.past(2200)
    properties: dict[str, Value] = {
        "firstName": first,
        "lastName": last,
        "username": login,
        "email": f"{login}@northwind.example",
        "emails": [f"{login}@northwind.example", *([f"{login}@mail.example"] if make.likely(0.2) else [])],
        "active": not make.likely(0.06),
        "title": make.one(("Engineer", "Senior Engineer", "Designer", "Analyst", "Product Manager", "Team Lead")),
        "employeeType": "contractor" if contractor else "employee",
        "hiredOn": hired,
        "backgroundCheckedOn": make.sometimes(0.85, hired - 14 * DAY),
        "tag.team": make.sometimes(0.93, make.one(TEAMS)),
    }
    kind = "contractor Person" if contractor else "employee Person Employee"
    return make.entity(make.origin("hr"), kind, f"person:{login}", f"{first} {last}", properties)


def _organize(make: Builder, account: Entity, teams: list[Entity], everybody: list[Entity]) -> None:
    origin = make.origin("hr")
    members = by_property(everybody, "tag.team")
    for person in everybody:
        make.relate(origin, account, "EMPLOYS", person, startedOn=person.get("hiredOn"))
    for team in teams:
        group = members.get(team.get("tag.team"), [])
        for person in group:
            make.relate(origin, team, "HAS", person)
        for lead in group[:1]:
            make.relate(origin, lead, "MANAGES", team)
            for person in group[1:]:
                make.relate(origin, lead, "MANAGES", person)


# --- the identity provider ----------------------------------------------------------------------------------------


def _identity_provider(make: Builder, everybody: list[Entity]) -> list[Entity]:
    origin = make.origin("okta")
    service = make.entity(origin, "okta_account Account", "okta:account", "northwind.okta.example", {"active": True})
    users = []
    for person in everybody:
        if make.likely(0.96):
            user = _user(make, person)
            make.relate(origin, service, "HAS", user)
            make.relate(origin, user, "IS", person)
            _factor(make, user)
            users.append(user)
    applications = [_application(make, service, name) for name in APPLICATIONS]
    _groups(make, service, users, applications)
    for user in users:
        for application in make.some(applications, 5, 1):
            make.relate(origin, user, "ASSIGNED", application, status=make.one(("ACTIVE", "PROVISIONED")))
    return users


def _user(make: Builder, person: Entity) -> Entity:
    active = bool(person.get("active"))
    properties: dict[str, Value] = {
        "username": person.get("email"),
        "email": person.get("email"),
        "firstName": person.get("firstName"),
        "lastName": person.get("lastName"),
        "active": active,
        "status": "ACTIVE" if active else make.one(("SUSPENDED", "DEPROVISIONED")),
        "mfaEnabled": make.likely(0.85),
        "admin": make.sometimes(0.9, make.likely(0.05)),
        "lastLoginOn": make.sometimes(0.95, make.past(90)),
        "tag.team": person.get("tag.team"),
    }
    key = f"okta:user:{person.get('username')}"
    return make.entity(make.origin("okta"), "okta_user User", key, person.get("displayName"), properties)


def _factor(make: Builder, user: Entity) -> None:
    if not user.get("mfaEnabled"):
        return
    factor = make.weighted({"push": 6, "webauthn": 3, "sms": 1})
    key = f"{user.get('_key')}:factor"
    name = f"{factor} of {user.get('displayName')}"
    properties: dict[str, Value] = {"factorType": factor, "status": "ACTIVE"}
    device = make.entity(make.origin("okta"), "mfa_device Key AccessKey", key, name, properties)
    make.relate(make.origin("okta"), user, "ASSIGNED", device)


def _application(make: Builder, service: Entity, name: str) -> Entity:
    origin = make.origin("okta")
    key = ascii_name(name)
    properties: dict[str, Value] = {
        "loginUrl": f"https://{key}.northwind.example/sso",
        "active": True,
        "production": make.sometimes(0.6, value=True),
        "category": make.one(("engineering", "office", "sales", "people")),
    }
    application = make.entity(origin, "okta_application Application", f"okta:app:{key}", name, properties)
    make.relate(origin, service, "HAS", application)
    if make.likely(0.8):
        classification = make.one(("low", "medium", "high"))
        vendor = make.entity(make.origin("hr"), "vendor Vendor", f"vendor:{key}", name, {"criticality": classification})
        make.relate(make.origin("hr"), vendor, "PROVIDES", application)
    return application


def _groups(make: Builder, service: Entity, users: list[Entity], applications: list[Entity]) -> None:
    origin = make.origin("okta")
    members = by_property(users, "tag.team") | {"everyone": users, "admins": [u for u in users if u.get("admin")]}
    for name in (*TEAMS, "everyone", "admins"):
        properties: dict[str, Value] = {
            "tag.team": name if name in TEAMS else None,
            "description": f"{name} at Northwind",
        }
        group = make.entity(origin, "okta_user_group UserGroup", f"okta:group:{name}", name, properties)
        make.relate(origin, service, "HAS", group)
        for user in members.get(name, []):
            make.relate(origin, group, "HAS", user)
        for application in make.some(applications, 4, 1):
            make.relate(origin, group, "ASSIGNED", application)


# --- devices ------------------------------------------------------------------------------------------------------


def _devices(make: Builder, everybody: list[Entity]) -> None:
    origin = make.origin("jamf")
    for number, person in enumerate(everybody):
        if make.likely(0.95):
            device = _device(make, number, person)
            make.relate(origin, person, "OWNS", device)
            if make.likely(0.8):
                _agent(make, device)


def _device(make: Builder, number: int, person: Entity) -> Entity:
    platform = make.weighted(PLATFORMS)
    properties: dict[str, Value] = {
        "platform": platform,
        "osVersion": make.one(("14.6", "15.0", "15.1") if platform == "darwin" else ("10", "11", "24.04")),
        "serial": f"NW{make.random.randrange(16**8):08X}",
        "owner": person.get("email"),
        "encrypted": make.sometimes(0.97, make.likely(0.93)),
        "lastSeenOn": make.past(45),
        "macAddresses": [
            ":".join(f"{make.random.randrange(256):02x}" for _ in range(6)) for _ in range(1 + number % 2)
        ],
        "tag.team": person.get("tag.team"),
    }
    name = f"{ascii_name(person.get('lastName'))}-{platform}-{number:03d}"
    return make.entity(make.origin("jamf"), "user_endpoint Device Host", f"device:{number}", name, properties)


def _agent(make: Builder, device: Entity) -> None:
    origin = make.origin("jamf")
    properties: dict[str, Value] = {
        "version": make.one(("7.1", "7.2", "7.3")),
        "compliant": make.likely(0.9),
        "function": make.one((["anti-malware"], ["anti-malware", "activity-monitor"])),
    }
    key, name = f"{device.get('_key')}:agent", f"agent on {device.get('name')}"
    agent = make.entity(origin, "sentinel_agent HostAgent", key, name, properties)
    make.relate(origin, agent, "PROTECTS", device)


def ascii_name(name: str) -> str:
    """A name as logins spell it: lower case, without accents."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(character for character in plain.lower() if character.isalnum())
