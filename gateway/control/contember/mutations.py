"""The mutations of the Contember face: from arguments to use cases, and from their answers to payloads.

done        {"ok": true, "error": null, "errors": [], "result": …}
not done    {"ok": false, "error": {"code", "developerMessage", …}, "errors": [the same, …], "result": null}
forbidden, or input that has no code    null, and an error with the code ForbiddenError or UserInputError
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.control.contember.resolvers import Info, Resolver, Shown
from gateway.control.minting import Issued
from gateway.control.rejection import Rejection
from gateway.control.tokens import NewKey
from gateway.http1 import Reason
from gateway.keys import FaultCode, GlobalRole, Identity, Membership, MembershipFault

T = TypeVar("T")
Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Words:
    """How Contember's server says no: `codes` are reason -> (code, message with the arguments in braces)."""

    forbidden: str
    codes: Mapping[Reason, tuple[str, str]]


_NO_PROJECT = {
    Reason.UNKNOWN_PROJECT: (
        "PROJECT_NOT_FOUND",
        "Project {project_slug} was not found or you are not allowed to access it.",
    )
}
_NO_ROLE = {Reason.UNKNOWN_ROLE: ("INVALID_ROLE", "Role {role} is not valid")}
_NO_IDENTITY = {Reason.UNKNOWN_IDENTITY: ("IDENTITY_NOT_FOUND", "Identity {identity_id} not found")}
_NO_MEMBER = {Reason.NOT_MEMBER: ("NOT_MEMBER", "Not a project member")}
_ALREADY = "This identity is already a project member. Use updateProjectMember mutation to change memberships."

_CREATE = _Words("You are not allowed to create an API key for this project", _NO_PROJECT)
_CREATE_GLOBAL = _Words("You are not allowed to create a global API key", _NO_ROLE)
_DISABLE = _Words(
    "You are not allowed to disable api key", {Reason.UNKNOWN_KEY: ("KEY_NOT_FOUND", "API key not found")}
)
_ADD_ROLES = _Words("You are not allowed to add global roles", _NO_ROLE | _NO_IDENTITY)
_REMOVE_ROLES = _Words("You are not allowed to remove global roles", _NO_ROLE | _NO_IDENTITY)
_ADD_MEMBER = _Words(
    "You are not allowed to add a project member",
    _NO_PROJECT
    | {
        Reason.UNKNOWN_IDENTITY: ("IDENTITY_NOT_FOUND", "Identity not found"),
        Reason.ALREADY_THERE: ("ALREADY_MEMBER", _ALREADY),
    },
)
_CHANGE_MEMBER = _Words("You are not allowed to update project member variables", _NO_PROJECT | _NO_MEMBER)
_REMOVE_MEMBER = _Words("You are not allowed to remove a project member", _NO_PROJECT | _NO_MEMBER)


# --- keys ---------------------------------------------------------------------------------------------------------


async def _create_api_key(_root: None, info: Info, **given: Any) -> Payload:
    _refuse_options(info, given)
    asked = info.context
    doing = asked.desk.tokens.create_project_key(
        asked.actor, _wanted(given), project=given["project_slug"], memberships=_memberships(given)
    )
    return await _answered(info, _CREATE, given, doing, _issued)


async def _create_global_api_key(_root: None, info: Info, **given: Any) -> Payload:
    _refuse_options(info, given)
    asked = info.context
    roles = given.get("roles") or ()
    doing = asked.desk.tokens.create_global_key(asked.actor, _wanted(given), roles=roles)
    return await _answered(info, _CREATE_GLOBAL, given, doing, _issued)


async def _disable_api_key(_root: None, info: Info, **given: Any) -> Payload:
    doing = info.context.desk.tokens.revoke_key(info.context.actor, given["id"])
    return await _answered(info, _DISABLE, given, doing, _nothing)


def _wanted(given: Payload) -> NewKey:
    return NewKey(given["description"], digest=given.get("token_hash"))


def _refuse_options(info: Info, given: Payload) -> None:
    if (given.get("options") or {}).get("trust_forwarded_client_info"):
        message = "trustForwardedClientInfo cannot be true: the gateway takes nobody's word for where a call comes from"
        raise info.context.refuse(Reason.INVALID_INPUT, message)


def _issued(issued: Issued) -> Payload:
    """The secret, in this answer and nowhere after it; null where its owner chose it."""
    key = issued.key
    return {"apiKey": {"id": key.id, "token": issued.secret or None, "identity": Shown(key.identity, told=True)}}


# --- rights -------------------------------------------------------------------------------------------------------


async def _add_roles(_root: None, info: Info, **given: Any) -> Payload:
    doing = info.context.desk.grants.add_roles(info.context.actor, given["identity_id"], given["roles"])
    return await _answered(info, _ADD_ROLES, given, doing, _identity)


async def _remove_roles(_root: None, info: Info, **given: Any) -> Payload:
    doing = info.context.desk.grants.remove_roles(info.context.actor, given["identity_id"], given["roles"])
    return await _answered(info, _REMOVE_ROLES, given, doing, _identity)


