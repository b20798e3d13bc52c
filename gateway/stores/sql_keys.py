"""Pages of keys: a statement whose cost is that of the page, however many keys there are.

For each kind and extent the next keys are read from an index, as many as a page has; the page is the first of all
these. No condition is an OR over tables, for which a database would read them whole. Of a user, of a project and of an
integration instance all keys are read, which are a part of the others only.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    cast,
    exists,
    func,
    or_,
    select,
    tuple_,
    union,
    union_all,
)

from gateway.keys import DAY, SESSION, Extent, Kind
from gateway.stores import rows
from gateway.stores.tables import identities, keys, memberships, organizations
from gateway.stores.values import KeyQuery

COUNTED = 10_000
"""Nobody does anything else about more keys, and a count costs by what it finds."""


def page_of_keys(query: KeyQuery) -> Select[Any] | None:
    """The statement for one page; None where the query can have no key."""
    parts = [_part(query, kind, extent) for kind, extents in query.extents.items() for extent in extents]
    if not parts:
        return None
    chosen = union(*(select(part.subquery()) for part in parts)).subquery()
    page = select(chosen.c.id).order_by(chosen.c.created_at, chosen.c.id).limit(query.limit)
    return rows.KEYS.where(keys.c.id.in_(page)).order_by(keys.c.created_at, keys.c.id)


def expiring(now: int, until: int) -> CompoundSelect[Any]:
    """Two counts of keys that end after `now` and not after `until`: by their own end, by an organization's maximum.

    Each is read from an index, and stops at COUNTED: what it costs is what it finds.
    """
    longest = cast(organizations.c.max_key_days, BigInteger) * DAY
    live = select(keys.c.id).where(keys.c.revoked_at.is_(None), keys.c.category.is_distinct_from(SESSION))
    own = live.select_from(keys.outerjoin(organizations, keys.c.organization_id == organizations.c.id))
    own = own.where(keys.c.expires_at > now, keys.c.expires_at <= until)
    own = own.where(or_(organizations.c.max_key_days.is_(None), keys.c.created_at > now - longest))
    capped = live.select_from(organizations.join(keys, keys.c.organization_id == organizations.c.id))
    capped = capped.where(organizations.c.max_key_days.is_not(None), keys.c.kind.in_([kind.value for kind in Kind]))
    capped = capped.where(keys.c.created_at > now - longest, keys.c.created_at <= until - longest)
    capped = capped.where(or_(keys.c.expires_at.is_(None), keys.c.expires_at > until))
    parts = (part.limit(COUNTED).subquery() for part in (own, capped))
    return union_all(*(select(func.count().label("ending")).select_from(part) for part in parts))


def _part(query: KeyQuery, kind: Kind, extent: Extent) -> Select[Any]:
    few = (extent.user, extent.project, query.identity, query.instance) != (None,) * 4
    part = select(keys.c.id, keys.c.created_at).where(_text(keys.c.kind, few=few) == kind.value)
    if kind is Kind.USER:
        part = part.where(keys.c.category.is_distinct_from(SESSION))
    if extent.organization is not None:
        part = part.where(_text(keys.c.organization_id, few=few) == extent.organization)
    if extent.user is not None:
        part = part.where(keys.c.identity_id.in_(select(identities.c.id).where(identities.c.user_id == extent.user)))
    if extent.project is not None:
        inside = select(memberships.c.identity_id).where(memberships.c.project == extent.project)
        part = part.where(keys.c.identity_id.in_(inside))
    return _narrowed(part, query, few=few).order_by(keys.c.created_at, keys.c.id).limit(query.limit)


def _text(column: ColumnElement[str], *, few: bool) -> ColumnElement[str]:
    """The column; where only the keys of a few identities are wanted one that no index is of, so that these keys are
    looked up and sorted. Else SQLite reads all keys of a kind, or of an organization, in their order."""
    return column.concat("") if few else column


def _narrowed(part: Select[Any], query: KeyQuery, *, few: bool) -> Select[Any]:
    if query.after is not None:
        created_at = keys.c.created_at + 0 if few else keys.c.created_at  # see `_text`
        part = part.where(tuple_(created_at, keys.c.id) > query.after)
    if not query.revoked:
        part = part.where(keys.c.revoked_at.is_(None))
    if query.identity is not None:
        part = part.where(keys.c.identity_id == query.identity)
    if query.instance is not None:
        bound = select(identities.c.id).where(identities.c.instance_id == query.instance)
        part = part.where(keys.c.identity_id.in_(bound))
    if query.memberless:
        part = part.where(~exists().where(memberships.c.identity_id == keys.c.identity_id))
    return part
