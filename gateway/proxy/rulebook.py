"""The rules for each organization's keys: those of the settings, and what is known of its upstreams.

A plan is given one frozen value, so that it reads one state of what is known; what is learnt replaces that value as a
whole. What was seen of one organization's upstream says nothing of another's.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.authz import Capabilities, Rules
from gateway.policy import Predicate


class Rulebook:
    """`common` are the rules of the settings, which hold where nothing was learnt."""

    def __init__(self, common: Rules) -> None:
        self.common = common
        self._own: dict[str, Rules] = {}

    def of(self, organization: str) -> Rules:
        """What plans for the keys of an organization read."""
        return self._own.get(organization, self.common)

    def learn(self, organization: str, capabilities: Capabilities) -> None:
        """What its upstream does is known now; plans made from here on read it."""
        self._own[organization] = replace(self.of(organization), capabilities=capabilities)

    def doubt(self, organization: str, predicate: Predicate, *, doubted: bool) -> None:
        """Whether its upstream reads a policy's condition otherwise than the row check does."""
        rules = self.of(organization)
        one = frozenset({predicate})
        known = rules.doubted | one if doubted else rules.doubted - one
        if known != rules.doubted:
            self._own[organization] = replace(rules, doubted=known)
