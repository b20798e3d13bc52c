"""Expressions: what stands for a value in a condition, in RETURN and in ORDER BY; and the words that every clause has.

One function a rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from gateway.j1ql.lexer import COMPARISONS, KEYWORDS, LITERALS, Token, Tokens
from gateway.j1ql.tree import (
    Arithmetic,
    Boolean,
    Call,
    Date,
    Expression,
    Now,
    Number,
    Parameter,
    Path,
    Regex,
    Segment,
    String,
    Undefined,
)

AGGREGATES = frozenset("COUNT MIN MAX AVG SUM".split())
FUNCTIONS = AGGREGATES | frozenset("CONCAT MERGE COALESCE ABS SQRT CEIL FLOOR ROUND UNWIND".split())
UNITS = frozenset("hour hr hours hrs day days month mo months mos year yr years yrs".split())

RESERVED_COLUMNS = KEYWORDS | AGGREGATES
"""No names of columns. The vendor's own questions call one `Has`."""
RESERVED_WORDS = RESERVED_COLUMNS | {"HAS", "RELATES", "FROM", "NOT", "DATE"}
"""No aliases of parts, and no bare property names for who wants to be read alike everywhere: `[order]` is safe.

The list of the platform's own query validator, and the keywords that it forgets.
"""

_DATE = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}"
    r"(?:T[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?"
)
"""From a year to a fraction of a second, as the specification lists them under "Static Date Comparison"."""
_INTEGER_DIGITS = 15
"""Whole numbers of the language count rows, hops and days; what a JSON number holds exactly is plenty."""

_BEGINS = LITERALS | {"name", "bracket", "string", "number", "-", "parameter", "date", "("}
_FOLLOWS_PROPERTY = COMPARISONS | {"."}


def expression(t: Tokens, expected: str = "a value") -> Expression:
    """expression = sum ;"""
    if t.next.kind not in _BEGINS and not _is_keyword_property(t):
        raise t.expected(expected)
    t.operators = 0
    return _sum(t)


def _sum(t: Tokens) -> Expression:
    """sum = product { ( "+" | "-" ) product } ;"""
    return _chain(t, _product, ("+", "-"))


def _product(t: Tokens) -> Expression:
    """product = power { ( "*" | "/" | "%" ) power } ;"""
    return _chain(t, _power, ("*", "/", "%"))


def _chain(t: Tokens, operand: Callable[[Tokens], Expression], operators: tuple[str, ...]) -> Expression:
    left = operand(t)
    while t.next.kind in operators:
        operator = _operator(t)
        left = Arithmetic(left, operator, operand(t), at=left.at)
    return left


def _power(t: Tokens) -> Expression:
    """power = atom [ "^" atom ] ;   which of two would come first is not documented"""
    base = _atom(t)
    if not t.check("^"):
        return base
    power = Arithmetic(base, _operator(t), _atom(t), at=base.at)
    if t.check("^"):
        raise t.error("put parentheses around one of these powers", t.next.at)
    return power


def _operator(t: Tokens) -> str:
    """Read an operator, within the depth to which operators may nest to the left."""
    token = t.read()
    t.operators += 1
    if t.operators > t.depth:
        raise t.error(f"more than {t.depth} operators in one expression", token.at)
    return token.kind


def _atom(t: Tokens) -> Expression:
    """atom = literal | group | now | call | path ;

    literal = string | [ "-" ] number | "TRUE" | "FALSE" | "UNDEFINED" | "NULL" | parameter | date ;
    """
    token = t.next
    match token.kind:
        case "name" | "bracket":
            return _named(t)
        case "string":
            return String(t.read().text[1:-1], token.at)
        case "number":
            return Number(t.read().text, token.at)
        case "-":
            t.read()
            return Number("-" + t.expect("number", "a number").text, token.at)
        case "TRUE" | "FALSE":
            return Boolean(t.read().kind == "TRUE", token.at)
        case "UNDEFINED" | "NULL":
            t.read()
            return Undefined(token.at)
        case "parameter":
            return Parameter(t.read().text[2:-1].strip(), token.at)
        case "date":
            return _date(t)
        case "(":
            return _group(t)
        case _:
            return _path(t)


