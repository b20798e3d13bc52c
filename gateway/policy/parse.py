"""A policy's JSON text -> Policy, or an error that names the path to the fault.

    policy     = {"permissions": [statement, ...]}
    statement  = {"effect": "ALLOW" | "DENY", "actions": [name, ...], "resources": [name, ...], "condition"?: condition}
    condition  = {"stringEquals": {property: value | [value, ...], ...}}

The shape is that of the JupiterOne documentation, "Creating User and Account API Keys"; a list of values is ours and
means any of them. A policy is taken whole or not at all: whatever could never match, or would mean one thing here and
another thing upstream, is refused when the key is made, because nobody looks at it again.

Conditions travel upstream inside queries, so a text that two readers of the query language could read differently is
refused as well: one that escapes with a backslash or not, one that takes comments out first or not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from gateway import strict_json
from gateway.policy.model import ANY, READ_GRAPH, Condition, Effect, Policy, Statement
from gateway.policy.supported import ACTIONS, RESOURCE_TYPES

METADATA = (
    "_id",
    "_key",
    "_type",
    "_class",
    "_accountId",
    "_source",
    "_scope",
    "_integrationType",
    "_integrationClass",
    "_integrationName",
    "_integrationInstanceId",
    "_integrationDefinitionId",
)
"""Metadata that a condition may name: text in answers and in queries alike.

The rest is not: `_createdOn`, say, is a text in answers and a number in queries, so the query and the check of its
answer would disagree for ever.
"""


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """What a new policy may say. A policy that was accepted once is not measured again by stricter options."""

    bare_wildcard: bool = True
    """Accept `*`. Without it only the resources of `query:ReadGraphData` may be `*`, as "Wildcards are not supported
    for account-level API tokens" has it; a pattern such as `dashboard:*` is refused either way."""
    conditional_deny: bool = True
    """Accept a condition on a DENY ("everything but secrets"); the vendor documented conditions with ALLOW only."""
    max_characters: int = 65_536
    """Of the text. Each worker keeps the policies of the keys it has met; the documented ones have about 200."""
    max_depth: int = 8
    """Of the JSON; the deepest policy there can be has 6."""
    max_statements: int = 100
    """A decision reads them all."""
    max_names: int = 100
    """Actions, and likewise resources, in one statement."""
    max_values: int = 100
    """Values in all conditions together: every one of them stands in every selector of every narrowed query."""
    max_value_characters: int = 256
    """Of a value or property name, as UTF-16 counts them. A search engine's common default is not to index longer
    ones: upstream, a DENY of such a value would never match."""


DEFAULT_OPTIONS = PolicyOptions()

_ANY_SIZE = 2**31
UNLIMITED = PolicyOptions(
    max_characters=_ANY_SIZE,
    max_statements=_ANY_SIZE,
    max_names=_ANY_SIZE,
    max_values=_ANY_SIZE,
    max_value_characters=_ANY_SIZE,
)
"""For what was accepted once, under whatever limits that was."""


