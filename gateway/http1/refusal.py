"""Why a call was refused: a value with a stable code, which `answers` turns into the shape of each face.

The codes are an interface: programs and dashboards act on them, README lists them (a test compares).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Stable reason codes, by the status that they carry (see STATUS)."""

    MALFORMED_REQUEST = "malformed_request"
    TWO_CREDENTIALS = "two_credentials"
    MALFORMED_BODY = "malformed_body"
    INVALID_QUERY = "invalid_query"
    INVALID_INPUT = "invalid_input"
    INVALID_POLICY = "invalid_policy"
    POLICY_REQUIRED = "policy_required"
    INVALID_MEMBERSHIP = "invalid_membership"
    UNKNOWN_ROLE = "unknown_role"

    NO_CREDENTIAL = "no_credential"
    INVALID_KEY = "invalid_key"

    NOT_ALLOWED = "not_allowed"
    WRONG_ACCOUNT = "wrong_account"
    QUERYV1_NEEDS_J1QL = "queryv1_needs_j1ql"
    UNSUPPORTED_QUERY = "unsupported_query"
    UNSUPPORTED_ARGUMENT = "unsupported_argument"
    NEVER_FORWARDED = "never_forwarded"
    KEYS_DECIDE = "keys_decide"
    QUERY_CLASS_REFUSED = "query_class_refused"
    UNKNOWN_JOB = "unknown_job"

    UNKNOWN_KEY = "unknown_key"
    UNKNOWN_IDENTITY = "unknown_identity"
    UNKNOWN_PROJECT = "unknown_project"
    UNKNOWN_USER = "unknown_user"
    UNKNOWN_GROUP = "unknown_group"
    UNKNOWN_ORGANIZATION = "unknown_organization"
    UNKNOWN_RESULT = "unknown_result"
    UNKNOWN_ROUTE = "unknown_route"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ALREADY_THERE = "already_there"
    NOT_MEMBER = "not_member"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    TOO_SLOW = "too_slow"
    RATE_LIMITED = "rate_limited"
    QUOTA_USED_UP = "quota_used_up"
    TOO_MANY_CALLS = "too_many_calls"

    INTERNAL = "internal_error"
    ANSWER_WITHHELD = "answer_withheld"
    UPSTREAM_FAILED = "upstream_failed"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    STORE_UNAVAILABLE = "store_unavailable"
    OVERLOADED = "overloaded"


STATUS: dict[Reason, int] = {
    Reason.MALFORMED_REQUEST: 400,
    Reason.TWO_CREDENTIALS: 400,
    Reason.MALFORMED_BODY: 400,
    Reason.INVALID_QUERY: 400,
    Reason.INVALID_INPUT: 400,
    Reason.INVALID_POLICY: 400,
    Reason.POLICY_REQUIRED: 400,
    Reason.INVALID_MEMBERSHIP: 400,
    Reason.UNKNOWN_ROLE: 400,
    Reason.NO_CREDENTIAL: 401,
    Reason.INVALID_KEY: 401,
    Reason.NOT_ALLOWED: 403,
    Reason.WRONG_ACCOUNT: 403,
    Reason.QUERYV1_NEEDS_J1QL: 403,
    Reason.UNSUPPORTED_QUERY: 403,
    Reason.UNSUPPORTED_ARGUMENT: 403,
    Reason.NEVER_FORWARDED: 403,
    Reason.KEYS_DECIDE: 403,
    Reason.QUERY_CLASS_REFUSED: 403,
    Reason.UNKNOWN_JOB: 403,
    Reason.UNKNOWN_KEY: 404,
    Reason.UNKNOWN_IDENTITY: 404,
    Reason.UNKNOWN_PROJECT: 404,
    Reason.UNKNOWN_USER: 404,
    Reason.UNKNOWN_GROUP: 404,
    Reason.UNKNOWN_ORGANIZATION: 404,
    Reason.UNKNOWN_RESULT: 404,
    Reason.UNKNOWN_ROUTE: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.TOO_SLOW: 408,
    Reason.ALREADY_THERE: 409,
    Reason.NOT_MEMBER: 409,
    Reason.TOO_LARGE: 413,
    Reason.UNSUPPORTED_MEDIA_TYPE: 415,
    Reason.RATE_LIMITED: 429,
    Reason.QUOTA_USED_UP: 429,
    Reason.TOO_MANY_CALLS: 429,
    Reason.INTERNAL: 500,
    Reason.ANSWER_WITHHELD: 502,
    Reason.UPSTREAM_FAILED: 502,
    Reason.UPSTREAM_UNREACHABLE: 502,
    Reason.UPSTREAM_TIMEOUT: 504,
    Reason.STORE_UNAVAILABLE: 503,
    Reason.OVERLOADED: 503,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal and the sentence that tells a person what to do about it."""

    reason: Reason
    message: str
    retry_after: int | None = None
    """Seconds after which the same call may be let through, where that is known; for 429."""

    @property
    def status(self) -> int:
        """The HTTP status on REST routes; `/graphql` answers 403s as 200 with an error (see `answers`)."""
        return STATUS[self.reason]
