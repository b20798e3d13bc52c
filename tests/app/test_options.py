"""The settings and the options of the parts say the same: every option can be set, and both have the same defaults."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from gateway.app import options
from gateway.authz import CAPABILITIES, Introspection, Mode, Rules
from gateway.control import LoginOptions, TokenOptions
from gateway.keys import CallLimits, Quota, Rate
from gateway.proxy import (
    AddressOptions,
    BadKeyOptions,
    CalibrationOptions,
    CheckOptions,
    Circuit,
    ConditionOptions,
    DecisionOptions,
    IdentityOptions,
    LimitOptions,
    ListenerOptions,
    OpsOptions,
    PageOptions,
    ProxyOptions,
    ResultOptions,
    RetryOptions,
    SpoolOptions,
    UpstreamOptions,
)
from gateway.settings import Settings, validated
from gateway.stores import StoreOptions

SECRETS = {"identity": "i" * 32, "seal": "s" * 32}
PARTS = {
    options.store: StoreOptions(Path("gateway.db")),
    options.tokens: TokenOptions(),
    options.logins: LoginOptions(),
    options.rules: Rules(),
    options.proxy: ProxyOptions(),
    options.limiter: LimitOptions(),
    options.pages: PageOptions(),
    options.results: ResultOptions(),
    options.spool: SpoolOptions(),
    options.listener: ListenerOptions(),
    options.bad_keys: BadKeyOptions(),
    options.ops: OpsOptions(),
    options.upstreams: UpstreamOptions(),
    options.addresses: AddressOptions(),
    options.retries: RetryOptions(),
    options.checks: CheckOptions(),
    options.calibration: CalibrationOptions(),
    options.conditions: ConditionOptions(),
    options.identities: IdentityOptions(SECRETS["identity"]),
    options.decisions: DecisionOptions(),
}
NOT_SETTINGS = {
    "Rules.doubted",  # what the upstream was seen to do
    "ConditionOptions.remembered",  # as many as there can be policies in use
    "ListenerOptions.shared",  # no knob: `gateway serve --workers` decides
    "TokenOptions.projects",  # no knob: sections of their own, see below
    "IdentityOptions.secret",  # has no default to be compared with
}
SECTIONS = (
    "data",
    "store",
    "keys",
    "graph",
    "calibration",
    "limits",
    "timeouts",
    "deferred",
    "upstreams",
    "identity",
    "decision_log",
)
VALUES = {"rate": "1/1", "quota": "1/day", "concurrent": 1}
READ_ELSEWHERE = {
    "data.host",
    "data.port",
    "data.tls_key",
    "limits.control_tokens",
    "limits.cursor",
    "limits.jobs",
    "keys.last_used_precision",
    "keys.last_used_seconds",
    "store.canary_seconds",
    "calibration.every",
    "deferred.address",
}
"""By `serving` itself: no options value stands around one number."""


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_the_defaults_of_the_settings_are_those_of_the_part(part):
    assert part(validated({"secrets": SECRETS})) == PARTS[part]


LIMITS = {f"{scope}_{name}": value for scope in ("key", "organization") for name, value in VALUES.items()}
LIMITS |= {"bad_keys": "1/1", "upstream_total": 1, "retry_share": 0.5}


TEXTS = {
    "store.url": "postgresql://other/gateway",
    "deferred.url": "https://other",
    "deferred.hosts": ("other.example",),
    "graph.roots": {"board": [{"action": "dashboard:View"}]},
}


def other(section: str, name: str, value: object) -> object:
    if text := TEXTS.get(f"{section}.{name}"):
        return text
    if name in LIMITS:
        return LIMITS[name]
    match value:
        case bool():
            return not value
        case Mode():
            return Mode.INDUCED
        case Introspection():
            return Introspection.NOBODY
        case ():
            return (CAPABILITIES[0],)
        case (IPv4Network(), *_):
            return ("192.0.2.0/24",)
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case _:
            return "redis://other/1"


def flat(value: object, path: str) -> dict[str, object]:
    if not is_dataclass(value) or isinstance(value, Rate | Quota):
        return {path: value}
    found = {}
    name = path if isinstance(value, CallLimits) else type(value).__name__  # of those there are two
    for field in fields(value):
        found |= flat(getattr(value, field.name), f"{name}.{field.name}")
    return found


def everything(settings: Settings) -> dict[str, object]:
    found = {}
    for part in PARTS:
        found |= flat(part(settings), part.__name__)
    return found


def test_each_setting_reaches_one_option_and_each_option_has_a_setting():
    settings = validated({"secrets": SECRETS})
    before, reached = everything(settings), set()
    for section in SECTIONS:
        for name, value in getattr(settings, section):
            changed = settings.model_dump() | {"secrets": SECRETS}
            changed[section] |= {name: other(section, name, value)}
            after = everything(validated(changed))
            told = {option for option in after if after[option] != before[option]}
            assert len(told) == (0 if f"{section}.{name}" in READ_ELSEWHERE else 1), (section, name, told)
            reached |= told
    unset = {option for option in set(before) - reached if not option.startswith("Capabilities.")}
    assert unset == NOT_SETTINGS


UPSTREAM = {"j1ql": ["http://a/j1ql", "http://d/j1ql"], "graphql": "http://b/", "persister": "http://c", "account": "x"}


def bound(**upstreams):
    organizations = {name: {"upstream": each | {"credential": "ours"}} for name, each in upstreams.items()}
    return validated({"secrets": SECRETS, "organizations": organizations})


def urls(service):
    return [address.url for address in service.addresses.all]


def test_an_organization_is_bound_to_its_upstreams():
    binding = options.bindings(bound(acme=UPSTREAM))["acme"]
    assert urls(binding.j1ql) == ["http://a/j1ql", "http://d/j1ql"]
    assert (urls(binding.graphql), urls(binding.persister)) == (["http://b"], ["http://c"])
    assert (binding.account, binding.credential) == ("x", "ours")
    assert "ours" not in repr(binding)


def test_organizations_with_the_same_addresses_share_what_is_known_of_them():
    settings = bound(acme=UPSTREAM, globex=UPSTREAM | {"graphql": "http://other"})
    told = []
    bindings = options.bindings(settings, lambda *heard: told.append(heard))
    assert bindings["acme"].j1ql is bindings["globex"].j1ql
    assert bindings["acme"].graphql is not bindings["globex"].graphql
    assert len(told) == 2 * (2 + 1 + 1)
    assert {circuit for _, _, circuit in told} == {Circuit.CLOSED}

    told.clear()
    addresses = bindings["acme"].j1ql.addresses
    for now in range(5):
        addresses.checked(addresses.all[1], now, now, up=False)
    assert told == [("acme/j1ql", 1, Circuit.OPEN), ("globex/j1ql", 1, Circuit.OPEN)]
