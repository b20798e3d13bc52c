"""Every knob once: name, default, unit, reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway import keys
from gateway.authz import Introspection, Mode, Needs, check_arguments, check_needs, check_resource
from gateway.keys import Predefined, check_role
from gateway.policy import ANY
from gateway.settings.calibration import Calibration
from gateway.settings.kinds import (
    BaseURL,
    Capabilities,
    Count,
    DatabaseURL,
    OrganizationId,
    PolicyAction,
    ProjectSlug,
    QueryFields,
    QuotaText,
    RateText,
    RedisURL,
    ResultHosts,
    RootName,
    Seconds,
    Section,
    SigningSecret,
)
from gateway.settings.listeners import AdminListener, DataListener, OpsListener
from gateway.settings.upstreams import Organization, Upstreams

PREFIX = "GATEWAY_"


class Secrets(Section):
    """Secrets of the gateway itself; there is no default for any of them."""

    identity: SigningSecret
    """Signs the `Gateway-Identity` header (HMAC-SHA-256), at least 32 characters; the upstream services know it too."""
    seal: SigningSecret
    """Seals cursors and addresses of results, at least 32 characters; the same on every gateway of one address."""


class Store(Section):
    """Where keys live, and the limits of looking them up."""

    sqlite: Path = Path("gateway.db")
    """The database file, made by `gateway init`; a relative path starts at the working directory."""
    url: DatabaseURL = None
    """A PostgreSQL database instead of the file, `postgresql://user:password@host:port/database?sslmode=verify-full`."""
    redis: RedisURL = None
    """Second level of the cache: a server `redis://:password@host:port/db`, Sentinels or a Cluster, see "Redis"."""
    sql_connections: Annotated[int, Field(ge=2)] = 4
    """Connections to the database; a change under way holds one. For PostgreSQL four more follow the changes."""
    sql_wait: Seconds = 5.0
    """Seconds that a change waits for another one to end, in this process or in another."""
    loop_wait: Seconds = 0.05
    """Seconds that the event loop may be held up by a locked database file."""
    lookup_timeout: Seconds = 2.0
    """Seconds that a call waits for its key at most, whatever is away; then it is answered 503."""
    lookups: Count = 32
    """Look-ups under way at once, and so connections to Redis."""
    lease: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 2.0
    """Seconds that a gateway trusts what it knows without hearing from PostgreSQL; 0 asks it at every call."""
    memory_keys: Count = 10_000
    """Keys held in this process, about 2 KB each; the least recently used goes first."""
    absent_keys: Count = 10_000
    """Digests remembered to be nobody's; their own room, so that junk cannot push out good keys."""
    absent_seconds: Seconds = 10.0
    """Seconds that an absent digest is remembered; creating the key ends it at once."""
    catch_up_rows: Count = 1_000
    """Changes read one by one before a call; further behind than that, everything is forgotten instead."""
    redis_timeout: Seconds = 0.1
    """Seconds that a look-up waits for Redis before SQL is asked."""
    redis_cooldown: Seconds = 1.0
    """Seconds after a failure until Redis is tried again."""
    redis_ttl: Count = 300
    """Seconds that Redis keeps an entry; a revocation takes effect at once all the same."""
    canary_seconds: Seconds = 60.0
    """Seconds between two revocations of a key of its own by which each process measures how long one takes."""


class Keys(Section):
    """What new keys and their policies may be, and for how long somebody is logged in."""

    default_days: Count = 365
    """Days until a new key expires when its maker does not say; an integration key then has no end."""
    max_days: Count = 730
    """The longest life of a key in days."""
    name_characters: Count = 256
    """Length of a key's name or category."""
    bare_wildcard: bool = True
    """Whether a policy may say `*` for all actions or all resources."""
    conditional_deny: bool = True
    """Whether a DENY may carry a condition ("everything but secrets")."""
    policy_characters: Count = 65_536
    """Length of a policy's text."""
    policy_depth: Count = 8
    """Nesting of a policy's JSON."""
    policy_statements: Count = 100
    """Statements in a policy."""
    policy_names: Count = 100
    """Actions in a statement, and likewise resources."""
    policy_values: Count = 100
    """Values in all conditions of a policy: each of them stands in every selector of every narrowed query."""
    policy_value_characters: Count = 256
    """Length of one value or property name."""
    memberships: Count = 20
    """Memberships of an identity in one project: each is a policy, and all are read when its key is compiled."""
    login_minutes: Count = 60
    """Minutes that a one-time login link can be used."""
    session_hours: Count = 8
    """Hours until a login session ends."""
    overlap_hours: Count = 168
    """The longest that a key may live on beside the one that replaces it."""
    warn_days: Count = 14
    """Days before its end from which on listings and a metric say that a key expires soon."""
    last_used_seconds: Seconds = 30.0
    """Seconds between two rounds in which the last uses of keys are written down; no call waits for it."""
    last_used_precision: Seconds = 300.0
    """Seconds by which what is written of a key in use may be behind; the first use of a key is written at once."""
    organization_keys_manage: bool = False
    """Whether an organization's key manages the keys of its organization, those of users apart."""
    user_keys_reach_all: bool = True
    """Whether a platform administrator's user key manages keys of all organizations, or of its own alone."""
    contember_secrets: bool = False
    """Whether projects' and global keys get secrets as Contember makes them (40 hexadecimal digits), not our own."""


