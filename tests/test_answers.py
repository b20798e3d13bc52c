from __future__ import annotations

import json

import pytest

from gateway import answers
from gateway.http1 import STATUS, Reason, Refusal

REST, GRAPHQL, NOWHERE = "/j1ql", "/graphql", "/nowhere"


def refused(reason: Reason, path: str = REST, message: str = "because"):
    reply = answers.refused(Refusal(reason, message), "call-1", path)
    return reply, json.loads(reply.body)


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("path", [REST, NOWHERE, ""])
def test_rest_tells_code_reason_message_and_request(reason, path):
    reply, body = refused(reason, path)
    assert reply.status == STATUS[reason]
    assert set(body) == {"error"}
    assert body["error"]["code"] == answers.CODES[reply.status]
    assert body["error"]["reason"] == reason.value
    assert body["error"]["message"]
    assert body["error"]["requestId"] == "call-1"


def test_forbidden_is_the_word_that_clients_know():
    assert refused(Reason.NOT_ALLOWED)[1]["error"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("path", ["/", GRAPHQL, "/api/graphql", "/rules/graphql"])
def test_graphql_answers_in_its_own_shape_and_never_with_403(reason, path):
    reply, body = refused(reason, path)
    told = STATUS[reason] == 403 or reason is Reason.INVALID_QUERY
    assert reply.status == (200 if told else STATUS[reason])
    assert body["data"] is None
    assert [set(error) for error in body["errors"]] == [{"message", "extensions"}]
    extensions = body["errors"][0]["extensions"]
    assert extensions == {"code": answers.CODES[STATUS[reason]], "reason": reason.value, "requestId": "call-1"}


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("trigger", ["429", "Not Found", "does not exist", "Could not find"])
def test_no_graphql_message_makes_a_client_retry_or_forget(reason, trigger):
    _, body = refused(reason, GRAPHQL, f"dashboard:{trigger}-x")
    message = body["errors"][0]["message"]
    assert message
    assert not any(word in message.lower() for word in answers.TRIGGERS)


@pytest.mark.parametrize("path", [REST, GRAPHQL])
def test_every_unusable_key_is_refused_with_the_same_bytes(path):
    unknown = answers.refused(Refusal(Reason.INVALID_KEY, "unknown"), "call-1", path)
    expired = answers.refused(Refusal(Reason.INVALID_KEY, "it expired yesterday"), "call-1", path)
    assert unknown == expired
    assert unknown.status == 401


@pytest.mark.parametrize("path", [REST, GRAPHQL])
@pytest.mark.parametrize(
    ("reason", "challenge"),
    [
        (Reason.NO_CREDENTIAL, b'Bearer realm="gateway"'),
        (Reason.INVALID_KEY, b'Bearer realm="gateway", error="invalid_token"'),
        (Reason.TWO_CREDENTIALS, b'Bearer realm="gateway", error="invalid_request"'),
        (Reason.NOT_ALLOWED, None),
    ],
)
def test_the_challenge_names_an_error_only_where_a_key_was_sent(path, reason, challenge):
    assert dict(refused(reason, path)[0].headers).get(b"www-authenticate") == challenge


@pytest.mark.parametrize("reason", Reason)
def test_what_passes_by_itself_says_when_to_come_back(reason):
    headers = dict(refused(reason)[0].headers)
    assert headers.get(b"retry-after") == (b"1" if STATUS[reason] in (429, 503) else None)
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-request-id"] == b"call-1"


def test_a_wrong_method_is_told_the_right_ones():
    assert dict(refused(Reason.METHOD_NOT_ALLOWED, "/whoami")[0].headers)[b"allow"] == b"GET"
    assert dict(refused(Reason.METHOD_NOT_ALLOWED, NOWHERE)[0].headers)[b"allow"] == b""


def test_any_text_can_be_quoted():
    reply, body = refused(Reason.INVALID_QUERY, REST, 'lone \ud800, quote ", \x00')
    assert reply.body.isascii()
    assert body["error"]["message"] == 'lone \ud800, quote ", \x00'


def test_an_answer_of_ours_has_the_same_headers():
    reply = answers.answered({"a": 1}, "call-2", status=503)
    assert reply.body == b'{"a":1}'
    assert dict(reply.headers) == {
        b"content-type": b"application/json",
        b"cache-control": b"no-store",
        b"x-request-id": b"call-2",
        b"retry-after": b"1",
    }
