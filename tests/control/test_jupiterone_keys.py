"""The root fields about keys. Numbers are those of the edge cases that the product was specified with."""

from __future__ import annotations

import json
import time
import tracemalloc

import pytest
from control.jupiterone_client import ask, given, refused

from gateway.control import NewKey
from gateway.control.jupiterone import JupiterOne
from gateway.control.jupiterone.asking import cursor_at
from gateway.keys import DAY, Operator, Principal, digest
from gateway.stores import Absent

POLICY = '{"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]}'
FIELDS = """id secret token category subject type name accountId username email userId policy revoked expiresAt
            createdAt csrf"""
BY_TOKEN = f"mutation ($token: TokenInput) {{ createToken(token: $token) {{ {FIELDS} }} }}"
BY_INPUT = f"mutation ($input: CreateIamTokenInput) {{ createToken(input: $input) {{ {FIELDS} }} }}"
OWN = f"mutation ($input: CreateCurrentUserTokenInput!) {{ createCurrentUserToken(input: $input) {{ {FIELDS} }} }}"
LIST = f"""query ($search: ListIamTokenInput, $limit: Int, $cursor: String) {{
  tokens(search: $search, limit: $limit, cursor: $cursor) {{
    items {{ {FIELDS} }} tokens {{ id }} pageInfo {{ endCursor hasNextPage }}
  }}
}}"""
ONE = f"query ($id: ID!) {{ token(id: $id) {{ {FIELDS} }} }}"
REVOKE = f"mutation ($id: String!) {{ revokeToken(id: $id) {{ {FIELDS} }} }}"
BIND = "mutation ($id: String!) { createIntegrationInstanceToken(id: $id) { tokenId token createdAt expiresAt } }"
BOUND = """query ($id: String!, $limit: Int, $cursor: String) {
  integrationInstanceTokens(id: $id, limit: $limit, cursor: $cursor) {
    tokens { tokenId token createdAt expiresAt } pageInfo { endCursor hasNextPage }
  }
}"""
UNBIND = "mutation ($id: String!) { revokeIntegrationInstanceToken(tokenId: $id) { success } }"


@pytest.fixture
def face(platform) -> JupiterOne:
    return JupiterOne(platform.desk)


async def number_of_keys(platform) -> int:
    return len(await platform.tokens.list_keys(Operator(), limit=1000))


# --- account keys -------------------------------------------------------------------------------------------------


async def test_14_a_key_for_thirty_days_lives_thirty_times_24_hours(platform, face, admin):
    # from 21 March 2024: the change to summer time of half the world is in these days
    platform.clock.now = 1_711_000_000_000
    made = await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY, "expiresInDays": 30})
    assert made["expiresAt"] - made["createdAt"] == 30 * 86_400_000


@pytest.mark.parametrize("days", [0, -1, 1_000_000_000])
async def test_15_a_number_of_days_that_makes_no_sense_makes_no_key(platform, face, admin, days):
    before = await number_of_keys(platform)
    error = await refused(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY, "expiresInDays": days})
    assert (error["code"], error["message"]) == ("BAD_USER_INPUT", "a key can live for 1 to 730 days")
    assert await number_of_keys(platform) == before


@pytest.mark.parametrize(
    "wish", [{"expiresInDays": 1.5}, {"expiresInDays": "30"}, {"expiresAt": "soon"}, {"expiresAt": 2**53 + 1}]
)
async def test_15_what_is_no_number_of_days_does_not_fit_the_schema(platform, face, admin, wish):
    before = await number_of_keys(platform)
    answer = await ask(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY} | wish)
    assert (answer.status, list(answer.body)) == (400, ["errors"])
    assert await number_of_keys(platform) == before


@pytest.mark.parametrize("wish", ["expiresInDays: 1.5", 'expiresInDays: "30"', "expiresAt: 1.5", f"expiresAt: {2**64}"])
async def test_15_nor_does_it_as_a_literal(platform, face, admin, wish):
    query = f'mutation {{ createToken(token: {{name: "n", policy: {json.dumps(POLICY)}, {wish}}}) {{ id }} }}'
    before = await number_of_keys(platform)
    assert (await ask(face, admin, query)).status == 400
    assert await number_of_keys(platform) == before


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"expiresInDays": 1, "expiresAt": 1_700_086_400_000}, "at most one of"),
        ({"expiresAt": 1_700_000_000_000}, "from now on"),
        ({"expiresAt": 1_700_000_000_000 + 731 * DAY}, "from now on"),
    ],
)
async def test_15_an_end_has_to_come_and_not_too_late(platform, face, admin, wish, told):
    before = await number_of_keys(platform)
    error = await refused(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY} | wish)
    assert error["code"] == "BAD_USER_INPUT"
    assert told in error["message"]
    assert await number_of_keys(platform) == before


