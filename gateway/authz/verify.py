"""The scanner: proves on the text that is about to be sent that nothing in it looks past the predicate P.

It is the second enforcer for what no row can show (counts, UNIQUE, UNWIND), and it runs on every narrowed text. It
shares no code with `narrow`, nor the lexer, the parser or the tree that `narrow` works with: an error there that lets a
selector go without P is to be found here. So it knows nothing of the caller's query, has its own idea of what a query
looks like, and compiles P itself into the tokens that it wants to see:

    selector   head WITH P [ AND the caller's part, its ORs in parentheses ] [ AS alias ]
    step       THAT [ "!" ] verb [ ">>" | "<<" ] [ AS alias ] selector
    under strict, for each step whose verb does not decide P:
               WHERE P of its alias AND …        or, in an optional group, (P of its alias OR alias._class = undefined)

Two facts make it a proof. Selectors stand after FIND and after a verb, and nowhere else; both words are accepted in no
other place. And between operators there is one operand, so no part of a condition can be read as another clause.
Whatever it has not been told about is not proven. It is narrower than the language on purpose: what `narrow` prints
passes, and the same query printed in another way need not.

Four lexical readings are possible: backslashes escape in strings or not, comments are taken out before strings are
recognised or after. They cut a text into the same tokens, if it is cut up here at all:

  - A comment begins with `/*`, which is refused anywhere, so there is none to take out, early or late.
  - Then the readings can only part at a backslash. A string or a name in brackets that holds one is no token here, nor is
    a backslash on its own; in a regex it may stand before anything but what could end the regex or begin a string, so the
    regex ends at the same slash whether the backslash escapes or not. By induction from the left, no token differs.

A slash that begins a regex here could only be taken for a division, or the other way round, where no grammar has one.

Linear in the text, for one P: each token is looked at a fixed number of times.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gateway.policy import Condition, Predicate


def verified(text: str, predicate: Predicate, *, strict: bool) -> str | None:
    """None if it is proven that every selector of `text`, and under `strict` every relationship, carries the predicate.

    Else what is missing, in a few words for operators; they repeat nothing of the text.
    """
    try:
        wanted = _conjuncts(predicate)
        if wanted:
            _Scanner(text, predicate, wanted, strict=strict).scan()
    except _NotProven as gap:
        return str(gap)
    return None


class _NotProven(Exception):  # noqa: N818 - a finding about the text, not a fault
    """What the proof lacks."""


# --- the tokens that P must be ------------------------------------------------------------------------------------


class _Formula(NamedTuple):
    """The tokens of a condition; `compound` if an AND or OR of it stands outside parentheses."""

    tokens: tuple[str, ...]
    compound: bool = False

    @property
    def operand(self) -> tuple[str, ...]:
        """As it stands beside other operands of AND or OR."""
        return ("(", *self.tokens, ")") if self.compound else self.tokens


def _joined(joiner: str, parts: list[_Formula]) -> _Formula:
    if len(parts) == 1:
        return parts[0]
    tokens = [token for part in parts for token in (joiner, *part.operand)]
    return _Formula(tuple(tokens[1:]), compound=True)


def _conjuncts(predicate: Predicate, before: str = "") -> list[_Formula]:
    """P as what AND joins: one of the allows, and for each of the denies that it does not hold. Empty if all pass."""
    if not predicate.allows or not all(condition.equals for condition in predicate.denies):
        raise _NotProven("nothing satisfies the predicate, so that no text can carry it")
    conjuncts = []
    if all(condition.equals for condition in predicate.allows):
        conjuncts.append(_joined("OR", [_equal(condition, before) for condition in predicate.allows]))
    return conjuncts + [_unequal(condition, before) for condition in predicate.denies]


def _equal(condition: Condition, before: str) -> _Formula:
    """`p = 'v'`, or `p = ('v' OR 'w')`; AND between properties."""
    leaves = []
    for name, values in condition.equals:
        literals = [token for value in values for token in ("OR", _literal(value))][1:]
        leaves.append(_Formula((before + _path(name), "=", *(literals if len(values) == 1 else ("(", *literals, ")")))))
    return _joined("AND", leaves)


def _unequal(condition: Condition, before: str) -> _Formula:
    """`(p != 'v' AND p != 'w') OR p = undefined`; OR between properties."""
    leaves = []
    for name, values in condition.equals:
        path = before + _path(name)
        others = _joined("AND", [_Formula((path, "!=", _literal(value))) for value in values])
        leaves.append(_joined("OR", [others, _Formula((path, "=", "undefined"))]))
    return _joined("OR", leaves)


def _literal(value: str) -> str:
    """One with both kinds of quotes is no token of any text, so it is never found."""
    return f'"{value}"' if "'" in value else f"'{value}'"


_KEYWORDS = frozenset(
    "FIND UNIQUE WITH AS THAT SOMEHOW TO WHERE RETURN TREE HAVING ORDER BY ASC DESC SKIP LIMIT AND OR "
    "TRUE FALSE UNDEFINED NULL".split()
)
_RESERVED = _KEYWORDS | frozenset("COUNT SUM AVG MIN MAX HAS RELATES FROM NOT DATE".split())
"""Keywords, and the words that the platform's query validator forbids as names ("Reserved words", JupiterOne MCP)."""

