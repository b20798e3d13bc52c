"""Makers of principals and calls for the tests of authz."""

from __future__ import annotations

import json

import pytest

from gateway.http1 import Call
from gateway.keys import Identity, Kind, Principal
from gateway.policy import parse

ORGANIZATION = "acme"


def statement(effect, actions, resources, **string_equals):
    made = {"effect": effect, "actions": list(actions), "resources": list(resources)}
    return made | ({"condition": {"stringEquals": string_equals}} if string_equals else {})


def allow(actions, resources=("*",), **string_equals):
    return statement("ALLOW", actions, resources, **string_equals)


def deny(actions, resources=("*",), **string_equals):
    return statement("DENY", actions, resources, **string_equals)


@pytest.fixture
def statements():
    """The two makers of statements: allow(actions, resources, **stringEquals) and deny(...)."""
    return allow, deny


@pytest.fixture
def principal():
    def make(*permissions, expires_at=None, kind=Kind.ACCOUNT, instance=None):
        policy = parse(json.dumps({"permissions": list(permissions)}))
        identity = Identity("identity-1", kind, ORGANIZATION, integration_instance=instance)
        return Principal("key-1", 1, "a key", identity, policy, expires_at)

    return make


@pytest.fixture
def call():
    def make(path, body=None, *, method="POST", headers=(), query=""):
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        given = ((b"content-type", b"application/json"), *headers)
        return Call("request-1", method, path, query, given, body)

    return make