async def test_16_names_are_no_blanks_and_need_not_differ(platform, face, admin):
    before = await number_of_keys(platform)
    for name in ("", "  "):
        error = await refused(face, admin, BY_TOKEN, token={"name": name, "policy": POLICY})
        assert error["code"] == "BAD_USER_INPUT"
    assert await number_of_keys(platform) == before
    one, other = [await given(face, admin, BY_TOKEN, token={"name": "same", "policy": POLICY}) for _ in range(2)]
    assert one["id"] != other["id"]


async def test_18_an_expired_key_is_listed_revoked_and_never_extended(platform, face, admin):
    made = await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY, "expiresInDays": 1})
    platform.clock.now = made["expiresAt"]
    listed = await given(face, admin, ONE, id=made["id"])
    assert (listed["expiresAt"], listed["revoked"]) == (made["expiresAt"], False)
    ended = await given(face, admin, REVOKE, id=made["id"])
    assert (ended["expiresAt"], ended["revoked"]) == (made["expiresAt"], True)


async def test_19_who_is_no_administrator_revokes_no_account_key(platform, face, admin, user):
    made = await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY})
    assert (await refused(face, user, REVOKE, id=made["id"]))["code"] == "FORBIDDEN"
    await platform.caller(made["secret"])


async def test_20_an_administrator_lists_account_and_user_keys_with_their_types_and_no_secret(
    platform, face, admin, user, stranger
):
    account = await given(face, admin, BY_TOKEN, token={"name": "account", "policy": POLICY})
    platform.clock.now += 1
    bound = await given(face, admin, BIND, id="github-1")
    platform.clock.now += 1
    super_key = await platform.tokens.create_organization_key(admin, NewKey("super"))
    listed = await given(face, admin, LIST)
    # the keys of one moment are in the order of their ids
    assert {(each["name"], each["type"], each["subject"]) for each in listed["items"][:3]} == {
        ("ann", "USER_API", admin.identity.user),
        ("uli", "USER_API", user.identity.user),
        ("account", "ACCOUNT", "acme"),
    }
    assert [(each["id"], each["type"], each["subject"]) for each in listed["items"][3:]] == [
        (bound["tokenId"], "RESOURCE", "github-1"),
        (super_key.key.id, "ACCOUNT", "acme"),
    ]
    assert [each["id"] for each in listed["tokens"]] == [each["id"] for each in listed["items"]]
    text = json.dumps(listed, ensure_ascii=False)
    for secret in (account["secret"], bound["token"], super_key.secret):
        assert secret not in text
        assert secret[:8] + "…" in text
    assert {each["token"] for each in listed["items"]} == {None}
    emails = {each["name"]: each["email"] for each in listed["items"]}
    assert (emails["uli"], emails["account"]) == ("uli@example.com", None)


async def test_21_a_users_key_that_an_administrator_ends_is_gone(platform, face, admin, user):
    issued = await platform.tokens.create_user_key(user, NewKey("mine"))
    ended = await given(face, admin, REVOKE, id=issued.key.id)
    assert (ended["revoked"], ended["type"], ended["token"]) == (True, "USER_API", None)
    assert await platform.is_dead(issued)


async def test_24_a_shorter_longest_life_binds_keys_that_are_there(platform, face, admin):
    made = await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY, "expiresInDays": 30})
    await platform.desk.organizations.set_max_key_days(admin, "acme", 10)
    assert (await given(face, admin, ONE, id=made["id"]))["expiresAt"] == made["createdAt"] + 10 * DAY
    assert (await platform.caller(made["secret"])).expires_at == made["createdAt"] + 10 * DAY
    error = await refused(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY, "expiresInDays": 11})
    assert error["message"] == "a key can live for 1 to 10 days"


async def test_25_a_key_without_a_wish_ends_after_the_default(platform, face, admin):
    made = await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY})
    assert made["expiresAt"] == platform.clock.now + 365 * DAY


