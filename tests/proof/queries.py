"""Random queries as text, from the whole grammar that the evaluator knows.

Every construct has a name, by which it is counted and can be asked for (see `chance`). Names of parts are kept while
the pattern is written, so that WHERE and RETURN mostly speak of what is there, and now and then of what is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proof.chance import Chance
from proof.constructs import OF_STEPS
from proof.worlds import CLASSES, COMMON_CLASSES, COMMON_TYPES, COMMON_VERBS, DOMAINS, LETTERS, TYPES, VERBS

_TEXT_OPERATORS = {"=": 4.0, "!=": 4.0, "~=": 1.0, "!~=": 1.0, "^=": 1.0, "!^=": 1.0, "$=": 1.0, "!$=": 1.0}
_ORDER_OPERATORS = {">": 1.0, "<": 1.0, ">=": 1.0, "<=": 1.0}
_PATHS: dict[str, tuple[str, ...]] = {
    "p": LETTERS,
    "q": LETTERS,
    "l": LETTERS,
    "tag.t": LETTERS,
    "[my-prop]": LETTERS,
    "[order]": LETTERS,
    "[tag.t]": LETTERS,
    "_type": TYPES,
    "_class": CLASSES + VERBS,
    "_source": DOMAINS["_source"],
    "displayName": DOMAINS["displayName"],
    "_id": DOMAINS["_id"],
}
"""Properties as they are written, and values that they may have."""

_COMMON = ("p", "p", "p", "q", "q", "tag.t", "n", "_id", "_id", "_id", *_PATHS)


@dataclass(slots=True)
class Pattern:
    """What has been written so far. `entities` and `edges` are the names that parts can be spoken of by."""

    chance: Chance
    verbs: tuple[str, ...]
    deep: bool = False
    variables: dict[str, Any] = field(default_factory=dict)
    entities: list[str] = field(default_factory=list)
    edges: list[str] = field(default_factory=list)
    named: int = 0

    def name(self) -> str:
        self.named += 1
        return f"x{self.named}"

    @property
    def start(self) -> str | None:
        return self.entities[0] if self.entities else None


def query(chance: Chance, verbs: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """A query that mostly speaks of these verbs, and its variables."""
    pattern = Pattern(chance, verbs)
    text = _query(pattern)
    if chance.yes(0.03, "comment"):
        text = text.replace(" ", " /* OR '\n */ ", chance.between(1, 3))
    return text, pattern.variables


def _query(pattern: Pattern) -> str:
    chance = pattern.chance
    chance.made.add("any")
    start = _start(pattern)
    steps = _steps(pattern)
    if not pattern.entities and not pattern.edges:
        kind = chance.named({"RETURN nothing": 2, "RETURN TREE": 1})
    else:
        kind = chance.named({"RETURN nothing": 3, "RETURN TREE": 2, "RETURN items": 6, "aggregate": 3})
    where = f" WHERE {_where(pattern)}" if _speaks(pattern) and chance.yes(0.22, "WHERE") else ""
    return _find(chance, kind, start) + start + steps + where + _ending(pattern, kind) + _windows(chance)


def _speaks(pattern: Pattern) -> bool:
    return bool(pattern.entities or pattern.edges)


def _find(chance: Chance, kind: str, start: str) -> str:
    find = chance.one(("FIND ", "find ", "FIND "))
    if kind != "RETURN nothing" and chance.yes(0.1, "UNIQUE"):
        return f"{find}UNIQUE "
    return "" if start.startswith(("'", '"')) and chance.yes(0.3) else find


# --- selectors and steps ----------------------------------------------------------------------------------------------


def _start(pattern: Pattern) -> str:
    if not pattern.deep and pattern.chance.yes(0.04, "full text"):
        words = pattern.chance.one(("'red'", '"fox"', "'blue fox'", "'red fi'"))
        return words + _with(pattern) + _alias(pattern, pattern.entities, None)
    return _selector(pattern)


def _selector(pattern: Pattern, *, speakable: bool = True) -> str:
    head, name = _head(pattern.chance)
    names = pattern.entities if speakable else []
    return head + _with(pattern) + _alias(pattern, names, name)


def _head(chance: Chance) -> tuple[str, str | None]:
    kind = chance.named({"FIND *": 7, "FIND class": 3, "FIND type": 2, "FIND union": 2, "smart class": 0.4})
    one = chance.one(COMMON_CLASSES if kind != "FIND type" else COMMON_TYPES)
    match kind:
        case "FIND *":
            return "*", None
        case "FIND union":
            return f"({'|'.join(chance.some(CLASSES + TYPES, 3))})", None
        case "smart class":
            return chance.one(("#Seen", f"#Seen {one}")), None
        case _:
            return one, one


def _with(pattern: Pattern) -> str:
    if not pattern.chance.yes(0.2, "WITH"):
        return ""
    return f" {pattern.chance.one(('WITH', 'with'))} {_condition(pattern, _bare, 2)}"


def _alias(pattern: Pattern, names: list[str], default: str | None) -> str:
    """AS, or now and then the part's own text as its name."""
    if pattern.chance.yes(0.65, "AS"):
        names.append(pattern.name())
        return f" AS {names[-1]}"
    if default is not None and pattern.chance.yes(0.5, "default alias"):
        names.append(default)
    return ""


