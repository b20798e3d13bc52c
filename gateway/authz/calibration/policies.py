"""The probe of one policy's condition P: does the upstream hold it of the objects of which the row check does?

Where it does not, lists are withheld by the check, but aggregates and UNIQUE cannot be checked: see `Rules.doubted`.
"""

from __future__ import annotations

from gateway.authz.calibration.asking import (
    Asking,
    Finding,
    Question,
    Refused,
    Said,
    Unclear,
    count,
    failed,
    unwitnessed,
    verified,
)
from gateway.authz.capabilities import Mode, State
from gateway.authz.narrow.predicate import all_of, any_of, conditions
from gateway.authz.outcome import Check, Seal
from gateway.authz.rows import Withheld, checked
from gateway.j1ql import render_condition, tree
from gateway.policy import EVERYTHING, Predicate


def policy_holds(predicate: Predicate) -> Asking[Finding]:
    """COUNT(P) + COUNT(not P) = COUNT(all) (A3), and the first objects of which P is true pass the check (A8).

    Sums that do not match say nothing of a graph that is written to meanwhile, so they must be the same once more.
    """
    holds, does_not = render_condition(all_of(*conditions(predicate))), render_condition(negation(predicate))
    counted = yield from _counted(holds, does_not)
    shown, hidden, everything = counted
    is_even = shown + hidden == everything
    if not is_even and (yield from _counted(holds, does_not)) == counted:
        return failed(f"the condition is true of {shown} objects and its negation of {hidden}, of {everything} in all")
    if not shown:
        return unwitnessed("the condition is true of nothing now")
    said = yield Question(f"FIND * WITH {holds} AS a LIMIT 250")
    if isinstance(said, Refused):
        raise Unclear(said.why)
    found = _of_rows(predicate, said)
    return found if is_even or found.state is State.FAILED else unwitnessed("the graph changes while it is counted")


def _counted(holds: str, does_not: str) -> Asking[tuple[int, int, int]]:
    """Objects of which a condition is true, of which its negation is, and all."""
    shown = yield from count(f"FIND * WITH {holds} AS a", "a")
    hidden = yield from count(f"FIND * WITH {does_not} AS a", "a")
    everything = yield from count("FIND * AS a", "a")
    return shown, hidden, everything


def _of_rows(predicate: Predicate, said: Said) -> Finding:
    """Each page is checked as if it were an answer to the key's owner."""
    pages = [checked(body, _check(predicate)) for body in said.bodies]
    if any(isinstance(page, Withheld) and page.violation for page in pages):
        return failed("an object of which the upstream says that the condition is true does not pass the check")
    if any(isinstance(page, Withheld) for page in pages):
        return unwitnessed("the answer has an unknown shape")
    return verified("the condition is true of the objects that pass the check, and its negation of all others")


def _check(predicate: Predicate) -> Check:
    seal = Seal("", predicate, Mode.STRICT, "", "")
    return Check(predicate=predicate, shape="list", hidden=(), page=250, seal=seal, cursor=None, request={})


def negation(predicate: Predicate) -> tree.Condition:
    """Not P: no ALLOW holds, or some DENY does; in the words in which narrowing says both."""
    parts = []
    if all(condition.equals for condition in predicate.allows):
        parts.append(all_of(*conditions(Predicate((EVERYTHING,), predicate.allows))))
    if predicate.denies:
        parts.append(all_of(*conditions(Predicate(predicate.denies))))
    return any_of(*parts)
