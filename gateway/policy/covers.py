"""Does one policy allow at least what another does? Nobody can give more than they have, conditions included.

Asked of every action and resource that could be decided differently: the names that either policy says, one name that
neither does for each type of resource, and the wildcards. Of two conditions the narrower one is found by its form: all
that it asks of an object must be asked by the wider one too. Where that cannot be told the answer is no.
"""

from __future__ import annotations

from gateway.policy.decide import decide, decide_unknown, decide_whole_graph
from gateway.policy.model import ANY, Allowed, Condition, Narrowed, Policy, Predicate, Refused, Verdict
from gateway.policy.supported import ACTIONS, RESOURCE_TYPES

_NOBODYS = "\0"
"""An id that no policy can name."""


def covers(wider: Policy, narrower: Policy) -> bool:
    """Whether `wider` allows whatever `narrower` allows."""
    one, other = _Statements(wider), _Statements(narrower)
    resources = one.resources | other.resources | {f"{kind}:{_NOBODYS}" for kind in RESOURCE_TYPES} | {ANY}
    alike = {(resource == ANY, one.about(resource), other.about(resource)): resource for resource in sorted(resources)}
    return (
        all(_as_much(one.only(wide), other.only(narrow), asked) for (_, wide, narrow), asked in alike.items())
        and _at_least(decide_whole_graph(wider), decide_whole_graph(narrower))
        and _at_least(decide_unknown(wider), decide_unknown(narrower))
    )


def _as_much(wider: Policy, narrower: Policy, resource: str) -> bool:
    asked = ((action, resource) for action in (*ACTIONS, ANY))
    return all(_at_least(decide(wider, *names), decide(narrower, *names)) for names in asked)


class _Statements:
    """A policy's statements by number. Resources that the same ones are about need to be asked for once."""

    def __init__(self, policy: Policy) -> None:
        self._statements = policy.statements
        self._names = [frozenset(statement.resources) for statement in policy.statements]
        self.resources = frozenset(name for names in self._names for name in names)

    def about(self, resource: str) -> tuple[int, ...]:
        """The numbers of the statements that a decision on this resource depends on; on `*` it depends on all."""
        return tuple(n for n, names in enumerate(self._names) if resource == ANY or resource in names or ANY in names)

    def only(self, numbers: tuple[int, ...]) -> Policy:
        return Policy(tuple(self._statements[number] for number in numbers))


def _at_least(wider: Verdict, narrower: Verdict) -> bool:
    match wider, narrower:
        case (_, Refused()) | (Allowed(), _):
            return True
        case Narrowed(wide), Narrowed(narrow):
            return _holds_on_more(wide, narrow)
        case _:
            return False


def _holds_on_more(wide: Predicate, narrow: Predicate) -> bool:
    """Whether every object of `narrow` is one of `wide`.

    Right also where a property holds several values: one of them among few is one of them among more.
    """
    allowed = all(any(_implies(condition, other) for other in wide.allows) for condition in narrow.allows)
    denied = all(any(_implies(condition, other) for other in narrow.denies) for condition in wide.denies)
    return allowed and denied


def _implies(condition: Condition, weaker: Condition) -> bool:
    """Whether an object that satisfies `condition` satisfies `weaker`."""
    asked = dict(condition.equals)
    return all(name in asked and set(asked[name]) <= set(values) for name, values in weaker.equals)