async def test_the_secret_is_in_both_of_its_fields_once(platform, face, admin):
    made = await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY})
    assert made["secret"] == made["token"]
    assert (await platform.caller(made["secret"])).key_id == made["id"]
    for later in (await given(face, admin, ONE, id=made["id"]), await given(face, admin, REVOKE, id=made["id"])):
        assert (later["secret"], later["token"]) == (made["secret"][:8] + "…", None)
        assert isinstance(await platform.find(later["secret"]), Absent)


# --- the other input ----------------------------------------------------------------------------------------------


async def test_the_other_input_makes_the_same_kind_of_key(platform, face, admin, root):
    wanted = {"type": "ACCOUNT", "name": "n", "policy": POLICY, "expiresAt": platform.clock.now + DAY}
    made = await given(face, admin, BY_INPUT, input=wanted)
    assert (made["type"], made["subject"], made["accountId"], made["policy"]) == ("ACCOUNT", "acme", "acme", POLICY)
    assert (made["expiresAt"], made["category"]) == (platform.clock.now + DAY, None)
    assert (await given(face, admin, BY_INPUT, input=wanted | {"subject": "acme"}))["subject"] == "acme"
    assert (await given(face, root, BY_INPUT, input=wanted | {"subject": "globex"}))["subject"] == "globex"


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"subject": "globex"}, "FORBIDDEN", "contact a platform administrator"),
        ({"subject": "nobodys"}, "FORBIDDEN", "contact a platform administrator"),
        ({"type": "RESOURCE", "subject": "github-1"}, "BAD_USER_INPUT", "use createIntegrationInstanceToken"),
        ({"type": "USER_API"}, "BAD_USER_INPUT", "use createCurrentUserToken"),
        ({"name": None}, "BAD_USER_INPUT", "name of a key"),
        ({"policy": "{}"}, "BAD_USER_INPUT", "policy is refused"),
    ],
)
async def test_the_other_input_is_refused_where_it_means_another_key(platform, face, admin, change, code, told):
    before = await number_of_keys(platform)
    error = await refused(face, admin, BY_INPUT, input={"type": "ACCOUNT", "name": "n", "policy": POLICY} | change)
    assert error["code"] == code
    assert told in error["message"]
    assert await number_of_keys(platform) == before


@pytest.mark.parametrize("arguments", ["", "(token: null)", '(token: {name: "n"}, input: {type: ACCOUNT, policy: ""})'])
async def test_exactly_one_of_the_two_inputs_is_taken(face, admin, arguments):
    error = await refused(face, admin, f"mutation {{ createToken{arguments} {{ id }} }}")
    assert error["message"] == "give exactly one of `token` and `input`"


# --- user keys ----------------------------------------------------------------------------------------------------


async def test_a_user_makes_a_key_of_their_own(platform, face, user):
    wanted = {"name": "mine", "expiresAt": platform.clock.now + DAY}
    made = await given(face, user, OWN, input=wanted)
    assert (made["type"], made["subject"], made["userId"]) == ("USER_API", user.identity.user, user.identity.user)
    assert (made["email"], made["policy"], made["expiresAt"]) == ("uli@example.com", None, wanted["expiresAt"])
    assert (await platform.caller(made["secret"])).identity.id == user.identity.id


async def test_a_key_that_is_no_users_makes_no_user_key(platform, face, admin):
    account = await platform.caller(await platform.tokens.create_account_key(admin, NewKey("a", policy=POLICY)))
    error = await refused(face, account, OWN, input={"name": "mine", "expiresAt": platform.clock.now + DAY})
    assert error["code"] == "FORBIDDEN"
    assert "there is none behind this request" in error["message"]


# --- integration keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("instance", ["never-configured", "github-2", "", "\0"])
async def test_72_a_key_needs_a_configuration_and_the_refusal_says_so(platform, face, admin, instance):
    before = await number_of_keys(platform)
    error = await refused(face, admin, BIND, id=instance)
    assert error["code"] == "FORBIDDEN"
    assert "a key is made for a configuration of an integration, which must have one" in error["message"]
    assert await number_of_keys(platform) == before


async def test_73_who_is_no_administrator_makes_no_integration_key(platform, face, user):
    before = await number_of_keys(platform)
    assert (await refused(face, user, BIND, id="github-1"))["code"] == "FORBIDDEN"
    assert await number_of_keys(platform) == before


