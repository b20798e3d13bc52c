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


def _conjuncts(predicate: Predicate, alias: str = "") -> list[_Formula]:
    """P as what AND joins: one of the allows, and for each of the denies that it does not hold. Empty if all pass."""
    if not predicate.allows or not all(condition.equals for condition in predicate.denies):
        raise _NotProven("nothing satisfies the predicate, so that no text can carry it")
    before = f"{alias}." if alias else ""
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
_TOKEN = re.compile(
    rf"""
    [Dd][Aa][Tt][Ee] \s*+ \( \s*+ [0-9][0-9A-Za-z:.+-]*+ \s*+ \)
  | (?: [A-Za-z_][A-Za-z0-9_]*+ | \[{_BRACKETED}\] )
    (?: \s*+ \. \s*+ (?: [A-Za-z0-9_]++ | \[{_BRACKETED}\] | \* ) )*+
  | '{_SINGLE}' | "{_DOUBLE}"
  | [0-9]++ (?: \.[0-9]++ )?+
  | [~^$]= | ! (?: [~^$]?+ = )?+ | > [>=]?+ | < [<=]?+
  | / (?: (?<=\(/) | (?<=[=<>][ ]/) | (?<=OR[ ]/) | (?<=AND[ ]/) )
    (?: [^/\\'"${_CONTROL}] | \\[^/'"${_CONTROL}] | \$(?!\{{) )++ / [A-Za-z]*+
  | \$\{{ \s*+ [A-Za-z_][A-Za-z0-9_.-]*+ \s*+ \}}
  | \#[A-Za-z_][A-Za-z0-9_]*+
  | \S
    """,
    re.VERBOSE | re.ASCII,
)
"""Each alternative begins with what tells it from the others. The last one takes a sign, or what no rule below takes."""

_COMPARISONS = frozenset("= != ~= !~= ^= !^= $= !$= > < >= <=".split())
_OPERATORS = _COMPARISONS | frozenset("+-*/%^")
_LITERALS = frozenset(("TRUE", "FALSE", "UNDEFINED", "NULL"))
_NEVER_PROPERTIES = frozenset(("FIND", "THAT", "AND", "OR"))
_NESTING = 50
"""Groups in groups and queries in queries, which the scanner follows by recursion. Published queries need 2."""


@dataclass(frozen=True, slots=True)
class _Relationship:
    """A step whose relationships only WHERE can hold to P, by the step's name."""

    name: str
    optional: bool