def _steps(pattern: Pattern) -> str:
    count = pattern.chance.one((0, 1, 1, 1, 2, 2, 3))
    if pattern.chance.wants(*OF_STEPS):
        count = max(count, 2)
    written, before = "", ""
    for _ in range(count):
        if before:
            pattern.chance.made.add(f"chain after {before}")
        step = _optional(pattern) if pattern.chance.yes(0.15, "optional group") else _step(pattern)
        if step.startswith(("(", "THAT !")):
            before = "optional" if step.startswith("(") else "negation"
        written += f" {step}"
    return written


def _optional(pattern: Pattern) -> str:
    inner = [_step(pattern) for _ in range(pattern.chance.one((1, 1, 1, 2)))]
    if pattern.chance.yes(0.1, "nested optional group"):
        inner.append(_optional(pattern))
    alias = ""
    if pattern.chance.yes(0.3, "alias of a group"):
        pattern.entities.append(pattern.name())
        alias = f" AS {pattern.entities[-1]}"
    return f"({' '.join(inner)})?{alias}"


def _step(pattern: Pattern) -> str:
    chance = pattern.chance
    chance.made.add("step")
    if chance.yes(0.005):
        return f"THAT SOMEHOW {chance.between(2, 3)} RELATES TO {_selector(pattern)}"
    negated = chance.yes(0.15, "negation")
    kind = chance.named({"one verb": 5, "RELATES TO": 4, "union of verbs": 2})
    verb, name = chance.one(pattern.verbs if chance.yes(0.6) else COMMON_VERBS), None
    match kind:
        case "RELATES TO":
            verb = chance.one(("RELATES TO", "relates to"))
        case "union of verbs":
            verb = f"({'|'.join(chance.some(VERBS, 3))})"
        case _:
            verb = name = chance.one((verb, verb, verb.lower()))
            verb += " TO" if chance.yes(0.05) else ""
    direction = chance.one((" >>", " <<")) if chance.yes(0.25, "direction") else ""
    alias = _alias(pattern, [] if negated else pattern.edges, name) if chance.yes(0.5, "AS of a step") else ""
    return f"THAT {'!' * negated}{verb}{direction}{alias} {_selector(pattern, speakable=not negated)}"


# --- conditions -------------------------------------------------------------------------------------------------------


def _bare(_: Pattern, path: str) -> str:
    return path


def _of_part(pattern: Pattern, path: str) -> str:
    chance = pattern.chance
    parts = pattern.edges if pattern.edges and chance.yes(0.4, "WHERE of a relationship") else pattern.entities
    name = "nobody" if chance.yes(0.01) else chance.one(parts or pattern.edges)
    return f"{name}.{path}"


def _where(pattern: Pattern) -> str:
    if len(pattern.entities) > 1 and pattern.chance.yes(0.2, "alias to alias"):
        one, other = pattern.chance.one(pattern.entities), pattern.chance.one(pattern.entities)
        return f"{one}.p {_equal(pattern.chance)} {other}.{pattern.chance.one(('p', 'q'))}"
    return _condition(pattern, _of_part, 2)


