"""The root fields about limits: how much a key may call, and how much the whole account.

The platform's rate limit is a rate here. Quotas and calls under way at once are ours: these fields leave them alone.
`tokenRateLimits` is a field of both Query and Mutation: one value serves both, and the schema says what of it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.control.jupiterone.asking import Asking, Given, Resolve, later
from gateway.control.rejection import Rejection
from gateway.http1 import Reason
from gateway.keys import CallLimits, Rate

SCHEMA = '''
extend type Query {
  tokenRateLimits(tokenId: ID!): TokenRateLimitsQuery @deprecated(reason: "Use accountRateLimits.tokenRateLimits.")
  accountRateLimits: AccountRateLimitsQuery
}

extend type Mutation {
  tokenRateLimits(tokenId: ID!): TokenRateLimitsMutation
}

"""`invocationCapacity` calls at once at most, and as many in the long run in `invocationWindowSeconds`."""
type RateLimitPolicy { invocationWindowSeconds: Int!  invocationCapacity: Int! }

"""1 to 86,400 seconds, and 1 to 1,000,000,000 calls."""
input SetRateLimitPolicyOptions { invocationWindowSeconds: Int!  invocationCapacity: Int! }

enum CallQuotaPeriod { DAY MONTH }

"""Calls in a day or month of the calendar, in UTC."""
type CallQuota { calls: Int!  period: CallQuotaPeriod! }

"""Null where there is no limit of its own, and the gateway's settings decide."""
type RateLimitPolicyQuery { rateLimitPolicy: RateLimitPolicy }

type TokenRateLimitsQuery { apiInvocationRateLimit: RateLimitPolicyQuery! }

"""For administrators."""
type AccountRateLimitsQuery {
  """What all keys of the account share."""
  apiInvocationRateLimit: RateLimitPolicyQuery!
  """Of a key that the caller may see, their own too."""
  tokenRateLimits(tokenId: ID!): TokenRateLimitsQuery!
}

"""True when it is done, from the key's next call on."""
type RateLimitPolicyMutation {
  setRateLimitPolicy(rateLimitPolicy: SetRateLimitPolicyOptions!): Boolean
  clearRateLimitPolicy: Boolean
}

type TokenRateLimitsMutation { apiInvocationRateLimit: RateLimitPolicyMutation! }
'''
"""What `schema.SCHEMA` says nothing of; names and types are of the same source."""


def rate_of(policy: Mapping[str, Any] | None) -> Rate | None:
    """Of a SetRateLimitPolicyOptions."""
    return None if policy is None else Rate(policy["invocationCapacity"], policy["invocationWindowSeconds"])


def limits_told(limits: CallLimits) -> dict[str, Any]:
    """The fields of IamToken about limits."""
    quota = limits.quota
    return {
        "rateLimit": _policy(limits.rate),
        "quota": quota and {"calls": quota.calls, "period": quota.period.name},
        "concurrentCalls": limits.concurrent,
    }


def _policy(rate: Rate | None) -> dict[str, int] | None:
    return None if rate is None else {"invocationWindowSeconds": rate.seconds, "invocationCapacity": rate.calls}


def _token_limits(_asking: Asking, given: Given) -> dict[str, Any]:
    key_id = given["tokenId"]
    return {
        "apiInvocationRateLimit": {
            "rateLimitPolicy": later(_token_rate, key_id),
            "setRateLimitPolicy": later(_set_token_rate, key_id),
            "clearRateLimitPolicy": later(_set_token_rate, key_id),
        }
    }


async def _token_rate(key_id: str, asking: Asking, _given: Given) -> dict[str, int] | None:
    return _policy((await asking.desk.tokens.find_key(asking.actor, key_id)).limits.rate)


async def _set_token_rate(key_id: str, asking: Asking, given: Given) -> bool:
    """Without a policy among its arguments it clears."""
    rate = rate_of(given.get("rateLimitPolicy"))
    limiting = asking.desk.limiting
    await asking.in_turn(lambda: limiting.set_key_limits(asking.actor, key_id, lambda old: replace(old, rate=rate)))
    return True


def _account_limits(asking: Asking, _given: Given) -> dict[str, Any]:
    if not asking.organization:
        raise Rejection(Reason.UNKNOWN_ORGANIZATION, "this key belongs to no account")
    return {"apiInvocationRateLimit": later(_account_rate), "tokenRateLimits": later(_token_limits)}


async def _account_rate(asking: Asking, _given: Given) -> dict[str, Any]:
    limits = await asking.desk.limiting.organization_limits(asking.actor, asking.organization)
    return {"rateLimitPolicy": _policy(limits.rate)}


ROOTS: dict[str, Resolve] = {
    "tokenRateLimits": later(_token_limits),
    "accountRateLimits": later(_account_limits),
}
