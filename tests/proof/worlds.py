"""Random policies, and graphs of which they show a part.

The graph is made for the policy: about half of the objects are given what an ALLOW asks for, some of them what a DENY
asks for as well, so that most answers on the whole graph differ from those on its visible part.
"""

from __future__ import annotations

from typing import Any

from gateway.authz.capabilities import Mode
from gateway.sandbox.graph import Entity, Relationship
from proof.chance import Chance

TYPES = ("user", "host", "repo")
CLASSES = ("User", "Host", "Record")
VERBS = ("HAS", "USES", "IS")
LETTERS = ("a", "b", "c")
COMMON_TYPES, COMMON_CLASSES, COMMON_VERBS = ("user", *TYPES), ("User", *CLASSES), ("HAS", "HAS", *VERBS)
"""Some are more frequent, so that patterns often match."""

WORDS = ("red fox", "blue fox", "red", "blue fish", "fish red")

DOMAINS: dict[str, tuple[str, ...]] = {
    "p": LETTERS,
    "q": (*LETTERS, "a,b"),
    "tag.t": LETTERS,
    "my-prop": LETTERS,
    "order": LETTERS,
    "_type": (*TYPES, "user_has_host"),
    "_class": CLASSES,
    "_source": ("api", "sync"),
    "displayName": ("ann", "bob", "red"),
    "_id": ("e0", "e1", "e2", "e3", "r0", "r1"),
}
"""Properties that a policy may name, and the values that occur."""

ON_EDGES = ("p", "q", "tag.t", "_source")
"""Those that entities and relationships are alike in."""

Permissions = tuple[dict[str, Any], ...]
Equals = dict[str, str | list[str]]

# --- policies ---------------------------------------------------------------------------------------------------------


def permissions(chance: Chance, mode: Mode) -> Permissions:
    """The statements of a policy that is conditioned for reading the graph."""
    style = chance.named(
        {"policy: any": 4, "policy: on edges": 4, "policy: verbs": 3, "policy: deny only": 2}
        if mode is Mode.STRICT
        else {"policy: any": 6, "policy: verbs": 1, "policy: deny only": 2}
    )
    names = tuple(DOMAINS) if style == "policy: any" else ON_EDGES
    denies = [_equals(chance, names) for _ in range(chance.one((0, 0, 1, 2)))]
    if style == "policy: deny only":
        statements = [_statement(chance, "ALLOW", None)]
        denies = denies or [_equals(chance, names)]
    elif style == "policy: verbs":
        statements = [_statement(chance, "ALLOW", _of_verbs(chance)) for _ in range(chance.one((1, 1, 2)))]
        denies = [{"_class": chance.one(VERBS + CLASSES)}] if chance.yes(0.3) else []
    else:
        statements = [_statement(chance, "ALLOW", _equals(chance, names)) for _ in range(chance.one((1, 1, 2, 3)))]
    if denies:
        chance.made.add("policy: DENY")
    if len(statements) > 1 or len(denies) > 1:
        chance.made.add("policy: several statements")
    return (*statements, *(_statement(chance, "DENY", equals) for equals in denies))


def _statement(chance: Chance, effect: str, equals: Equals | None) -> dict[str, Any]:
    actions = [chance.one(("*", "query:ReadGraphData")) if effect == "ALLOW" else "query:ReadGraphData"]
    statement = {"effect": effect, "actions": actions, "resources": ["*"]}
    return statement if equals is None else statement | {"condition": {"stringEquals": equals}}


def _equals(chance: Chance, names: tuple[str, ...]) -> Equals:
    return {name: _wanted(chance, DOMAINS[name]) for name in chance.some(names, 2 if chance.yes(0.3) else 1)}


def _wanted(chance: Chance, domain: tuple[str, ...]) -> str | list[str]:
    if chance.yes(0.3, "policy: list of values"):
        return chance.some(domain, 2)
    return chance.one(domain)


def _of_verbs(chance: Chance) -> Equals:
    """So that a verb decides: visible ones, and entities that are no relationship."""
    return {"_class": [*chance.some(CLASSES, 3), *chance.some(VERBS, 2)]}


def named_verbs(statements: Permissions) -> tuple[str, ...]:
    """The verbs that an ALLOW names, or all of them."""
    allowed = [
        each["condition"]["stringEquals"].get("_class", ()) for each in statements if _is_conditioned_allow(each)
    ]
    return tuple(verb for verb in VERBS if any(verb in names for names in allowed)) or VERBS


# --- graphs -----------------------------------------------------------------------------------------------------------

Objects = tuple[tuple[Entity, ...], tuple[Relationship, ...]]


def objects(chance: Chance, statements: Permissions) -> Objects:
    """The entities and relationships of a graph that the policy shows a part of."""
    entities = tuple(entity(chance, statements, number) for number in range(chance.between(2, 8)))
    count = chance.between(len(entities) - 1, 2 * len(entities))
    return entities, tuple(relationship(chance, statements, number, entities) for number in range(count))


