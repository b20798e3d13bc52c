"""The root fields about keys. Secrets are in the answer to the field that made the key, and nowhere after it."""

from __future__ import annotations

from typing import Any

from gateway.control.jupiterone.asking import Asking, Given, Listing, Resolve, later, page_of, page_size, position_at
from gateway.control.jupiterone.limits import limits_told, rate_of
from gateway.control.minting import Issued
from gateway.control.rejection import Rejection
from gateway.control.tokens import NewKey
from gateway.http1 import Reason
from gateway.keys import CallLimits, Identity, Key, Kind

TYPES = {
    Kind.ACCOUNT: "ACCOUNT",
    Kind.ORGANIZATION: "ACCOUNT",
    Kind.GLOBAL: "ACCOUNT",
    Kind.INTEGRATION: "RESOURCE",
    Kind.PROJECT: "RESOURCE",
    Kind.USER: "USER_API",
}
"""The platform's three types of keys: those of the account, of a thing in it, of a user."""

_LISTED = {"ACCOUNT": (Kind.ACCOUNT, Kind.ORGANIZATION), "RESOURCE": (Kind.INTEGRATION,), "USER_API": (Kind.USER,)}
"""The kinds that `tokens` lists: those of the platform. Projects' and global keys are listed where they are made."""

INTEGRATION_KEY = "integration key"
"""The name of a key that `createIntegrationInstanceToken` makes; there is no argument for one."""


def iam_token(key: Key, secret: str | None = None) -> dict[str, Any]:
    """A key as IamToken; `secret` is there in the answer that makes it alone."""
    user = key.identity.user
    email = later(_email, user)
    return {
        "id": key.id,
        "secret": masked(key) if secret is None else secret,
        "token": secret,
        "category": key.category,
        "subject": _subject(key.identity),
        "type": TYPES[key.identity.kind],
        "name": key.name,
        "accountId": key.identity.organization or None,
        "username": email,
        "email": email,
        "userId": user,
        "policy": key.policy,
        "revoked": key.revoked_at is not None,
        "expiresAt": key.expires_at,
        "createdAt": key.created_at,
        "csrf": None,
        **limits_told(key.limits),
    }


def masked(key: Key) -> str:
    """What stands for a secret that is not shown: how it starts."""
    return f"{key.start}…"


async def _email(user: str | None, asking: Asking, _given: Given) -> str | None:
    return None if user is None else await asking.email_of(user)


def _subject(identity: Identity) -> str:
    match identity.kind:
        case Kind.ACCOUNT | Kind.ORGANIZATION:
            return identity.organization
        case Kind.INTEGRATION:
            return identity.integration_instance or ""
        case Kind.USER:
            return identity.user or ""
        case _:
            return identity.id


# --- making and ending --------------------------------------------------------------------------------------------


async def _create_token(asking: Asking, given: Given) -> dict[str, Any]:
    token: Any = given.get("token")
    wanted: Any = given.get("input")
    if (token is None) == (wanted is None):
        raise Rejection(Reason.INVALID_INPUT, "give exactly one of `token` and `input`")
    issued = await (_by_token(asking, token) if wanted is None else _by_input(asking, wanted))
    return iam_token(issued.key, issued.secret)


async def _by_token(asking: Asking, token: Given) -> Issued:
    days, end = token.get("expiresInDays"), token.get("expiresAt")
    if days is not None and end is not None:
        raise Rejection(Reason.INVALID_INPUT, "give at most one of `expiresInDays` and `expiresAt`")
    wanted = NewKey(
        name=token.get("name") or "",
        days=days,
        category=token.get("category"),
        policy=token.get("policy"),
        expires_at=end,
        limits=CallLimits(rate=rate_of(token.get("rateLimit"))),
    )
    return await asking.desk.tokens.create_account_key(asking.actor, wanted)


_OTHERWISE = {
    "RESOURCE": "the rights of an integration key are fixed, so it takes no policy: use createIntegrationInstanceToken",
    "USER_API": "a user key can do what its user can, so it takes no policy: use createCurrentUserToken",
}
"""The input wants a policy, which keys of these types have none of."""


async def _by_input(asking: Asking, wanted: Given) -> Issued:
    if refused := _OTHERWISE.get(wanted["type"]):
        raise Rejection(Reason.INVALID_INPUT, refused)
    key = NewKey(wanted.get("name") or "", policy=wanted["policy"], expires_at=wanted.get("expiresAt"))
    return await asking.desk.tokens.create_account_key(asking.actor, key, organization=wanted.get("subject"))


async def _create_current_user_token(asking: Asking, given: Given) -> dict[str, Any]:
    wanted = given["input"]
    key = NewKey(wanted["name"], expires_at=wanted["expiresAt"])
    issued = await asking.desk.tokens.create_user_key(asking.actor, key)
    return iam_token(issued.key, issued.secret)


async def _revoke_token(asking: Asking, given: Given) -> dict[str, Any]:
    return iam_token(await asking.desk.tokens.revoke_key(asking.actor, given["id"]))


