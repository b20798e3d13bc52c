"""The account API over HTTP, and keys of one face in the others. Numbers are those of the edge cases."""

from __future__ import annotations

import json
import re

import pytest

from account_server import installation
from gateway import sandbox
from gateway.control import NewKey
from gateway.control.rapid7.openapi import PLACE
from gateway.keys import GroupRights, Operator, Role
from gateway.stores.values import Group

KEYS, USERS = "/account/api/1/api-keys", "/account/api/1/users"
DAY = 24 * 60 * 60 * 1000
EVERYTHING = '{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}'
ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(scope="module")
def face(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture
def person(face, request):
    """Makes a user with a name of this test's, and a key of theirs; a name that is there already stays the same."""
    known = {}

    def make(name, organization="acme", role=Role.USER):
        address = known.setdefault(name, f"{name}-{abs(hash(request.node.nodeid))}")
        return face.run(face.account.user(address, organization, role))

    return make


@pytest.fixture
def ann(person):
    return person("ann", role=Role.ORGANIZATION_ADMIN)


def generate(face, key, kind="ORGANIZATION", organization="acme", **more):
    made = face.call("POST", KEYS, key, {"name": "new", "type": kind, "organization_id": organization} | more)
    assert made.status == 201, made.body
    return made.json


def query(face, key, organization=None):
    headers = [("JupiterOne-Account", organization)] if organization else []
    return face.call("POST", "/j1ql", key, {"query": "FIND * LIMIT 1"}, headers=headers)


# --- credentials --------------------------------------------------------------------------------------------------


def test_170_validate_has_two_answers(face, person, ann):
    live, revoked, disabled, suspended = (person(name) for name in ("live", "revoked", "disabled", "suspended"))
    expiring = generate(face, live.secret, "USER", expires_in_days=1)["api_key"]
    good = face.call("GET", "/validate", live.secret)
    assert (good.status, good.phrase, good.body) == (200, "OK", b'{"message":"Authorized"}')
    assert good.headers["content-type"].partition(";")[0] == "application/json"
    assert face.call("GET", "/validate", expiring).status == 200

    assert face.call("DELETE", f"{KEYS}/{revoked.key.id}", revoked.secret).status == 204
    user = f"{USERS}/{disabled.key.identity.user}"
    assert face.call("PATCH", user, ann.secret, {"status": "DISABLED"}).status == 200
    admin = face.run(face.account.caller(ann))
    (everyone,) = [
        each for each in face.run(face.account.desk.groups.list_groups(admin, organization="acme")) if each.everyone
    ]
    face.world.now += DAY
    change = face.account.desk.groups.change_group
    try:
        answers = [
            face.call("GET", "/validate", key)
            for key in (
                revoked.secret,
                disabled.secret,
                expiring,
                "gwu_nonsense",
                "x",
                live.key.start,
                "a" * 40,
                "",
                None,
            )
        ]
        face.run(change(Operator(), everyone.id, rights=GroupRights(())))
        answers.append(face.call("GET", "/validate", suspended.secret))
    finally:
        face.world.now -= DAY
        face.run(change(Operator(), everyone.id, rights=everyone.rights))
    assert {(each.status, each.phrase, each.body) for each in answers} == {
        (401, "Unauthorized", b'{"message":"Unauthorized"}')
    }
    assert face.call("GET", "/validate", suspended.secret).status == 200


def test_171_one_secret_is_one_identity_in_either_header(face, ann, person):
    for key in (ann, person("uli")):
        bearer = [("Authorization", f"Bearer {key.secret}")]
        for path in ("/whoami", KEYS, USERS):
            one, other = face.call("GET", path, key.secret), face.call("GET", path, headers=bearer)
            assert one.status == other.status == 200
            assert one.json == other.json
    told = face.call("GET", "/whoami", headers=bearer).json
    assert told["key"]["id"] == key.key.id


@pytest.mark.parametrize("path", [KEYS, "/validate", "/j1ql"])
def test_172_two_credentials_are_none(face, ann, person, path):
    one, other = ann.secret, person("uli").secret
    method, body = ("POST", {"query": "FIND *"}) if path == "/j1ql" else ("GET", None)
    for headers in (
        [("X-Api-Key", one), ("Authorization", f"Bearer {other}")],
        [("X-Api-Key", one), ("Authorization", f"Bearer {one}")],
        [("X-Api-Key", one), ("X-Api-Key", other)],
        [("X-Api-Key", f"{one}, {other}")],
        [("Authorization", f"Bearer {one}, Bearer {other}")],
    ):
        refused = face.call(method, path, body=body, headers=headers)
        assert refused.status == 400
        if path != "/j1ql":
            assert refused.headers["gateway-reason"] == "two_credentials"
            assert set(refused.json) == {"message"}


def test_173_a_key_anywhere_else_is_ignored_and_the_scheme_has_no_case(face, ann):
    secret = ann.secret
    assert face.call("GET", f"{KEYS}?api_key={secret}").status == 401
    assert face.call("GET", f"{KEYS}?X-Api-Key={secret}&access_token={secret}").status == 401
    assert face.call("POST", KEYS, body={"X-Api-Key": secret, "access_token": secret}).status == 401
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert face.call("GET", KEYS, headers=[("Authorization", f"{scheme} {secret}")]).status == 200
    for value in (
        f"Bearer\t{secret}",
        f"Bearer {secret}\tx",
        f"Bearer{secret}",
        f"Basic {secret}",
        secret,
        f"Bearer {secret} {secret}",
    ):
        assert face.call("GET", KEYS, headers=[("Authorization", value)]).status == 401
    for value in (f"{secret}%0A", f"{secret}\tx", f"Bearer {secret}"):
        assert face.call("GET", KEYS, value).status == 401


# --- what the keys can do -----------------------------------------------------------------------------------------


JOB = {"source": "integration-external", "integrationInstanceId": sandbox.INTEGRATION_INSTANCE, "syncMode": "DIFF"}


def test_151_a_users_key_can_do_what_the_user_can(face, person, ann):
    reader = person("reader")
    groups, admin = face.account.desk.groups, face.run(face.account.caller(ann))
    wanted = Group("", "acme", f"readers {reader.key.id}", rights=GroupRights(("fullReadAccess",)))
    group = face.run(groups.add_group(admin, wanted))
    assert query(face, reader.secret).status == 403
    face.run(groups.add_to_group(admin, group.id, reader.key.identity.user))
    logins = face.gateway.control.logins
    user = face.run(face.account.desk.people.find_user(Operator(), reader.key.identity.user))[0]
    session = face.run(logins.redeem(face.run(logins.create_login(user.email, "acme")).code))
    for secret in (reader.secret, session.secret):
        assert query(face, secret).status == 200
        refused = face.call("POST", "/persister/synchronization/jobs", secret, JOB)
        assert (refused.status, refused.json["error"]["reason"]) == (403, "not_allowed")
    face.run(groups.remove_from_group(admin, group.id, reader.key.identity.user))
    assert query(face, reader.secret).status == 403


def test_153_156_a_key_is_of_no_use_in_another_organization(face, person, ann):
    uli, _ = person("uli"), person("uli", "globex")
    organization = generate(face, ann.secret)["api_key"]
    for secret in (organization, uli.secret):
        for path in ("/whoami", KEYS):
            refused = face.call("GET", path, secret, headers=[("JupiterOne-Account", "globex")])
            assert refused.status == 403
    assert query(face, organization, "acme").status == 200
    assert query(face, organization, "globex").status == 403
    assert query(face, organization, "globex").json["error"]["reason"] == "wrong_account"
    assert query(face, organization, "nowhere").json["error"]["reason"] == "wrong_account"


def test_155_an_organization_key_can_do_everything_across_all_products(face, ann):
    secret = generate(face, ann.secret)["api_key"]
    assert query(face, secret).status == 200
    for root in ('queryV1(query: "FIND * LIMIT 1") { data }', "accountEntity { data }"):
        answer = face.call("POST", "/graphql", secret, {"query": f"{{ {root} }}"})
        assert answer.status == 200
        assert "FORBIDDEN" not in answer.body.decode()
    created = face.call("POST", "/persister/synchronization/jobs", secret, JOB)
    assert created.status == 200, created.body
    job = created.json["job"]["id"]
    batch = {"entities": [{"_key": "one", "_type": "demo_server", "_class": "Host"}]}
    path = f"/persister/synchronization/jobs/{job}"
    assert face.call("POST", f"{path}/entities", secret, batch).status == 200
    assert face.call("POST", f"{path}/finalize", secret, {}).status == 200


def test_139_an_answer_under_way_is_sent_to_its_end_and_no_new_call_is_accepted(face, person):
    bob = person("bob", "globex", Role.ORGANIZATION_ADMIN)
    made = generate(face, bob.secret, organization="globex")
    connection = face.connect()
    body = json.dumps({"query": "FIND *"})
    connection.request("POST", "/j1ql", body, {"X-Api-Key": made["api_key"], "Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.read(6) == b"first,"
    assert face.call("DELETE", f"{KEYS}/{made['id']}", bob.secret).status == 204
    assert query(face, made["api_key"]).status == 401
    face.release()
    assert answer.read() == b"second"
    connection.request("GET", "/validate", headers={"X-Api-Key": made["api_key"]})
    assert connection.getresponse().status == 401
    connection.close()


# --- across faces -------------------------------------------------------------------------------------------------


def test_176_a_key_of_create_token_that_is_revoked_here_is_dead_everywhere(face, ann):
    create = {
        "query": "mutation C($t: TokenInput!) { createToken(token: $t) { id token } }",
        "variables": {"t": {"name": "made there", "policy": EVERYTHING}},
    }
    made = face.call("POST", "/graphql", ann.secret, create).json["data"]["createToken"]
    assert query(face, made["token"]).status == 200
    listed = {row["id"]: row for row in face.call("GET", KEYS, ann.secret).json}
    assert listed[made["id"]]["type"] == "ACCOUNT"
    assert face.call("DELETE", f"{KEYS}/{made['id']}", ann.secret).status == 204
    assert query(face, made["token"]).status == 401
    assert face.call("GET", "/validate", made["token"]).status == 401
    for path, asked in (("/graphql", "{ accountEntity { data } }"), ("/tenant", "{ me { id } }")):
        assert face.call("POST", path, made["token"], {"query": asked}).status == 401


def test_176_an_account_key_is_revoked_by_revoke_token_and_dead_here(face, ann):
    actor = face.run(face.account.caller(ann))
    made = face.run(face.account.desk.tokens.create_account_key(actor, NewKey("n", policy=EVERYTHING)))
    assert face.call("GET", "/validate", made.secret).status == 200
    body = {"query": "mutation R($id: String!) { revokeToken(id: $id) { revoked } }", "variables": {"id": made.key.id}}
    assert face.call("POST", "/graphql", ann.secret, body).json["data"]["revokeToken"]["revoked"] is True
    assert face.call("GET", "/validate", made.secret).status == 401
    assert face.call("GET", f"{KEYS}/{made.key.id}", ann.secret).status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/{KEYS}", 400),
        (f"{KEYS}/", 404),
        (KEYS.replace("/1/", "//1/"), 400),
        (KEYS.replace("/1/", "/1/x/../"), 400),
        (KEYS.replace("/1/", "/1/%2e%2e/1/"), 400),
        (KEYS.replace("api-keys", "api%2dkeys"), 400),
        (KEYS.replace("account", "Account"), 404),
        (f"{KEYS};x=1", 400),
        (f"{KEYS}/%00", 400),
        (f"{KEYS}/~", 404),
        ("/account/api/2/api-keys", 404),
        ("/Validate", 404),
        ("/validate/", 404),
    ],
)
def test_179_a_path_has_one_spelling(face, ann, path, status):
    assert face.call("GET", path, ann.secret).status == status
    assert face.call("GET", path).status in (400, 401)


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Original-URL"])
def test_179_no_header_makes_another_call_of_a_call(face, ann, person, header):
    uli = person("uli")
    refused = face.call("GET", f"{KEYS}/{uli.key.id}", ann.secret, headers=[(header, "DELETE")])
    assert refused.status == 400
    assert face.call("GET", "/validate", uli.secret).status == 200


# --- refusals, and the document -----------------------------------------------------------------------------------


def test_refusals_are_in_the_words_of_this_face(face, ann, person):
    uli = person("uli")
    wanted = {"name": "n", "type": "ORGANIZATION", "organization_id": "acme"}
    text = [("Content-Type", "text/plain"), ("Content-Length", "0")]
    for answer, status, reason in (
        (face.call("POST", KEYS, uli.secret, wanted), 403, "not_allowed"),
        (face.call("GET", f"{KEYS}/x", uli.secret), 404, "unknown_key"),
        (face.call("GET", f"{USERS}/x", uli.secret), 404, "unknown_user"),
        (face.call("GET", "/account/api/1/x", uli.secret), 404, "unknown_route"),
        (face.call("POST", KEYS, uli.secret, {"name": "n"}), 400, "invalid_input"),
        (face.call("POST", KEYS, uli.secret, headers=text), 415, "unsupported_media_type"),
        (face.call("PATCH", f"{USERS}/x", uli.secret, headers=text), 415, "unsupported_media_type"),
        (face.call("PUT", KEYS, uli.secret, {}), 405, "method_not_allowed"),
        (face.call("POST", KEYS, uli.secret, {"name": "n" * 300_000}), 413, "too_large"),
        (face.call("GET", KEYS), 401, "no_credential"),
        (face.call("GET", KEYS, "x"), 401, "invalid_key"),
    ):
        assert (answer.status, answer.headers["gateway-reason"]) == (status, reason)
        assert list(answer.json) == ["message"]
        assert ID.fullmatch(answer.headers["x-request-id"])
        assert answer.headers["content-type"] == "application/json"
    assert face.call("PUT", KEYS, uli.secret, {}).headers["allow"] == "GET, POST"
    assert face.call("POST", "/validate", uli.secret, {}).headers["allow"] == "GET"


def test_the_admin_listener_serves_this_face_as_well(face, ann):
    wanted = {"name": "n", "type": "USER", "organization_id": "acme"}
    made = face.call("POST", KEYS, ann.secret, wanted, url=face.gateway.admin)
    assert made.status == 201
    gone = face.call("DELETE", f"{KEYS}/{made.json['id']}", ann.secret, url=face.gateway.admin)
    assert (gone.status, gone.body) == (204, b"")


def test_the_document_is_for_everybody(face, ann):
    assert PLACE == "/account/api/1/openapi.json"
    told = face.call("GET", PLACE)
    assert (told.status, told.json["openapi"]) == (200, "3.1.0")
    assert face.call("GET", PLACE, "no key").json == told.json
    assert face.call("GET", PLACE, ann.secret, url=face.gateway.admin).json == told.json
    assert face.call("POST", PLACE, body={}).status == 401
    refused = face.call("POST", PLACE, ann.secret, {})
    assert (refused.status, refused.headers["allow"]) == (405, "GET")
