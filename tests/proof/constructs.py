"""The names of what queries, policies and upstreams of the proof are made of."""

from __future__ import annotations

_CONDITIONS = """
text comparison; number comparison; undefined; value list; regex; cidr; date; variable; parameter; subquery
property to property; function in a condition; arithmetic in a condition; AND; OR
"""
_ITEMS = "property; whole object; all properties; arithmetic; function; MERGE; UNWIND; AS of a column"
_STEPS = "step; AS of a step; one verb; union of verbs; RELATES TO; direction; negation; optional group"

_OTHERS = """
any; comment; FIND *; FIND class; FIND type; FIND union; smart class; full text; WITH; AS; default alias
chain after negation; nested optional group; alias of a group; chain after optional
=; !=; ~=; !~=; ^=; !^=; $=; !$=; >; <; >=; <=; list of OR; list of AND; name in brackets
WHERE; WHERE of a relationship; alias to alias
RETURN nothing; RETURN TREE; RETURN items; RETURN of a relationship
aggregate; COUNT; MIN; MAX; SUM; AVG; grouping; HAVING; UNIQUE
ORDER BY; LIMIT; SKIP; doubled SKIP and LIMIT
policy: any; policy: verbs; policy: deny only; policy: DENY; policy: several statements; policy: list of values
dialect: optional_group=left join; dialect: unmatched=dropped; dialect: window=matches; dialect: window=starts
dialect: unequal_to_absent=False; dialect: negated_list=each; dialect: coercion=True; dialect: negation=chain
dialect: revisits=True; dialect: tree_edges=verbs; dialect: tree_edges=all; dialect: list_cell=text
dialect: list_cell=first; dialect: absent_cell=null; dialect: grouping=last; dialect: search_order=score
dialect: search_capped=True; dialect: smart_class_binds=False; dialect: negated_with=False
dialect: parallel=verb; dialect: parallel=one; dialect: where_unasked=aggregates; dialect: where_unasked=unique
dialect: where_unasked=tree; dialect: membership=capped; dialect: membership=some differs
"""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.strip().replace("\n", "; ").split("; "))


CONSTRUCTS = (*_names(_STEPS), *_names(_CONDITIONS), *_names(_ITEMS), *_names(_OTHERS))
"""What every mode must be tried with."""

OF_STEPS = frozenset(_names(_STEPS))

_NEEDS = {
    "chain after negation": "negation",
    "chain after optional": "optional group",
    "nested optional group": "optional group",
    "alias of a group": "optional group",
    "WHERE": "AS",
    "WHERE of a relationship": "WHERE; AS of a step",
    "alias to alias": "WHERE; step",
    "list of OR": "value list",
    "list of AND": "value list",
    "name in brackets": "text comparison",
    **dict.fromkeys(_names("=; !=; ~=; !~=; ^=; !^=; $=; !$="), "text comparison"),
    **dict.fromkeys(_names(">; <; >=; <="), "number comparison"),
    **dict.fromkeys(_names(_CONDITIONS), "WITH"),
    **dict.fromkeys(_names(_ITEMS), "RETURN items"),
    "RETURN of a relationship": "RETURN items; AS of a step",
    "RETURN items": "AS",
    **dict.fromkeys(_names("COUNT; MIN; MAX; SUM; AVG; grouping"), "aggregate"),
    "aggregate": "AS",
    "HAVING": "AS of a column",
    "UNIQUE": "RETURN items",
    "ORDER BY": "AS",
}


def with_needs(name: str) -> frozenset[str]:
    """A construct, and what it cannot stand without."""
    needed = (with_needs(each) for each in _names(_NEEDS[name])) if name in _NEEDS else ()
    return frozenset({name}).union(*needed)
