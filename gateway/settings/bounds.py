"""Every limit: sizes and counts, and time."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.settings.kinds import Count, QuotaText, RateText, Seconds, Section


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
    upload: Count = 512 * 1024 * 1024
    """A body that is passed on unread, piece by piece: its size costs time, but no memory."""
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
    again: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Before an answer that disagrees with a condition is asked for again: the platform's search may be behind."""
    page: Seconds = 20.0
    """After which a page for a conditioned key is sent as it is, with a cursor to go on."""
