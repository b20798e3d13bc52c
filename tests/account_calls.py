"""Calls of the account API as the data plane hands them to the face: the caller is looked up anew for each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gateway.control import Desk, FaceAnswer, Issued, NewKey, NewUser, Rapid7
from gateway.http1 import Call
from gateway.keys import Identity, Operator, Principal, Role, digest
from gateway.stores import Store

BASE = "/account/api/1"
JSON = ((b"content-type", b"application/json"),)


@dataclass
class Account:
    """The face over an open store."""

    store: Store
    desk: Desk

    async def user(self, name: str, organization: str, role: Role = Role.USER) -> Issued:
        """A user, who is made where there is none, and a key of theirs in this organization."""
        wanted = NewUser(f"{name}@example.com", role, name.title(), "Test")
        owner = await self.desk.people.add_user(Operator(), wanted, organization=organization)
        return await self.key(owner, name)

    async def key(self, owner: Identity, name: str) -> Issued:
        return await self.desk.tokens.create_user_key(Operator(), NewKey(name), owner=owner)

    async def caller(self, key: Issued | str) -> Principal | None:
        found = await self.store.resolver.find(digest(key if isinstance(key, str) else key.secret))
        return found if isinstance(found, Principal) else None

    async def ask(self, key: Issued | str, method: str, path: str, body: Any = None) -> FaceAnswer:
        """The answer to a live key; `body` is bytes, or a value that is sent as JSON."""
        caller = await self.caller(key)
        assert caller is not None, "this key is dead"
        return await self.ask_as(caller, method, path, body)

    async def ask_as(self, caller: Principal, method: str, path: str, body: Any = None) -> FaceAnswer:
        place, _, query = path.partition("?")
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        place = place if place == "/validate" else BASE + place
        return await Rapid7(self.desk)(Call("call-1", method, place, query, JSON, sent), caller, "call-1")

    async def listed(self, key: Issued | str, query: str = "") -> list[dict[str, Any]]:
        answer = await self.ask(key, "GET", f"/api-keys{query}")
        assert answer.status == 200, answer.body
        return answer.body

    async def names(self, key: Issued | str, query: str = "") -> set[str]:
        return {each["name"] for each in await self.listed(key, query)}

    async def pages(self, key: Issued | str, path: str) -> list[list[dict[str, Any]]]:
        """All pages of a listing, by their `Link` headers."""
        pages, place = [], path
        while place:
            answer = await self.ask(key, "GET", place)
            assert answer.status == 200, answer.body
            pages.append(answer.body)
            links = [value.decode() for name, value in answer.headers if name == b"link"]
            place = links[0].removeprefix(f"<{BASE}").partition(">")[0] if links else ""
        return pages

    async def emails(self, key: Issued | str, query: str = "") -> set[str]:
        """The users in a listing, by the first part of their addresses."""
        answer = await self.ask(key, "GET", f"/users{query}")
        assert answer.status == 200, answer.body
        return {row["email"].partition("@")[0] for row in answer.body}

    async def generate(self, key: Issued | str, kind: str, organization: str, name: str = "new") -> FaceAnswer:
        return await self.ask(key, "POST", "/api-keys", {"name": name, "type": kind, "organization_id": organization})

    async def works(self, key: Issued | str) -> bool:
        return await self.caller(key) is not None


def reason(answer: FaceAnswer) -> tuple[int, str | None]:
    return answer.status, answer.reason.value if answer.reason else None


def user_of(key: Issued) -> str:
    """The id of a key's user."""
    return key.key.identity.user or ""
