"""Names of resources as callers write them.

An upstream may take several spellings for one name: UUIDs in either case, a name with a blank after it, letters that
look alike. Where an ALLOW on `*` meets a DENY of one name, each other spelling would be a way round the DENY, so it
refuses them too. What an ALLOW names is compared exactly: there, another spelling is just refused.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from gateway.policy.decide import decide
from gateway.policy.model import ANY, Allowed, Effect, Policy, Refused, Verdict

_REMEMBERED = 16_384
"""Policies and actions: some for each of the keys that a worker serves at a time."""


def decide_written(policy: Policy, action: str, resource: str) -> Verdict:
    """`decide` for a resource that a caller wrote: refused as well if a DENY names it in another spelling."""
    verdict = decide(policy, action, resource)
    denied = _denied(policy, action) if isinstance(verdict, Allowed) else ()
    ids = tuple(dict.fromkeys(its for name, its in denied if name == _spelling(resource)))
    return Refused(ids) if ids else verdict


@lru_cache(_REMEMBERED)
def _denied(policy: Policy, action: str) -> tuple[tuple[str, str], ...]:
    """What DENYs name, in one spelling, with the ids of the statements."""
    denies = (each for each in policy.statements if each.effect is Effect.DENY)
    about = (each for each in denies if action in each.actions or ANY in each.actions)
    return tuple((_spelling(name), each.id) for each in about for name in each.resources)


def _spelling(name: str) -> str:
    """Without letter case, blanks, what cannot be seen, and the forms of Unicode that stand for the same letters."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(character for character in folded if character.isprintable() and not character.isspace())