class Need(Section):
    """A permission that a root field needs."""

    action: PolicyAction
    """An action of a policy, or `*`."""
    resource: str = ANY
    """`*`, `type:id`, or `type:{argument}` with the path of the argument that names the resource."""

    @model_validator(mode="after")
    def _the_action_is_about_the_resource(self) -> Self:
        try:
            check_resource(self.action, self.resource)
        except ValueError as fault:
            raise ValueError(f"`resource` {fault}") from None
        return self


def _some(needs: tuple[Need, ...]) -> tuple[Need, ...]:
    if not needs:
        raise ValueError("must name a permission; without a row a field needs everything")
    return needs


class RootField(Section):
    """What a root field of the platform's GraphQL needs that the gateway does not know; all of `needs`."""

    needs: Annotated[tuple[Need, ...], AfterValidator(_some)]
    """`[{action = "dashboard:View", resource = "dashboard:{boardId}"}]`: all of them. `<field> = […]` says the same."""
    arguments: tuple[str, ...] | None = None
    """Paths of the arguments that the field takes, `["boardId", "input.id"]`: then no other can be named."""

    @model_validator(mode="before")
    @classmethod
    def _needs_may_stand_alone(cls, data: Any) -> Any:
        return {"needs": data} if isinstance(data, list) else data

    @model_validator(mode="after")
    def _each_argument_is_there(self) -> Self:
        check_arguments(self.arguments or ())
        check_needs([(need.action, need.resource) for need in self.needs], self.arguments)
        return self

    def permissions(self) -> tuple[Needs, ...]:
        return tuple(Needs(need.action, need.resource) for need in self.needs)


class Graph(Section):
    """What a key with a condition sees, and what is known about the platform's query language and GraphQL."""

    relationships: Mode = Mode.STRICT
    """`strict`: relationships that satisfy the condition themselves; `induced`: all between two visible entities."""
    query_fields: QueryFields = True
    """Whether `queryV1` and `queryV2` are open to keys that may do everything; `enforce`: to all, as `/j1ql` is."""
    verified: Capabilities = ()
    """Capabilities of the upstream that hold (see `gateway/authz/capabilities.py`), whatever probes find."""
    failed: Capabilities = ()
    """Capabilities that do not hold, whatever probes find; what rests on one is refused."""
    introspection: Introspection = Introspection.UNRESTRICTED
    """Who may ask for the GraphQL schema: `nobody`, keys that may do everything (`unrestricted`), or `everybody`."""
    roots: dict[RootName, RootField] = Field(default={})
    """GraphQL root fields that the gateway does not know, by name; without a row they need everything."""

    @model_validator(mode="after")
    def _no_capability_is_both(self) -> Self:
        if both := set(self.verified) & set(self.failed):
            raise ValueError(f"`{min(both)}` is both verified and failed")
        return self


