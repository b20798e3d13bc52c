"""The operations of the account API as one table; the routing and the OpenAPI document both follow from it.

Paths, methods and operation ids are those of Rapid7's Insight Account API as its public clients use it. Changing a
user, and taking one out of an organization, are our own: the real API does both in its console.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from gateway.control.rapid7 import handlers
from gateway.control.rapid7.handlers import BASE, Told, Visit
from gateway.control.rapid7.models import (
    ORGANIZATION_ID,
    ApiKey,
    ApiKeyFilter,
    GeneratedApiKey,
    ManagedOrganizations,
    Message,
    NewApiKey,
    NewUserAccount,
    NothingAsked,
    OrganizationEntry,
    PageOfOrganizations,
    UserAccount,
    UserChange,
    UserFilter,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` is a template; `status` that of a success, `answer` the type of its body and `body` that of the request's.

    `refusals` are the statuses with which it may refuse beside those that every operation has.
    """

    method: str
    path: str
    id: str
    summary: str
    handler: Callable[[Visit], Awaitable[Told]]
    answer: Any = None
    status: int = 200
    query: type[Struct] = NothingAsked
    body: type[Struct] | None = None
    example: dict[str, Any] = field(default_factory=dict)
    """Of the request's body."""
    refusals: tuple[int, ...] = ()

    @property
    def paged(self) -> bool:
        return "cursor" in self.query.__struct_fields__

    @property
    def located(self) -> bool:
        return self.status == 201  # noqa: PLR2004 (what was created has a place)


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/validate", "validate", "Whether the key works.", handlers.validate, Message),
    Operation(
        "GET",
        f"{BASE}/api-keys",
        "getApiKeys",
        "The keys that you may see: your own, those of your organization, or all.",
        handlers.list_api_keys,
        list[ApiKey],
        query=ApiKeyFilter,
    ),
    Operation(
        "POST",
        f"{BASE}/api-keys",
        "generateApiKey",
        "Generate a user key of your own, or an organization key as an administrator.",
        handlers.generate_api_key,
        GeneratedApiKey,
        status=201,
        body=NewApiKey,
        example={"name": "ci", "type": "ORGANIZATION", "organization_id": ORGANIZATION_ID},
        refusals=(403, 404, 413, 415),
    ),
    Operation(
        "GET",
        f"{BASE}/api-keys/{{id}}",
        "getApiKey",
        "One key, without its secret.",
        handlers.get_api_key,
        ApiKey,
        refusals=(404,),
    ),
    Operation(
        "DELETE",
        f"{BASE}/api-keys/{{id}}",
        "deleteApiKey",
        "Revoke a key, for ever; from the next call on it is refused everywhere.",
        handlers.delete_api_key,
        status=204,
        refusals=(403, 404),
    ),
    Operation(
        "GET",
        f"{BASE}/users",
        "getUsers",
        "The users that you may see: yourself, those of your organization, or all.",
        handlers.list_users,
        list[UserAccount],
        query=UserFilter,
    ),
    Operation(
        "POST",
        f"{BASE}/users",
        "createUser",
        "Add a user to an organization.",
        handlers.create_user,
        UserAccount,
        status=201,
        body=NewUserAccount,
        example={"email": "uli@northwind.example", "first_name": "Uli", "last_name": "Lee"},
        refusals=(403, 404, 409, 413, 415),
    ),
    Operation(
        "GET",
        f"{BASE}/users/{{id}}",
        "getUser",
        "One user.",
        handlers.get_user,
        UserAccount,
        refusals=(404,),
    ),
    Operation(
        "PATCH",
        f"{BASE}/users/{{id}}",
        "updateUser",
        "Change the role of a user, disable or enable one; their keys follow at once.",
        handlers.change_user,
        UserAccount,
        body=UserChange,
        example={"role": "ORGANIZATION_ADMIN"},
        refusals=(403, 404, 413, 415),
    ),
    Operation(
        "DELETE",
        f"{BASE}/users/{{id}}",
        "deleteUser",
        "Delete a user and their user keys; what else they made works on.",
        handlers.delete_user,
        status=204,
        refusals=(403, 404),
    ),
    Operation(
        "DELETE",
        f"{BASE}/users/{{id}}/organizations/{{organization_id}}",
        "removeUserFromOrganization",
        "Take a user out of an organization; their keys of it are dead.",
        handlers.remove_user,
        status=204,
        refusals=(403, 404),
    ),
    Operation(
        "GET",
        f"{BASE}/organizations",
        "getOrganizations",
        "The organizations that you may see.",
        handlers.list_organizations,
        list[OrganizationEntry],
    ),
    Operation(
        "GET",
        f"{BASE}/managed-organizations",
        "getManagedOrganizations",
        "The organizations that you administer.",
        handlers.list_managed_organizations,
        ManagedOrganizations,
        query=PageOfOrganizations,
    ),
)

_HOLE = re.compile(r"\\\{\w+\\\}")


def _matcher(path: str) -> re.Pattern[str]:
    return re.compile(_HOLE.sub("([^/]+)", re.escape(path)))


_MATCHERS = tuple((_matcher(each.path), each) for each in OPERATIONS)


def operations_at(path: str) -> tuple[tuple[Operation, ...], tuple[str, ...]]:
    """The operations of a path as it stood on the wire, and the ids in it; none where there is nothing."""
    found = [(match, each) for pattern, each in _MATCHERS if (match := pattern.fullmatch(path))]
    return tuple(each for _, each in found), (found[0][0].groups() if found else ())
