"""The values of the account API, as they stand in its bodies and query strings; their JSON Schemas follow from them.

Members of users and organizations are those that public clients of the real API read. For keys no public example of
the real JSON exists; theirs are our own. Members of an answer are always there, null where there is nothing to tell:
clients take the columns of a table from its first row. Times are RFC 3339 in UTC, so that they sort as text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.control.describing import Description, KeyState
from gateway.control.paging import PAGE
from gateway.keys import Identity, Kind, Role
from gateway.stores.values import Organization, User, UserStatus

KEY_ID = "0b4f3f6e-3a52-4c4f-9c0e-4b7a6a0c1d11"
USER_ID = "730917c6-599e-4d5a-9a2c-1f0f6f3f5a10"
ORGANIZATION_ID = "northwind"

Time = Annotated[str, Meta(examples=["2026-11-21T16:45:52.000Z"], extra_json_schema={"format": "date-time"})]
KeyId = Annotated[str, Meta(examples=[KEY_ID])]
UserId = Annotated[str, Meta(examples=[USER_ID])]
OrganizationId = Annotated[str, Meta(examples=[ORGANIZATION_ID])]
Size = Annotated[int, Meta(ge=1, le=PAGE, description="How many rows the answer has at most.", examples=[100])]
Cursor = Annotated[str, Meta(description="From the `Link` header of the page before; it has no meaning of its own.")]

KeyTypeName = Literal["USER", "ORGANIZATION", "ACCOUNT", "INTEGRATION", "PROJECT", "GLOBAL"]
KeyStatusName = Literal["ACTIVE", "SUSPENDED", "EXPIRED"]
UserStatusName = Literal["ACTIVE", "DISABLED"]
RoleName = Literal["PLATFORM_ADMIN", "ORGANIZATION_ADMIN", "USER"]

KINDS: dict[KeyTypeName, Kind] = {
    "USER": Kind.USER,
    "ORGANIZATION": Kind.ORGANIZATION,
    "ACCOUNT": Kind.ACCOUNT,
    "INTEGRATION": Kind.INTEGRATION,
    "PROJECT": Kind.PROJECT,
    "GLOBAL": Kind.GLOBAL,
}
ROLES: dict[RoleName, Role] = {
    "PLATFORM_ADMIN": Role.PLATFORM_ADMIN,
    "ORGANIZATION_ADMIN": Role.ORGANIZATION_ADMIN,
    "USER": Role.USER,
}
_KEY_STATUS: dict[KeyState, KeyStatusName] = {
    KeyState.ACTIVE: "ACTIVE",
    KeyState.SUSPENDED: "SUSPENDED",
    KeyState.EXPIRED: "EXPIRED",
}
_KEY_TYPE = {kind: name for name, kind in KINDS.items()}
_ROLE_NAME = {role: name for name, role in ROLES.items()}


# --- answers ------------------------------------------------------------------------------------------------------


class Message(Struct):
    """An error, or a word about how it is; the header `Gateway-Reason` holds an error's stable code."""

    message: str


class ApiKey(Struct):
    """A key without its secret. `start` is the first characters of it, for recognition."""

    id: KeyId
    name: str
    type: KeyTypeName
    status: KeyStatusName
    organization_id: OrganizationId | None
    user_id: UserId | None
    start: Annotated[str, Meta(examples=["gwo_4Xk2"])]
    created_at: Time
    created_by: Annotated[str, Meta(examples=["ann@northwind.example", "deleted user", "operator"])]
    created_by_id: UserId | None
    created_via_key_id: KeyId | None
    expires_at: Time | None
    expires_soon: bool
    last_used_at: Time | None


class GeneratedApiKey(ApiKey):
    """A key and its secret, `api_key`: copy it now, it is in this answer and nowhere else."""

    api_key: Annotated[str, Meta(extra_json_schema={"format": "password"})]

    def __repr__(self) -> str:
        return f"GeneratedApiKey(id={self.id!r})"


class Membership(Struct):
    """What a user is in one organization."""

    organization_id: OrganizationId
    role: RoleName


class UserAccount(Struct):
    """A user, with the organizations in which the caller may see them."""

    id: UserId
    email: Annotated[str, Meta(examples=["ann@northwind.example"])]
    first_name: str
    last_name: str
    status: UserStatusName
    platform_admin: bool
    federated: bool
    last_login: Time | None
    organizations: list[Membership]


class OrganizationEntry(Struct):
    """An organization; it is in no region of its own."""

    id: OrganizationId
    name: str
    region: str | None


class PageMetadata(Struct):
    index: int
    size: int
    total_data: int
    total_pages: int


