"""Every knob about upstreams: how services are called, and where each organization's are."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.settings.kinds import BaseURLs, Count, Seconds, Secret, Section, Share


class Upstreams(Section):
    """How the services are called that have one or several addresses; of each process by itself."""

    retries: Annotated[int, Field(ge=0, le=5)] = 1
    """How often a request is sent once more that did not arrive, or only reads and was not answered."""
    retry_share: Share = 0.2
    """Share of the calls to a service that may be sent once more: the most that a failing one gets on top."""
    retries_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Retries beside that share, for services with few calls."""
    retries_saved: Count = 100
    """Retries that may be saved up: some as many calls as may wait at an address when it dies."""
    failures: Count = 5
    """In a row (no connection, no answer, 502, 503, 504), after which an address gets no calls for a while."""
    out: Seconds = 5.0
    """Seconds of that while the first time; twice as long each time after. Half of the addresses are never left out."""
    longest_out: Seconds = 60.0
    """Seconds of that while at most."""
    check: Seconds = 2.0
    """Seconds between two attempts to connect to an address that fails; nothing is sent."""
    check_all: bool = False
    """Whether addresses are checked that work, too."""

    @model_validator(mode="after")
    def _longest_is_no_shorter(self) -> Self:
        if self.longest_out < self.out:
            raise ValueError("`longest_out` must not be less than `out`")
        return self


class Upstream(Section):
    """One organization's platform: three services, and what the gateway calls them with."""

    j1ql: BaseURLs
    """Address of the query service, all of it: `https://…/j1ql`, or a list of addresses of the same service."""
    graphql: BaseURLs
    """Address of the GraphQL service, all of it: `https://…/graphql`, or a list."""
    persister: BaseURLs
    """Address of the persister and of exports, without the `/persister/…` or `/entities` after it, or a list."""
    account: str = Field(min_length=1)
    """The account as the platform knows it, for the `JupiterOne-Account` header."""
    credential: Secret
    """The gateway's own credential at the platform; no client ever sees it."""


class Organization(Section):
    """What is bound to one organization; its id is that of `gateway init`."""

    upstream: Upstream
    """Where the calls of its keys go."""