def entity(chance: Chance, statements: Permissions, number: int) -> Entity:
    values = _values(chance, statements)
    metadata = {
        "_id": f"e{number}",
        "_key": f"key {number}",
        "_type": [chance.one(COMMON_TYPES)],
        "_class": [chance.one(COMMON_CLASSES)],
        "_source": chance.one(DOMAINS["_source"]),
    }
    if chance.yes(0.7):
        metadata["displayName"] = chance.one(DOMAINS["displayName"])
    if chance.yes(0.5):
        metadata["_createdOn"] = 1_577_836_800_000 + 86_400_000 * chance.between(-2, 2)
    for name in ("_type", "_class"):
        if name in values:
            metadata[name] = [values.pop(name)]
        if chance.yes(0.15):
            metadata[name].append(chance.one(DOMAINS[name]))
    metadata |= {name: values.pop(name) for name in ("_source", "displayName") if name in values}
    values.pop("_id", None)
    return Entity(f"v{number}", metadata, _properties(chance) | values | _shadows(chance, metadata))


def relationship(
    chance: Chance, statements: Permissions, number: int, entities: tuple[Entity, ...], ends: tuple[str, ...] = ()
) -> Relationship:
    start, end = ends or (chance.one(entities).id, chance.one(entities).id)
    values = {name: value for name, value in _values(chance, statements).items() if name != "_id"}
    verb = values.pop("_class", None)
    metadata = {
        "_id": f"r{number}",
        "_key": f"edge {number}",
        "_type": "user_has_host",
        "_class": verb if verb in VERBS else chance.one(COMMON_VERBS),
        "_source": values.pop("_source", None) or chance.one(DOMAINS["_source"]),
    }
    if chance.yes(0.3):
        metadata["displayName"] = metadata["_class"]
    own = {name: value for name, value in values.items() if name in ON_EDGES}
    return Relationship(f"w{number}", start, end, metadata, _few(chance) | own)


def _values(chance: Chance, statements: Permissions) -> dict[str, Any]:
    """What some ALLOW asks for, about half of the time; sometimes also what some statement asks for."""
    conditions = [each["condition"]["stringEquals"] for each in statements if "condition" in each]
    allows = [each["condition"]["stringEquals"] for each in statements if _is_conditioned_allow(each)]
    chosen: dict[str, Any] = {}
    for probability, pool in ((0.55, allows), (0.15, conditions)):
        if pool and chance.yes(probability):
            for name, wanted in chance.one(pool).items():
                chosen[name] = wanted if isinstance(wanted, str) else chance.one(wanted)
    for name in ("p", "q", "tag.t", "my-prop"):
        if name in chosen and chance.yes(0.15):
            chosen[name] = [chosen[name], chance.one(LETTERS)][:: chance.one((1, -1))]
    return chosen


def _is_conditioned_allow(statement: dict[str, Any]) -> bool:
    return statement["effect"] == "ALLOW" and "condition" in statement


def _properties(chance: Chance) -> dict[str, Any]:
    found = _few(chance)
    if chance.yes(0.5):
        found["text"] = chance.one(WORDS)
    if chance.yes(0.3):
        found["ip"] = chance.one(("10.0.0.1", "10.1.2.3", "192.168.0.1", "x"))
    if chance.yes(0.3):
        found["l"] = [chance.one((*LETTERS, 1, True)) for _ in range(chance.between(0, 2))]
    if chance.yes(0.4):
        found["tags"] = ["Seen", "b"]
    if chance.yes(0.2):
        found["my-prop"] = chance.one(LETTERS)
    if chance.yes(0.2):
        found["order"] = chance.one(LETTERS)
    return found


def _few(chance: Chance) -> dict[str, Any]:
    """Each of the common properties is absent, text, a list, a number or a boolean."""
    found: dict[str, Any] = {}
    for name in ("p", "q", "tag.t"):
        if chance.yes(0.6):
            found[name] = chance.one(LETTERS) if chance.yes(0.75) else _odd(chance)
    if chance.yes(0.7):
        found["n"] = chance.between(0, 3)
    if chance.yes(0.2):
        found["b"] = chance.yes(0.5)
    return found


def _odd(chance: Chance) -> Any:
    return chance.one((1, True, ["a", "b"], ["c"], [], ["b", 1], "1", "true"))


def _shadows(chance: Chance, metadata: dict[str, Any]) -> dict[str, Any]:
    """Properties that have the name of a metadata field: of its value, or of another one."""
    if not chance.yes(0.05):
        return {}
    name = chance.one(("displayName", "_type", "_source"))
    return {name: metadata.get(name, "ann") if chance.yes(0.6) else chance.one(DOMAINS[name])}
