"""The JupiterOne face: what `/graphql` answers about keys, users, groups and the account."""

from gateway.control.jupiterone.face import GraphQLAnswer, JupiterOne

__all__ = ["GraphQLAnswer", "JupiterOne"]
