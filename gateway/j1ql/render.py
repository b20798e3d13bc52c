"""Tree -> text: one line, no comments, no reading that depends on precedence.

AND and OR are put in parentheses where one stands in the other, and keywords in capitals. What names a column or an
alias is spelt as the tree has it. Only an Item that was written over several lines keeps its line breaks, because its
text is the name of the column.

parse(render(query)) == query for every query that `parse` makes.
"""

from __future__ import annotations

import re

from gateway.j1ql.tree import (
    AllProperties,
    And,
    Arithmetic,
    Boolean,
    Call,
    Cidr,
    Comparison,
    Condition,
    Date,
    Everything,
    Expression,
    FullText,
    Head,
    Item,
    Name,
    Now,
    Number,
    Optional,
    Or,
    Order,
    Parameter,
    Path,
    Query,
    Regex,
    Segment,
    Selector,
    Smart,
    Step,
    String,
    Subquery,
    Tree,
    Undefined,
    Union,
    ValueList,
    Verb,
)

_BODY = {"'": re.compile(r"(?:[^'\\]++|\\.)*", re.DOTALL), '"': re.compile(r'(?:[^"\\]++|\\.)*', re.DOTALL)}

Literal = String | Number | Boolean | Undefined | Date | Now | Parameter | Regex

_LEVEL = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
"""The higher binds tighter."""


def render(query: Query) -> str:
    """The text of a query."""
    words = []
    if query.find:
        words.append("FIND UNIQUE" if query.unique else "FIND")
    words.append(_selector(query.selector))
    words += [_step(step) for step in query.steps]
    if query.where is not None:
        words.append(f"WHERE {render_condition(query.where)}")
    words += _returns(query.returns)
    if query.having is not None:
        words.append(f"HAVING {render_condition(query.having)}")
    if query.order:
        words.append("ORDER BY " + ", ".join(_order(order) for order in query.order))
    words += [f"{window.keyword} {window.count}" for window in query.windows]
    return " ".join(words)


# --- what is looked for -------------------------------------------------------------------------------------------


def _selector(selector: Selector) -> str:
    text = _head(selector.head)
    if selector.where is not None:
        text += f" WITH {render_condition(selector.where)}"
    return text + _alias(selector.alias)


def _head(head: Head) -> str:
    match head:
        case Name(name):
            return name
        case Everything():
            return "*"
        case Union(items):
            return f"({'|'.join(_head(item) for item in items)})"
        case FullText(text):
            return _string(text.value)
        case Smart(name, inner):
            return f"#{name}" if inner is None else f"#{name} {_head(inner)}"


def _step(step: Step | Optional) -> str:
    match step:
        case Step(verb):
            negation = "!" if step.negated else ""
            hops = "" if step.hops is None else f"{step.hops} "
            somehow = f"SOMEHOW {hops}" if step.somehow else ""
            direction = "" if step.direction is None else f" {step.direction}"
            way = f"{_verb(verb)}{direction}{_alias(step.alias)}"
            return f"THAT {negation}{somehow}{way} {_selector(step.target)}"
        case Optional(steps, alias):
            return f"({' '.join(_step(inner) for inner in steps)})?{_alias(alias)}"


def _verb(verb: Verb) -> str:
    names = "|".join(verb.names)
    return (f"({names})" if verb.bracketed else names) + (" TO" if verb.to else "")


def _alias(alias: str | None) -> str:
    return "" if alias is None else f" AS {alias}"


# --- conditions ---------------------------------------------------------------------------------------------------


def render_condition(condition: Condition) -> str:
    """The text of a condition, as it stands after WITH or WHERE."""
    match condition:
        case Comparison(left, operator, right):
            return f"{render_expression(left)} {operator} {_value(right)}"
        case And(items):
            return " AND ".join(_nested(item) for item in items)
        case Or(items):
            return " OR ".join(_nested(item) for item in items)
        case Cidr(operand, network, negated):
            return f"{'!' if negated else ''}cidr({render_expression(operand)}, {_string(network.value)})"


def _nested(condition: Condition) -> str:
    text = render_condition(condition)
    return f"({text})" if isinstance(condition, And | Or) else text


def _value(value: Expression | ValueList | Subquery) -> str:
    match value:
        case ValueList(joiner, items):
            return f"({f' {joiner} '.join(_value(item) for item in items)})"
        case Subquery(query):
            return f"({render(query)})"
        case _:
            return render_expression(value)


# --- expressions --------------------------------------------------------------------------------------------------


def render_expression(expression: Expression) -> str:
    """The text of an expression."""
    match expression:
        case Path(segments):
            return ".".join(_segment(segment) for segment in segments)
        case Call(name, arguments):
            return f"{name}({', '.join(render_expression(argument) for argument in arguments)})"
        case Arithmetic():
            return _arithmetic(expression)
        case literal:
            return _literal(literal)


def _literal(literal: Literal) -> str:
    match literal:
        case String(value):
            return _string(value)
        case Number(source):
            return source
        case Boolean(value):
            return "true" if value else "false"
        case Undefined():
            return "undefined"
        case Date(text):
            return f"date({text})"
        case Now():
            return _now(literal)
        case Parameter(name):
            return f"${{{name}}}"
        case Regex(pattern, flags):
            return f"/{pattern}/{flags}"


def _segment(segment: Segment) -> str:
    return f"[{segment.name}]" if segment.bracketed else segment.name


def _string(value: str) -> str:
    """In the quotes that the value does not contain, single ones if it contains neither."""
    if "'" not in value and "\\" not in value:
        return f"'{value}'"
    for quote in sorted("'\"", key=value.__contains__):
        if _BODY[quote].fullmatch(value):
            return f"{quote}{value}{quote}"
    raise ValueError("a string with both kinds of quotes, or with a backslash at its end, cannot be written")


def _now(now: Now) -> str:
    if now.amount is None:
        return "date.now"
    return f"date.now {'-' if now.amount < 0 else '+'} {abs(now.amount)} {now.unit}"


def _arithmetic(node: Arithmetic) -> str:
    """In parentheses where it was, and its operands where they would bind otherwise."""
    level = _LEVEL[node.operator]
    left = _operand(node.left, level + 1 if node.operator == "^" else level)
    text = f"{left} {node.operator} {_operand(node.right, level + 1)}"
    return f"({text})" if node.bracketed else text


def _operand(expression: Expression, level: int) -> str:
    text = render_expression(expression)
    loose = isinstance(expression, Arithmetic) and not expression.bracketed and _LEVEL[expression.operator] < level
    return f"({text})" if loose else text


# --- what is returned ---------------------------------------------------------------------------------------------


def _returns(returns: tuple[Item, ...] | Tree | None) -> list[str]:
    match returns:
        case None:
            return []
        case Tree():
            return ["RETURN TREE"]
        case items:
            return ["RETURN " + ", ".join(_item(item) for item in items)]


def _item(item: Item) -> str:
    source = item.source or _item_value(item.value)
    if item.alias is not None and item.quoted:
        return f"{source} AS {_string(item.alias)}"
    return source + _alias(item.alias)


def _item_value(value: Expression | AllProperties) -> str:
    return f"{value.alias}.*" if isinstance(value, AllProperties) else render_expression(value)


def _order(order: Order) -> str:
    return render_expression(order.value) + (" DESC" if order.descending else "")
