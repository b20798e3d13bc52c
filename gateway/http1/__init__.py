"""Our values for a call and a reply, and the strict reading of heads and targets. No sockets here."""

from gateway.http1.message import Call, Headers, Reply
from gateway.http1.refusal import STATUS, Reason, Refusal

__all__ = ["STATUS", "Call", "Headers", "Reason", "Refusal", "Reply"]