_PLAIN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)


def _path(name: str) -> str:
    plain = _PLAIN.fullmatch(name) and _RESERVED.isdisjoint(name.upper().split("."))
    return name if plain else f"[{name}]"


# --- the text, cut up ---------------------------------------------------------------------------------------------

_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"


def _body(excluded: str) -> str:
    """What a string or a name in brackets may hold: no backslash, no control character, no `${` that is replaced."""
    plain = rf"[^{excluded}\\${_CONTROL}]*+"
    return rf"{plain}(?:\$(?!\{{){plain})*+"


_SINGLE, _DOUBLE, _BRACKETED = _body("'"), _body('"'), _body(r"\[\]'\"")
_SPACE = r"[ \t\r\n]*+"
_TOKEN = re.compile(
    rf"""
    [Dd][Aa][Tt][Ee] {_SPACE} \( {_SPACE} [0-9][0-9A-Za-z:.+-]*+ {_SPACE} \)
  | (?: [A-Za-z_][A-Za-z0-9_]*+ | \[{_BRACKETED}\] )
    (?: {_SPACE} \. {_SPACE} (?: [A-Za-z0-9_]++ | \[{_BRACKETED}\] | \* ) )*+
  | '{_SINGLE}' | "{_DOUBLE}"
  | [0-9]++ (?: \.[0-9]++ )?+
  | [~^$]= | ! (?: [~^$]?+ = )?+ | > [>=]?+ | < [<=]?+
  | / (?: (?<=\(/) | (?<=[=<>][ ]/) | (?<=OR[ ]/) | (?<=AND[ ]/) )
    (?: [^/\\'"${_CONTROL}] | \\[^/'"${_CONTROL}] | \$(?!\{{) )++ / [A-Za-z]*+
  | \$\{{ {_SPACE} [A-Za-z_][A-Za-z0-9_.-]*+ {_SPACE} \}}
  | \#[A-Za-z_][A-Za-z0-9_]*+
  | [^ \t\r\n]
    """,
    re.VERBOSE,
)
"""Each alternative begins with what tells it from the others. The last one takes a sign, or what no rule below takes."""

_VALUE = re.compile(r"[A-Za-z0-9_]|['\"\[/].|\$\{")
"""What a token that is neither a word nor a sign begins with."""

_COMPARISONS = frozenset("= != ~= !~= ^= !^= $= !$= > < >= <=".split())
_OPERATORS = _COMPARISONS | frozenset("+-*/%^")
_FUNCTIONS = frozenset(
    "CIDR COUNT MIN MAX AVG SUM CONCAT MERGE COALESCE ABS SQRT CEIL FLOOR ROUND UNWIND".split(),
)
_UNITS = frozenset("hour hr hours hrs day days month mo months mos year yr years yrs".split())
_LITERALS = frozenset(("TRUE", "FALSE", "UNDEFINED", "NULL"))
_NEVER_PROPERTIES = frozenset(("FIND", "THAT", "AND", "OR"))
_NESTING = 50
"""Groups in groups and queries in queries, which the scanner follows by recursion. Published queries need 2."""


