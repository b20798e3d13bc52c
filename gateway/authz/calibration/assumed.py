"""The probes of what is assumed outright: no rewriting could do without it, or nothing rests on it any more.

What they find changes no plan (that of a policy's own condition does, see `policies`): it is for operators.
"""

from __future__ import annotations

from gateway.authz.calibration.asking import (
    Asking,
    Finding,
    Question,
    Refused,
    Said,
    count,
    failed,
    rows,
    text_of,
    unwitnessed,
    verified,
)
from gateway.authz.calibration.probes import SceneProbe
from gateway.authz.calibration.scene import Property, Scene

_NO_ENTITY = unwitnessed("no entity was found")


def equality_is_exact(scene: Scene) -> Asking[Finding]:
    """`=` on a list: any element, whole, with case; `!=` its negation, also where there is nothing."""
    if (texts := scene.texts) is None:
        return unwitnessed("no list of several texts was found")
    *_, last = texts.value
    absent = f"({scene.unknown} != 'x' OR {scene.unknown} = undefined)"
    expected = [
        *((f"{texts.name} = {text_of(item)}", 1) for item in texts.value),
        *((f"{texts.name} != {text_of(item)}", 0) for item in texts.value),
        (f"{texts.name} = {text_of(last.swapcase())}", 0),
        (f"{texts.name} = {text_of(last[:-1] or last + last)}", 0),
        (f"{texts.name} = {text_of(last + ' ')}", 0),
        (f"{texts.name} != {text_of(scene.nobody)}", 1),
        (absent, 1),
    ]
    for condition, number in expected:
        if (yield from _holding(texts, condition)) != number:
            return failed(f"`{condition}` is {'false' if number else 'true'} of {texts.value!r}")
    return verified("= finds any element of a list, exactly and with case, and != is its negation")


def texts_equal_texts(scene: Scene) -> Asking[Finding]:
    """A number and a boolean do not equal the text that is written so."""
    found = 0
    for witness in (scene.number, scene.boolean):
        if witness is None:
            continue
        value = "true" if witness.value is True else str(witness.value)
        if (yield from _holding(witness, f"{witness.name} = {value}")) != 1:
            continue
        if (yield from _holding(witness, f"{witness.name} = {text_of(value)}")):
            return failed(f"the text {text_of(value)} equals a {'boolean' if value == 'true' else 'number'}")
        found += 1
    if found == 2:  # noqa: PLR2004
        return verified("neither a number nor a boolean equals the text that is written so")
    return unwitnessed("no number and no boolean were found that queries find by their value")


def _holding(witness: Property, condition: str) -> Asking[int]:
    return (yield from count(f"FIND * WITH _id = {text_of(witness.id)} AND {condition} AS a", "a"))


def unknown_names_are_empty(scene: Scene) -> Asking[Finding]:
    """A class, a type and a property that nothing has are answered by nothing, not by an error."""
    yield from rows(f"FIND * WITH _id = {text_of(scene.nobody)} AS a RETURN a._id AS id")  # what is known is taken
    for text in (
        f"FIND {scene.unknown.capitalize()} AS a RETURN a._id AS id",
        f"FIND {scene.unknown} AS a RETURN a._id AS id",
        f"FIND * WITH {scene.unknown} = 'x' AS a RETURN a._id AS id",
    ):
        said = yield Question(text)
        if isinstance(said, Refused):
            return failed(f"`{text}` is an error: {said.why}")
        if said.rows:
            return failed(f"`{text}` finds something")
    return verified("an unknown class, type or property finds nothing")


def totals_are_exact(scene: Scene) -> Asking[Finding]:
    """`totalCount` of what is there once is 1, and of nothing 0."""
    if scene.edge is None:
        return _NO_ENTITY
    for its, number in ((scene.edge.start, 1), (scene.nobody, 0)):
        said = yield Question(f"FIND * WITH _id = {text_of(its)}", pages=1)
        if isinstance(said, Refused) or said.total is None:
            return unwitnessed("answers tell no total")
        if said.total != number:
            return failed(f"the total is told as {said.total} where it is {number}")
    return verified("totals are those of what was asked for")


_PAGE = 250
"""Rows of a page of the platform."""


def pages_tell_nothing(scene: Scene) -> Asking[Finding]:
    """What finds nothing has one page, however large the graph is."""
    said = yield Question(f"FIND * WITH _id = {text_of(scene.nobody)}", pages=1)
    if isinstance(said, Said) and said.more:
        return failed("what finds nothing has several pages: they are parts of the graph, hidden objects included")
    size = yield from count("FIND * AS a", "a")
    if size <= _PAGE:
        return unwitnessed(f"the graph is too small to tell: {size} entities")
    return verified("what finds nothing has one page")


def find_gives_entities(scene: Scene) -> Asking[Finding]:
    """`FIND` and a verb that occurs gives no relationships."""
    if scene.edge is None:
        return unwitnessed("no relationship was found")
    said = yield Question(f"FIND {scene.edge.verb} LIMIT 1")
    if isinstance(said, Said) and any(not isinstance(row, dict) or "entity" not in row for row in said.rows):
        return failed(f"`FIND {scene.edge.verb}` gives relationships")
    return verified("FIND and a verb gives no relationships")


ASSUMPTION_PROBES: dict[str, SceneProbe] = {
    probe.__name__: probe
    for probe in (
        equality_is_exact,
        texts_equal_texts,
        unknown_names_are_empty,
        totals_are_exact,
        pages_tell_nothing,
        find_gives_entities,
    )
}
"""By the name of the assumption."""
