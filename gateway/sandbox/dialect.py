"""What no document settles about the language, as switches: one value is one way the real platform could be.

The defaults are the plainest readings, which the demo has. The tests run the gateway under all the others too: a
narrowed query must be right whatever the platform does, or be refused. Each switch is read in one place, at the comment
that begins with OPEN and names the question.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OptionalGroup(StrEnum):
    """What `(THAT …)?` leaves: the match without the group always, or only where the group leads nowhere."""

    UNION = "union"
    LEFT_JOIN = "left join"


class Unmatched(StrEnum):
    """What WHERE does with a match in which an alias that it speaks of stands for nothing."""

    UNDEFINED = "undefined"
    DROPPED = "dropped"


class Window(StrEnum):
    """What SKIP and LIMIT count: rows of the answer, matches before WHERE, or the entities that matches start from."""

    ROWS = "rows"
    MATCHES = "matches"
    STARTS = "starts"


class TreeEdges(StrEnum):
    """The edges of RETURN TREE: those of the matches, those of the steps' verbs between its vertices, or all there."""

    MATCHED = "matched"
    VERBS = "verbs"
    ALL = "all"


class ListCell(StrEnum):
    """A list in a cell of a table: as it is, as text joined by commas, or its first element."""

    LIST = "list"
    TEXT = "text"
    FIRST = "first"


class AbsentCell(StrEnum):
    """A cell of a table without a value: no member of its row, or null."""

    MISSING = "missing"
    NULL = "null"


class Grouping(StrEnum):
    """What rows are grouped by: all columns that are no aggregate, or the last one before the first aggregate."""

    ALL = "all"
    LAST = "last"


class Negation(StrEnum):
    """What `THAT !…` negates: its own step, or with it all that follows in the same chain."""

    STEP = "step"
    CHAIN = "chain"


class NegatedList(StrEnum):
    """What `!= (a AND b)` says: not (= a and = b), or, as before 2021, != a and != b."""

    WHOLE = "whole"
    EACH = "each"


class SearchOrder(StrEnum):
    """The order of a full-text search: that of the graph, or best hits first, by statistics of the whole graph."""

    GRAPH = "graph"
    SCORE = "score"


class Parallel(StrEnum):
    """Matches of several relationships from one entity to another: one for each, for each verb, or one in all."""

    EACH = "each"
    VERB = "verb"
    ONE = "one"


class WhereUnasked(StrEnum):
    """What is made of all matches, those too that WHERE drops."""

    NOTHING = "nothing"
    AGGREGATES = "aggregates"
    UNIQUE = "unique"
    TREE = "tree"


class Membership(StrEnum):
    """What `= (FIND …)` and `!= (FIND …)` say: in, and not in; in what its first few candidates give, whether they
    satisfy WITH or not; in, and other than some."""

    EXACT = "exact"
    CAPPED = "capped"
    SOME_DIFFERS = "some differs"


class Equality(StrEnum):
    """What `=` and `!=` say: any element, exactly, and its negation; any letter case; of a list's first element alone;
    `!=` of a list as soon as some element differs."""

    EXACT = "exact"
    ANY_CASE = "any case"
    FIRST = "first element"
    SOME_DIFFERS = "some differs"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way the platform could be."""

    optional_group: OptionalGroup = OptionalGroup.UNION
    unmatched: Unmatched = Unmatched.UNDEFINED
    window: Window = Window.ROWS
    unequal_to_absent: bool = True
    """Whether `!=` and the other negated operators are true of a property that is absent."""
    negated_list: NegatedList = NegatedList.WHOLE
    coercion: bool = False
    """Whether `'22'` equals the number 22, and `'true'` the boolean."""
    negation: Negation = Negation.STEP
    revisits: bool = False
    """Whether a match may come to an entity twice."""
    tree_edges: TreeEdges = TreeEdges.MATCHED
    list_cell: ListCell = ListCell.LIST
    absent_cell: AbsentCell = AbsentCell.MISSING
    grouping: Grouping = Grouping.ALL
    search_order: SearchOrder = SearchOrder.GRAPH
    search_capped: bool = False
    """Whether a full-text search finds its first few hits alone, and WITH chooses among those."""
    smart_class_binds: bool = True
    """Whether WITH speaks of all that a smart class stands for, not of what stands last in it."""
    negated_with: bool = True
    """Whether WITH on the target of a negated step is asked."""
    parallel: Parallel = Parallel.EACH
    where_unasked: WhereUnasked = WhereUnasked.NOTHING
    membership: Membership = Membership.EXACT
    equality: Equality = Equality.EXACT
    """What everything rests on: no rewriting is right under another one."""


PLAINEST = Dialect()