# --- the proof ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Relationship:
    """A step whose relationships WHERE must hold to P, by the name that it has there."""

    name: str
    optional: bool


class _Scanner:
    """One function a rule: from the index of the rule's first token to the index after its last one."""

    def __init__(self, text: str, predicate: Predicate, wanted: list[_Formula], *, strict: bool) -> None:
        if "/*" in text:
            raise _NotProven("a comment mark")
        self._tokens = [*_TOKEN.findall(text), "", ""]
        self._predicate = predicate
        self._strict = strict
        self._alone = list(_joined("AND", wanted).tokens)
        self._beside = [token for formula in wanted for token in ("AND", *formula.operand)][1:]
        self._names: Counter[str] = Counter()
        self._spoken: list[tuple[str, int]] = []
        self._nested = 0

    def scan(self) -> None:
        """The whole text is one query; FIND may be missing before a full-text string."""
        at = self._query(0) if self._tokens[0] == "FIND" else self._clauses(self._selector(0, start=True), [])
        if self._tokens[at]:
            raise self._gap("what no rule takes", at)
        if any(self._names[name] != times for name, times in self._spoken):
            raise _NotProven("the name of a relationship in WHERE may be that of another part of the query")

    # --- what is looked for

    def _query(self, at: int) -> int:
        """query = FIND [ UNIQUE ] selector steps clauses"""
        self._enter()
        at = self._expect("FIND", at)
        at += self._tokens[at] == "UNIQUE"
        relationships: list[_Relationship] = []
        at = self._steps(self._selector(at, start=True), relationships, optional=False)
        at = self._clauses(at, relationships)
        self._nested -= 1
        return at

    def _steps(self, at: int, relationships: list[_Relationship], *, optional: bool) -> int:
        """steps = { step | "(" steps ")" "?" alias }"""
        while True:
            if self._tokens[at] == "THAT":
                at = self._step(at + 1, relationships, optional=optional)
            elif self._tokens[at : at + 2] == ["(", "THAT"]:
                self._enter()
                at = self._steps(at + 1, relationships, optional=True)
                at = self._alias(self._expect("?", self._expect(")", at)))
                self._nested -= 1
            else:
                return at

    def _step(self, at: int, relationships: list[_Relationship], *, optional: bool) -> int:
        """step = THAT [ "!" ] verb [ ">>" | "<<" ] alias selector"""
        negated = self._tokens[at] == "!"
        verb = at + negated
        after, decided = self._verb(verb)
        after += self._tokens[after] in (">>", "<<")
        target = self._alias(after)
        if self._strict and not decided:
            if negated:
                raise self._gap("a negated step whose verb does not decide the predicate", at)
            name = self._tokens[after + 1] if target != after else self._own_name(verb)
            self._spoken.append(
                (name.lower(), [word.lower() for word in self._tokens[verb:target]].count(name.lower()))
            )
            relationships.append(_Relationship(name, optional))
        return self._selector(target, start=False)

    def _own_name(self, at: int) -> str:
        """A single verb names its step where no AS does."""
        if self._tokens[at] == "(" or self._tokens[at].upper() == "RELATES":
            raise self._gap("a relationship without a name", at)
        return self._tokens[at]

    def _verb(self, at: int) -> tuple[int, bool]:
        """verb = verb_name | "(" verb_name { "|" verb_name } ")" [ TO ]; and whether it decides P"""
        if self._tokens[at] != "(":
            return self._verb_name(at)
        after, decided = self._any_of(at, self._verb_name)
        return after + (self._tokens[after] == "TO"), decided

    def _verb_name(self, at: int) -> tuple[int, bool]:
        """verb_name = RELATES TO | name [ TO ]"""
        verb, after = self._tokens[at].upper(), self._name(at)
        if self._tokens[after].upper() == "TO":
            after += 1
        elif verb == "RELATES":
            raise self._gap("RELATES without TO", at)
        return after, verb != "RELATES" and _decides(self._predicate, verb)

    def _selector(self, at: int, *, start: bool) -> int:
        """selector = head WITH P [ AND conjunction ] alias"""
        at = self._expect("WITH", self._head(at, start=start))
        return self._alias(self._narrowed(at))

    def _narrowed(self, at: int) -> int:
        """P, alone or beside other operands of an AND. An OR after it is no beginning of what can follow."""
        after = at + len(self._beside)
        if self._tokens[at:after] == self._beside:
            return self._conjunction(after + 1) if self._tokens[after] == "AND" else after
        after = at + len(self._alone)
        if self._tokens[at:after] == self._alone and self._tokens[after] != "AND":
            return after
        raise self._gap("a selector without the predicate", at)

    def _head(self, at: int, *, start: bool) -> int:
        """head = { smart } ( member | "(" member { "|" member } ")" ) | smart { smart } | string, at the start only"""
        smart = at
        while self._tokens[at][:1] == "#":
            at += 1
        token = self._tokens[at]
        if token == "(":
            return self._any_of(at, self._member)[0]
        if (start and token[:1] in ("'", '"') and len(token) > 1) or (at > smart and token == "WITH"):
            return at + (token != "WITH")
        return self._member(at)[0]

    def _member(self, at: int) -> tuple[int, bool]:
        """member = "*" | smart | name"""
        token = self._tokens[at]
        plain = token == "*" or (token[:1] == "#" and len(token) > 1)
        return (at + 1 if plain else self._name(at)), True

    def _any_of(self, at: int, rule: Callable[[int], tuple[int, bool]]) -> tuple[int, bool]:
        """ "(" rule { "|" rule } ")"; and whether what the rule tells is true of all"""
        at, every = rule(at + 1)
        while self._tokens[at] == "|":
            at, one = rule(at + 1)
            every = every and one
        return self._expect(")", at), every

    # --- the other clauses

    def _clauses(self, at: int, relationships: list[_Relationship]) -> int:
        """clauses = [ WHERE … ] [ RETURN … ] [ HAVING … ] [ ORDER BY … ] { ( SKIP | LIMIT ) number }"""
        if relationships:
            at = self._visible_where(self._expect("WHERE", at), relationships)
        elif self._tokens[at] == "WHERE":
            at = self._condition(at + 1)
        if self._tokens[at] == "RETURN":
            at = self._each(at + 1, self._item)
        if self._tokens[at] == "HAVING":
            at = self._condition(at + 1)
        if self._tokens[at] == "ORDER":
            at = self._each(self._expect("BY", at + 1), self._order)
        while self._tokens[at] in ("SKIP", "LIMIT") and self._tokens[at + 1].isdecimal():
            at += 2
        return at

    def _visible_where(self, at: int, relationships: list[_Relationship]) -> int:
        """P of the only relationship is all of WHERE, or that of each one is an operand of an AND that is all of it."""
        wanted = [self._visible(each) for each in relationships]
        after = at + len(wanted[0].tokens)
        if len(wanted) == 1 and tuple(self._tokens[at:after]) == wanted[0].tokens and self._tokens[after] != "AND":
            return after
        operands: set[tuple[str, ...]] = set()
        after = self._conjunction(at, operands)
        if not operands.issuperset(each.operand for each in wanted):
            raise self._gap("a relationship that WHERE does not hold to the predicate", at)
        return after

    def _visible(self, relationship: _Relationship) -> _Formula:
        name = relationship.name
        visible = _joined("AND", _conjuncts(self._predicate, f"{name}."))
        if not relationship.optional:
            return visible
        return _joined("OR", [visible, _Formula((f"{name}._class", "=", "undefined"))])

    def _each(self, at: int, rule: Callable[[int], int]) -> int:
        """rule { "," rule }"""
        at = rule(at)
        while self._tokens[at] == ",":
            at = rule(at + 1)
        return at

    def _item(self, at: int) -> int:
        """item = TREE | expression ( alias | AS string )"""
        if self._tokens[at] == "TREE":
            return at + 1
        at = self._comparison(at)
        quoted = self._tokens[at] == "AS" and self._tokens[at + 1][:1] in ("'", '"')
        return at + 2 if quoted else self._alias(at)

    def _order(self, at: int) -> int:
        """order = expression [ DESC ]"""
        at = self._comparison(at)
        return at + (self._tokens[at] == "DESC")

    # --- conditions and expressions

    def _condition(self, at: int) -> int:
        """condition = conjunction { OR conjunction }"""
        at = self._conjunction(at)
        while self._tokens[at] == "OR":
            at = self._conjunction(at + 1)
        return at

    def _conjunction(self, at: int, operands: set[tuple[str, ...]] | None = None) -> int:
        """conjunction = comparison { AND comparison }; its operands are added to `operands`"""
        while True:
            after = self._comparison(at)
            if operands is not None:
                operands.add(tuple(self._tokens[at:after]))
            if self._tokens[after] != "AND":
                return after
            at = after + 1

    def _comparison(self, at: int) -> int:
        """Operands with one operator between two; inside parentheses AND, OR and commas are such operators too."""
        opened = 0
        while True:
            if length := self._opening(at):
                opened += self._tokens[at] != "-"
                at += length
                continue
            at = self._operand(at)
            while opened and self._tokens[at] == ")":
                opened -= 1
                at += 1
            token = self._tokens[at]
            if token not in _OPERATORS and not (opened and token in ("AND", "OR", ",")):
                break
            at += 1
        return at if not opened else self._expect(")", at)

    def _opening(self, at: int) -> int:
        """How many tokens stand before an operand: "-", "(" or a function and "("; `cidr` may be negated."""
        token = self._tokens[at]
        if token == "(":
            return self._tokens[at + 1] != "FIND"
        if token == "!":
            return 3 if [word.upper() for word in self._tokens[at + 1 : at + 3]] == ["CIDR", "("] else 0
        if self._tokens[at + 1] == "(" and token.upper() in _FUNCTIONS:
            return 2
        return token == "-"

    def _operand(self, at: int) -> int:
        """operand = literal | path | now | "(" query ")"; a keyword is a property where no clause could stand"""
        token = self._tokens[at]
        word = token.upper()
        if token == "(":
            return self._expect(")", self._query(at + 1))
        if word == "DATE.NOW":
            return self._now(at)
        if word not in _KEYWORDS or word in _LITERALS:
            taken = _VALUE.match(token) is not None
        else:
            taken = word not in _NEVER_PROPERTIES and self._tokens[at + 1] in _COMPARISONS
        if not taken:
            raise self._gap("an operand that is missing", at)
        return at + 1

    def _now(self, at: int) -> int:
        """now = date.now [ ( "+" | "-" ) number unit ]"""
        sign, number, unit = self._tokens[at + 1 : at + 4] if self._tokens[at + 3 :] else ("", "", "")
        moved = sign in ("+", "-") and number.isdecimal() and unit.lower() in _UNITS
        return at + 4 if moved else at + 1

    # --- words

    def _alias(self, at: int) -> int:
        """alias = [ AS name ]"""
        if self._tokens[at] != "AS":
            return at
        if self._tokens[at + 1].upper() in _RESERVED:
            raise self._gap("a reserved word as a name", at)
        return self._name(at + 1)

    def _name(self, at: int) -> int:
        """A word that is no keyword. Readers may not tell names by their letter case, so they are counted without."""
        token = self._tokens[at]
        if not (token.isascii() and token.isidentifier()) or token.upper() in _KEYWORDS:
            raise self._gap("a name that is missing", at)
        self._names[token.lower()] += 1
        return at + 1

    def _expect(self, token: str, at: int) -> int:
        if self._tokens[at] != token:
            raise self._gap(f"a {token} that is missing", at)
        return at + 1

    def _enter(self) -> None:
        self._nested += 1
        if self._nested > _NESTING:
            raise _NotProven(f"more than {_NESTING} groups or queries inside each other")

    def _gap(self, what: str, at: int) -> _NotProven:
        return _NotProven(f"{what}, at token {at}")


def _decides(predicate: Predicate, verb: str) -> bool:
    """Whether P holds on every relationship of a verb, which is its `_class` (JupiterOne documentation, J1QL)."""

    def surely(condition: Condition) -> bool:
        return all(name == "_class" and verb in values for name, values in condition.equals)

    def surely_not(condition: Condition) -> bool:
        return any(name == "_class" and verb not in values for name, values in condition.equals)

    return any(map(surely, predicate.allows)) and all(map(surely_not, predicate.denies))