async def test_79_a_deleted_configuration_ends_its_keys_for_ever(platform, face, admin):
    made = await given(face, admin, BIND, id="github-1")
    assert await platform.desk.organizations.delete_integration_instance(admin, "github-1") == 1
    assert isinstance(await platform.find(made["token"]), Absent)
    assert (await refused(face, admin, BIND, id="github-1"))["code"] == "FORBIDDEN"
    assert (await given(face, admin, ONE, id=made["tokenId"]))["revoked"] is True


async def test_80_of_two_keys_of_a_configuration_one_is_revoked(platform, face, admin):
    one, other = await given(face, admin, BIND, id="github-1"), await given(face, admin, BIND, id="github-1")
    assert (one["token"][:4], one["expiresAt"]) == ("gwi_", None)
    assert await given(face, admin, UNBIND, id=one["tokenId"]) == {"success": True}
    assert isinstance(await platform.find(one["token"]), Absent)
    assert (await platform.caller(other["token"])).key_id == other["tokenId"]
    listed = await given(face, admin, BOUND, id="github-1")
    assert listed["tokens"] == [other | {"token": other["token"][:8] + "…"}]
    assert listed["pageInfo"] == {"endCursor": None, "hasNextPage": False}


async def test_integration_keys_are_the_organizations_own(platform, face, admin, stranger, user):
    made = await given(face, admin, BIND, id="github-1")
    for other in (stranger, user):
        assert (await given(face, other, BOUND, id="github-1"))["tokens"] == []
        foreign = await refused(face, other, UNBIND, id=made["tokenId"])
        assert foreign == await refused(face, other, UNBIND, id="nothing")
    await platform.caller(made["token"])
    account = await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY})
    assert (await refused(face, admin, UNBIND, id=account["id"]))["message"].endswith("use revokeToken")
    await platform.caller(account["secret"])


# --- looking ------------------------------------------------------------------------------------------------------


async def all_pages(face, actor: Principal, **more) -> list[str]:
    ids, cursor = [], ""
    for _ in range(20):
        page = await given(face, actor, LIST, cursor=cursor, **more)
        ids += [each["id"] for each in page["items"]]
        cursor = page["pageInfo"]["endCursor"]
        assert (cursor is not None) is page["pageInfo"]["hasNextPage"]
        if cursor is None:
            return ids
    raise AssertionError("the pages do not end")


async def test_pages_hold_each_key_once_whatever_their_size(platform, face, admin):
    for number in range(7):
        platform.clock.now += number % 2
        await given(face, admin, BY_TOKEN, token={"name": f"{number}", "policy": POLICY})
    whole = await all_pages(face, admin)
    assert len(set(whole)) == len(whole) == 8
    for limit in (1, 2, 3, 4, 7, 8, 9, 5_000):
        assert await all_pages(face, admin, limit=limit) == whole


async def test_a_search_narrows_by_type_and_subject(platform, face, admin, user):
    account = await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY})
    bound = await given(face, admin, BIND, id="github-1")
    found = {
        ("ACCOUNT", None): [account["id"]],
        ("ACCOUNT", "acme"): [account["id"]],
        ("ACCOUNT", "globex"): [],
        ("RESOURCE", "github-1"): [bound["tokenId"]],
        ("RESOURCE", "github-2"): [],
        ("USER_API", user.identity.user): [user.key_id],
        ("USER_API", "nobody"): [],
    }
    for (kind, subject), expected in found.items():
        assert await all_pages(face, admin, search={"type": kind, "subject": subject}) == expected, (kind, subject)
    error = await refused(face, admin, LIST, search={"type": "ACCOUNT", "subjectBeginsWith": "a"})
    assert "use `subject`" in error["message"]


async def test_everybody_sees_their_own_and_no_more(platform, face, admin, stranger, user):
    await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY})
    assert await all_pages(face, user) == [user.key_id]
    assert await all_pages(face, stranger) == [stranger.key_id]
    assert await all_pages(face, user, search={"type": "USER_API", "subject": admin.identity.user}) == []
    foreign = await refused(face, stranger, ONE, id=admin.key_id)
    assert foreign == await refused(face, stranger, ONE, id="nothing") == await refused(face, stranger, ONE, id="\0")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "%%%",
        "A" * 100_000,
        cursor_at("x"),
        cursor_at("1", "x"),
        cursor_at(2**64, "x"),
        cursor_at(1, "\0"),
        "WzEsIlx1ZDgwMCJd",  # [1,"\ud800"]
        "W1tbW1tbW1tb",
        "bnVsbA",  # null
    ],
)
async def test_a_cursor_of_nobodys_is_refused(face, admin, cursor):
    error = await refused(face, admin, LIST, cursor=cursor)
    assert error["code"] == "BAD_USER_INPUT"
    assert "`cursor`" in error["message"]


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_page_has_something_on_it(face, admin, limit):
    assert (await refused(face, admin, LIST, limit=limit))["message"] == "`limit` is 1 or more"


