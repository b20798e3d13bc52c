"""Text -> tree, by recursive descent: one function a rule, the rule in its docstring.

`{ }` repeats, `[ ]` is optional, `|` chooses; keywords are written in capitals and read in any case. Decisions need
three tokens at most, or the one behind a group in parentheses, so nothing is read twice.

The grammar is that of JupiterOne's "J1QL language specification" and of the queries the vendor ships. AND binds tighter
than OR.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.j1ql.errors import J1QLSyntaxError
from gateway.j1ql.expressions import alias, expression, integer, regex
from gateway.j1ql.lexer import ARITHMETIC, COMPARISONS, DEFAULT_LIMITS, Limits, Tokens
from gateway.j1ql.returns import orders, returns, windows
from gateway.j1ql.tree import (
    And,
    Arithmetic,
    Call,
    Cidr,
    Comparison,
    Condition,
    Everything,
    Expression,
    FullText,
    Head,
    Item,
    Name,
    Optional,
    Or,
    Path,
    Query,
    Selector,
    Smart,
    Step,
    String,
    Subquery,
    Union,
    ValueList,
    Verb,
)

_CONTINUES_EXPRESSION = COMPARISONS | ARITHMETIC
_CLAUSES = ("THAT", "WHERE", "RETURN", "HAVING", "ORDER BY", "LIMIT")
_OPENINGS = ("THAT", "WHERE", "RETURN", "HAVING", "ORDER")


def parse(text: str, *, limits: Limits = DEFAULT_LIMITS) -> Query:
    """The tree of a query. Raises J1QLSyntaxError, which points at the fault."""
    t = Tokens(text, limits)
    query = _query(t)
    if not t.check("end"):
        raise _rest(t, query, "the end of the query")
    return query


def _query(t: Tokens) -> Query:
    """query = [ FIND [ UNIQUE ] ] selector { step | optional } [ WHERE condition ] [ returns ] [ HAVING condition ]
    [ orders ] windows ;   FIND may be missing before a full-text string alone
    """
    find = t.consume("FIND")
    if not find and not t.check("string"):
        raise t.expected("`FIND`")
    return Query(
        unique=find and t.consume("UNIQUE"),
        selector=_selector(t),
        steps=_steps(t),
        where=_where(t),
        returns=returns(t),
        having=_condition(t) if t.consume("HAVING") else None,
        order=orders(t),
        windows=windows(t),
        find=find,
    )


def _rest(t: Tokens, query: Query, end: str) -> J1QLSyntaxError:
    """Why the query, read so far, does not go on like this."""
    if t.check(*_OPENINGS):
        return t.error(f"`{t.next.text}` is out of place: the order is {', '.join(_CLAUSES)}", t.next.at)
    if t.check("WITH"):
        return t.error("`WITH` is out of place: it follows a class or type, once, and comes before `AS`", t.next.at)
    read = (query.where, query.returns, query.having, query.order)
    latest = max((index for index, clause in enumerate(read, 2) if clause), default=0)
    left = _CLAUSES[-1:] if query.windows else _CLAUSES[latest:]
    return t.expected(f"{', '.join(f'`{clause}`' for clause in left)} or {end}")


# --- what is looked for -------------------------------------------------------------------------------------------


def _selector(t: Tokens) -> Selector:
    """selector = head [ WITH condition ] [ AS alias ] ;"""
    at = t.next.at
    head = _head(t)
    where = _condition(t) if t.consume("WITH") else None
    as_at = t.next.at
    name = alias(t)
    if name is not None and where is None and t.check("WITH"):
        raise t.error(f"`AS {name}` must come after `WITH`: write `WITH … AS {name}`", as_at)
    return Selector(head, where, name, at)


def _head(t: Tokens) -> Head:
    """head = smart { smart } [ plain ] | plain ;"""
    smart = []
    while t.check("smart"):
        smart.append(t.read())
        if len(smart) > t.depth:
            raise t.error(f"more than {t.depth} smart classes in a row", smart[-1].at)
    if not smart:
        return _plain_head(t)
    head: Head | None = _plain_head(t) if _begins_plain_head(t) else None
    for token in reversed(smart[1:]):
        head = Smart(token.text[1:], head, token.at)
    return Smart(smart[0].text[1:], head, smart[0].at)


def _begins_plain_head(t: Tokens) -> bool:
    return t.check("name", "*", "string") or (t.check("(") and t.peek().kind != "THAT")


def _plain_head(t: Tokens) -> Everything | Name | FullText | Union:
    """plain = "*" | name | string | union ;"""
    token = t.next
    match token.kind:
        case "name":
            return Name(t.read().text, token.at)
        case "*":
            t.read()
            return Everything(token.at)
        case "(":
            return _union(t)
        case "string":
            return FullText(String(t.read().text[1:-1], token.at), token.at)
        case _:
            raise t.expected("a class, a type, `*` or a string")


def _union(t: Tokens) -> Union:
    """union = "(" member { "|" member } ")" ;"""
    at = t.expect("(").at
    members = [_member(t)]
    while t.consume("|"):
        members.append(_member(t))
    t.expect(")", "`|` or `)`")
    return Union(tuple(members), at)


def _member(t: Tokens) -> Name | Everything | Smart:
    """member = name | "*" | smart ;"""
    token = t.next
    match token.kind:
        case "name":
            return Name(t.read().text, token.at)
        case "*":
            t.read()
            return Everything(token.at)
        case "smart":
            return Smart(t.read().text[1:], at=token.at)
        case _:
            raise t.expected("a class, a type or `*`")


# --- steps --------------------------------------------------------------------------------------------------------


def _steps(t: Tokens) -> tuple[Step | Optional, ...]:
    """{ step | optional } ;"""
    steps: list[Step | Optional] = []
    while t.check("THAT", "("):
        steps.append(_step(t) if t.check("THAT") else _optional(t))
    return tuple(steps)


def _optional(t: Tokens) -> Optional:
    """optional = "(" step { step | optional } ")" "?" [ AS alias ] ;"""
    at = t.expect("(").at
    if not t.check("THAT"):
        raise t.expected("`THAT`")
    steps = _steps(t)
    t.expect(")", "`THAT` or `)`")
    t.expect("?", "`?` after the group of steps")
    return Optional(steps, alias(t), at)


def _step(t: Tokens) -> Step:
    """step = THAT [ "!" ] [ SOMEHOW [ integer ] ] verb { ">>" | "<<" | AS alias } selector ;"""
    at = t.expect("THAT").at
    negated = t.consume("!")
    somehow = t.consume("SOMEHOW")
    hops = integer(t, "a number of hops") if somehow and t.check("number") else None
    verb = _verb(t)
    direction = name = None
    while (direction is None and t.check(">>", "<<")) or (name is None and t.check("AS")):
        if t.check("AS"):
            name = alias(t)
        else:
            direction = t.read().kind
    return Step(verb, _selector(t), negated, somehow, hops, direction, name, at)


def _verb(t: Tokens) -> Verb:
    """verb = ( verb_name | "(" verb_name { "|" verb_name } ")" ) [ TO ] ;   but not RELATES TO TO"""
    if t.check(">>", "<<"):
        raise t.error(f"the direction comes after the verb, as in `HAS {t.next.text}`", t.next.at)
    bracketed = t.consume("(")
    names = [_verb_name(t)]
    while bracketed and t.consume("|"):
        names.append(_verb_name(t))
    if bracketed:
        t.expect(")", "`|` or `)`")
    if t.check("?"):
        raise t.error(f"a verb cannot be optional, a group of steps can: `(THAT {names[-1]} …)?`", t.next.at)
    to = not names[-1].upper().endswith(" TO") and t.consume("TO")
    return Verb(tuple(names), bracketed, to)


def _verb_name(t: Tokens) -> str:
    """verb_name = RELATES TO | name ;"""
    name = t.expect("name", "a verb such as `HAS`").text
    return f"{name} {t.expect('TO').text}" if name.upper() == "RELATES" else name


# --- conditions ---------------------------------------------------------------------------------------------------


def _where(t: Tokens) -> Condition | None:
    """[ WHERE condition ] ;   its properties belong to aliases"""
    if not t.consume("WHERE"):
        return None
    where = _condition(t)
    for path in _bare_paths(where):
        name = path.segments[0].name
        raise t.error(f"`{name}` has no alias: write `alias.{name}` in WHERE, or put the condition in WITH", path.at)
    return where


def _bare_paths(node: Condition | ValueList | Subquery | Expression) -> Iterator[Path]:
    match node:
        case Path(segments=(_,)):
            yield node
        case And(items) | Or(items) | ValueList(items=items) | Call(arguments=items):
            for item in items:
                yield from _bare_paths(item)
        case Comparison(left=left, right=right) | Arithmetic(left=left, right=right):
            yield from _bare_paths(left)
            yield from _bare_paths(right)
        case Cidr(operand):
            yield from _bare_paths(operand)
        case _:
            pass


def _condition(t: Tokens) -> Condition:
    """condition = conjunction { OR conjunction } ;"""
    first = _conjunction(t)
    if not t.check("OR"):
        return first
    items = [first]
    while t.consume("OR"):
        items.append(_conjunction(t))
    return Or(tuple(items), first.at)


def _conjunction(t: Tokens) -> Condition:
    """conjunction = predicate { AND predicate } ;"""
    first = _predicate(t)
    if not t.check("AND"):
        return first
    items = [first]
    while t.consume("AND"):
        items.append(_predicate(t))
    return And(tuple(items), first.at)


def _predicate(t: Tokens) -> Condition:
    """predicate = "(" condition ")" | cidr | comparison ;   a group is arithmetic where an operator follows it"""
    if t.check("(") and t.after_group.kind not in _CONTINUES_EXPRESSION:
        t.read()
        condition = _condition(t)
        t.expect(")", "`AND`, `OR` or `)`")
        return condition
    if t.check("!") or (t.next.text.lower() == "cidr" and t.peek().kind == "("):
        return _cidr(t)
    return _comparison(t)


def _cidr(t: Tokens) -> Cidr:
    """cidr = [ "!" ] "cidr" "(" expression "," string ")" ;"""
    at = t.next.at
    negated = t.consume("!")
    if t.next.text.lower() != "cidr":
        raise t.expected("`cidr(…)`, which alone can be negated with `!`")
    t.read()
    t.expect("(")
    operand = expression(t, "a property name")
    t.expect(",")
    network = t.expect("string", "a network such as '10.0.0.0/8'")
    t.expect(")")
    return Cidr(operand, String(network.text[1:-1], network.at), negated, at)


def _comparison(t: Tokens) -> Comparison:
    """comparison = expression operator value ;   operator = one of COMPARISONS ;"""
    left = expression(t, "a property name")
    if t.next.kind not in COMPARISONS:
        raise t.expected("a comparison such as `=`")
    operator = t.read().kind
    return Comparison(left, operator, _value(t, operator), left.at)


def _value(t: Tokens, operator: str) -> Expression | ValueList | Subquery:
    """value = regex | subquery | list | expression ;   a group is arithmetic where an operator follows it"""
    if t.check("(") and t.peek().kind == "FIND":
        return _subquery(t, operator)
    if t.check("(") and t.after_group.kind not in ARITHMETIC:
        at = t.next.at
        inner = _list_item(t)
        return inner if isinstance(inner, ValueList) else ValueList("OR", (inner,), at)
    return _list_item(t)


def _list_item(t: Tokens) -> Expression | ValueList:
    """list = "(" alternatives ")" ;   item = list | regex | expression ;"""
    if t.check("regex"):
        return regex(t)
    if not t.check("(") or t.after_group.kind in ARITHMETIC:
        return expression(t)
    t.read()
    inner = _alternatives(t)
    t.expect(")", "`OR`, `AND` or `)`")
    return inner


def _alternatives(t: Tokens) -> Expression | ValueList:
    """alternatives = requirements { OR requirements } ;"""
    first = _requirements(t)
    if not t.check("OR"):
        return first
    items = [first]
    while t.consume("OR"):
        items.append(_requirements(t))
    return ValueList("OR", tuple(items), first.at)


def _requirements(t: Tokens) -> Expression | ValueList:
    """requirements = item { AND item } ;"""
    first = _list_item(t)
    if not t.check("AND"):
        return first
    items = [first]
    while t.consume("AND"):
        items.append(_list_item(t))
    return ValueList("AND", tuple(items), first.at)


def _subquery(t: Tokens, operator: str) -> Subquery:
    """subquery = "(" query ")" ;   after = and != alone, and with one property in its RETURN"""
    at = t.expect("(").at
    if operator not in ("=", "!="):
        raise t.error(f"a subquery may follow `=` and `!=`, not `{operator}`", at)
    query = _query(t)
    if not t.check(")"):
        raise _rest(t, query, "`)`")
    t.read()
    match query.returns:
        case (Item(value=Path()),):
            return Subquery(query, at)
        case _:
            raise t.error("a subquery must RETURN exactly one property", at)
