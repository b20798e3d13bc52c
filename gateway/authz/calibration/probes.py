"""The probes of the capabilities: what is asked about each, and what the answers say.

Every query speaks of single entities by their `_id`, so that an upstream answers it at once however large its graph is,
and has an exact answer. With `_id = '<nobody>'`, which is false of everything, a construct has a known value; whether
the same construct without it has another one is the witness, and without a witness nothing was shown.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.authz.calibration.asking import (
    Asking,
    Finding,
    Question,
    Refused,
    any_of,
    cells,
    count,
    failed,
    rows,
    text_of,
    unwitnessed,
    verified,
)
from gateway.authz.calibration.scene import SMART, Pair, Scene

SceneProbe = Callable[[Scene], Asking[Finding]]

_NO_EDGE = unwitnessed("no relationship between two entities was found")


def _from(its: str, alias: str = "a") -> str:
    return f"FIND * WITH _id = {text_of(its)} AS {alias}"


def negation_binds(scene: Scene) -> Asking[Finding]:
    """`THAT !V * WITH false` keeps an entity that `THAT !V *` drops."""
    if (edge := scene.edge) is None:
        return _NO_EDGE
    step = f"{_from(edge.start)} THAT !{edge.verb} *"
    if (yield from count(step, "a")):
        return unwitnessed(f"an entity that {edge.verb} something is not dropped by `THAT !{edge.verb} *`")
    kept = yield from count(f"{step} WITH _id = {text_of(scene.nobody)}", "a")
    dropped = yield from count(f"{step} WITH _id = {text_of(edge.end)}", "a")
    if (kept, dropped) == (1, 0):
        return verified("an entity is kept where the target of its negated step cannot be, and dropped where it is")
    return failed("an entity is kept or dropped whatever WITH says of the target of its negated step")


def optional_is_union(scene: Scene) -> Asking[Finding]:
    """The rows of `(THAT …)?` are those of the step and one more, in which its alias has no properties."""
    if (edge := scene.edge) is None:
        return _NO_EDGE
    step = f"THAT {edge.verb} AS r * WITH _id = {text_of(edge.end)}"
    matched = yield from rows(f"{_from(edge.start)} {step} RETURN a._id AS id")
    if not matched:
        return unwitnessed("the relationship was not found again")
    optional = f"{_from(edge.start)} ({step})?"
    every = yield from rows(f"{optional} RETURN a._id AS id")
    without = yield from rows(f"{optional} WHERE r._class = undefined RETURN a._id AS id")
    with_it = yield from rows(f"{optional} WHERE r._class = {text_of(edge.verb)} RETURN a._id AS id")
    if (len(every), len(without), len(with_it)) == (len(matched) + 1, 1, len(matched)):
        return verified("a group that matches adds its rows to the one without it")
    return failed("a group that matches takes the place of the row without it, or WHERE drops that row")


def limit_after_where(scene: Scene) -> Asking[Finding]:
    """LIMIT 1 leaves a row, and SKIP 1 takes one, of the rows of each of two starts that WHERE chooses."""
    if (edge := scene.edge) is None:
        return _NO_EDGE
    ends = any_of((edge.start, edge.end))
    pattern = f"FIND * WITH _id = {ends} AS x THAT RELATES TO AS r * WITH _id = {ends} AS y"
    for end in (edge.start, edge.end):
        chosen = f"{pattern} WHERE x._id = {text_of(end)} RETURN x._id AS id"
        whole = yield from cells(chosen, "id")
        if not whole or any(each != end for each in whole):
            return unwitnessed("the relationship was not found from both of its ends")
        limited = yield from cells(f"{chosen} LIMIT 1", "id")
        skipped = yield from cells(f"{chosen} SKIP 1", "id")
        if (limited, skipped) != (whole[:1], whole[1:]):
            return failed("LIMIT or SKIP counts what WHERE drops afterwards")
    return verified("LIMIT and SKIP count rows of those starts alone that WHERE has left")


def where_before_aggregates(scene: Scene) -> Asking[Finding]:
    """COUNT, groups, UNIQUE and TREE of matches that WHERE has dropped are empty."""
    if (edge := scene.edge) is None:
        return _NO_EDGE
    pattern = f"* WITH _id = {text_of(edge.start)} AS a THAT {edge.verb} AS r * AS b"
    nothing = f"WHERE r._id = {text_of(scene.nobody)}"
    for name, find, items in _MADE_OF_MATCHES:
        some = yield from _size(f"{find} {pattern} RETURN {items}")
        if not some:
            return unwitnessed(f"{name} shows nothing where there is a match")
        left = yield from _size(f"{find} {pattern} {nothing} RETURN {items}")
        if left:
            return failed(f"{name} shows matches that WHERE has dropped")
    return verified("COUNT, groups, UNIQUE and TREE show no match that WHERE has dropped")


_MADE_OF_MATCHES = (
    ("COUNT", "FIND", "COUNT(b) AS n"),
    ("a group", "FIND", "b._id AS id, COUNT(r) AS n"),
    ("UNIQUE", "FIND UNIQUE", "b._id AS id"),
    ("TREE", "FIND", "TREE"),
)


def _size(text: str) -> Asking[int]:
    """Objects that an answer speaks of: the sum of its counts, else its rows or its vertices."""
    found = yield from rows(text)
    return sum(_objects(row) for row in found)


def _objects(row: object) -> int:
    match row:
        case {"n": int(number)}:
            return number
        case {"vertices": list(vertices)}:
            return len(vertices)
        case _:
            return 1


def paths_are_matches(scene: Scene) -> Asking[Finding]:
    """Each of several relationships between two entities makes a row, which WHERE finds by that relationship."""
    if not scene.pairs:
        return unwitnessed("no two relationships of one verb between the same entities were found")
    for pair in scene.pairs:
        finding = yield from _paths(pair)
        if finding is not None:
            return finding
    return verified("each of several relationships between two entities makes a match of its own")


def _paths(pair: Pair) -> Asking[Finding | None]:
    pattern = f"{_from(pair.start)} THAT {pair.verbs} AS r * WITH _id = {text_of(pair.end)} AS b"
    found = yield from cells(f"{pattern} RETURN r._id AS id", "id")
    if not found:
        return unwitnessed("the relationships were not found again")
    different = len(set(map(str, found)))
    if different != pair.number:
        return failed(f"of {pair.number} relationships between two entities {different} make a match")
    for each in found:
        own = yield from cells(f"{pattern} WHERE r._id = {text_of(str(each))} RETURN r._id AS id", "id")
        if own != (each,):
            return failed("WHERE does not find a match by its own relationship")
    return None


def smart_class_binds(scene: Scene) -> Asking[Finding]:
    """`#X WITH false` is empty, and `#X WITH true` finds what it finds alone."""
    told = yield from cells(f"FIND #{SMART} AS s RETURN s._id AS id LIMIT 50", "id")
    hits = set(map(str, told))
    if not hits:
        return unwitnessed(f"nothing is a #{SMART}")
    if (yield from count(f"FIND #{SMART} WITH _id = {text_of(scene.nobody)} AS s", "s")):
        return failed(f"`#{SMART} WITH` finds objects of which its condition is false")
    ids = any_of(sorted(hits))
    found = yield from count(f"FIND #{SMART} WITH _id = {ids} AS s", "s")
    if found != len(hits):
        return failed(f"`#{SMART} WITH` does not find all objects of which its condition is true")
    tagged = yield from count(f"FIND * WITH _id = {ids} AND tags = {text_of(SMART)} AS s", "s")
    if 0 < tagged < len(hits):
        return verified(f"WITH restricts a #{SMART} by its tag and one by its definition alike")
    return unwitnessed(f"all that is a #{SMART} is so in one way, so that WITH may restrict another one less")


def full_text_binds(scene: Scene) -> Asking[Finding]:
    """A search whose WITH names certain hits finds all of them, however many better hits there are."""
    if (searched := scene.searched) is None:
        return unwitnessed("no word was found that enough objects hold")
    ids = tuple(its for its, _ in searched.hits)
    if (yield from count(f'FIND "{searched.word}" WITH _id = {text_of(scene.nobody)} AS f', "f")):
        return failed("a search finds objects of which its WITH is false")
    found = yield from cells(f'FIND "{searched.word}" WITH _id = {any_of(ids)} AS f RETURN f._id AS id', "id")
    missing = [hit for hit in searched.hits if hit[0] not in found]
    if not missing:
        return verified(f"a search whose WITH names {len(ids)} hits finds them all")
    for its, words in missing[-3:]:
        if (yield from count(f'FIND "{words}" WITH _id = {text_of(its)} AS f', "f")) == 1:
            return failed("a search does not find what its WITH names, but one for more words does")
    return unwitnessed("a search does not find objects that hold its word; perhaps they are not indexed (yet)")


def subquery_is_membership(scene: Scene) -> Asking[Finding]:
    """`= (FIND …)` is in, and `!=` not in, what the subquery gives, early and late in the order of the graph."""
    if len(scene.places) < 2:  # noqa: PLR2004
        return unwitnessed("too few entities were found to tell early from late ones")
    first, last = scene.places[0], scene.places[-1]
    both = any_of((first, last))
    expected = [
        *((scene.places, "=", text_of(its), 1) for its in scene.places),
        (scene.places, "=", text_of(scene.nobody), 0),
        ((first, last), "!=", both, 0),
        ((first, last), "!=", text_of(first), 1),
        ((first, last), "!=", text_of(scene.nobody), 2),
    ]
    for among, operator, inner, number in expected:
        subquery = f"(FIND * WITH _id = {inner} AS q RETURN q._id)"
        found = yield from count(f"FIND * WITH _id = {any_of(among)} AND _id {operator} {subquery} AS x", "x")
        if found != number:
            return failed(f"`{operator} (FIND …)` finds {found} entities instead of {number}")
    return verified("= and != (FIND …) are in and not in, for early and late entities")


def cells_hold_lists(scene: Scene) -> Asking[Finding]:
    """A cell shows a list as it is, or as text joined by commas."""
    if (texts := scene.texts) is None:
        return unwitnessed("no list of several texts was found")
    found = yield from cells(f"{_from(texts.id)} RETURN a.{texts.name} AS v", "v")
    if found in ((texts.value,), (",".join(texts.value),)):
        return verified("a list in a cell is shown whole")
    return failed("a list in a cell is not shown whole")


def parameters_by_value(scene: Scene) -> Asking[Finding]:
    """A parameter that holds quotes and operators equals that text, and nothing else."""
    if not scene.parameters:
        return unwitnessed("it takes parameters that hold quotes, which only --write makes")
    ids = [its for _, its in scene.parameters]
    for number, (name, its) in enumerate(scene.parameters):
        said = yield Question(f"FIND * WITH _id = {any_of(ids)} AND note = ${{param.{name}}} AS a RETURN a._id AS id")
        if isinstance(said, Refused):
            plain = "a parameter without any quotes is refused"
            return failed("a parameter that holds quotes breaks the query") if number else unwitnessed(plain)
        if [row.get("id") if isinstance(row, dict) else None for row in said.rows] != [its]:
            return failed("a parameter that holds quotes does not equal its own text alone")
    return verified("parameters that hold quotes and operators equal their own text alone")


def _named(*probes: SceneProbe) -> dict[str, SceneProbe]:
    return {probe.__name__: probe for probe in probes}


CAPABILITY_PROBES = _named(
    negation_binds,
    optional_is_union,
    limit_after_where,
    where_before_aggregates,
    paths_are_matches,
    smart_class_binds,
    full_text_binds,
    subquery_is_membership,
    cells_hold_lists,
    parameters_by_value,
)
"""By the name of the capability."""

EXAMPLES = {
    "negation_binds": "FIND * AS a THAT !HAS * WITH _id = 'x' RETURN COUNT(a) AS n",
    "optional_is_union": "FIND * AS a (THAT HAS AS r * WITH _id = 'x')? WHERE r._class = undefined RETURN a._id AS id",
    "smart_class_binds": f"FIND #{SMART} WITH _id = 'x' AS s RETURN COUNT(s) AS n",
    "full_text_binds": "FIND \"word\" WITH _id = 'x' AS f RETURN COUNT(f) AS n",
    "subquery_is_membership": "FIND * WITH _id = (FIND * WITH _id = 'x' AS q RETURN q._id) AS x RETURN COUNT(x) AS n",
    "parameters_by_value": "FIND * WITH note = ${param.x} AS a RETURN a._id AS id",
}
"""Queries as the probes ask them, for an upstream's parser: what it does not take need not be asked."""
