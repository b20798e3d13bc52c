"""What an account holds besides its graph: integrations, dashboards, parameters, settings, compliance frameworks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox.origin import Integration

REDACTED = "[REDACTED]"
"""What the API shows of a secret parameter; only queries see the value."""

INTEGRATION_INSTANCE = "5465397d-8491-4a12-806a-04792839abe3"
"""A custom integration with nothing in its scope: for trying out synchronization jobs."""

INTEGRATIONS = {
    integration.type: integration
    for integration in (
        Integration(INTEGRATION_INSTANCE, "Asset inventory", "custom", "ITS"),
        Integration("b7a1c1de-1f04-4a56-9d53-2c1f6a1b8f10", "GitHub", "github", "SCM"),
        Integration("2c7d4b5e-6d5f-4b0b-8a66-0f6a4bc1f5ad", "AWS", "aws", "CSP"),
        Integration("9e8f3c44-7a4d-4bb0-b0f5-5d8d6a3f2e21", "Okta", "okta", "IAM"),
        Integration("41f5a8d0-2f6b-4a1e-bb8a-3e9d7c6b5a49", "Jira", "jira", "ITS"),
        Integration("c3d2e1f0-5b4a-4938-a716-150403f2e1d0", "Snyk", "snyk", "VulnerabilityManagement"),
        Integration("7b6a5948-3726-4150-8f4e-3d2c1b0a9f8e", "Jamf", "jamf", "MDM"),
        Integration("18273645-5463-4728-9190-a1b2c3d4e5f6", "People directory", "hr", "HRM"),
    )
}
"""The account's integration instances, by integration type."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard and the queries of its widgets, by title."""

    id: str
    name: str
    category: str
    widgets: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named value that queries may use as `${param.name}`; `updated` in milliseconds since the epoch."""

    name: str
    value: Any
    secret: bool
    updated: int


@dataclass(frozen=True, slots=True)
class Framework:
    """A compliance framework, with the evaluation results of its items by requirement."""

    id: str
    name: str
    version: str
    results: Mapping[str, str]


DASHBOARDS = (
    Dashboard(
        "123456",
        "Repositories",
        "Engineering",
        {
            "Public repositories": "FIND github_repo WITH public = true",
            "Repositories by team": "FIND github_repo AS r RETURN r.tag.team AS team, COUNT(r) AS repositories",
        },
    ),
    Dashboard(
        "123457",
        "Cloud exposure",
        "Security",
        {"Public buckets": "FIND aws_s3_bucket WITH public = true", "Open findings": "FIND Finding WITH open = true"},
    ),
    Dashboard("123458", "People", "Identity", {"People without a user": "FIND Person THAT !IS okta_user"}),
)

FRAMEWORKS = (
    Framework(
        "3a7c1e90-55d1-4d0f-9a52-1f2e3d4c5b6a",
        "SOC 2",
        "2017",
        {"CC6.1": "COMPLIANT", "CC6.2": "COMPLIANT", "CC6.3": "GAP_DETECTED", "CC7.1": "UNKNOWN"},
    ),
    Framework(
        "4b8d2fa1-66e2-4e10-8b63-203f4e5d6c7b",
        "CIS AWS Foundations",
        "1.4.0",
        {"1.4": "COMPLIANT", "1.5": "GAP_DETECTED", "2.1.1": "COMPLIANT"},
    ),
)


@dataclass(slots=True)
class Account:
    """One account. Parameters and settings change; settings are found by resource type, resource id and category."""

    id: str
    created: int
    parameters: dict[str, Parameter] = field(default_factory=dict)
    settings: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    integrations: tuple[Integration, ...] = tuple(INTEGRATIONS.values())
    dashboards: tuple[Dashboard, ...] = DASHBOARDS
    frameworks: tuple[Framework, ...] = FRAMEWORKS

    def integration(self, instance: str) -> Integration | None:
        """The integration instance of an id."""
        return next((integration for integration in self.integrations if integration.id == instance), None)

    def values(self) -> dict[str, Any]:
        """The parameters as queries see them, secret ones too."""
        return {parameter.name: parameter.value for parameter in self.parameters.values()}


def example_account(account_id: str, now: int) -> Account:
    """An account with a few parameters, one of them secret, and settings in two categories."""
    parameters = (
        Parameter("loginUrl", "https://login.northwind.example", secret=False, updated=now),
        Parameter("criticalSeverity", 9, secret=False, updated=now),
        Parameter("sensitiveTeams", ["payments", "data"], secret=False, updated=now),
        Parameter("webhookToken", "wht-5c1f0a7e2d", secret=True, updated=now),
    )
    settings = {
        ("account", account_id, "insights"): {"defaultDashboard": "123456", "theme": "light"},
        ("account", account_id, "alerts"): {"dailyEmail": True, "recipients": ["security@northwind.example"]},
    }
    return Account(account_id, now, {parameter.name: parameter for parameter in parameters}, dict(settings))