async def test_130_no_other_answer_tells_a_foreign_key_from_none(face, admin, stranger):
    made = await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY})
    foreign = await refused(face, stranger, REVOKE, id=made["id"])
    assert foreign == await refused(face, stranger, REVOKE, id="some-api-key-id")
    assert foreign["reason"] == "unknown_key"


async def test_every_kind_of_key_can_be_revoked_here(platform, face, root):
    organization = await platform.tokens.create_organization_key(root, NewKey("super"))
    everywhere = await platform.tokens.create_global_key(root, NewKey("watching"), roles=["monitor"])
    told = [await given(face, root, REVOKE, id=each.key.id) for each in (organization, everywhere)]
    assert [(each["type"], each["accountId"], each["revoked"]) for each in told] == [
        ("ACCOUNT", "acme", True),
        ("ACCOUNT", None, True),
    ]


# --- bounds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        "x" * 1_000_000,
        '{"permissions": [' + ",".join(['{"effect":"ALLOW","actions":["*"],"resources":["*"]}'] * 100_000) + "]}",
        "[" * 10_000 + "]" * 10_000,
    ],
    ids=["a megabyte", "100,000 statements", "10,000 deep"],
)
async def test_49_a_policy_out_of_bounds_is_refused_in_bounded_time_and_memory(platform, face, admin, policy):
    before = await number_of_keys(platform)
    tracemalloc.start()
    started = time.process_time()
    error = await refused(face, admin, BY_TOKEN, token={"name": "n", "policy": policy})
    took = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error["code"] == "BAD_USER_INPUT"
    assert len(error["message"]) < 500
    assert took < 2
    assert peak < 10 * len(policy) + 5_000_000
    assert await number_of_keys(platform) == before


async def test_an_answer_has_an_end(platform, face, admin):
    many = " ".join(f"f{number}: id" for number in range(400))
    for number in range(3):
        await given(face, admin, BY_TOKEN, token={"name": f"{number}", "policy": POLICY})
    spread = " ".join(f"t{number}: tokens {{ ...P }}" for number in range(50))
    fragment = f"fragment P on IamTokenPage {{ items {{ {many} }} }}"
    answer = await ask(face, admin, f"{{ {spread} }} {fragment}")
    assert (answer.status, list(answer.body)) == (400, ["errors"])
    assert "more than 2000 fields" in answer.body["errors"][0]["message"]


async def test_aliases_do_not_multiply_long_texts_without_end(platform, face, admin):
    policy = POLICY + " " * (65_536 - len(POLICY))
    for number in range(3):
        await given(face, admin, BY_TOKEN, token={"name": f"{number}", "policy": policy})
    often = " ".join(f"p{number}: policy" for number in range(100))
    whole = await given(face, admin, f"{{ tokens {{ items {{ {often} }} }} }}")
    assert sorted(len(each["p99"] or "") for each in whole["items"]) == [0, *[65_536] * 3]
    more = " ".join(f"p{number}: policy" for number in range(200))
    error = await refused(face, admin, f"{{ tokens {{ items {{ {more} }} }} }}")
    assert error["code"] == "BAD_USER_INPUT"
    assert "characters of long texts" in error["message"]


async def test_no_secret_of_this_face_is_in_the_database(platform, face, admin):
    secrets = [
        (await given(face, admin, BY_TOKEN, token={"name": "n", "policy": POLICY}))["secret"],
        (await given(face, admin, BIND, id="github-1"))["token"],
        (await given(face, admin, OWN, input={"name": "o", "expiresAt": platform.clock.now + DAY}))["token"],
    ]
    stored = platform.path.read_bytes() + platform.path.with_name("gateway.db-wal").read_bytes()
    for secret in secrets:
        assert digest(secret).encode() in stored
        assert secret.encode() not in stored
