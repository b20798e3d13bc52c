"""The cloud: accounts, identities and policies, networks, hosts, functions, data stores, keys, and findings in them."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.sandbox.company_builder import Builder, Value
from gateway.sandbox.company_code import SCORES, SEVERITIES, Code
from gateway.sandbox.company_names import REGIONS, TEAMS
from gateway.sandbox.company_people import People
from gateway.sandbox.graph import Entity

ACCOUNTS = {"production": "111122223333", "staging": "222233334444", "data": "333344445555", "sandbox": "444455556666"}
PORTS = (22, 80, 443, 3306, 5432, 6379, 8080)


@dataclass(slots=True)
class _Cloud:
    """One cloud account while it is being filled."""

    entity: Entity
    number: str
    environment: str
    roles: list[Entity] = field(default_factory=list)
    keys: list[Entity] = field(default_factory=list)
    buckets: list[Entity] = field(default_factory=list)


def cloud(make: Builder, people: People, code: Code) -> None:
    """Four accounts, the whole world that some of their firewalls let in, and who may use what."""
    internet = make.entity(make.origin("aws"), "internet Internet", "global:internet", "Internet", {"public": True})
    everyone = make.entity(make.origin("aws"), "everyone Everyone", "global:everyone", "Everyone", {"public": True})
    for environment, number in ACCOUNTS.items():
        account = _account(make, environment, number)
        make.relate(make.origin("aws"), people.account, "OWNS", account.entity)
        _identities(make, account, people)
        _stores(make, account, everyone)
        _networks(make, account, internet)
        _functions(make, account, code)


def _account(make: Builder, environment: str, number: str) -> _Cloud:
    properties: dict[str, Value] = {"accountId": number, "tag.Production": environment == "production", "vendor": "AWS"}
    name = f"northwind-{environment}"
    account = make.entity(make.origin("aws"), "aws_account Account", f"aws:account:{number}", name, properties)
    return _Cloud(account, number, environment)


def _add(make: Builder, account: _Cloud, kind: str, name: str, properties: dict[str, Value]) -> Entity:
    """A resource of an account, with what every resource has; one in nine has no team."""
    shared: dict[str, Value] = {
        "accountId": account.number,
        "region": make.weighted(REGIONS),
        "tag.AccountName": f"northwind-{account.environment}",
        "tag.Environment": make.sometimes(0.9, account.environment),
        "tag.team": make.sometimes(0.89, make.one(TEAMS)),
    }
    key = f"arn:aws:{kind.split(maxsplit=1)[0].removeprefix('aws_')}:{account.number}:{name}"
    entity = make.entity(make.origin("aws"), kind, key, name, shared | properties)
    make.relate(make.origin("aws"), account.entity, "HAS", entity)
    return entity


# --- identities and policies --------------------------------------------------------------------------------------


def _identities(make: Builder, account: _Cloud, people: People) -> None:
    origin = make.origin("aws")
    policies = [_policy(make, account, number) for number in range(12)]
    groups = []
    for name in ("developers", "readers", "operators"):
        group = _add(make, account, "aws_iam_group UserGroup", name, {"region": None})
        make.relate(origin, group, "ASSIGNED", make.one(policies))
        groups.append(group)
    for user in make.some(people.users, 18, 18):
        _iam_user(make, account, user, groups, policies)
    for number in range(20):
        purpose = make.one(("deploy", "lambda", "instance", "audit", "backup"))
        properties: dict[str, Value] = {"region": None, "admin": make.likely(0.08), "lastUsedOn": make.past(200)}
        role = _add(make, account, "aws_iam_role AccessRole", f"{purpose}-{number:02d}", properties)
        for policy in make.some(policies, 3, 1):
            make.relate(origin, role, "ASSIGNED", policy)
        make.relate(origin, role, "TRUSTS", account.entity, externalId=make.sometimes(0.3, f"ext-{number}"))
        account.roles.append(role)


def _policy(make: Builder, account: _Cloud, number: int) -> Entity:
    service = make.one(("s3", "ec2", "iam", "rds", "lambda"))
    admin = make.likely(0.1)
    properties: dict[str, Value] = {
        "region": None,
        "admin": admin,
        "actions": ["*"] if admin else make.some((f"{service}:Get*", f"{service}:List*", f"{service}:Put*"), 3, 1),
        "resources": ["*"] if make.likely(0.4) else [f"arn:aws:{service}:::northwind-{account.environment}/*"],
    }
    return _add(make, account, "aws_iam_policy AccessPolicy", f"{service}-policy-{number:02d}", properties)


def _iam_user(make: Builder, account: _Cloud, user: Entity, groups: list[Entity], policies: list[Entity]) -> None:
    origin = make.origin("aws")
    name = user.get("username").split("@")[0]
    properties: dict[str, Value] = {
        "region": None,
        "username": name,
        "active": user.get("active"),
        "mfaEnabled": make.likely(0.8),
        "passwordEnabled": make.likely(0.5),
        "lastLoginOn": make.sometimes(0.8, make.past(120)),
        "tag.team": user.get("tag.team"),
    }
    entity = _add(make, account, "aws_iam_user User", name, properties)
    make.relate(origin, make.one(groups), "HAS", entity)
    make.relate(origin, entity, "IS", user)
    if make.likely(0.2):
        make.relate(origin, entity, "ASSIGNED", make.one(policies))


# --- data ---------------------------------------------------------------------------------------------------------


def _stores(make: Builder, account: _Cloud, everyone: Entity) -> None:
    origin = make.origin("aws")
    for number in range(5):
        properties: dict[str, Value] = {"rotationEnabled": make.likely(0.7), "enabled": True}
        account.keys.append(_add(make, account, "aws_kms_key Key", f"key-{number}", properties))
    for number in range(32):
        bucket = _bucket(make, account, number)
        account.buckets.append(bucket)
        if bucket.get("public"):
            make.relate(origin, everyone, "ALLOWS", bucket, permission="READ")
        if bucket.get("encrypted"):
            make.relate(origin, bucket, "USES", make.one(account.keys))
        for role in make.some(account.roles, 2):
            make.relate(origin, role, "ALLOWS", bucket, permission=make.one(("READ", "WRITE")))
    for number in range(8):
        engine = make.one(("postgres", "mysql"))
        database: dict[str, Value] = {
            "engine": engine,
            "encrypted": make.likely(0.85),
            "public": make.likely(0.05),
            "allocatedStorage": make.one((20, 100, 500)),
            "classification": make.sometimes(0.8, make.one(("internal", "confidential", "critical"))),
        }
        entity = _add(make, account, "aws_db_instance Database DataStore", f"{engine}-{number:02d}", database)
        make.relate(origin, entity, "USES", make.one(account.keys))


def _bucket(make: Builder, account: _Cloud, number: int) -> Entity:
    purpose = make.one(("logs", "backup", "assets", "exports", "uploads"))
    properties: dict[str, Value] = {
        "public": make.likely(0.1),
        "encrypted": make.sometimes(0.95, make.likely(0.85)),
        "versioningEnabled": make.likely(0.5),
        "bucketSizeBytes": make.random.randrange(10**6, 10**12),
        "classification": make.sometimes(0.75, make.one(("public", "internal", "confidential", "critical"))),
        "logTypes": make.sometimes(0.4, make.some(("access", "object", "ADMIN_READ"), 3, 1)),
    }
    name = f"northwind-{account.environment}-{purpose}-{number:02d}"
    return _add(make, account, "aws_s3_bucket DataStore", name, properties)


# --- networks and hosts -------------------------------------------------------------------------------------------


def _networks(make: Builder, account: _Cloud, internet: Entity) -> None:
    origin = make.origin("aws")
    subnets = []
    for number in range(2):
        properties: dict[str, Value] = {"CIDR": f"10.{number}.0.0/16", "default": number == 0}
        network = _add(make, account, "aws_vpc Network", f"vpc-{number}", properties)
        for part in range(3):
            block: dict[str, Value] = {"CIDR": f"10.{number}.{part}.0/24", "public": part == 0}
            subnet = _add(make, account, "aws_subnet Network", f"subnet-{number}-{part}", block)
            make.relate(origin, network, "CONTAINS", subnet)
            subnets.append(subnet)
    firewalls = [_firewall(make, account, internet, number) for number in range(9)]
    for number in range(34):
        _instance(make, account, number, make.one(subnets), make.some(firewalls, 2, 1))


def _firewall(make: Builder, account: _Cloud, internet: Entity, number: int) -> Entity:
    origin = make.origin("aws")
    entity = _add(make, account, "aws_security_group Firewall", f"sg-{number:02d}", {"category": ["network"]})
    for port in make.some(PORTS, 3, 1):
        rule: dict[str, Value] = {"fromPort": port, "toPort": port, "ipProtocol": "tcp"}
        make.relate(origin, entity, "ALLOWS", internet, ingress=False, **rule)
        if make.likely(0.4):
            make.relate(origin, internet, "ALLOWS", entity, ingress=True, **rule)
    return entity


def _instance(make: Builder, account: _Cloud, number: int, subnet: Entity, firewalls: list[Entity]) -> None:
    origin = make.origin("aws")
    purpose = make.one(("web", "api", "worker", "bastion"))
    address = f"{subnet.get('CIDR').rsplit('.', 1)[0]}.{number + 10}"
    public = bool(subnet.get("public")) and make.likely(0.5)
    properties: dict[str, Value] = {
        "instanceType": make.one(("t3.medium", "m6i.large", "c7g.xlarge")),
        "state": make.weighted({"running": 8, "stopped": 2}),
        "active": True,
        "privateIpAddress": address,
        "ipAddress": address,
        "publicIpAddress": f"203.0.113.{number + 1}" if public else None,
        "public": public,
        "securityGroupIds": [firewall.get("_key") for firewall in firewalls],
        "platform": make.weighted({"linux": 9, "windows": 1}),
    }
    host = _add(make, account, "aws_instance Host", f"{purpose}-{number:02d}", properties)
    make.relate(origin, subnet, "HAS", host)
    for firewall in firewalls:
        make.relate(origin, firewall, "PROTECTS", host)
    if account.roles and make.likely(0.7):
        make.relate(origin, host, "USES", make.one(account.roles))
    volume = _volume(make, account, number)
    make.relate(origin, host, "USES", volume, deviceName="/dev/xvda")
    if make.likely(0.3):
        _detection(make, account, host, number)


def _volume(make: Builder, account: _Cloud, number: int) -> Entity:
    encrypted = make.likely(0.8)
    properties: dict[str, Value] = {"encrypted": encrypted, "size": make.one((8, 50, 200)), "attached": True}
    volume = _add(make, account, "aws_ebs_volume DataStore Disk", f"vol-{number:02d}", properties)
    if encrypted:
        make.relate(make.origin("aws"), volume, "USES", make.one(account.keys))
    return volume


def _detection(make: Builder, account: _Cloud, host: Entity, number: int) -> None:
    severity = make.weighted(SEVERITIES)
    opened = make.likely(0.5)
    properties: dict[str, Value] = {
        "severity": severity,
        "numericSeverity": SCORES[severity],
        "open": opened,
        "status": "open" if opened else "closed",
        "category": "host",
        "createdOn": make.past(200),
        "tag.team": host.get("tag.team"),
    }
    name = f"Unusual traffic of {host.get('name')} ({number})"
    finding = _add(make, account, "aws_guardduty_finding Finding", name, properties)
    make.relate(make.origin("aws"), host, "HAS", finding)


# --- functions ----------------------------------------------------------------------------------------------------


def _functions(make: Builder, account: _Cloud, code: Code) -> None:
    origin = make.origin("aws")
    for number in range(22):
        repository = make.one(code.repositories)
        properties: dict[str, Value] = {
            "runtime": make.one(("nodejs18.x", "nodejs22.x", "python3.9", "python3.12")),
            "memorySize": make.one((128, 256, 1024)),
            "timeout": make.one((3, 30, 900)),
            "environmentVariables": make.sometimes(0.6, make.some(("STAGE", "LOG_LEVEL", "TABLE"), 3, 1)),
            "tag.team": repository.get("tag.team"),
        }
        function = _add(
            make, account, "aws_lambda_function Function Workload", f"{repository.get('name')}-{number}", properties
        )
        make.relate(origin, function, "ASSIGNED", make.one(account.roles))
        make.relate(origin, repository, "DEPLOYED", function)
        for bucket in make.some(account.buckets, 2):
            make.relate(origin, function, "USES", bucket)
