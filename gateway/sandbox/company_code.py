"""Code hosting: repositories, users, teams, pull requests, packages, findings in code, and the tickets about them."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.sandbox.company_builder import CLOCK, DAY, Builder, Value, by_property
from gateway.sandbox.company_names import ISSUE_VERBS, LANGUAGES, PACKAGES, REPO_KINDS, REPO_SUBJECTS, TEAMS
from gateway.sandbox.company_people import People
from gateway.sandbox.graph import Entity

REPOSITORIES = 310
"""More than one page of 250."""

PULL_REQUESTS = 280
CODE_FINDINGS = 180
VULNERABILITIES = 90
ISSUES = 240
SEVERITIES = {"low": 4, "medium": 4, "high": 2, "critical": 1}
SCORES = {"low": 2, "medium": 5, "high": 8, "critical": 10}


@dataclass(frozen=True, slots=True)
class Code:
    """What the cloud refers to."""

    repositories: list[Entity]
    users: list[Entity]


def code(make: Builder, people: People) -> Code:
    """The code host with everything around it."""
    origin = make.origin("github")
    account = make.entity(
        origin, "github_account Account Organization", "github:account", "northwind", {"accountType": "Organization"}
    )
    users = _users(make, account, people)
    repositories = _repositories(make, account)
    _teams(make, account, users, repositories)
    _contributions(make, users, repositories)
    _pull_requests(make, users, repositories)
    _packages(make, repositories)
    _findings(make, repositories)
    _tickets(make, people, repositories)
    return Code(repositories, users)


def _users(make: Builder, account: Entity, people: People) -> list[Entity]:
    """Two thirds of the people have a user; a few users are nobody's any more."""
    origin = make.origin("github")
    users = []
    for person in people.everybody:
        if not make.likely(0.7):
            continue
        login = f"{person.get('username').replace('.', '-')}-nw"
        properties: dict[str, Value] = {
            "username": login,
            "email": make.sometimes(0.6, person.get("email")),
            "active": True,
            "admin": make.likely(0.04),
            "mfaEnabled": make.sometimes(0.9, make.likely(0.9)),
            "tag.team": person.get("tag.team"),
        }
        user = make.entity(origin, "github_user User", f"github:user:{login}", login, properties)
        make.relate(origin, account, "HAS", user, role=make.weighted({"MEMBER": 9, "ADMIN": 1}))
        if make.likely(0.93):
            make.relate(origin, user, "IS", person)
        users.append(user)
    return users


def _repositories(make: Builder, account: Entity) -> list[Entity]:
    names = [f"{subject}-{kind}" for subject in REPO_SUBJECTS for kind in REPO_KINDS]
    repositories = [_repository(make, name) for name in make.random.sample(names, REPOSITORIES)]
    for repository in repositories:
        make.relate(make.origin("github"), account, "OWNS", repository)
    return repositories


def _repository(make: Builder, name: str) -> Entity:
    languages = make.some(LANGUAGES, 3)
    properties: dict[str, Value] = {
        "fullName": f"northwind/{name}",
        "webLink": f"https://github.com/northwind/{name}",
        "public": make.likely(0.12),
        "archived": make.likely(0.1),
        "defaultBranch": make.weighted({"main": 8, "master": 2}),
        "languages": languages or None,
        "topics": make.sometimes(0.5, make.some(("backend", "frontend", "legacy", "internal", "pci"), 3, 1)),
        "classification": make.sometimes(0.7, make.weighted({"public": 1, "internal": 6, "confidential": 3})),
        "stars": make.random.randrange(40),
        "size": make.random.randrange(20, 90_000),
        "updatedOn": make.past(300),
        "createdOn": CLOCK - make.random.randrange(300, 2000) * DAY,
        "tag.team": make.sometimes(0.85, make.one(TEAMS)),
        "tag.Production": make.sometimes(0.6, make.likely(0.6)),
    }
    return make.entity(make.origin("github"), "github_repo CodeRepo", f"github:repo:{name}", name, properties)


def _teams(make: Builder, account: Entity, users: list[Entity], repositories: list[Entity]) -> None:
    origin = make.origin("github")
    members, owned = by_property(users, "tag.team"), by_property(repositories, "tag.team")
    for name in TEAMS:
        properties: dict[str, Value] = {"privacy": make.one(("closed", "secret")), "tag.team": name}
        team = make.entity(origin, "github_team UserGroup Team", f"github:team:{name}", name, properties)
        make.relate(origin, account, "HAS", team)
        for user in members.get(name, []):
            make.relate(origin, team, "HAS", user)
        for repository in owned.get(name, []):
            permission = make.weighted({"READ": 2, "WRITE": 5, "ADMIN": 1})
            make.relate(origin, team, "ALLOWS", repository, permission=permission)


def _contributions(make: Builder, users: list[Entity], repositories: list[Entity]) -> None:
    for repository in repositories:
        for user in make.some(users, 5, 1):
            commits = make.random.randrange(1, 400)
            make.relate(
                make.origin("github"), user, "CONTRIBUTES", repository, commits=commits, lastCommitOn=make.past(400)
            )