class _Scanner:
    """One function a rule: from the index of its first token to the index after its last one."""

    def __init__(self, text: str, predicate: Predicate, wanted: list[_Formula], *, strict: bool) -> None:
        if "/*" in text:
            raise _NotProven("a comment begins, or seems to")
        found = [(str(match.lastgroup), match.group()) for match in _TOKEN.finditer(text)]
        self._kinds = [kind for kind, _ in found] + ["end", "end"]
        self._tokens = [token for _, token in found] + ["", ""]
        if "alien" in self._kinds:
            raise _NotProven(f"token {self._kinds.index('alien')} is not of the language that is sent")
        self._predicate = predicate
        self._strict = strict
        self._alone = list(_joined("AND", wanted).tokens)
        self._beside = [token for formula in wanted for token in ("AND", *formula.operand)][1:]
        self._names: Counter[str] = Counter()
        self._relationships: list[str] = []
        self._nested = 0

    def scan(self) -> None:
        """The whole text is one query; FIND may be missing before a full-text string."""
        at = self._query(0) if self._tokens[0] == "FIND" else self._clauses(self._selector(0, start=True), [])
        if self._kinds[at] != "end":
            raise self._gap("what cannot stand here", at)
        for name in self._relationships:
            if self._names[name.lower()] != 1:
                raise _NotProven("the name by which WHERE speaks of a relationship may mean another part")

    # --- what is looked for

    def _query(self, at: int) -> int:
        """query = FIND [ UNIQUE ] selector steps [ WHERE … ] [ RETURN … ] [ HAVING … ] [ ORDER BY … ] windows"""
        self._enter()
        at = self._expect("FIND", at)
        at += self._tokens[at] == "UNIQUE"
        relationships: list[_Relationship] = []
        at = self._steps(self._selector(at, start=True), relationships, optional=False)
        at = self._clauses(at, relationships)
        self._nested -= 1
        return at

    def _steps(self, at: int, relationships: list[_Relationship], *, optional: bool) -> int:
        """steps = { step | "(" steps ")" "?" [ AS name ] }"""
        while True:
            if self._tokens[at] == "THAT":
                at = self._step(at, relationships, optional=optional)
            elif self._tokens[at] == "(" and self._tokens[at + 1] == "THAT":
                self._enter()
                at = self._steps(at + 1, relationships, optional=True)
                at = self._alias(self._expect("?", self._expect(")", at)))
                self._nested -= 1
            else:
                return at

    def _step(self, at: int, relationships: list[_Relationship], *, optional: bool) -> int:
        """step = THAT [ "!" ] verb [ TO ] [ ">>" | "<<" ] [ AS name ] selector"""
        at = self._expect("THAT", at)
        negated = self._tokens[at] == "!"
        first = at + negated
        after, decided = self._verb(first)
        at = after + (self._tokens[after] in (">>", "<<"))
        named = self._alias(at)
        if self._strict and not decided:
            if negated:
                raise self._gap("a negated step whose verb does not decide the predicate", at)
            if named == at and after != first + 1:
                raise self._gap("a relationship without a name", at)
            name = self._tokens[first if named == at else at + 1]
            relationships.append(_Relationship(name, optional))
            self._relationships.append(name)
        return self._selector(named, start=False)

    def _verb(self, at: int) -> tuple[int, bool]:
        """verb = name [ TO ] | "(" name [ TO ] { "|" name [ TO ] } ")" [ TO ]; and whether it decides P."""
        if self._tokens[at] == "(":
            after, decided = self._listed(at, self._verb_name)
            return after + (self._tokens[after] == "TO"), decided
        return self._verb_name(at)

    def _verb_name(self, at: int) -> tuple[int, bool]:
        verb = self._tokens[at].upper()
        after = self._name(at)
        filled = self._tokens[after].upper() == "TO"
        if verb == "RELATES" and not filled:
            raise self._gap("RELATES without TO", at)
        return after + filled, verb != "RELATES" and _decides(self._predicate, verb)

    def _selector(self, at: int, *, start: bool) -> int:
        """selector = head WITH P [ AND comparisons ] [ AS name ]"""
        at = self._expect("WITH", self._head(at, start=start))
        return self._alias(self._narrowed(at))

    def _narrowed(self, at: int) -> int:
        """P alone, or P beside the rest of an AND; whatever else follows P trips over the clause that comes next."""
        after = at + len(self._beside)
        if self._tokens[at:after] == self._beside:
            return self._conjunction(after + 1) if self._tokens[after] == "AND" else after
        after = at + len(self._alone)
        if self._tokens[at:after] == self._alone and self._tokens[after] != "AND":
            return after
        raise self._gap("a selector without the predicate", at)

    def _head(self, at: int, *, start: bool) -> int:
        """head = "*" | name | "(" member { "|" member } ")" | smart { smart } [ head ] | string, at the start only"""
        smart = at
        while self._kinds[at] == "smart":
            at += 1
        token = self._tokens[at]
        if token == "(":
            return self._listed(at, self._member)[0]
        if at > smart and token == "WITH":
            return at
        if start and token[:1] in ("'", '"'):
            return at + 1
        return self._member(at)[0]

    def _member(self, at: int) -> tuple[int, bool]:
        if self._tokens[at] == "*" or self._kinds[at] == "smart":
            return at + 1, True
        return self._name(at), True

    def _listed(self, at: int, member: Callable[[int], tuple[int, bool]]) -> tuple[int, bool]:
        """ "(" member { "|" member } ")"; and whether what `member` tells is true of all."""
        at, every = member(at + 1)
        while self._tokens[at] == "|":
            at, one = member(at + 1)
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
        """P of each relationship is the whole of WHERE, or one operand of an AND that is the whole of it."""
        wanted = [self._visible(each) for each in relationships]
        after = at + len(wanted[0].tokens)
        whole = tuple(self._tokens[at:after]) == wanted[0].tokens and self._tokens[after] not in ("AND", "OR")
        if whole and len(wanted) == 1:
            return after
        after, operands = at, set()
        for start, after in self._operands(at):
            operands.add(tuple(self._tokens[start:after]))
        if not operands.issuperset(each.operand for each in wanted):
            raise self._gap("a WHERE that lets relationships outside the predicate through", at)
        return after

    def _visible(self, relationship: _Relationship) -> _Formula:
        name = relationship.name
        visible = _joined("AND", _conjuncts(self._predicate, name))
        if not relationship.optional:
            return visible
        return _joined("OR", [visible, _Formula((f"{name}._class", "=", "undefined"))])

    def _each(self, at: int, rule: Callable[[int], int]) -> int:
        at = rule(at)
        while self._tokens[at] == ",":
            at = rule(at + 1)
        return at

    def _item(self, at: int) -> int:
        """item = TREE | expression [ AS ( name | string ) ]"""
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

    def _conjunction(self, at: int) -> int:
        """conjunction = comparison { AND comparison }; an OR after it is left for the caller to trip over."""
        after = at
        for _, after in self._operands(at):
            pass
        return after

    def _operands(self, at: int) -> Iterator[tuple[int, int]]:
        """Where each operand of a conjunction begins and ends."""
        after = self._comparison(at)
        yield at, after
        while self._tokens[after] == "AND":
            at = after + 1
            after = self._comparison(at)
            yield at, after

    def _comparison(self, at: int) -> int:
        """Operands with one operator between two, and in parentheses also AND, OR and commas."""
        opened = 0
        while True:
            if self._tokens[at] == "-":
                at += 1
            elif self._opens(at):
                opened += 1
                at += 1
            else:
                at = self._operand(at)
                while opened and self._tokens[at] == ")":
                    opened -= 1
                    at += 1
                if self._tokens[at] not in _OPERATORS and not (opened and self._tokens[at] in ("AND", "OR", ",")):
                    break
                at += 1
        if opened:
            raise self._gap("an operator or a parenthesis that is missing", at)
        return at

    def _opens(self, at: int) -> bool:
        return self._kinds[at] == "call" or (self._tokens[at] == "(" and self._tokens[at + 1] != "FIND")

    def _operand(self, at: int) -> int:
        """operand = value | path | "(" query ")"; before a comparison, a keyword is a property where no clause fits"""
        kind, token = self._kinds[at], self._tokens[at]
        if kind in ("value", "path"):
            return at + 1
        if token == "(":
            return self._expect(")", self._query(at + 1))
        word = token.upper()
        if kind == "name" and (word not in _KEYWORDS or word in _LITERALS):
            return at + 1
        if kind == "name" and word not in _NEVER_PROPERTIES and self._tokens[at + 1] in _COMPARISONS:
            return at + 1
        raise self._gap("an operand that is missing", at)

    # --- words

    def _alias(self, at: int) -> int:
        """[ AS name ]"""
        if self._tokens[at] != "AS":
            return at
        if self._tokens[at + 1].upper() in _RESERVED:
            raise self._gap("a reserved word as a name", at)
        return self._name(at + 1)

    def _name(self, at: int) -> int:
        """A name that is no keyword. Readers may not tell names by their case, so they are counted without it."""
        if self._kinds[at] != "name" or self._tokens[at].upper() in _KEYWORDS:
            raise self._gap("a name that is missing", at)
        self._names[self._tokens[at].lower()] += 1
        return at + 1

    def _expect(self, token: str, at: int) -> int:
        if self._tokens[at] != token:
            raise self._gap(f"{token} that is missing", at)
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
