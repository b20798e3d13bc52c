"""The Contember face over sockets: the documented calls, and what the keys that they make read of the graph.

Numbers are those of the edge cases that the product was specified with.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import contember_calls
from contember_calls import (
    ADD_MEMBER,
    CHANGE_MEMBER,
    CREATE,
    CREATE_GLOBAL,
    DISABLE,
    DOCUMENTED_CREATE,
    DOCUMENTED_CREATE_GLOBAL,
    ME,
    REMOVE_MEMBER,
    VIEWER,
    editor,
)

SEED = Path(__file__).parents[3] / "shared" / "seeds" / "003_0af8f4b30f11303c.txt"
TABLE = "FIND cms_article AS a RETURN a.slug AS slug, a.language AS language ORDER BY a.slug"


class Tenant:
    """`POST /tenant` of a running demo."""

    def __init__(self, demo) -> None:
        self.gateway, self.keys = demo.gateway, demo.keys

    def ask(self, key, query, **variables):
        return self.gateway.post("/tenant", {"query": query, "variables": variables}, key)

    def data(self, key, query, **variables):
        answer = self.ask(key, query, **variables)
        assert (answer.status, set(answer.json)) == (200, {"data"}), answer.body
        return answer.json["data"]

    def change(self, query, **variables):
        """A mutation by the platform administrator, that is done."""
        payload = self.data(self.keys["platform"], query, **variables)["mutation"]
        assert payload["ok"] is True, payload
        return payload.get("result")

    def create(self, *memberships, **more):
        given = {"projectSlug": "my-blog", "description": "backend ingest", "memberships": memberships} | more
        return self.change(CREATE, **given)["apiKey"]

    def read(self, key, query):
        answer = self.gateway.query(key, query)
        assert answer.status == 200, answer.body
        return answer.json["data"]


@pytest.fixture(scope="module")
def tenant(demo):
    return Tenant(demo)


@pytest.fixture(scope="module")
def everything(demo):
    """All rows of the graph, as the super key reads them."""
    return demo.gateway.rows(demo.keys["super"], "FIND *")


def of_language(rows, *languages):
    return [row for row in rows if row["properties"].get("language") in languages]


@pytest.fixture(scope="module")
def world(tenant):
    """The token of a key that the documented call made, with the global roles `super_admin` and `monitor`."""
    created = tenant.data(tenant.keys["platform"], DOCUMENTED_CREATE_GLOBAL)["createGlobalApiKey"]
    assert (created["ok"], created["error"]) == (True, None)
    return created["result"]["apiKey"]["token"]


def test_the_documented_calls_are_those_of_the_documentation():
    if not SEED.exists():
        pytest.skip("the documentation is not here")
    text = SEED.read_text()
    calls = [value for name, value in vars(contember_calls).items() if name.startswith("DOCUMENTED_")]
    assert len(calls) == 5
    for call in calls:
        assert call in text


@pytest.mark.parametrize("who", ["platform", "world"])
def test_81_the_key_of_the_documented_call_reads_exactly_what_is_in_its_language(tenant, world, demo, everything, who):
    maker = world if who == "world" else tenant.keys[who]
    data = tenant.data(maker, DOCUMENTED_CREATE)
    key = data["createApiKey"]["result"]["apiKey"]
    assert data == {"createApiKey": {"ok": True, "error": None, "result": {"apiKey": key}}}
    assert len(key["token"]) == 40
    expected = of_language(everything, "cs")
    assert 0 < len(expected) < len(of_language(everything, "cs", "de", "en"))
    assert demo.gateway.rows(key["token"], "FIND *") == expected


def test_82_a_table_holds_the_rows_in_the_keys_language_alone(tenant):
    token = tenant.create(editor("cs"))["token"]
    expected = [row for row in tenant.read(tenant.keys["super"], TABLE) if row["language"] == "cs"]
    assert tenant.read(token, TABLE) == expected
    assert len(expected) > 5


def test_83_a_key_that_reads_writes_nothing(tenant):
    token = tenant.create(editor("cs"))["token"]
    answer = tenant.gateway.post("/persister/synchronization/jobs", {"source": "api", "scope": "my-blog"}, token)
    assert (answer.status, answer.json["error"]["reason"]) == (403, "not_allowed")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("FIND cms_article WITH language = 'de'", []),
        ("FIND cms_article WITH language != 'cs'", []),
        ("FIND cms_article AS a RETURN a.language AS l, COUNT(a) AS n ORDER BY n", [{"l": "cs"}]),
    ],
)
def test_84_filters_and_counts_know_nothing_of_other_languages(tenant, query, expected):
    token = tenant.create(editor("cs"))["token"]
    found = tenant.read(token, query)
    assert [{name: row[name] for name in row if name != "n"} for row in found] == expected


def test_84_the_order_is_that_of_the_visible_rows(tenant):
    token = tenant.create(editor("cs", "en"))["token"]
    for order in ("a.language", "a.slug", "a.publishedOn", "a.slug DESC"):
        query = f"FIND cms_article AS a RETURN a.slug AS slug, a.language AS language ORDER BY {order}, a.slug"
        all_rows = tenant.read(tenant.keys["super"], query)
        assert tenant.read(token, query) == [row for row in all_rows if row["language"] in {"cs", "en"}]


def test_90_97_without_a_membership_a_key_says_who_it_is_and_reads_nothing(tenant):
    bare, left = tenant.create(), tenant.create(editor("cs"))
    assert tenant.gateway.query(left["token"], TABLE).status == 200
    tenant.change(REMOVE_MEMBER, projectSlug="my-blog", identityId=left["identity"]["id"])
    for key in (bare, left):
        refused = tenant.gateway.query(key["token"], TABLE)
        assert (refused.status, refused.json["error"]["reason"]) == (403, "not_allowed")
        me = tenant.data(key["token"], ME)["me"]
        assert (me["id"], me["projects"]) == (key["identity"]["id"], [])


def test_91_92_93_memberships_and_values_add_up(tenant, demo, everything):
    viewer = tenant.create(editor("cs"), VIEWER)["token"]
    assert demo.gateway.rows(viewer, "FIND *") == everything
    expected = of_language(everything, "cs", "de")
    for memberships in ((editor("cs"), editor("de")), (editor("cs", "de"),)):
        assert demo.gateway.rows(tenant.create(*memberships)["token"], "FIND *") == expected
    for value in ("cs' OR '1'='1", "cs' OR language != '", "x' OR _type != 'y"):
        assert demo.gateway.rows(tenant.create(editor(value))["token"], "FIND *") == []


def test_95_the_same_token_reads_what_its_membership_says_now(tenant, demo, everything):
    key = tenant.create(editor("cs"))
    assert demo.gateway.rows(key["token"], "FIND *") == of_language(everything, "cs")
    member = {"projectSlug": "my-blog", "identityId": key["identity"]["id"]}
    tenant.change(CHANGE_MEMBER, **member, memberships=[editor("de")])
    assert demo.gateway.rows(key["token"], "FIND *") == of_language(everything, "de")


def test_98_a_key_cannot_tell_another_project_from_a_missing_one(tenant):
    token = tenant.create(editor("cs"))["token"]
    query = "query($slug: String!) { projectBySlug(slug: $slug) { slug } }"
    assert tenant.data(token, query, slug="my-blog") == {"projectBySlug": {"slug": "my-blog"}}
    assert tenant.data(token, query, slug="nope") == {"projectBySlug": None}
    wanted = {"description": "x", "memberships": [VIEWER]}
    mine, missing = (tenant.ask(token, CREATE, projectSlug=slug, **wanted) for slug in ("my-blog", "nope"))
    assert (mine.status, mine.body) == (missing.status, missing.body)
    assert mine.json["errors"][0]["message"] == "You are not allowed to create an API key for this project"


def test_105_a_global_key_has_no_part_in_the_graph(tenant, world):
    bare = tenant.change(CREATE_GLOBAL, description="bare")["apiKey"]["token"]
    for token in (bare, world):
        refused = tenant.gateway.query(token, TABLE)
        assert (refused.status, refused.json["error"]["reason"]) == (403, "not_allowed")
    assert tenant.data(bare, ME)["me"]["roles"] == []


OWN = "My-own.token~with/odd+letters_0123456789=="


def test_116_120_122_123_a_token_of_ones_own(tenant):
    digest = hashlib.sha256(OWN.encode()).hexdigest()
    key = tenant.create(VIEWER, tokenHash=digest)
    assert key["token"] is None
    assert tenant.data(OWN, ME)["me"]["id"] == key["identity"]["id"]
    for wrong in (digest, OWN.lower(), OWN.upper(), OWN + "x", OWN[:-1], OWN.swapcase()):
        assert tenant.ask(wrong, ME).status == 401
    assert tenant.gateway.query(OWN, TABLE).status == 200


@pytest.mark.parametrize("secret", ["a token with blanks", 'quoted"token"0123456789', "colon:0123456789"])
def test_122_a_token_that_no_bearer_header_can_carry_is_an_unusable_key(tenant, secret):
    """RFC 6750, section 2.1, has the characters."""
    key = tenant.create(VIEWER, tokenHash=hashlib.sha256(secret.encode()).hexdigest())
    assert key["token"] is None
    answer = tenant.ask(secret, ME)
    assert (answer.status, answer.body) == (401, UNUSABLE)


def test_122_a_header_that_is_not_ascii_is_no_call_at_all(tenant):
    secret = "t\u00f6ken-of-my-own-0123456789"
    tenant.create(VIEWER, tokenHash=hashlib.sha256(secret.encode()).hexdigest())
    answer = tenant.ask(secret.encode().decode("latin-1"), ME)  # which is how bytes are put into a header
    assert answer.status == 400
    assert "ASCII" in answer.json["errors"][0]["message"]


UNUSABLE = b'{"errors":[{"code":401,"message":"Authorization failure: the API key is not valid"}]}'


def test_125_every_unusable_key_gets_one_and_the_same_body(tenant):
    key = tenant.create(VIEWER)
    assert tenant.change(DISABLE, id=key["id"]) is None
    unknown = "0123456789abcdef0123456789abcdef01234567"
    for token in (key["token"], unknown, "gwp_garbage", "invalidtoken", "x"):
        answer = tenant.ask(token, "query { me { id } }")
        assert (answer.status, answer.body) == (401, UNUSABLE)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert tenant.gateway.query(key["token"], TABLE).status == 401


def test_without_a_key_the_answer_is_that_of_contembers_server(tenant):
    answer = tenant.gateway.call("POST", "/tenant", b'{"query":"{me{id}}"}', {"Content-Type": "application/json"})
    assert answer.status == 401
    assert answer.json == {"errors": [{"code": 401, "message": "Authentication required"}]}


def test_133_a_key_that_ends_itself_gets_its_answer(tenant):
    key = tenant.create(VIEWER)
    payload = tenant.data(key["token"], DISABLE, id=key["id"])["mutation"]
    assert payload == {"ok": True, "error": None}
    assert tenant.ask(key["token"], ME).status == 401


def test_what_cannot_be_executed_is_a_400(tenant):
    for body in ({}, {"query": ""}, {"query": "{"}, {"query": "{ secrets }"}):
        answer = tenant.gateway.post("/tenant", body, tenant.keys["platform"])
        assert answer.status == 400
        assert answer.json["errors"][0]["message"]


def test_other_kinds_of_keys_are_answered_and_manage_nothing(tenant):
    for who in ("super", "repos", "dashboard", "integration"):
        assert tenant.data(tenant.keys[who], ME)["me"]["person"] is None
        answer = tenant.ask(tenant.keys[who], CREATE, projectSlug="my-blog", description="x", memberships=[VIEWER])
        assert answer.json["data"] == {"mutation": None}
        assert answer.json["errors"][0]["extensions"]["code"] == "ForbiddenError"


def test_the_admin_listener_has_the_face_too(demo, tenant):
    body = {"query": "{ me { person { email } } projects { slug } }"}
    found = demo.admin.post("/tenant", body, tenant.keys["admin"]).json
    person = {"person": {"email": "admin@northwind.example"}}
    assert found == {"data": {"me": person, "projects": [{"slug": "my-blog"}]}}


def test_a_person_who_is_a_member_reads_what_the_membership_gives(tenant):
    """Whoever administers an organization reads all of it; a membership takes nothing away."""
    me = tenant.data(tenant.keys["admin"], ME)["me"]
    tenant.change(ADD_MEMBER, projectSlug="my-blog", identityId=me["id"], memberships=[editor("cs")])
    after = tenant.data(tenant.keys["admin"], ME)["me"]
    assert after["projects"][0]["memberships"] == [editor("cs")]
    assert len({row["language"] for row in tenant.read(tenant.keys["admin"], TABLE)}) == 3
    tenant.change(REMOVE_MEMBER, projectSlug="my-blog", identityId=me["id"])