async def _add_member(_root: None, info: Info, **given: Any) -> Payload:
    doing = info.context.desk.grants.add_member(info.context.actor, *_member(given), _memberships(given))
    return await _answered(info, _ADD_MEMBER, given, doing, _nothing)


async def _change_member(_root: None, info: Info, **given: Any) -> Payload:
    doing = info.context.desk.grants.change_member(info.context.actor, *_member(given), _memberships(given))
    return await _answered(info, _CHANGE_MEMBER, given, doing, _nothing)


async def _remove_member(_root: None, info: Info, **given: Any) -> Payload:
    doing = info.context.desk.grants.remove_member(info.context.actor, *_member(given))
    return await _answered(info, _REMOVE_MEMBER, given, doing, _nothing)


def _member(given: Payload) -> tuple[str, str]:
    return given["project_slug"], given["identity_id"]


def _memberships(given: Payload) -> tuple[Membership, ...]:
    return tuple(
        Membership(
            given["project_slug"],
            each["role"],
            tuple((variable["name"], tuple(variable["values"])) for variable in each["variables"]),
        )
        for each in given["memberships"]
    )


def _identity(identity: Identity) -> Payload:
    """Whoever may change roles is told which there are then."""
    return {"identity": Shown(identity, told=True)}


def _nothing(_done: object) -> None:
    return None


# --- answers ------------------------------------------------------------------------------------------------------


async def _answered(
    info: Info, words: _Words, given: Payload, doing: Coroutine[Any, Any, T], shown: Callable[[T], Payload | None]
) -> Payload:
    try:
        done = await info.context.asked(doing)
    except Rejection as rejection:
        return _rejected(info, words, given, rejection)
    return {"ok": True, "error": None, "errors": [], "result": shown(done)}


def _rejected(info: Info, words: _Words, given: Payload, rejection: Rejection) -> Payload:
    reason, message = rejection.refusal.reason, rejection.refusal.message
    if reason in {Reason.NOT_ALLOWED, Reason.INVALID_KEY}:
        raise info.context.refuse(reason, words.forbidden, message)
    if reason is Reason.INVALID_MEMBERSHIP:
        errors = _membership_errors(rejection.faults)
    elif reason in words.codes:
        code, template = words.codes[reason]
        unknown = next((each for each in given.get("roles") or () if each not in _GLOBAL_ROLES), "")
        errors = [{"code": code, "developerMessage": template.format_map(given | {"role": unknown})}]
    else:
        raise info.context.refuse(reason, _input_message(given, message))
    info.context.reasons.append(reason)
    return {"ok": False, "error": errors[0], "errors": errors, "result": None}


_GLOBAL_ROLES = frozenset(GlobalRole)
_HASH = re.compile(r"[0-9a-f]{64}")


def _input_message(given: Payload, message: str) -> str:
    chosen = given.get("token_hash")
    if chosen is not None and not _HASH.fullmatch(chosen):
        return "Invalid format of tokenHash. Must be hex-encoded sha256."
    return message


_FAULTS = {
    FaultCode.ROLE_NOT_FOUND: ("Role {role} is not defined in a schema", "Given role not found"),
    FaultCode.VARIABLE_EMPTY: ("Variable {variable} of role {role} is empty", "Required variable is empty"),
    FaultCode.VARIABLE_NOT_FOUND: (
        "Variable {variable} of role {role} is not defined in a schema",
        "Provided variable does not exist",
    ),
}
"""Message for developers, and for users in the old list of errors."""


def _membership_errors(faults: Sequence[MembershipFault]) -> list[Payload]:
    """One error for all faults, and after it, as long ago, one for each."""
    told = ". ".join(_fault_message(fault) for fault in faults)
    whole = {
        "code": "INVALID_MEMBERSHIP",
        "developerMessage": f"Provided membership is invalid: {told}. "
        "You can also check membershipValidation field for structured details.",
        "membershipValidation": [
            {"code": fault.code, "role": fault.role, "variable": fault.variable} for fault in faults
        ],
    }
    each = [
        {"code": fault.code, "developerMessage": _fault_message(fault), "endUserMessage": _FAULTS[fault.code][1]}
        for fault in faults
        if fault.code in _FAULTS
    ]
    return [whole, *each]


def _fault_message(fault: MembershipFault) -> str:
    if fault.code in _FAULTS:
        return _FAULTS[fault.code][0].format(role=fault.role, variable=fault.variable)
    place = f"Variable {fault.variable} of role {fault.role}" if fault.variable is not None else f"Role {fault.role}"
    return f"{place} contains invalid value: {fault.message}"


MUTATIONS: dict[str, Resolver] = {
    "createApiKey": _create_api_key,
    "createGlobalApiKey": _create_global_api_key,
    "disableApiKey": _disable_api_key,
    "addGlobalIdentityRoles": _add_roles,
    "removeGlobalIdentityRoles": _remove_roles,
    "addProjectMember": _add_member,
    "updateProjectMember": _change_member,
    "removeProjectMember": _remove_member,
}
