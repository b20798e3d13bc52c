"""Every knob once: name, default, unit, reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway import keys
from gateway.keys import Predefined, check_role
from gateway.settings.bounds import Limits, Timeouts
from gateway.settings.calibration import Calibration
from gateway.settings.graph import Graph
from gateway.settings.kinds import (
    BaseURL,
    Count,
    DatabaseURL,
    OrganizationId,
    ProjectSlug,
    RedisURL,
    ResultHosts,
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
