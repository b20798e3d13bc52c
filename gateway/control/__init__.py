"""The control plane: use cases about keys, each once, and the faces that translate to them."""

from gateway.control.jupiterone import GraphQLAnswer, JupiterOne
from gateway.control.logins import LoginOptions, Logins, OneTimeLogin
from gateway.control.minting import Issued
from gateway.control.rejection import Rejection
from gateway.control.tokens import NewKey, TokenOptions, Tokens

__all__ = [
    "GraphQLAnswer",
    "Issued",
    "JupiterOne",
    "LoginOptions",
    "Logins",
    "NewKey",
    "OneTimeLogin",
    "Rejection",
    "TokenOptions",
    "Tokens",
]
