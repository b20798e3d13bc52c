"""HTTP/1.1 without a socket: our values for a call and a reply, and the strict reading of bytes.

bytes -> reader (buffer, heads, framing) -> Head -> front -> Call -> credential, origin
"""

from gateway.http1.credential import credential
from gateway.http1.front import FrontLimits, body_length, front, has_body
from gateway.http1.heads import Head
from gateway.http1.message import Call, Headers, Reply, says_json
from gateway.http1.origin import LOOPBACK, Address, Networks, counted_as, is_in, origin, peer_address
from gateway.http1.refusal import STATUS, Reason, Refusal

__all__ = [
    "LOOPBACK",
    "STATUS",
    "Address",
    "Call",
    "FrontLimits",
    "Head",
    "Headers",
    "Networks",
    "Reason",
    "Refusal",
    "Reply",
    "body_length",
    "counted_as",
    "credential",
    "front",
    "has_body",
    "is_in",
    "origin",
    "peer_address",
    "says_json",
]
