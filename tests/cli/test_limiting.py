"""`gateway keys limit`, `gateway organizations limit`, and limits where keys are made, imported and listed."""

from __future__ import annotations

import hashlib
import json

import pytest

POLICY = json.dumps({"permissions": [{"effect": "ALLOW", "actions": ["dashboard:View"], "resources": ["dashboard:1"]}]})
ALL = ("--rate", "1000/60", "--quota", "100000/day", "--concurrent", "20")
TOLD = {"rate": {"calls": 1000, "seconds": 60}, "quota": {"calls": 100_000, "period": "day"}, "concurrent": 20}
WORDS = "rate 1000/60, quota 100000/day, concurrent 20"
NONE = {"rate": None, "quota": None, "concurrent": None}


@pytest.fixture
def made(operate):
    """Makes an account key; its id."""

    def make(*words):
        told = operate("keys", "create", "--json", "--name", "reader", "--policy", "-", *words, answer=POLICY)
        assert told.exit_code == 0, told.stderr
        return json.loads(told.stdout)["id"]

    return make


@pytest.fixture
def limits(operate):
    """Of the only key, and of its organization."""

    def look():
        (key,) = map(json.loads, operate("keys", "list", "--json").stdout.splitlines())
        shown = json.loads(operate("keys", "show", key["id"], "--json").stdout)
        assert shown["limits"] == key["limits"]
        return key["limits"], shown["organizationLimits"]

    return look


def test_limits_of_a_key_are_set_one_by_one_and_taken_away(operate, made, limits):
    key = made()
    assert limits() == (NONE, NONE)
    done = operate("keys", "limit", key, *ALL)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"limits of {key}: {WORDS}\n")
    assert limits() == (TOLD, NONE)
    operate("keys", "limit", key, "--rate", "5/1")
    assert limits()[0] == TOLD | {"rate": {"calls": 5, "seconds": 1}}
    operate("keys", "limit", key, "--quota", "none")
    assert limits()[0] == NONE | {"rate": {"calls": 5, "seconds": 1}, "concurrent": 20}
    operate("keys", "limit", key, "--clear", "--quota", "7/month")
    assert limits()[0] == NONE | {"quota": {"calls": 7, "period": "month"}}
    assert operate("keys", "limit", key, "--clear").stderr == f"limits of {key}: none\n"
    assert limits()[0] == NONE


def test_listings_for_people_say_limits_as_they_are_written(operate, made):
    key = made()
    assert "rate" not in operate("keys", "list").stdout
    operate("keys", "limit", key, *ALL)
    operate("organizations", "limit", "acme", "--concurrent", "50")
    assert WORDS in operate("keys", "list").stdout
    shown = operate("keys", "show", key).stdout
    assert f"limits               {WORDS}\n" in shown
    assert "organizationLimits   concurrent 50\n" in shown
    assert operate("organizations", "list").stdout.rstrip().endswith("concurrent 50")


def test_limits_of_an_organization_are_those_of_its_keys(operate, made, limits):
    made()
    done = operate("organizations", "limit", "acme", *ALL)
    assert (done.exit_code, done.stderr) == (0, f"limits of acme: {WORDS}\n")
    assert limits() == (NONE, TOLD)
    assert json.loads(operate("organizations", "list", "--json").stdout)["limits"] == TOLD
    operate("organizations", "limit", "acme", "--clear")
    assert limits() == (NONE, NONE)