def _condition(pattern: Pattern, spoken: Any, depth: int) -> str:
    chance = pattern.chance
    if depth and chance.yes(0.3):
        joiner = chance.named({"OR": 2, "AND": 1})
        parts = [_condition(pattern, spoken, depth - 1) for _ in range(2)]
        return f" {joiner} ".join(f"({part})" if chance.yes(0.6) else part for part in parts)
    return chance.way({
        "text comparison": (8.0, lambda: _text(pattern, spoken)),
        "number comparison": (2.0, lambda: _number(pattern, spoken)),
        "undefined": (1.0, lambda: f"{_path(pattern, spoken)[0]} {_equal(chance)} undefined"),
        "value list": (2.0, lambda: _list(pattern, spoken)),
        "regex": (0.5, lambda: _regex(pattern, spoken)),
        "cidr": (0.4, lambda: f"{chance.one(('', '!'))}cidr({spoken(pattern, 'ip')}, '10.0.0.0/8')"),
        "date": (0.4, lambda: _date(pattern, spoken)),
        "variable": (0.5, lambda: _variable(pattern, spoken)),
        "parameter": (0.2, lambda: f"{spoken(pattern, 'p')} {_equal(chance)} ${{param.letter}}"),
        "subquery": (0.2, lambda: _subquery(pattern, spoken)),
        "property to property": (0.4, lambda: f"{spoken(pattern, 'p')} {_equal(chance)} {spoken(pattern, 'q')}"),
        "function in a condition": (0.3, lambda: f"COALESCE({spoken(pattern, 'p')}, 'b') != {spoken(pattern, 'q')}"),
        "arithmetic in a condition": (0.3, lambda: f"{spoken(pattern, 'n')} * 2 {chance.one('<>')} 3"),
    })  # fmt: skip


def _equal(chance: Chance) -> str:
    return chance.one(("=", "!="))


def _path(pattern: Pattern, spoken: Any) -> tuple[str, tuple[str, ...]]:
    written = pattern.chance.one(tuple(_PATHS))
    if written.startswith("["):
        pattern.chance.made.add("name in brackets")
    return spoken(pattern, written), _PATHS[written]


def _text(pattern: Pattern, spoken: Any) -> str:
    path, domain = _path(pattern, spoken)
    value = pattern.chance.one((*domain, "", "1", "true") if pattern.chance.yes(0.2) else domain)
    operator = pattern.chance.named(_TEXT_OPERATORS)
    return f"{path} {operator} {_quoted(pattern.chance, value)}"


def _quoted(chance: Chance, text: str) -> str:
    return chance.one(("'{}'", '"{}"')).format(text)


def _number(pattern: Pattern, spoken: Any) -> str:
    path = spoken(pattern, pattern.chance.one(("n", "n", "n", "p", "b")))
    value = "true" if path.endswith("b") else pattern.chance.one(("0", "1", "2", "-1", "1.5"))
    operator = pattern.chance.one(("=", "!=")) if value == "true" else pattern.chance.named(_ORDER_OPERATORS)
    return f"{path} {operator} {value}"


def _list(pattern: Pattern, spoken: Any) -> str:
    chance = pattern.chance
    path, domain = _path(pattern, spoken)
    operator = chance.named({"=": 3, "!=": 2, "~=": 1, "!~=": 1})
    joiner = chance.named({"list of OR": 2, "list of AND": 1})
    items = [_quoted(chance, value) for value in chance.some(domain, 3)]
    if chance.yes(0.2):
        items.append(chance.one(("undefined", "1", f"({items[0]} and 'b')")))
    return f"{path} {operator} ({f' {joiner[8:]} '.join(items)})"


def _regex(pattern: Pattern, spoken: Any) -> str:
    path, _ = _path(pattern, spoken)
    return f"{path} {pattern.chance.one(('=', '!=', '~='))} /{pattern.chance.one(('[ab]', 'B', 'us?e', 'o'))}/i"


def _date(pattern: Pattern, spoken: Any) -> str:
    moment = pattern.chance.one(("date.now", "date.now - 1 day", "date(2020-01-01)", "date.now+1hr"))
    return f"{spoken(pattern, '_createdOn')} {pattern.chance.named(_ORDER_OPERATORS)} {moment}"


def _variable(pattern: Pattern, spoken: Any) -> str:
    chance = pattern.chance
    name = f"v{len(pattern.variables)}"
    pattern.variables[name] = chance.one(("a", "b", ["a", "b"], 1, True, "it's"))
    operator = "=" if isinstance(pattern.variables[name], list) else chance.one(("=", "!="))
    return f"{spoken(pattern, 'p')} {operator} ${{{name}}}"


def _subquery(pattern: Pattern, spoken: Any) -> str:
    if pattern.deep:
        return f"{spoken(pattern, 'p')} = 'a'"
    inner = Pattern(pattern.chance, pattern.verbs, deep=True, variables=pattern.variables)
    head, _ = _head(pattern.chance)
    steps = f" {_step(inner)}" if pattern.chance.yes(0.2) else ""
    name, prop = "inner", pattern.chance.one(("p", "q"))
    text = f"FIND {head}{_with(inner)} AS {name}{steps} RETURN {name}.{prop}"
    return f"{spoken(pattern, 'p')} {_equal(pattern.chance)} ({text})"


