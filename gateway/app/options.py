"""From the settings to the small options of each part; the parts never see the settings."""

from __future__ import annotations

from collections.abc import Callable

from gateway.authz import ROOTS, Capabilities, GraphQLLimits, Rules, State
from gateway.control.logins import LoginOptions
from gateway.control.tokens import TokenOptions
from gateway.http1 import FrontLimits
from gateway.j1ql import Limits
from gateway.keys import CallLimits, Lifetimes, Project, Switches, quota_of, rate_of
from gateway.policy import PolicyOptions
from gateway.proxy import (
    Addresses,
    AddressOptions,
    AskingOptions,
    BadKeyOptions,
    Binding,
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
    RetryBudget,
    RetryOptions,
    Service,
    SpoolOptions,
    UpstreamOptions,
)
from gateway.settings import Settings
from gateway.stores import StoreOptions


def store(settings: Settings) -> StoreOptions:
    chosen = settings.store
    return StoreOptions(
        path=chosen.sqlite,
        url=chosen.url.get_secret_value() if chosen.url else None,
        sql_connections=chosen.sql_connections,
        sql_wait=chosen.sql_wait,
        loop_wait=chosen.loop_wait,
        lookup_timeout=chosen.lookup_timeout,
        lookups=chosen.lookups,
        lease=chosen.lease,
        memory_keys=chosen.memory_keys,
        absent_keys=chosen.absent_keys,
        absent_seconds=chosen.absent_seconds,
        catch_up_rows=chosen.catch_up_rows,
        redis_url=chosen.redis.get_secret_value() if chosen.redis else None,
        redis_timeout=chosen.redis_timeout,
        redis_cooldown=chosen.redis_cooldown,
        redis_ttl=chosen.redis_ttl,
    )


def tokens(settings: Settings) -> TokenOptions:
    chosen = settings.keys
    policy = PolicyOptions(
        bare_wildcard=chosen.bare_wildcard,
        conditional_deny=chosen.conditional_deny,
        max_characters=chosen.policy_characters,
        max_depth=chosen.policy_depth,
        max_statements=chosen.policy_statements,
        max_names=chosen.policy_names,
        max_values=chosen.policy_values,
        max_value_characters=chosen.policy_value_characters,
    )
    return TokenOptions(
        lifetimes=Lifetimes(default_days=chosen.default_days, max_days=chosen.max_days),
        policy=policy,
        switches=Switches(
            organization_keys_manage=chosen.organization_keys_manage, user_keys_reach_all=chosen.user_keys_reach_all
        ),
        projects=projects(settings),
        plain_secrets=chosen.contember_secrets,
        max_name_characters=chosen.name_characters,
        max_memberships=chosen.memberships,
        max_overlap_hours=chosen.overlap_hours,
        warn_days=chosen.warn_days,
    )


def projects(settings: Settings) -> dict[str, Project]:
    """By slug."""
    return {
        slug: Project(
            slug,
            chosen.organization,
            chosen.name or slug,
            {name: role.role() for name, role in chosen.roles.items()},
        )
        for slug, chosen in settings.projects.items()
    }


def logins(settings: Settings) -> LoginOptions:
    return LoginOptions(link_minutes=settings.keys.login_minutes, session_hours=settings.keys.session_hours)


def rules(settings: Settings) -> Rules:
    limits = settings.limits
    capabilities = Capabilities(
        **dict.fromkeys(settings.graph.verified, State.VERIFIED), **dict.fromkeys(settings.graph.failed, State.FAILED)
    )
    return Rules(
        mode=settings.graph.relationships,
        query_fields=settings.graph.query_fields,
        capabilities=capabilities,
        page=limits.page_rows,
        query_body=limits.query_body,
        graphql_body=limits.graphql_body,
        control_body=limits.control_body,
        validated_queries=limits.validated_queries,
        job_body=limits.job_body,
        upload_body=limits.inspected_upload,
        narrowed=limits.narrowed_characters,
        j1ql=Limits(length=limits.query_characters, tokens=limits.query_tokens, depth=limits.query_depth),
        graphql=graphql_limits(settings),
        introspection=settings.graph.introspection,
        roots=ROOTS | {name: row.permissions() for name, row in settings.graph.roots.items()},
    )


def graphql_limits(settings: Settings) -> GraphQLLimits:
    limits = settings.limits
    return GraphQLLimits(
        characters=limits.graphql_characters,
        tokens=limits.graphql_tokens,
        depth=limits.graphql_depth,
        fields=limits.graphql_fields,
        aliases=limits.graphql_aliases,
        directives=limits.graphql_directives,
        values=limits.graphql_values,
        roots=limits.graphql_roots,
        batch=limits.graphql_batch,
        queries=limits.graphql_queries,
    )


def calibration(settings: Settings) -> CalibrationOptions:
    chosen = settings.calibration
    asking = AskingOptions(pause=chosen.pause, question_seconds=chosen.question)
    return CalibrationOptions(asking=asking, round_seconds=chosen.round, write=chosen.write)


def conditions(settings: Settings) -> ConditionOptions:
    chosen = settings.calibration
    return ConditionOptions(
        room=chosen.policies_waiting, again_seconds=chosen.policies_again, on=chosen.on and chosen.policies
    )


def proxy(settings: Settings) -> ProxyOptions:
    limits = settings.limits
    front = FrontLimits(target=limits.target, headers=limits.headers, header_bytes=limits.header_bytes)
    return ProxyOptions(
        front=front,
        upload_bytes=limits.upload,
        buffered_bytes=limits.buffered,
        upstream_seconds=settings.timeouts.upstream_total,
    )