async def _create_integration_token(asking: Asking, given: Given) -> dict[str, Any]:
    wanted = NewKey(INTEGRATION_KEY)
    issued = await asking.desk.tokens.create_integration_key(asking.actor, wanted, instance=given["id"])
    return _integration_token(issued.key) | {"token": issued.secret}


async def _revoke_integration_token(asking: Asking, given: Given) -> dict[str, Any]:
    tokens = asking.desk.tokens
    found = await tokens.find_key(asking.actor, given["tokenId"])
    if found.identity.kind is not Kind.INTEGRATION:
        raise Rejection(Reason.INVALID_INPUT, "this is no integration key: use revokeToken")
    await tokens.revoke_key(asking.actor, found.id)
    return {"success": True}


def _integration_token(key: Key) -> dict[str, Any]:
    return {"tokenId": key.id, "token": masked(key), "createdAt": key.created_at, "expiresAt": key.expires_at}


# --- looking ------------------------------------------------------------------------------------------------------


async def _token(asking: Asking, given: Given) -> dict[str, Any]:
    return iam_token(await asking.desk.tokens.find_key(asking.actor, given["id"]))


async def _tokens(asking: Asking, given: Given) -> dict[str, Any]:
    search = given.get("search")
    kinds = tuple(kind for each in _LISTED.values() for kind in each) if search is None else _LISTED[search["type"]]
    size, after = page_size(given), position_at(given, int, str)
    where = await _where(asking, search or {})
    if where is None:
        return page_of(asking, _TOKENS, (), size)
    found = await _read(asking, size, after, kinds=kinds, organization=asking.organization or None, **where)
    return page_of(asking, _TOKENS, found, size)


async def _read(asking: Asking, size: int, after: tuple[Any, ...] | None, **narrowed: Any) -> tuple[Key, ...]:
    """The keys of a page, and one more where there is another page."""
    list_keys = asking.desk.tokens.list_keys
    return await asking.rows(lambda: list_keys(asking.actor, limit=size + 1, after=after, **narrowed))


async def _where(asking: Asking, search: Given) -> dict[str, str] | None:
    """What a search narrows a listing to; None where no key can be in it."""
    if search.get("subjectBeginsWith") is not None:
        raise Rejection(Reason.INVALID_INPUT, "`subjectBeginsWith` is not offered: use `subject`")
    subject = search.get("subject")
    match search.get("type"):
        case _ if subject is None:
            return {}
        case "RESOURCE":
            return {"instance": subject}
        case "USER_API":
            identity = await _identity_of(asking, subject)
            return None if identity is None else {"identity": identity}
        case _:
            return {} if subject == asking.organization else None


async def _identity_of(asking: Asking, user: str) -> str | None:
    try:
        _, identities = await asking.desk.people.find_user(asking.actor, user)
    except Rejection:
        return None
    return next((each.id for each in identities if each.organization == asking.organization), None)


async def _integration_tokens(asking: Asking, given: Given) -> dict[str, Any]:
    size, after = page_size(given), position_at(given, int, str)
    found = await _read(asking, size, after, kinds=(Kind.INTEGRATION,), instance=given["id"], revoked=False)
    return page_of(asking, _INTEGRATION_TOKENS, found, size)


async def tokens_of(identity: Identity, asking: Asking, given: Given) -> dict[str, Any]:
    """A user's keys, revoked ones too."""
    return await _keys_of(identity, asking, given, _TOKENS, revoked=True)


async def api_keys_of(identity: Identity, asking: Asking, given: Given) -> dict[str, Any]:
    """A user's keys that are not revoked, by their names and ends alone."""
    return await _keys_of(identity, asking, given, _MASKED, revoked=False)


async def _keys_of(
    identity: Identity, asking: Asking, given: Given, listing: Listing[Key], *, revoked: bool
) -> dict[str, Any]:
    size, after = page_size(given), position_at(given, int, str)
    found = await _read(asking, size, after, kinds=(Kind.USER,), identity=identity.id, revoked=revoked)
    return page_of(asking, listing, found, size)


def _masked_key(key: Key) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "dateExpires": key.expires_at}


def _position(key: Key) -> tuple[int, str]:
    return key.created_at, key.id


_TOKENS: Listing[Key] = Listing(iam_token, _position, lambda key: len(key.policy or ""))
_INTEGRATION_TOKENS: Listing[Key] = Listing(_integration_token, _position)
_MASKED: Listing[Key] = Listing(_masked_key, _position)


ROOTS: dict[str, Resolve] = {
    "createToken": later(_create_token),
    "revokeToken": later(_revoke_token),
    "token": later(_token),
    "tokens": later(_tokens),
    "createCurrentUserToken": later(_create_current_user_token),
    "createIntegrationInstanceToken": later(_create_integration_token),
    "integrationInstanceTokens": later(_integration_tokens),
    "revokeIntegrationInstanceToken": later(_revoke_integration_token),
}