class ManagedOrganizations(Struct):
    data: list[OrganizationEntry]
    metadata: PageMetadata


# --- what is asked for --------------------------------------------------------------------------------------------


class NewApiKey(Struct, forbid_unknown_fields=True):
    """A key to generate. `user_id` is the caller's own, or left out: nobody generates a user key for somebody else."""

    name: Annotated[str, Meta(min_length=1, description="What it is for.", examples=["ci"])]
    type: Literal["USER", "ORGANIZATION"]
    organization_id: OrganizationId
    user_id: UserId | UnsetType = UNSET
    expires_in_days: Annotated[int, Meta(ge=1, description="Without it, the default.")] | UnsetType = UNSET


class NewUserAccount(Struct, forbid_unknown_fields=True):
    """A user to add to an organization, the caller's own unless named. They get in by a login link."""

    email: Annotated[str, Meta(min_length=3, examples=["uli@northwind.example"])]
    first_name: str = ""
    last_name: str = ""
    platform_admin: bool = False
    role: Literal["ORGANIZATION_ADMIN", "USER"] = "USER"
    organization_id: OrganizationId | UnsetType = UNSET


class UserChange(Struct, forbid_unknown_fields=True):
    """One change of a user: the status, or the role in an organization, the caller's own unless named."""

    status: UserStatusName | UnsetType = UNSET
    role: RoleName | UnsetType = UNSET
    organization_id: OrganizationId | UnsetType = UNSET


class NothingAsked(Struct, forbid_unknown_fields=True):
    """No parameters."""


class ApiKeyFilter(Struct, forbid_unknown_fields=True):
    type: KeyTypeName | UnsetType = UNSET
    organization_id: OrganizationId | UnsetType = UNSET
    search: Annotated[str, Meta(description="A part of the name, in any letter case.")] | UnsetType = UNSET
    size: Size = PAGE
    cursor: Cursor | UnsetType = UNSET


class UserFilter(Struct, forbid_unknown_fields=True, rename={"platform_admin": "platform-admin"}):
    status: (
        Annotated[Literal["ACTIVE", "DISABLED", "PENDING"], Meta(description="Nobody is PENDING here.")] | UnsetType
    ) = UNSET
    platform_admin: bool | UnsetType = UNSET
    email: Annotated[str, Meta(description="In any letter case.")] | UnsetType = UNSET
    first_name: Annotated[str, Meta(description="In any letter case.")] | UnsetType = UNSET
    last_name: Annotated[str, Meta(description="In any letter case.")] | UnsetType = UNSET
    organization_id: OrganizationId | UnsetType = UNSET
    size: Size = PAGE
    cursor: Cursor | UnsetType = UNSET


class PageOfOrganizations(Struct, forbid_unknown_fields=True):
    index: Annotated[int, Meta(ge=0, le=1_000_000, description="Number of the page, from 0.")] = 0
    size: Annotated[int, Meta(ge=1, le=PAGE)] = 20


# --- from our values ----------------------------------------------------------------------------------------------


def api_key(described: Description) -> ApiKey:
    key, owner = described.key, described.key.identity
    return ApiKey(
        id=key.id,
        name=key.name,
        type=_KEY_TYPE[owner.kind],
        status=_KEY_STATUS[described.state],
        organization_id=owner.organization or None,
        user_id=owner.user,
        start=key.start,
        created_at=_time(key.created_at),
        created_by=described.creator.name,
        created_by_id=described.creator.user,
        created_via_key_id=key.created_via,
        expires_at=_optional_time(key.expires_at),
        expires_soon=described.expires_soon,
        last_used_at=_optional_time(described.use.used_at),
    )


def generated(listed: ApiKey, secret: str) -> GeneratedApiKey:
    members: dict[str, Any] = {name: getattr(listed, name) for name in listed.__struct_fields__}
    return GeneratedApiKey(**members, api_key=secret)


def user_account(user: User, identities: tuple[Identity, ...]) -> UserAccount:
    return UserAccount(
        id=user.id,
        email=user.email,
        first_name=user.first_name,
        last_name=user.last_name,
        status="ACTIVE" if user.status is UserStatus.ACTIVE else "DISABLED",
        platform_admin=user.platform_admin,
        federated=False,
        last_login=_optional_time(user.last_login_at),
        organizations=[
            Membership(each.organization, _ROLE_NAME[each.role]) for each in identities if each.role is not None
        ],
    )


def organization_entry(organization: Organization) -> OrganizationEntry:
    return OrganizationEntry(organization.id, organization.name, None)


def _time(milliseconds: int) -> str:
    text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _optional_time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else _time(milliseconds)