def limiter(settings: Settings) -> LimitOptions:
    limits = settings.limits
    key = _call_limits(limits.key_rate, limits.key_quota, limits.key_concurrent)
    organization = _call_limits(limits.organization_rate, limits.organization_quota, limits.organization_concurrent)
    return LimitOptions(key=key, organization=organization, room=limits.counted)


def _call_limits(rate: str | None, quota: str | None, concurrent: int | None) -> CallLimits:
    return CallLimits(rate_of(rate) if rate else None, quota_of(quota) if quota else None, concurrent)


def pages(settings: Settings) -> PageOptions:
    limits, timeouts = settings.limits, settings.timeouts
    return PageOptions(
        answer_bytes=limits.answer, again_seconds=timeouts.again, seconds=timeouts.page, calls=limits.page_calls
    )


def results(settings: Settings) -> ResultOptions:
    chosen = settings.deferred
    return ResultOptions(hosts=chosen.hosts, url=chosen.url, scheme=settings.data.scheme, seconds=chosen.seconds)


def spool(settings: Settings) -> SpoolOptions:
    chosen = settings.deferred
    return SpoolOptions(
        directory=chosen.directory,
        memory_bytes=chosen.memory,
        result_bytes=chosen.result,
        disk_bytes=chosen.disk,
    )


def upstreams(settings: Settings) -> UpstreamOptions:
    limits, timeouts = settings.limits, settings.timeouts
    return UpstreamOptions(
        connect_seconds=timeouts.upstream_connect,
        answer_seconds=timeouts.upstream_answer,
        idle_seconds=timeouts.upstream_idle,
        send_seconds=timeouts.upstream_send,
        connections=limits.upstream_connections,
        keepalive_seconds=timeouts.upstream_keepalive,
        head_bytes=limits.upstream_head,
    )


def addresses(settings: Settings) -> AddressOptions:
    chosen = settings.upstreams
    return AddressOptions(failures=chosen.failures, out_seconds=chosen.out, longest_out_seconds=chosen.longest_out)


def retries(settings: Settings) -> RetryOptions:
    chosen = settings.upstreams
    return RetryOptions(
        most=chosen.retries,
        share=chosen.retry_share,
        per_second=chosen.retries_per_second,
        saved=chosen.retries_saved,
    )


def checks(settings: Settings) -> CheckOptions:
    return CheckOptions(seconds=settings.upstreams.check, check_all=settings.upstreams.check_all)


def listener(settings: Settings) -> ListenerOptions:
    limits, timeouts = settings.limits, settings.timeouts
    return ListenerOptions(
        head_seconds=timeouts.client_head,
        body_seconds=timeouts.client_body,
        body_rate=limits.body_rate,
        send_seconds=timeouts.client_send,
        keepalive_seconds=timeouts.client_keepalive,
        half_closed_seconds=timeouts.client_half_closed,
        linger_seconds=timeouts.client_linger,
        drain_seconds=timeouts.drain,
        connections=limits.connections,
        connections_per_address=limits.connections_per_address,
        trusted_proxies=settings.data.trusted_proxies,
        line_bytes=limits.head_line,
        head_lines=limits.head_lines,
    )


def bad_keys(settings: Settings) -> BadKeyOptions:
    limits = settings.limits
    return BadKeyOptions(rate=rate_of(limits.bad_keys) if limits.bad_keys else None, addresses=limits.addresses)


def ops(settings: Settings) -> OpsOptions:
    timeouts = settings.timeouts
    return OpsOptions(check_seconds=timeouts.health_check, remembered_seconds=timeouts.health_remembered)


def identities(settings: Settings) -> IdentityOptions:
    chosen = settings.identity
    return IdentityOptions(
        secret=settings.secrets.identity.get_secret_value(),
        issuer=chosen.issuer,
        lifetime=chosen.lifetime,
        reuse=chosen.reuse,
        kept=chosen.kept,
    )


def decisions(settings: Settings) -> DecisionOptions:
    chosen = settings.decision_log
    return DecisionOptions(path=chosen.file, bodies=chosen.bodies, body_bytes=chosen.body_bytes, room=chosen.room)


Told = Callable[[str, int, Circuit], None]
"""Hears of the circuit of an upstream's address; the upstream's name is that of its organization and its own."""


def bindings(settings: Settings, told: Told = lambda *_: None) -> dict[str, Binding]:
    """By organization. Organizations with the same addresses share what is known of them, and the budget for retries:
    both are about the addresses, whoever calls there."""
    services = {urls: _service(settings, urls, names, told) for urls, names in _named(settings).items()}
    return {
        organization: Binding(
            j1ql=services[chosen.upstream.j1ql],
            graphql=services[chosen.upstream.graphql],
            persister=services[chosen.upstream.persister],
            account=chosen.upstream.account,
            credential=chosen.upstream.credential.get_secret_value(),
        )
        for organization, chosen in settings.organizations.items()
    }


def upstream_urls(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The addresses of every upstream, by its name: `acme/j1ql`."""
    return {
        f"{organization}/{name}": getattr(chosen.upstream, name)
        for organization, chosen in settings.organizations.items()
        for name in ("j1ql", "graphql", "persister")
    }


def _named(settings: Settings) -> dict[tuple[str, ...], list[str]]:
    named: dict[tuple[str, ...], list[str]] = {}
    for name, urls in upstream_urls(settings).items():
        named.setdefault(urls, []).append(name)
    return named


def _service(settings: Settings, urls: tuple[str, ...], names: list[str], told: Told) -> Service:
    def tell(place: int, circuit: Circuit) -> None:
        for name in names:
            told(name, place, circuit)

    for place in range(len(urls)):
        tell(place, Circuit.CLOSED)
    chosen = retries(settings)
    return Service(Addresses(urls, addresses(settings), told=tell), RetryBudget(chosen), chosen)