class Limits(Section):
    """Sizes in bytes and counts; what is over them is refused."""

    key_rate: RateText = None
    """Calls of a key without a limit of its own: `1000/60` is 1,000 at once and in 60 s. The platform has its own."""
    key_quota: QuotaText = None
    """Calls of a key in a `day` or `month` of the calendar (UTC), `100000/day`."""
    key_concurrent: Count | None = None
    """Calls of a key under way at once."""
    organization_rate: RateText = None
    """Calls of all keys of an organization together, `2000/120`; for organizations without limits of their own."""
    organization_quota: QuotaText = None
    """Calls of all keys of an organization in a `day` or `month`."""
    organization_concurrent: Count | None = None
    """Calls of all keys of an organization under way at once."""
    counted: Count = 10_000
    """Keys and organizations of whose limits a process holds a share, about 1 KB each."""
    target: Count = 8192
    """Path and query of a call."""
    headers: Count = 64
    """Headers of a call."""
    header_bytes: Count = 16 * 1024
    """Names and values of all headers of a call."""
    head_line: Count = 8190
    """One line of a head, the request line included."""
    head_lines: Count = 128
    """Lines that the parser takes before a head is refused unread."""
    connections: Count = 512
    """Connections of clients to one listener, open at once."""
    connections_per_address: Count = 128
    """Of these from one address (IPv6: one /64); less than `limits.connections`, so that nobody takes them all."""
    bad_keys: RateText = "60/60"
    """Calls of one address answered 401, before strangers there get 429 without a look-up; `none` for no limit."""
    addresses: Count = 10_000
    """Addresses whose bad keys are remembered, about 200 bytes each."""
    body_rate: Count = 1024
    """Bytes a second below which a body is too slow."""
    upload: Count = 64 * 1024 * 1024
    """A body that is passed on unread."""
    buffered: Count = 256 * 1024 * 1024
    """Bodies and answers held whole, of all calls together."""
    query_body: Count = 256 * 1024
    """Body of a J1QL call."""
    graphql_body: Count = 2 * 1024 * 1024
    """Body of a GraphQL call."""
    control_body: Count = 256 * 1024
    """Body of a call of Contember's or Rapid7's API."""
    control_tokens: Count = 2_000
    """Lexical tokens of a GraphQL document about keys and people, JupiterOne's or Contember's; real ones have 100."""
    job_body: Count = 64 * 1024
    """Body of the creation of a synchronization job."""
    inspected_upload: Count = 16 * 1024 * 1024
    """Body of an upload that must be looked into."""
    query_characters: Count = 100_000
    """Length of a query."""
    query_tokens: Count = 10_000
    """Lexical tokens of a query."""
    query_depth: Count = 50
    """Nesting of a query."""
    narrowed_characters: Count = 250_000
    """Characters that a key's condition may add to a query, at all its selectors together, and variables as many."""
    validated_queries: Count = 250
    """Queries in one call of `/j1ql/validate`."""
    graphql_characters: Count = 100_000
    """Length of a GraphQL document, or of all those of an array, without their variables."""
    graphql_tokens: Count = 5_000
    """Lexical tokens of a GraphQL document; the largest of a real client has 600."""
    graphql_depth: Count = 24
    """Fields and fragments in each other in a GraphQL document; real ones have 9, introspection 18."""
    graphql_fields: Count = 2_000
    """Fields of a GraphQL operation, as often as fragments repeat them."""
    graphql_aliases: Count = 50
    """Aliases in a GraphQL operation, as often as fragments repeat them."""
    graphql_directives: Count = 50
    """Directives in a GraphQL operation, as often as fragments repeat them."""
    graphql_values: Count = 24
    """Lists and objects in each other in a literal of a GraphQL document."""
    graphql_roots: Count = 50
    """Root fields of a GraphQL operation."""
    graphql_batch: Count = 50
    """Operations in a GraphQL array."""
    graphql_queries: Count = 10
    """`queryV1` and `queryV2` fields of a key with a condition in one call, which are asked one after the other."""
    page_rows: Count = 250
    """Rows in a page for a conditioned key."""
    page_calls: Count = 100_000
    """Answers of the upstream that are read for one page: so many that time ends it first."""
    answer: Count = 32 * 1024 * 1024
    """An upstream's answer that is checked before it is passed on; that takes up to three times its size."""
    cursor: Count = 2048
    """An upstream's cursor, sealed; every sealed one has this size."""
    upstream_connections: Count = 256
    """Connections to upstreams, open at once."""
    upstream_head: Count = 16 * 1024
    """One header of an upstream's answer."""
    jobs: Count = 10_000
    """Synchronization jobs whose integration instance is remembered, about 200 bytes each."""

    @model_validator(mode="after")
    def _no_address_takes_all_connections(self) -> Self:
        if self.connections_per_address >= self.connections:
            raise ValueError("`connections_per_address` must be less than `connections`")
        return self


class Timeouts(Section):
    """In seconds."""

    client_head: Seconds = 10.0
    """For the head of a call, from its first byte, and for the handshake of TLS."""
    client_body: Seconds = 20.0
    """For a body, beside what `limits.body_rate` grants."""
    client_send: Seconds = 30.0
    """Until a client takes the next piece of an answer."""
    client_keepalive: Seconds = 75.0
    """That an idle connection of a client is kept; longer than the proxy in front of the gateway keeps it."""
    client_half_closed: Seconds = 5.0
    """That a call goes on whose client sends no more."""
    client_linger: Seconds = 2.0
    """That the rest of a refused body is read, so that the client gets to see the answer."""
    drain: Seconds = 10.0
    """That calls under way may go on when the gateway is told to stop."""
    health_check: Seconds = 3.0
    """For one check of `/readyz`."""
    health_remembered: Seconds = 1.0
    """That its results stand, so that probes cannot wear out what they probe."""
    upstream_connect: Seconds = 5.0
    """Until a connection to an upstream stands, waiting for a free one included."""
    upstream_answer: Seconds = 60.0
    """Until the head of an upstream's answer is there."""
    upstream_idle: Seconds = 60.0
    """Between two pieces of an upstream's answer."""
    upstream_send: Seconds = 30.0
    """Until an upstream takes the next piece of a body."""
    upstream_total: Seconds | None = None
    """For a request to an upstream, all tries and all of its answer; none, because large answers may take long."""
    upstream_keepalive: Seconds = 15.0
    """That an idle connection to an upstream is kept."""
    page: Seconds = 20.0
    """After which a page for a conditioned key is sent as it is, with a cursor to go on."""