# --- RETURN and what follows ------------------------------------------------------------------------------------------


def _ending(pattern: Pattern, kind: str) -> str:
    chance = pattern.chance
    order = ""
    if kind in {"RETURN nothing", "RETURN TREE"}:
        if pattern.start and chance.yes(0.25, "ORDER BY"):
            order = f" ORDER BY {chance.one(pattern.entities)}.{chance.one(('p', '_id', 'n'))}{_way(chance)}"
        return order if kind == "RETURN nothing" else f" RETURN {chance.one(('TREE', 'tree'))}{order}"
    items, columns = _items(pattern, aggregated=kind == "aggregate")
    having = f" HAVING {_having(pattern, columns)}" if columns and chance.yes(0.12, "HAVING") else ""
    if chance.yes(0.35, "ORDER BY"):
        by = [*columns, f"{chance.one(pattern.entities or pattern.edges)}.p"]
        order = f" ORDER BY {', '.join(each + _way(chance) for each in chance.some(by, 2))}"
    return f" RETURN {', '.join(items)}{having}{order}"


def _way(chance: Chance) -> str:
    return chance.one(("", " ASC", " DESC"))


def _having(pattern: Pattern, columns: list[str]) -> str:
    compared = pattern.chance.one(("> 0", "> 1", "= 1", "!= 'a'", "!= undefined"))
    return f"{pattern.chance.one(columns)} {compared}"


def _items(pattern: Pattern, *, aggregated: bool) -> tuple[list[str], list[str]]:
    """The items, and the names among them that HAVING and ORDER BY may use."""
    chance = pattern.chance
    values = [_value(pattern) for _ in range(chance.one((1, 1, 2, 2, 3) if not aggregated else (0, 0, 1, 1, 2)))]
    if aggregated:
        values[chance.between(0, len(values)) : 0] = [_aggregate(pattern) for _ in range(chance.one((1, 1, 2)))]
        if len(values) > 1:
            chance.made.add("grouping")
    items, columns = [], []
    for value in dict.fromkeys(values):
        item = value
        if chance.yes(0.3, "AS of a column") and not value.endswith(".*"):
            columns.append(f"c{len(items)}")
            item = f"{value} AS {columns[-1]}"
        elif chance.yes(0.05) and not value.endswith(".*"):
            item = f'{value} AS "the {len(items)}"'
        items.append(item)
    return items, columns


def _value(pattern: Pattern) -> str:
    chance = pattern.chance
    name = chance.one(pattern.entities or pattern.edges)
    if pattern.edges and chance.yes(0.2, "RETURN of a relationship"):
        name = chance.one(pattern.edges)
    other = chance.one(pattern.entities or pattern.edges)
    functions = ("CONCAT({0}.p, '-', {1}.q)", "COALESCE({0}.p, {1}.q, 'none')", "ROUND({0}.n / 2)")
    return chance.way({
        "property": (7.0, lambda: f"{name}.{chance.one(_COMMON)}"),
        "whole object": (1.0, lambda: name),
        "all properties": (0.7, lambda: f"{name}.*"),
        "arithmetic": (0.6, lambda: f"{name}.n {chance.one('+-*/%^')} {chance.between(0, 3)}"),
        "function": (0.8, lambda: chance.one(functions).format(name, other)),
        "MERGE": (0.3, lambda: f"MERGE({name}.p, {other}.l)"),
        "UNWIND": (0.4, lambda: f"{chance.one(('UNWIND', 'unwind'))}({name}.{chance.one(('l', '_class', 'p'))})"),
    })  # fmt: skip


def _aggregate(pattern: Pattern) -> str:
    chance = pattern.chance
    function = chance.named({"COUNT": 4, "MIN": 1, "MAX": 1, "SUM": 1, "AVG": 1})
    name = chance.one([*pattern.entities, *pattern.edges])
    if function == "COUNT" and chance.yes(0.5):
        return f"{chance.one(('COUNT', 'count'))}({name})"
    return f"{function}({name}.{chance.one(('n', 'p', '_id') if function in ('COUNT', 'MIN', 'MAX') else ('n',))})"


def _windows(chance: Chance) -> str:
    limit, skip = chance.yes(0.15, "LIMIT"), chance.yes(0.06, "SKIP")
    written = f" SKIP {chance.between(0, 2)}" * skip + f" LIMIT {chance.between(1, 4)}" * limit
    if chance.yes(0.03, "doubled SKIP and LIMIT"):
        written += f" SKIP {chance.between(0, 1)} LIMIT {chance.one((2, 5, 250))}"
    return written
