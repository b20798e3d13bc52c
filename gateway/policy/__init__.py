"""What a key may do: model, parse (JSON -> Policy or an error that names the path), decide."""

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

__all__ = [
    "ANY",
    "EVERYTHING",
    "READ_GRAPH",
    "Allowed",
    "Condition",
    "Effect",
    "Narrowed",
    "Policy",
    "Predicate",
    "Refused",
    "Statement",
    "Verdict",
]
