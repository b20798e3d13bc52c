"""Pages of keys: a statement whose cost is that of the page, however many keys there are.

For each kind and extent the next keys are read from an index, as many as a page has; the page is the first of all
these. No condition is an OR over tables, for which a database would read them whole.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, exists, select, tuple_, union

from gateway.keys import SESSION, Extent, Kind
from gateway.stores import rows
from gateway.stores.base import KeyQuery
from gateway.stores.tables import identities, keys, memberships


def page_of_keys(query: KeyQuery) -> Select[Any] | None:
    """The statement for one page; None where the query can have no key."""
    parts = [_part(query, kind, extent) for kind, extents in query.extents.items() for extent in extents]
    if not parts:
        return None
    chosen = union(*(select(part.subquery()) for part in parts)).subquery()
    page = select(chosen.c.id).order_by(chosen.c.created_at, chosen.c.id).limit(query.limit)
    return rows.KEYS.where(keys.c.id.in_(page)).order_by(keys.c.created_at, keys.c.id)


def _part(query: KeyQuery, kind: Kind, extent: Extent) -> Select[Any]:
    part = select(keys.c.id, keys.c.created_at).where(keys.c.kind == kind.value)
    if kind is Kind.USER:
        part = part.where(keys.c.category.is_distinct_from(SESSION))
    if extent.organization is not None:
        part = part.where(keys.c.organization_id == extent.organization)
    if extent.user is not None:
        part = part.where(keys.c.identity_id.in_(select(identities.c.id).where(identities.c.user_id == extent.user)))
    if extent.project is not None:
        inside = select(memberships.c.identity_id).where(memberships.c.project == extent.project)
        part = part.where(keys.c.identity_id.in_(inside))
    return _narrowed(part, query).order_by(keys.c.created_at, keys.c.id).limit(query.limit)


def _narrowed(part: Select[Any], query: KeyQuery) -> Select[Any]:
    if query.after is not None:
        part = part.where(tuple_(keys.c.created_at, keys.c.id) > query.after)
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
