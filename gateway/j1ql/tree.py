"""The nodes of a J1QL query: frozen values, made by `parser`, printed by `render`.

What names a column or an alias keeps the spelling of its source, because the platform names columns after the literal
text: selectors, verbs, aliases and RETURN items. `at` is the offset of a node in the query text, for errors that point;
it takes no part in comparisons, so `parse(render(query)) == query` compares meaning and spelling only.

Facts about the language are from JupiterOne's "J1QL language specification" and from queries that the vendor ships.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# --- values and expressions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class String:
    """A quoted string; `value` is the text between the quotes, with nothing unescaped."""

    value: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as spelt; `-1` is Number("-1")."""

    source: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Boolean:
    value: bool
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Undefined:
    """`undefined`, and `null`, which the platform reserves for the same."""

    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Regex:
    """`/pattern/flags`."""

    pattern: str
    flags: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """`${name}` or `${param.name}`; `name` has the inner spaces taken off."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a path; `bracketed` parts are written `[like this]`."""

    name: str
    bracketed: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """A property path. In WITH it is a bare property (`tag.team`), elsewhere its first segment is an alias."""

    segments: tuple[Segment, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Now:
    """`date.now`, moved by `amount` (signed) units; the unit is spelt as written."""

    amount: int | None = None
    unit: str | None = None
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Date:
    """`date(2019-10-30)`; `text` is what stands in the parentheses."""

    text: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; `name` as spelt. Aggregates are COUNT MIN MAX AVG SUM."""

    name: str
    arguments: tuple[Expression, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left operator right` with + - * / % ^; `bracketed` when it stood in parentheses."""

    left: Expression
    operator: str
    right: Expression
    bracketed: bool = False
    at: int = field(default=0, compare=False)


Expression = String | Number | Boolean | Undefined | Regex | Parameter | Path | Now | Date | Call | Arithmetic


# --- conditions ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ValueList:
    """`('a' OR 'b')`; `joiner` is OR or AND. One value in parentheses is a list of one, with joiner OR."""

    joiner: str
    items: tuple[Expression | ValueList, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Subquery:
    """`(FIND … RETURN x.y)` as the right side of = or !=."""

    query: Query
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`; operators: = != ~= !~= ^= !^= $= !$= > < >= <=."""

    left: Expression
    operator: str
    right: Expression | ValueList | Subquery
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Cidr:
    """`cidr(property, '10.0.0.0/8')`, or with `!` before it."""

    operand: Expression
    network: String
    negated: bool = False
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    items: tuple[Condition, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple[Condition, ...]
    at: int = field(default=0, compare=False)


Condition = Comparison | Cidr | And | Or
"""Nested And in Or and the reverse are printed with parentheses; parentheses that say nothing are not kept."""


# --- what is looked for -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Everything:
    """`*`."""

    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A class (`CodeRepo`) or a type (`github_repo`); case decides which, as the documentation says."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Smart:
    """`#Critical`, or `#Production Application`: a smart class before another head."""

    name: str
    head: Head | None = None
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class FullText:
    """A string in the place of a selector."""

    text: String
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Union:
    """`(Host|aws_instance)`; one item is a name in parentheses."""

    items: tuple[Name | Everything | Smart, ...]
    at: int = field(default=0, compare=False)


Head = Everything | Name | Smart | FullText | Union


@dataclass(frozen=True, slots=True)
class Selector:
    """`head WITH condition AS alias`. Without AS a Name's own text is the alias, unless it occurs twice."""

    head: Head
    where: Condition | None = None
    alias: str | None = None
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Verb:
    """`HAS`, `(ALLOWS|PERMITS)`, or `RELATES TO` as the single name "RELATES TO"; names as spelt."""

    names: tuple[str, ...]
    bracketed: bool = False
    to: bool = False
    """A filler TO after the verb (`CONTRIBUTES TO CodeRepo`)."""


@dataclass(frozen=True, slots=True)
class Step:
    """`THAT [!] [SOMEHOW n] verb [>>|<<] [AS alias] selector`; `direction` is ">>", "<<" or None for both."""

    verb: Verb
    target: Selector
    negated: bool = False
    somehow: bool = False
    hops: int | None = None
    direction: str | None = None
    alias: str | None = None
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Optional:
    """`(THAT … )? AS alias`."""

    steps: tuple[Step | Optional, ...]
    alias: str | None = None
    at: int = field(default=0, compare=False)


# --- what is returned ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AllProperties:
    """`alias.*`."""

    alias: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Item:
    """One RETURN item. `source` is its text as written, without comments and the AS part: the column's name by default.

    An item that no one wrote has the source "" and an alias; it is printed from its value. A whole
    object (`RETURN user`) is a Path of one segment. `quoted` tells how `alias` was written.
    """

    value: Expression | AllProperties
    source: str
    alias: str | None = None
    quoted: bool = False
    at: int = field(default=0, compare=False)

    @property
    def column(self) -> str:
        """The name of the column in a table answer."""
        return self.alias if self.alias is not None else self.source


@dataclass(frozen=True, slots=True)
class Tree:
    """`RETURN TREE`."""

    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Order:
    value: Expression
    descending: bool = False
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Window:
    """One `SKIP n` or `LIMIT n`, `keyword` in upper case; an old client appends a second pair to any query."""

    keyword: str
    count: int
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query; `find` is False for one that begins with a full-text string."""

    selector: Selector
    steps: tuple[Step | Optional, ...] = ()
    unique: bool = False
    where: Condition | None = None
    returns: tuple[Item, ...] | Tree | None = None
    having: Condition | None = None
    order: tuple[Order, ...] = ()
    windows: tuple[Window, ...] = ()
    find: bool = True