class Deferred(Section):
    """Results that the platform puts aside (`deferredResponse`); the gateway gives addresses of its own for them."""

    hosts: ResultHosts = ()
    """Where results may lie beside the upstreams themselves, by https: `name`, `name:port`, `*.name` for all below."""
    url: BaseURL | None = None
    """What clients call the data listener by, `https://api.example.com`; else the Host header of their calls."""
    seconds: Seconds = 900.0
    """That an address is good: longer than clients ask for a result, shorter than the platform keeps it."""
    address: Count = 3072
    """Bytes of the platform's address and cursor, sealed; every sealed one has this size."""
    directory: Path | None = None
    """For results while they are checked, in files that nobody else can open; without it the system's."""
    memory: Count = 1024 * 1024
    """Bytes of a result up to which it is held in memory."""
    result: Count = 128 * 1024 * 1024
    """Bytes of one result that must be looked into; any other is passed on as it comes."""
    disk: Count = 1024 * 1024 * 1024
    """Bytes of all such results of a process at once."""


class Identity(Section):
    """The signed `Gateway-Identity` header."""

    issuer: str = "gateway"
    """The claim `iss`."""
    lifetime: Count = 60
    """Seconds that a token is good."""
    reuse: Annotated[int, Field(ge=0)] = 30
    """Seconds that one token is sent with a key's calls before it is made anew; less than `identity.lifetime`."""
    kept: Count = 10_000
    """Tokens held, a few hundred bytes each."""

    @model_validator(mode="after")
    def _tokens_are_good_when_they_are_sent(self) -> Self:
        if self.reuse >= self.lifetime:
            raise ValueError("`reuse` must be less than `lifetime`")
        return self


class DecisionLog(Section):
    """One JSON record a call; by it a refusal can be looked up from its request id."""

    file: Path | None = None
    """The file to append to; without one, standard output."""
    bodies: bool = False
    """Whether to write what callers asked: queries may name people and findings."""
    body_bytes: Count = 4096
    """How much of it."""
    room: Count = 10_000
    """Records that may wait for the disk, about 500 bytes each; more are lost, and counted."""


class Variable(Section):
    """A variable of a project's role: memberships must give its values, unless there is one of these."""

    fallback: tuple[str, ...] = ()
    """Values where a membership gives none."""
    predefined: Predefined | None = None
    """Filled by the gateway from the identity itself; no membership can set it."""


class ProjectRole(Section):
    """What a membership of this role gives: a policy with holes, `{variable = "name"}`, in conditions and resources."""

    variables: dict[str, Variable] = Field(default={})
    """By name; each stands in some hole."""
    permissions: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    """Statements as in a policy."""

    def model_post_init(self, _context: object) -> None:
        check_role(self.role())

    def role(self) -> keys.ProjectRole:
        variables = {name: keys.Variable(each.fallback, each.predefined) for name, each in self.variables.items()}
        return keys.ProjectRole(self.permissions, variables)


class Project(Section):
    """A named scope of one organization's graph, and the roles that its members can have."""

    organization: OrganizationId
    """The organization whose graph it is about."""
    name: str = ""
    """For people; the slug where there is none."""
    roles: dict[str, ProjectRole] = Field(default={})
    """By name. `admin` also manages the project's keys and members; unless defined it reads the whole graph."""


class Settings(BaseSettings):
    """All settings; make one with `load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", enable_decoding=False, extra="forbid", frozen=True
    )

    data: DataListener = DataListener()
    admin: AdminListener = AdminListener()
    ops: OpsListener = OpsListener()
    secrets: Secrets
    store: Store = Store()
    keys: Keys = Keys()
    graph: Graph = Graph()
    calibration: Calibration = Calibration()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    upstreams: Upstreams = Upstreams()
    deferred: Deferred = Deferred()
    identity: Identity = Identity()
    decision_log: DecisionLog = DecisionLog()
    organizations: dict[OrganizationId, Organization] = {}
    projects: dict[ProjectSlug, Project] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the signature is the library's)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file, whose content the constructor is given."""
        return env_settings, init_settings