class PolicyError(ValueError):
    """No acceptable policy; `path` leads to the fault (`permissions[0].actions[1]`) and is empty for the whole text."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


def parse(text: str, options: PolicyOptions = DEFAULT_OPTIONS) -> Policy:
    """The policy in a JSON text. Raises PolicyError."""
    if len(text) > options.max_characters:
        raise PolicyError("", f"the policy is longer than {options.max_characters} characters")
    try:
        document = strict_json.loads(text, max_depth=options.max_depth)
    except strict_json.StrictJSONError as fault:
        raise PolicyError("", f"the policy is not JSON with one meaning: {fault}") from None
    members = _object(document, "", required=("permissions",))
    permissions = _list(members["permissions"], "permissions", options.max_statements)
    policy = Policy(tuple(_statement(entry, path, options) for path, entry in permissions))
    _limit_values(policy, options)
    return policy


def _statement(value: Any, path: str, options: PolicyOptions) -> Statement:
    members = _object(value, path, required=("effect", "actions", "resources"), optional=("condition",))
    effect = _effect(members["effect"], f"{path}.effect")
    actions = tuple(_action(name, at) for at, name in _list(members["actions"], f"{path}.actions", options.max_names))
    names = _list(members["resources"], f"{path}.resources", options.max_names)
    statement = Statement(path, effect, actions, tuple(_resource(name, at) for at, name in names))
    _refuse_misplaced_graph_read(statement)
    if not options.bare_wildcard:
        _refuse_wildcards(statement)
    if "condition" not in members:
        return statement
    _refuse_misplaced_condition(statement, options)
    return replace(statement, condition=_condition(members["condition"], f"{path}.condition", options))


def _effect(value: Any, path: str) -> Effect:
    if value not in ("ALLOW", "DENY"):
        raise PolicyError(path, "must be `ALLOW` or `DENY`, in capital letters")
    return Effect(value)


def _action(value: Any, path: str) -> str:
    name = _name(value, path)
    if name != ANY and name not in ACTIONS:
        raise PolicyError(path, f"not a supported action; supported are {_listed(ACTIONS)} and `*`, spelt exactly so")
    return name


def _resource(value: Any, path: str) -> str:
    name = _name(value, path)
    kind, _, resource_id = name.partition(":")
    if name != ANY and (kind not in RESOURCE_TYPES or not resource_id):
        raise PolicyError(path, f"not supported; a resource is `*` or `type:id` with one of {_listed(RESOURCE_TYPES)}")
    return name


def _name(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise PolicyError(path, "must be a string")
    if ANY in value and value != ANY:
        raise PolicyError(path, "patterns are not supported: the wildcard `*` stands alone")
    return value


# --- which parts go together --------------------------------------------------------------------------------------


def _refuse_misplaced_graph_read(statement: Statement) -> None:
    at = next((at for at, resource in enumerate(statement.resources) if resource != ANY), None)
    if READ_GRAPH in statement.actions and at is not None:
        path = f"{statement.id}.resources[{at}]"
        raise PolicyError(path, f"`{READ_GRAPH}` can be applied to the resource `*` only")


def _refuse_wildcards(statement: Statement) -> None:
    if ANY in statement.actions:
        path = f"{statement.id}.actions[{statement.actions.index(ANY)}]"
        raise PolicyError(path, "the wildcard `*` is not allowed here: name the actions")
    if ANY in statement.resources and set(statement.actions) != {READ_GRAPH}:
        path = f"{statement.id}.resources[{statement.resources.index(ANY)}]"
        raise PolicyError(path, f"the wildcard `*` is allowed with `{READ_GRAPH}` only: name the resources")


def _refuse_misplaced_condition(statement: Statement, options: PolicyOptions) -> None:
    path = f"{statement.id}.condition"
    if not set(statement.actions) <= {READ_GRAPH, ANY} or set(statement.resources) != {ANY}:
        raise PolicyError(path, f"a condition needs the actions `{READ_GRAPH}` or `*` and the resource `*`")
    if statement.effect is Effect.DENY and not options.conditional_deny:
        raise PolicyError(path, "a condition needs the effect `ALLOW`")


def _limit_values(policy: Policy, options: PolicyOptions) -> None:
    conditions = [statement.condition for statement in policy.statements if statement.condition is not None]
    if sum(len(values) for condition in conditions for _, values in condition.equals) > options.max_values:
        raise PolicyError("permissions", f"more than {options.max_values} values in conditions")


# --- conditions ---------------------------------------------------------------------------------------------------


_AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]|/\*|\*/|\$\{")
"""Control characters and line separators, lone surrogates, backslashes, comment marks, parameters."""
_WHOLE_TEMPLATES = re.compile(r"(?:\{\{[^{}]*\}\}|\{(?!\{)|\}(?!\})|[^{}])*")
"""`{{name}}` is data, half of it would reach into the rest of a query where templates are filled in."""


def _condition(value: Any, path: str, options: PolicyOptions) -> Condition:
    at = f"{path}.stringEquals"
    pairs = _object(value, path, required=("stringEquals",))["stringEquals"]
    if not isinstance(pairs, dict) or not pairs:
        raise PolicyError(at, "must be an object with at least one property")
    return Condition(tuple(_pair(name, values, at, options) for name, values in pairs.items()))


def _pair(name: str, value: Any, path: str, options: PolicyOptions) -> tuple[str, tuple[str, ...]]:
    at = _member(path, name)
    _refuse_property(name, at, options)
    if isinstance(value, list):
        items = _list(value, at, options.max_values)
        return name, tuple(_value(item, item_at, options) for item_at, item in items)
    return name, (_value(value, at, options),)


def _refuse_property(name: str, path: str, options: PolicyOptions) -> None:
    _refuse_text(name, path, options, what="a property name")
    if re.search(r"[\[\]'\"`]", name) or name != name.strip():
        raise PolicyError(path, "a property name cannot have quotes, brackets, or spaces at its ends")
    if name.startswith("_") and name not in METADATA:
        raise PolicyError(path, f"not metadata that a condition can name; supported are {_listed(METADATA)}")


def _value(value: Any, path: str, options: PolicyOptions) -> str:
    if not isinstance(value, str):
        raise PolicyError(path, "must be a string or a list of strings")
    _refuse_text(value, path, options, what="a value")
    if "'" in value and '"' in value:
        raise PolicyError(path, "a value cannot have both kinds of quotes: no query can carry it")
    return value


def _refuse_text(text: str, path: str, options: PolicyOptions, *, what: str) -> None:
    if not text:
        raise PolicyError(path, f"{what} cannot be empty")
    if len(text.encode("utf-16-le", "surrogatepass")) > 2 * options.max_value_characters:
        raise PolicyError(path, f"{what} cannot be longer than {options.max_value_characters} characters")
    if _AMBIGUOUS.search(text):
        raise PolicyError(path, f"{what} cannot have control characters, lone surrogates, `\\`, `/*`, `*/` or `${{`")
    if not _WHOLE_TEMPLATES.fullmatch(text):
        raise PolicyError(path, f"{what} cannot have half of a `{{{{…}}}}`")


# --- JSON shapes --------------------------------------------------------------------------------------------------


def _object(value: Any, path: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """A JSON object with all the required members and no others than these and the optional ones."""
    if not isinstance(value, dict):
        raise PolicyError(path, f"must be an object with {_listed(required)}")
    for name in value:
        if name not in required + optional:
            raise PolicyError(_member(path, name), f"unknown here; there can be {_listed(required + optional)}")
    for name in required:
        if name not in value:
            raise PolicyError(path, f"`{name}` is missing")
    return value


def _list(value: Any, path: str, limit: int) -> Iterator[tuple[str, Any]]:
    """The entries of a JSON list that is neither empty nor too long, each with its path."""
    if not isinstance(value, list) or not value:
        raise PolicyError(path, "must be a list with at least one entry")
    if len(value) > limit:
        raise PolicyError(path, f"has more than {limit} entries")
    return ((f"{path}[{at}]", entry) for at, entry in enumerate(value))


def _member(path: str, name: str) -> str:
    """`path.name`; a name that is no plain word stands in brackets, shortened, with everything unusual escaped."""
    if re.fullmatch(r"\w{1,64}", name, re.ASCII):
        return f"{path}.{name}" if path else name
    return f"{path}[{json.dumps(name[:64])}]"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