def _pull_requests(make: Builder, users: list[Entity], repositories: list[Entity]) -> None:
    origin = make.origin("github")
    for number in range(1, PULL_REQUESTS + 1):
        repository, author, reviewer = make.one(repositories), make.one(users), make.one(users)
        merged = make.likely(0.7)
        name = f"{make.one(ISSUE_VERBS)} {repository.get('name')}"
        properties: dict[str, Value] = {
            "title": name,
            "state": "merged" if merged else make.one(("open", "closed")),
            "merged": merged,
            "approved": make.likely(0.8) if merged else None,
            "mergedOn": make.past(200) if merged else None,
            "labels": make.some(("bug", "chore", "security", "feature"), 2) or None,
        }
        key = f"github:pr:{number}"
        pull_request = make.entity(origin, "github_pullrequest PR", key, f"#{number} {name}", properties)
        make.relate(origin, repository, "HAS", pull_request)
        make.relate(origin, author, "OPENED", pull_request)
        if merged and reviewer is not author:
            make.relate(origin, reviewer, "APPROVED", pull_request)


def _packages(make: Builder, repositories: list[Entity]) -> None:
    origin = make.origin("github")
    packages = []
    for name in PACKAGES:
        license_name = make.sometimes(0.9, make.one(("MIT", "Apache-2.0", "BSD-3-Clause")))
        properties: dict[str, Value] = {"license": license_name, "public": True}
        packages.append(make.entity(origin, "npm_package CodeModule", f"package:{name}", name, properties))
    for repository in repositories:
        for package in make.some(packages, 4):
            version = f"{make.random.randrange(1, 9)}.{make.random.randrange(20)}.0"
            make.relate(origin, repository, "USES", package, version=version, directDependency=make.likely(0.7))


def _findings(make: Builder, repositories: list[Entity]) -> None:
    origin = make.origin("snyk")
    vulnerabilities = [_vulnerability(make, number) for number in range(VULNERABILITIES)]
    for number in range(CODE_FINDINGS):
        vulnerability, repository = make.one(vulnerabilities), make.one(repositories)
        severity = vulnerability.get("severity")
        opened = make.likely(0.6)
        properties: dict[str, Value] = {
            "severity": severity,
            "numericSeverity": SCORES[severity],
            "open": opened,
            "status": "open" if opened else "closed",
            "targets": [repository.get("name")],
            "createdOn": make.past(400),
            "closedOn": None if opened else make.past(60),
            "tag.team": repository.get("tag.team"),
        }
        name = f"{vulnerability.get('name')} in {repository.get('name')}"
        finding = make.entity(origin, "snyk_finding Finding", f"snyk:finding:{number}", name, properties)
        make.relate(origin, repository, "HAS", finding)
        make.relate(origin, finding, "IS", vulnerability)


def _vulnerability(make: Builder, number: int) -> Entity:
    severity = make.weighted(SEVERITIES)
    name = f"CVE-{make.one((2023, 2024, 2025))}-{10_000 + number * 37}"
    properties: dict[str, Value] = {
        "severity": severity,
        "numericSeverity": SCORES[severity],
        "score": SCORES[severity] - make.random.randrange(10) / 10,
        "exploited": make.sometimes(0.7, make.likely(0.1)),
        "references": [f"https://nvd.nist.gov/vuln/detail/{name}"],
    }
    return make.entity(make.origin("snyk"), "cve Vulnerability", name.lower(), name, properties)


def _tickets(make: Builder, people: People, repositories: list[Entity]) -> None:
    origin = make.origin("jira")
    projects = {}
    for name in TEAMS:
        properties: dict[str, Value] = {"projectKey": name[:4].upper(), "tag.team": name}
        projects[name] = make.entity(origin, "jira_project Project", f"jira:project:{name}", name.title(), properties)
    for number in range(1, ISSUES + 1):
        team = make.one(TEAMS)
        repository = make.one(repositories)
        issue = _issue(make, number, team, repository)
        make.relate(origin, projects[team], "HAS", issue)
        make.relate(origin, make.one(people.everybody), "CREATED", issue)
        if make.likely(0.75):
            make.relate(origin, issue, "ASSIGNED", make.one(people.everybody))
        make.relate(origin, issue, "IMPACTS", repository)


def _issue(make: Builder, number: int, team: str, repository: Entity) -> Entity:
    status = make.weighted({"Open": 3, "In Progress": 2, "Done": 5})
    name = f"{team[:4].upper()}-{number}"
    summary = f"{make.one(ISSUE_VERBS)} {repository.get('name')}"
    properties: dict[str, Value] = {
        "summary": summary,
        "status": status,
        "open": status != "Done",
        "priority": make.sometimes(0.9, make.one(("Low", "Medium", "High"))),
        "issueType": make.one(("Bug", "Task", "Story", "Risk")),
        "labels": make.some(("security", "compliance", "debt", "customer"), 2) or None,
        "createdOn": make.past(500),
        "resolvedOn": make.past(100) if status == "Done" else None,
        "tag.team": team,
    }
    return make.entity(
        make.origin("jira"), "jira_issue Record Issue", f"jira:issue:{number}", f"{name} {summary}", properties
    )
