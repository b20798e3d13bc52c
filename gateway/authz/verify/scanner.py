"""The proof, one function a rule: from the index of the rule's first token to the index after its last one.

    query     = [ FIND [ UNIQUE ] ] selector { step | group } clauses      FIND may be missing before a string
    step      = THAT [ "!" ] verb [ ">>" | "<<" ] alias selector
    group     = "(" { step | group } ")" "?" alias
    selector  = head WITH P [ AND conjunction ] alias
    clauses   = [ WHERE condition ] [ RETURN … ] [ HAVING condition ] [ ORDER BY … ] { ( SKIP | LIMIT ) number }
    condition = conjunction { OR conjunction } ;   conjunction = comparison { AND comparison }
    alias     = [ AS name ]

Under strict, each step that is not decided by its verb must have P of its name in WHERE: as the whole of it, or as one
operand of an AND that is the whole of it. The name must be no other part's. A negated step must be decided.

Aggregates, MERGE and UNWIND stand in RETURN, HAVING and ORDER BY alone: in WITH or WHERE they could be of what is still
being chosen from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from gateway.authz.verify.formula import Formula, decides, joined, visible
from gateway.authz.verify.gap import Gap
from gateway.authz.verify.tokens import KEYWORDS, RESERVED, RESERVED_COLUMNS, is_operand, is_smart, is_string, is_word
from gateway.policy import Predicate

_COMPARISONS = frozenset("= != ~= !~= ^= !^= $= !$= > < >= <=".split())
_OPERATORS = _COMPARISONS | frozenset("+-*/%^")
_GROUPING = frozenset("COUNT MIN MAX AVG SUM MERGE UNWIND".split())
_FUNCTIONS = _GROUPING | frozenset("CIDR CONCAT COALESCE ABS SQRT CEIL FLOOR ROUND".split())
_UNITS = frozenset("hour hr hours hrs day days month mo months mos year yr years yrs".split())
_LITERALS = frozenset(("TRUE", "FALSE", "UNDEFINED", "NULL"))
_NEVER_PROPERTIES = frozenset(("FIND", "THAT", "AND", "OR"))
_NESTING = 50
"""Groups in groups and queries in queries, which are followed by recursion. Published queries need 2."""


@dataclass(frozen=True, slots=True)
class _Relationship:
    """A step that WHERE must hold to P, by the name that it has there.

    `words` is how often the name stands in the step itself: `THAT ALLOWS AS allows Host` names it twice.
    """

    name: str
    words: int
    optional: bool


class Scanner:
    """Over one text. The caller makes sure that `wanted`, the conjuncts of the predicate, is not empty."""

    def __init__(self, tokens: list[str], predicate: Predicate, wanted: list[Formula], *, strict: bool) -> None:
        self._tokens = tokens
        self._predicate = predicate
        self._strict = strict
        self._alone = list(joined("AND", wanted).tokens)
        self._beside = [token for formula in wanted for token in ("AND", *formula.operand)][1:]
        self._names: Counter[str] = Counter()
        self._spoken: list[_Relationship] = []
        self._nested = 0
        self._chosen = False
        """Whether WITH and WHERE of the query are behind us."""

    def scan(self) -> None:
        """Raises Gap where the proof fails."""
        at = self._query(0)
        if self._tokens[at]:
            raise self._gap("what no rule takes", at)
        if any(self._names[each.name.lower()] != each.words for each in self._spoken):
            raise Gap("the name of a relationship in WHERE may be that of another part")

    # --- what is looked for

    def _query(self, at: int) -> int:
        self._enter()
        if not is_string(self._tokens[at]):
            at = self._expect("FIND", at)
            at += self._tokens[at] == "UNIQUE"
        relationships: list[_Relationship] = []
        outer, self._chosen = self._chosen, False
        at = self._steps(self._selector(at, first=True), relationships, optional=False)
        at = self._clauses(at, relationships)
        self._chosen = outer
        self._spoken += relationships
        self._nested -= 1
        return at

    def _steps(self, at: int, relationships: list[_Relationship], *, optional: bool) -> int:
        while True:
            if self._tokens[at] == "THAT":
                at = self._step(at + 1, relationships, optional=optional)
            elif self._tokens[at] == "(" and self._tokens[at + 1] == "THAT":
                self._enter()
                at = self._steps(at + 1, relationships, optional=True)
                at = self._alias(self._expect("?", self._expect(")", at)))
                self._nested -= 1
            else:
                return at

    def _step(self, at: int, relationships: list[_Relationship], *, optional: bool) -> int:
        """What follows THAT."""
        negated = self._tokens[at] == "!"
        verb = at + negated
        after, decided = self._verb(verb)
        after += self._tokens[after] in (">>", "<<")
        target = self._alias(after)
        if self._strict and not decided:
            if negated:
                raise self._gap("a negated step whose verb does not decide the predicate", at)
            name = self._own_name(verb) if target == after else self._tokens[after + 1]
            words = sum(token.lower() == name.lower() for token in self._tokens[verb:target])
            relationships.append(_Relationship(name, words, optional))
        return self._selector(target)

    def _own_name(self, at: int) -> str:
        """A verb that stands alone names its step where no AS does."""
        if self._tokens[at] == "(" or self._tokens[at].upper() == "RELATES":
            raise self._gap("a relationship without a name", at)
        return self._tokens[at]

    def _verb(self, at: int) -> tuple[int, bool]:
        """verb = verb_name | "(" verb_name { "|" verb_name } ")" [ TO ]; and whether it decides P"""
        if self._tokens[at] != "(":
            return self._verb_name(at)
        after, decided = self._verb_name(at + 1)
        while self._tokens[after] == "|":
            after, also = self._verb_name(after + 1)
            decided = decided and also
        after = self._expect(")", after)
        return after + (self._tokens[after] == "TO"), decided

    def _verb_name(self, at: int) -> tuple[int, bool]:
        """verb_name = RELATES TO | name [ TO ]"""
        verb, after = self._tokens[at], self._name(at)
        filled = self._tokens[after].upper() == "TO"
        if verb.upper() != "RELATES":
            return after + filled, self._strict and decides(self._predicate, verb)
        if not filled:
            raise self._gap("RELATES without TO", at)
        return after + 1, False

    def _selector(self, at: int, *, first: bool = False) -> int:
        at = self._expect("WITH", self._head(at, first=first))
        return self._alias(self._narrowed(at))

    def _narrowed(self, at: int) -> int:
        """P, alone or beside other operands of an AND. What else could follow it (OR, a sign) begins nothing."""
        after = at + len(self._beside)
        if self._tokens[at:after] == self._beside:
            return self._conjunction(after + 1) if self._tokens[after] == "AND" else after
        after = at + len(self._alone)
        if self._tokens[at:after] == self._alone and self._tokens[after] != "AND":
            return after
        raise self._gap("a selector without the predicate", at)

    def _head(self, at: int, *, first: bool) -> int:
        """head = { smart } ( member | "(" member { "|" member } ")" | string ) | smart { smart } ;

        a string is one only at the beginning of a query
        """
        while is_smart(self._tokens[at]):
            at += 1
            if self._tokens[at] == "WITH":
                return at
        if self._tokens[at] != "(":
            return at + 1 if first and is_string(self._tokens[at]) else self._member(at)
        at = self._member(at + 1)
        while self._tokens[at] == "|":
            at = self._member(at + 1)
        return self._expect(")", at)

    def _member(self, at: int) -> int:
        """member = "*" | smart | name"""
        return at + 1 if self._tokens[at] == "*" or is_smart(self._tokens[at]) else self._name(at)

    # --- the other clauses

    def _clauses(self, at: int, relationships: list[_Relationship]) -> int:
        if relationships:
            at = self._visible_where(self._expect("WHERE", at), relationships)
        elif self._tokens[at] == "WHERE":
            at = self._condition(at + 1)
        self._chosen = True
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
        wanted = [visible(self._predicate, each.name, optional=each.optional) for each in relationships]
        after = at + len(wanted[0].tokens)
        if len(wanted) == 1 and tuple(self._tokens[at:after]) == wanted[0].tokens and self._tokens[after] != "AND":
            return after
        operands: set[tuple[str, ...]] = set()
        after = self._conjunction(at, operands)
        if not operands.issuperset(each.operand for each in wanted):
            raise self._gap("a relationship that WHERE does not hold to the predicate", at)
        return after

    def _each(self, at: int, rule: Callable[[int], int]) -> int:
        """rule { "," rule }"""
        at = rule(at)
        while self._tokens[at] == ",":
            at = rule(at + 1)
        return at

    def _item(self, at: int) -> int:
        """item = TREE | comparison [ AS ( column | string ) ]"""
        if self._tokens[at] == "TREE":
            return at + 1
        at = self._comparison(at)
        if self._tokens[at] != "AS":
            return at
        column = self._tokens[at + 1]
        if column.upper() in RESERVED_COLUMNS:
            raise self._gap("a reserved word as a name", at)
        if not is_string(column):
            return self._name(at + 1)
        self._names[column[1:-1].lower()] += 1
        return at + 2

    def _order(self, at: int) -> int:
        """order = comparison [ DESC ]"""
        at = self._comparison(at)
        return at + (self._tokens[at] == "DESC")

    # --- conditions

    def _condition(self, at: int) -> int:
        at = self._conjunction(at)
        while self._tokens[at] == "OR":
            at = self._conjunction(at + 1)
        return at

    def _conjunction(self, at: int, operands: set[tuple[str, ...]] | None = None) -> int:
        """The tokens of each comparison are added to `operands`."""
        while True:
            after = self._comparison(at)
            if operands is not None:
                operands.add(tuple(self._tokens[at:after]))
            if self._tokens[after] != "AND":
                return after
            at = after + 1

    def _comparison(self, at: int) -> int:
        """Operands with one operator between two; inside parentheses AND, OR and commas are such operators too.

        No more exact than is needed: whatever this takes is one operand of the AND or OR around it, or no query.
        """
        opened = 0
        while True:
            while length := self._opening(at):
                opened += self._tokens[at] != "-"
                at += length
            at = self._operand(at)
            while opened and self._tokens[at] == ")":
                opened -= 1
                at += 1
            token = self._tokens[at]
            if token not in _OPERATORS and not (opened and token in ("AND", "OR", ",")):
                return self._expect(")", at) if opened else at
            at += 1

    def _opening(self, at: int) -> int:
        """How many tokens stand before an operand: `-`, `(`, a function and its parenthesis, also `! cidr (`."""
        token, following = self._tokens[at], self._tokens[at + 1]
        if token == "(":
            return following != "FIND"
        if token == "!":
            return 3 if following.lower() == "cidr" and self._tokens[at + 2] == "(" else 0
        if following == "(" and token.upper() in _FUNCTIONS:
            if token.upper() in _GROUPING and not self._chosen:
                raise self._gap("an aggregate of what is still being chosen from", at)
            return 2
        return token == "-"

    def _operand(self, at: int) -> int:
        """operand = value | path | now | "(" query ")" ;   a keyword is a property where no clause could stand"""
        token, following = self._tokens[at], self._tokens[at + 1]
        word = token.upper()
        if token == "(":
            return self._expect(")", self._query(at + 1))
        if word == "DATE.NOW":
            return self._now(at)
        if word in KEYWORDS and word not in _LITERALS:
            taken = word not in _NEVER_PROPERTIES and following in _COMPARISONS
        else:
            taken = is_operand(token)
        if not taken:
            raise self._gap("an operand that is missing", at)
        return at + 1

    def _now(self, at: int) -> int:
        """now = date.now [ ( "+" | "-" ) number unit ]"""
        match self._tokens[at + 1 : at + 4]:
            case ["+" | "-", number, unit] if number.isdecimal() and unit.lower() in _UNITS:
                return at + 4
            case _:
                return at + 1

    # --- words

    def _alias(self, at: int) -> int:
        if self._tokens[at] != "AS":
            return at
        if self._tokens[at + 1].upper() in RESERVED:
            raise self._gap("a reserved word as a name", at)
        return self._name(at + 1)

    def _name(self, at: int) -> int:
        """A word that is no keyword. Whether `has` and `HAS` are one name is not known, so they are counted as one."""
        token = self._tokens[at]
        if not is_word(token) or token.upper() in KEYWORDS:
            raise self._gap("a name that is missing", at)
        self._names[token.lower()] += 1
        return at + 1

    def _expect(self, token: str, at: int) -> int:
        if self._tokens[at] != token:
            raise self._gap(f"`{token}` that is missing", at)
        return at + 1

    def _enter(self) -> None:
        self._nested += 1
        if self._nested > _NESTING:
            raise Gap(f"more than {_NESTING} groups or queries inside each other")

    def _gap(self, what: str, at: int) -> Gap:
        return Gap(f"{what}, at token {at}")
