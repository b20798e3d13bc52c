"""The control plane: use cases about keys, people and rights, each once, and the faces that translate to them."""

from gateway.control.answer import FaceAnswer
from gateway.control.contember import Contember
from gateway.control.desk import Desk, desk_over
from gateway.control.grants import Grants
from gateway.control.groups import Groups
from gateway.control.jupiterone import GraphQLAnswer, JupiterOne
from gateway.control.logins import LoginOptions, Logins, OneTimeLogin
from gateway.control.minting import Issued
from gateway.control.organizations import Organizations
from gateway.control.people import NewUser, People
from gateway.control.rapid7 import Rapid7
from gateway.control.rejection import Rejection
from gateway.control.tokens import NewKey, TokenOptions, Tokens
from gateway.control.trail import Trail

__all__ = [
    "Contember",
    "Desk",
    "FaceAnswer",
    "Grants",
    "GraphQLAnswer",
    "Groups",
    "Issued",
    "JupiterOne",
    "LoginOptions",
    "Logins",
    "NewKey",
    "NewUser",
    "OneTimeLogin",
    "Organizations",
    "People",
    "Rapid7",
    "Rejection",
    "TokenOptions",
    "Tokens",
    "Trail",
    "desk_over",
]
