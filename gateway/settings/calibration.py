"""Every knob about probing the upstreams for what is assumed of them."""

from __future__ import annotations

from gateway.settings.kinds import Count, Seconds, Section


class Calibration(Section):
    """How upstreams are asked whether what is assumed of their query language holds; each process asks for itself."""

    on: bool = True
    """Whether upstreams are probed in the background; the first time at start, until when nothing is known of them."""
    write: bool = False
    """Whether a canary graph is made for it, and removed again; it shows more, and everybody sees it for a moment."""
    every: Seconds = 3600.0
    """Seconds between two rounds; one takes some 120 small queries for each organization, with `write` 250."""
    pause: Seconds = 0.05
    """Seconds before each query, so that the platform's limit on calls is left to the clients."""
    question: Seconds = 20.0
    """Seconds for one query; one that takes longer shows nothing."""
    round: Seconds = 600.0
    """Seconds for all probes of one organization; what is not asked by then is not known."""
    policies: bool = True
    """Whether a policy's condition is probed when it is first used: it is counted, which reads the whole graph."""
    policies_again: Seconds = 86_400.0
    """Seconds after which it is probed again."""
    policies_waiting: Count = 100
    """Conditions that may wait for that; it is done one at a time, and no call waits for it."""