def _group(t: Tokens) -> Expression:
    """group = "(" sum ")" ;"""
    t.expect("(")
    inner = _sum(t)
    t.expect(")")
    return replace(inner, bracketed=True) if isinstance(inner, Arithmetic) else inner


def _named(t: Tokens) -> Expression:
    """What begins with a name: now, call or path.   A group of steps may follow a path: `a = b (THAT HAS c)?`"""
    after = t.peek().kind
    if after == "(" and t.check("name") and t.peek(2).kind != "THAT":
        return _call(t)
    if after == "." and t.next.text.lower() == "date" and t.peek(2).text.lower() == "now":
        return _now(t)
    return _path(t)


def _call(t: Tokens) -> Call:
    """call = function "(" [ sum { "," sum } ] ")" ;"""
    name = t.read()
    if name.text.lower() == "date":
        raise t.error("expected a date, such as `date(2019-10-30)`", name.at)
    if name.text.upper() not in FUNCTIONS:
        raise t.error(f"unknown function `{name.text}`", name.at)
    t.expect("(")
    arguments: list[Expression] = []
    while not t.check(")"):
        if arguments:
            t.expect(",", "`,` or `)`")
        arguments.append(_sum(t))
    t.read()
    return Call(name.text, tuple(arguments), name.at)


def _path(t: Tokens) -> Path:
    """path = segment { "." segment } ;   segment = name | "[" any text "]" ;

    After a dot every word is a property; before one, a keyword is where only a property can stand.
    """
    if not t.check("name", "bracket") and not _is_keyword_property(t):
        raise t.expected("a value")
    first = t.read()
    segments = [_segment(first)]
    while t.consume("."):
        if not t.check("name", "bracket", *KEYWORDS):
            raise t.expected("a property name")
        segments.append(_segment(t.read()))
    return Path(tuple(segments), first.at)


def _segment(token: Token) -> Segment:
    return Segment(token.text[1:-1], bracketed=True) if token.kind == "bracket" else Segment(token.text)


def _is_keyword_property(t: Tokens) -> bool:
    return t.next.kind in KEYWORDS and t.peek().kind in _FOLLOWS_PROPERTY


def _now(t: Tokens) -> Now:
    """now = "date" "." "now" [ ( "+" | "-" ) integer unit ] ;   the space before the unit may be missing"""
    at = t.read().at
    t.read()
    t.read()
    if not (t.check("+", "-") and t.peek(1).kind == "number" and t.peek(2).kind == "name"):
        return Now(at=at)
    sign = -1 if t.read().kind == "-" else 1
    amount = integer(t, "a whole number")
    unit = t.read()
    if unit.text.lower() not in UNITS:
        raise t.error(f"unknown unit `{unit.text}`: known are hours, days, months and years", unit.at)
    return Now(sign * amount, unit.text, at)


def _date(t: Tokens) -> Date:
    """date = "date" "(" ISO 8601 date, with or without time ")" ;"""
    token = t.read()
    text = token.text[token.text.index("(") + 1 : -1].strip()
    if not _DATE.fullmatch(text):
        raise t.error("expected a date, such as `date(2019-10-30)`", token.at)
    return Date(text, token.at)


def regex(t: Tokens) -> Regex:
    """regex = "/" pattern "/" [ "i" ] ;"""
    token = t.expect("regex")
    pattern, _, flags = token.text[1:].rpartition("/")
    if flags not in ("", "i"):
        raise t.error(f"unknown flag `{flags}` of a regex: `i` is the only one", token.end - len(flags))
    return Regex(pattern, flags, token.at)


def integer(t: Tokens, expected: str) -> int:
    """integer = digit { digit } ;"""
    token = t.expect("number", expected)
    if not token.text.isdigit():
        raise t.error(f"expected {expected}, found `{token.text}`", token.at)
    if len(token.text) > _INTEGER_DIGITS:
        raise t.error(f"this number has more than {_INTEGER_DIGITS} digits", token.at)
    return int(token.text)


def alias(t: Tokens, reserved: frozenset[str] = RESERVED_WORDS) -> str | None:
    """[ AS alias ] ;   alias = name, but no reserved word ;"""
    if not t.consume("AS"):
        return None
    if t.next.text.upper() in reserved:
        raise t.error(f"`{t.next.text}` is a reserved word and cannot be an alias", t.next.at)
    return t.expect("name", "an alias").text
