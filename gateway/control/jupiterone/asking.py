"""What the root fields of the JupiterOne face share: who asks, at what cost, and pages with their cursors."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from graphql import GraphQLResolveInfo

from gateway.control.desk import Desk
from gateway.control.rejection import Rejection
from gateway.http1 import Reason
from gateway.keys import Identity, Principal
from gateway.stores.values import Group

PAGE = 100
"""Things on a page unless the caller says how many."""

MOST = 1_000
"""Keys, users or events on a page; who asks for more gets so many, and a cursor."""

MOST_GROUPS = 10_000
"""Groups and invitations on a page: the Terraform provider asks for so many, and for no second page."""

VALUES = 200_000
"""Values of one answer, about a second of work: a thousand users with forty fields and a hundred groups among them."""

ROWS = 20_000
"""Keys, users, groups and events that one operation reads in lists, about a second of work as well: aliases can ask
for one list again and again, and what is read is read whether or not the answer holds it in the end."""

TEXT = 32 * 1024 * 1024
"""Characters of long texts in one answer. A policy has up to 65,536; a page of a thousand keys has usually half a
million, but aliases can ask for each of them again and again."""

LONG = frozenset({"policy", "queryPolicy", "statement", "description", "groupDescription", "data"})
"""Fields that hold long texts."""

FIELDS = 2_000
"""Fields of a document after fragments, which can multiply them; the documents of real clients have under fifty."""

Given = Mapping[str, Any]
"""Arguments by name. One that was left out is absent, one that was null is None."""

T = TypeVar("T")


class Asking:
    """One operation under way: who asks, and what its answer may still cost.

    `fields` and `long_fields` are what `graphql_execution.opened_fields` counts, of all fields and of those in LONG.
    """

    def __init__(self, desk: Desk, actor: Principal, fields: int, long_fields: int = 0) -> None:
        self.desk = desk
        self.actor = actor
        self._fields = fields
        self._long_fields = long_fields
        self._left = VALUES
        self._text_left = TEXT
        self._rows_left = ROWS
        self._one_by_one = asyncio.Lock()
        self._groups: dict[str, tuple[Group, ...]] = {}
        self._emails: dict[str, str | None] = {}
        self._users: dict[str, str | None] = {}

    @property
    def organization(self) -> str:
        return self.actor.organization

    def spend(self, items: int, characters: int = 0) -> None:
        """Notes that so many things are answered, with long texts of so many characters together.

        Raises Rejection when the answer becomes too large.
        """
        self._left -= items * self._fields
        self._text_left -= characters * self._long_fields
        if self._left < 0 or self._text_left < 0:
            message = f"the answer would have more than {VALUES} values, or {TEXT} characters of long texts"
            raise Rejection(Reason.INVALID_INPUT, f"{message}: ask for fewer fields, or for smaller pages")

    async def rows(self, read: Callable[[], Awaitable[tuple[T, ...]]]) -> tuple[T, ...]:
        """What a list is made of; lists are read one after the other.

        Raises Rejection, and reads nothing, when enough was read.
        """
        async with self._one_by_one:
            if self._rows_left <= 0:
                message = f"one operation reads up to {ROWS} things in lists: ask for fewer lists, or for smaller pages"
                raise Rejection(Reason.INVALID_INPUT, message)
            found = await read()
            self._rows_left -= len(found)
        return found

    async def in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` makes; for changes below a root field, which an operation else starts all at once."""
        async with self._one_by_one:
            return await work()

    async def groups_of(self, identity: Identity) -> tuple[Group, ...]:
        """The groups of a user; the items of a page ask one after the other, not all at once."""
        return await self._once(self._groups, identity.id, lambda: self.desk.groups.groups_of(identity))

    async def email_of(self, user: str) -> str | None:
        """A user's address, None for one that the caller may not see."""
        return await self._once(self._emails, user, lambda: self._email(user))

    async def user_of(self, identity: str) -> str | None:
        """The user of an identity, None for one of a machine or one that the caller may not know of."""
        return await self._once(self._users, identity, lambda: self._user(identity))

    async def _email(self, user: str) -> str | None:
        try:
            return (await self.desk.people.find_user(self.actor, user))[0].email
        except Rejection:
            return None

    async def _user(self, identity: str) -> str | None:
        try:
            return (await self.desk.grants.identity(self.actor, identity)).user
        except Rejection:
            return None

    async def _once(self, known: dict[str, T], name: str, find: Callable[[], Awaitable[T]]) -> T:
        async with self._one_by_one:
            if name not in known:
                known[name] = await find()
        return known[name]


Resolve = Callable[..., Any]
"""What graphql-core calls for a field that is a function: (info, **arguments)."""


def later(resolve: Callable[..., Any], *first: Any) -> Resolve:
    """A field whose value `resolve(*first, asking, given)` makes when it is asked for."""

    def resolved(info: GraphQLResolveInfo[Asking], **given: Any) -> Any:
        return resolve(*first, info.context, given)

    return resolved


# --- pages --------------------------------------------------------------------------------------------------------


def page_size(given: Given, most: int = MOST) -> int:
    """How many things the caller wants on a page, at most `most`."""
    limit = given.get("limit")
    if limit is None:
        return min(PAGE, most)
    if limit < 1:
        raise Rejection(Reason.INVALID_INPUT, "`limit` is 1 or more")
    return min(int(limit), most)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """How things are listed: what is shown of one, what the page after it starts after, how long its long texts are."""

    item: Callable[[T], dict[str, Any]]
    position: Callable[[T], tuple[str | int, ...]]
    characters: Callable[[T], int] = lambda _: 0


def page_of(asking: Asking, listing: Listing[T], found: Sequence[T], size: int) -> dict[str, Any]:
    """A page of what was found, which is one more than `size` where there is another page."""
    chosen = found[:size]
    asking.spend(len(chosen), sum(map(listing.characters, chosen)))
    more = len(found) > size
    items = [listing.item(each) for each in chosen]
    cursor = cursor_at(*listing.position(chosen[-1])) if more else None
    return {"items": items, "tokens": items, "pageInfo": {"endCursor": cursor, "hasNextPage": more}}


def cursor_at(*position: str | int) -> str:
    """A cursor, opaque to clients. It holds what its reader was shown, and gives nothing: a page is decided anew."""
    text = json.dumps(position, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def position_at(given: Given, *types: type) -> tuple[Any, ...] | None:
    """Where a page starts, None for the beginning. Raises Rejection for a cursor that is not of such a listing."""
    cursor = given.get("cursor")
    if not cursor:
        return None
    position = _decoded(cursor) if len(cursor) <= _CURSOR else None
    if isinstance(position, list) and [type(each) for each in position] == list(types) and all(map(_fit, position)):
        return tuple(position)
    raise Rejection(Reason.INVALID_INPUT, "`cursor` is none that a page of this listing ended with")


_CURSOR = 2_048
"""Characters; the longest has a group's name in it, of up to 256."""


def _fit(value: str | int) -> bool:
    """Whether a database can compare with it."""
    if isinstance(value, int):
        return abs(value) <= 2**53
    return "\0" not in value and not re.search(r"[\ud800-\udfff]", value)


def _decoded(cursor: str) -> Any:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return json.loads(text)
    except (binascii.Error, ValueError, RecursionError):  # ValueError: not ASCII, not UTF-8, not JSON
        return None
