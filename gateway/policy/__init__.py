"""What a key may do: model, parse (JSON -> Policy or an error that names the path), decide."""

from gateway.policy.covers import covers
from gateway.policy.decide import decide, decide_named, decide_unknown, decide_whole_graph
from gateway.policy.lint import lint
from gateway.policy.model import (
    ANY,
    EVERYTHING,
    READ_GRAPH,
    Allowed,
    Condition,
    Effect,
    Narrowed,
    Policy,
    Predicate,
    Refused,
    Statement,
    Verdict,
)
from gateway.policy.parse import DEFAULT_OPTIONS, METADATA, UNLIMITED, PolicyError, PolicyOptions, parse
from gateway.policy.spelling import decide_written
from gateway.policy.supported import ACTIONS, RESOURCE_TYPES, is_verb
from gateway.policy.tighten import Calls, Unused, permissions, tightened, unused

__all__ = [
    "ACTIONS",
    "ANY",
    "DEFAULT_OPTIONS",
    "EVERYTHING",
    "METADATA",
    "READ_GRAPH",
    "RESOURCE_TYPES",
    "UNLIMITED",
    "Allowed",
    "Calls",
    "Condition",
    "Effect",
    "Narrowed",
    "Policy",
    "PolicyError",
    "PolicyOptions",
    "Predicate",
    "Refused",
    "Statement",
    "Unused",
    "Verdict",
    "covers",
    "decide",
    "decide_named",
    "decide_unknown",
    "decide_whole_graph",
    "decide_written",
    "is_verb",
    "lint",
    "parse",
    "permissions",
    "tightened",
    "unused",
]