def test_a_key_is_made_with_limits(operate, made, limits):
    made(*ALL)
    assert limits() == (TOLD, NONE)


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        ((), 2, "say --rate, --quota or --concurrent, or --clear"),
        (("--rate", "1000"), 2, "Invalid value for '--rate': `1000` must be calls and seconds, such as 1000/60"),
        (("--rate", "1000/m"), 2, "Invalid value for '--rate'"),
        (("--rate", "-1/60"), 2, "Invalid value for '--rate'"),
        (("--rate", f"{'9' * 5000}/60"), 2, "Invalid value for '--rate'"),
        (("--quota", "5/week"), 2, "Invalid value for '--quota': `5/week` must be calls and `day` or `month`"),
        (("--concurrent", "many"), 2, "Invalid value for '--concurrent': `many` must be a number of calls"),
        (("--rate", "0/60"), 2, "Invalid value for '--rate': `0/60` is out of range: a rate is 1 to"),
        (("--rate", "5/86401"), 2, "the window of a rate is 1 to 86400 seconds"),
        (("--rate", "1000000001/60"), 2, "a rate is 1 to 1000000000 calls"),
        (("--quota", "1000000001/day"), 2, "a quota is 1 to 1000000000 calls"),
        (("--concurrent", "0"), 1, "calls under way at once are 1 to 1000000, not 0"),
        (("--rate", "5/5", "--concurrent", "0"), 1, "calls under way at once"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_changed(operate, made, limits, words, code, fault):
    key = made(*ALL)
    for group, thing in (("keys", key), ("organizations", "acme")):
        refused = operate(group, "limit", thing, *words)
        assert (refused.exit_code, fault in refused.stderr) == (code, True), refused.stderr
    assert limits() == (TOLD, NONE)
    if words:
        refused = operate("keys", "create", "--name", "other", "--organization-key", *words)
        assert (refused.exit_code, fault in refused.stderr) == (code, True), refused.stderr
        assert limits() == (TOLD, NONE)  # still the only key


def test_what_there_is_not_is_told(operate):
    assert "no key of this id" in operate("keys", "limit", "nothing", "--clear").stderr
    assert "no organization of this id" in operate("organizations", "limit", "nothing", "--clear").stderr


def test_the_audit_trail_tells_what_was_and_what_is(operate, made):
    key = made("--concurrent", "3")
    operate("keys", "limit", key, "--rate", "5/1")
    operate("organizations", "limit", "acme", *ALL)
    of_organization, of_key, creation = list(map(json.loads, operate("audit", "list", "--json").stdout.splitlines()))[
        :3
    ]
    assert (of_key["event"], of_key["subject"]) == ("key.limits", key)
    assert (of_key["details"]["before"], of_key["details"]["limits"]) == ("concurrent 3", "rate 5/1, concurrent 3")
    assert of_organization["event"] == "organization.limits"
    assert of_organization["details"] == {"before": "none", "limits": WORDS}
    assert (creation["event"], creation["details"]["limits"]) == ("key.create", "concurrent 3")


# --- importing ---


def row(**more):
    digest = hashlib.sha256(json.dumps(more).encode()).hexdigest()
    return {"digest": digest, "name": "taken over", "kind": "organization"} | more


def test_imported_keys_have_the_limits_of_their_line(operate, limits, tmp_path):
    written = {"rate": "1000/60", "quota": "100000/day"}
    file = tmp_path / "keys.jsonl"
    file.write_text(json.dumps(row(concurrent=20, **written)))
    assert operate("keys", "import", file).exit_code == 0
    assert limits() == (TOLD, NONE)


def test_csv_has_limits_too(operate, limits, tmp_path):
    file = tmp_path / "keys.csv"
    names, cells = zip(*row(rate="1000/60", quota="100000/day", concurrent="20").items(), strict=True)
    file.write_text(f"{','.join(names)}\n{','.join(cells)}\n")
    assert operate("keys", "import", file).exit_code == 0
    assert limits() == (TOLD, NONE)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"rate": "1000"}, "`1000` must be calls and seconds"),
        ({"rate": 1000}, "`1000` must be calls and seconds"),
        ({"rate": ["1000/60"]}, "`rate` must be a text, or a whole number"),
        ({"rate": ""}, "`` must be calls and seconds"),
        ({"rate": "1/86401"}, "`1/86401` is out of range"),
        ({"quota": "1/year"}, "`1/year` must be calls and `day` or `month`"),
        ({"concurrent": True}, "`concurrent` must be a text, or a whole number"),
        ({"concurrent": 0}, "calls under way at once are 1 to 1000000, not 0"),
    ],
)
def test_a_line_with_limits_that_cannot_be_imports_nothing(operate, tmp_path, wrong, fault):
    file = tmp_path / "keys.jsonl"
    file.write_text(json.dumps(row()) + "\n" + json.dumps(row(**wrong)))
    refused = operate("keys", "import", file)
    assert (refused.exit_code, f"line 2: {fault}" in refused.stderr) == (1, True), refused.stderr
    assert operate("keys", "list").stdout == ""
