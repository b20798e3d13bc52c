"""Identities, keys, roles: token format and digest, and who may create, see and revoke what."""

from gateway.keys.model import Digest, Identity, Key, Kind, Principal, Role

__all__ = ["Digest", "Identity", "Key", "Kind", "Principal", "Role"]
