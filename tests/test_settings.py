"""Settings: one file and variables, every fault at once, secrets never shown."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from gateway.app import options
from gateway.authz import ROOTS, Introspection, Needs
from gateway.settings import PREFIX, Settings, SettingsError, effective, fields, load

SECRET = "not-a-secret-but-long-enough-for-one"

WHOLE = f"""
[secrets]
identity = "{SECRET}1"
seal = "{SECRET}2"

[store]
url = "postgresql://gateway:{SECRET}5@localhost/gateway"
redis = "redis://:{SECRET}3@localhost:6379/0"

[organizations.acme.upstream]
j1ql = "http://127.0.0.1:7000"
graphql = "https://platform.example/"
persister = "http://127.0.0.1:7000/base"
account = "acme"
credential = "{SECRET}4"
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path):
    def write(content: str) -> Path:
        path = tmp_path / "gateway.toml"
        path.write_text(content, "utf-8")
        return path

    return write


def faults(path: Path | None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(path)
    return list(caught.value.faults)


@pytest.mark.parametrize(("written", "meant"), [("true", True), ("false", False), ('"enforce"', "enforce")])
def test_query_fields_are_open_closed_or_enforced(file, monkeypatch, written, meant):
    path = file(WHOLE + f"\n[graph]\nquery_fields = {written}\n")
    assert load(path).graph.query_fields == meant
    monkeypatch.setenv(f"{PREFIX}GRAPH__QUERY_FIELDS", written.strip('"'))
    assert load(file(WHOLE)).graph.query_fields == meant


def test_another_word_for_query_fields_is_one_fault(file):
    (fault,) = faults(file(WHOLE + '\n[graph]\nquery_fields = "narrow"\n'))
    assert "graph.query_fields: must be true, false or `enforce`" in fault


def test_a_whole_file_is_read(file):
    settings = load(file(WHOLE))
    upstream = settings.organizations["acme"].upstream
    assert (settings.data.port, settings.admin.port, settings.ops.port) == (8080, 8081, 9090)
    assert {settings.data.host, settings.admin.host, settings.ops.host} == {"127.0.0.1"}
    assert upstream.graphql == ("https://platform.example",)
    assert upstream.persister == ("http://127.0.0.1:7000/base",)
    assert upstream.credential.get_secret_value() == SECRET + "4"


def test_without_secrets_nothing_starts_and_each_missing_one_is_named():
    assert faults(None) == ["secrets.identity: is missing", "secrets.seal: is missing"]


def test_a_short_secret_is_refused_without_being_shown(file):
    (fault,) = faults(file(WHOLE.replace(SECRET + "1", "short-one")))
    assert fault.startswith("secrets.identity: ")
    assert "32" in fault
    assert "short-one" not in fault


def test_every_fault_is_reported_at_once_with_its_path(file, monkeypatch):
    monkeypatch.setenv("GATEWAY_OPS__PORT", "x")
    monkeypatch.setenv("GATEWAY_OPPS__PORT", "1")
    path = file("""
        colour = "red"
        [data]
        port = 70000
        prot = 1
        [store]
        redis = "http://localhost"
        url = "mysql://localhost/gateway"
        [organizations.acme.upstream]
        j1ql = "ftp://x"
        graphql = "http://user@x"
        persister = "http://x?y"
        account = ""
        credential_file = "/no/such/file"
        [organizations."a b".upstream]
    """)
    assert {fault.split(": ")[0] for fault in faults(path)} == {
        "colour",
        "data.port",
        "data.prot",
        "ops.port",
        "GATEWAY_OPPS__PORT",
        "secrets.identity",
        "secrets.seal",
        "store.redis",
        "store.url",
        "organizations.acme.upstream.j1ql",
        "organizations.acme.upstream.graphql",
        "organizations.acme.upstream.persister",
        "organizations.acme.upstream.account",
        "organizations.acme.upstream.credential",
        "organizations.a b.[key]",
        "organizations.a b.upstream.j1ql",
        "organizations.a b.upstream.graphql",
        "organizations.a b.upstream.persister",
        "organizations.a b.upstream.account",
        "organizations.a b.upstream.credential",
    }


def test_a_variable_wins_over_the_file_and_leaves_the_rest_of_its_section_alone(file, monkeypatch):
    monkeypatch.setenv("GATEWAY_DATA__PORT", "7070")
    monkeypatch.setenv("GATEWAY_ORGANIZATIONS__ACME__UPSTREAM__ACCOUNT", "other")
    settings = load(file(WHOLE + '[data]\nhost = "::1"\nport = 1\n'))
    assert (settings.data.host, settings.data.port) == ("::1", 7070)
    assert settings.organizations["acme"].upstream.account == "other"
    assert settings.organizations["acme"].upstream.j1ql == ("http://127.0.0.1:7000",)


def test_variables_that_orchestrators_set_for_a_service_of_our_name_are_ignored(file, monkeypatch):
    monkeypatch.setenv("GATEWAY_PORT", "tcp://10.0.0.1:8080")
    monkeypatch.setenv("GATEWAY_SERVICE_HOST", "10.0.0.1")
    assert load(file(WHOLE)).data.port == 8080


def test_a_section_in_a_variable_is_a_fault_not_a_traceback(file, monkeypatch):
    monkeypatch.setenv("GATEWAY_DATA", "{not json")
    (fault,) = faults(file(WHOLE))
    assert fault.startswith("data: ")


@pytest.mark.parametrize("way", ["file", "variable"])
def test_a_secret_may_be_in_a_file_of_its_own(file, tmp_path, monkeypatch, way):
    (tmp_path / "seal").write_text(SECRET + "9\n")
    text = WHOLE.replace(f'seal = "{SECRET}2"', "" if way == "variable" else f'seal_file = "{tmp_path}/seal"')
    if way == "variable":
        monkeypatch.setenv("GATEWAY_SECRETS__SEAL_FILE", f"{tmp_path}/seal")
    assert load(file(text)).secrets.seal.get_secret_value() == SECRET + "9"


def test_a_secret_given_both_ways_is_a_fault(file, tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_SECRETS__SEAL_FILE", f"{tmp_path}/seal")
    assert faults(file(WHOLE)) == ["secrets.seal: is given both as a value and as a file"]


def test_only_secrets_may_be_in_files(file):
    assert faults(file(WHOLE + '[data]\nhost_file = "x"\n')) == ["data.host_file: is not a setting"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"[data\n", "line 1"),
        (b"\xff", "UTF-8"),
        (b"[data]\nport = 1\nport = 2\n", "line 3"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_fault_that_names_it(tmp_path, content, words):
    path = tmp_path / "gateway.toml"
    if content is not None:
        path.write_bytes(content)
    (fault,) = faults(path)
    assert fault.startswith(f"{path}: ")
    assert words in fault


def test_no_secret_is_ever_shown(file):
    settings = load(file(WHOLE))
    for text in (effective(settings), repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in text
        assert "acme" in text


def test_effective_settings_are_a_configuration_again_but_for_the_secrets(file):
    settings = load(file(WHOLE))
    again = tomllib.loads(effective(settings))
    assert again == settings.model_dump(mode="json", exclude_none=True)


def test_every_setting_has_a_description_of_one_line():
    for path, field in fields(Settings):
        assert field.description, path
        assert "\n" not in field.description, path


@pytest.mark.parametrize("wrong", ["me:SECR/ET@host/db", "me:SECRET@host:port/db", "m[e:SECRET@host/db"])
def test_an_address_that_cannot_be_read_is_told_without_its_words(file, wrong):
    """A password with a slash in it ends the host, and begins the port."""
    (fault,) = faults(file(WHOLE.replace(f"gateway:{SECRET}5@localhost/gateway", wrong)))
    assert fault.startswith("store.url: cannot be read: write `/`")
    assert "SEC" not in fault


PROJECT = """
[projects.my-blog]
organization = "acme"

[projects.my-blog.roles."chief \\"editor\\""]
variables = { language = { fallback = ["cs"] }, me = { predefined = "identityID" } }
permissions = [
    { effect = "ALLOW", actions = ["query:ReadGraphData"], resources = ["*"], condition = { stringEquals = { language = ["en", { variable = "language" }], "an author" = { variable = "me" } } } },
]
"""  # noqa: E501 (a table on one line is one line)


def test_projects_are_a_configuration_again_whatever_their_roles_are_called(file):
    settings = load(file(WHOLE + PROJECT))
    (role,) = settings.projects["my-blog"].roles
    assert role == 'chief "editor"'
    assert tomllib.loads(effective(settings)) == settings.model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ('variable = "me"', 'variable = "you"', "variables: `you` stands in a hole and is not declared"),
        ("language = { fallback", "tongue = { fallback", "variables: `language` stands in a hole"),
        ("ReadGraphData", "ReadEverything", "permissions[0].actions[0]"),
        ("stringEquals", "stringLike", "permissions[0].condition"),
    ],
)
def test_a_role_that_could_never_be_filled_is_a_fault_with_its_place(file, right, wrong, told):
    (fault,) = faults(file(WHOLE + PROJECT.replace(right, wrong)))
    assert fault.startswith('projects.my-blog.roles.chief "editor": ')
    assert told in fault


@pytest.mark.parametrize("slug", ["My-Blog", "-blog", "blog_", "b" * 65])
def test_a_project_has_a_slug(file, slug):
    assert all(fault.startswith("projects.") for fault in faults(file(WHOLE + PROJECT.replace("my-blog", slug))))


# --- addresses


def test_trusted_proxies_are_networks_of_both_families(file, monkeypatch):
    assert [str(each) for each in load(file(WHOLE)).data.trusted_proxies] == ["127.0.0.0/8", "::1/128"]
    written = WHOLE + '[data]\ntrusted_proxies = ["10.0.0.7", "2001:db8::/32"]'
    assert [str(each) for each in load(file(written)).data.trusted_proxies] == ["10.0.0.7/32", "2001:db8::/32"]
    monkeypatch.setenv("GATEWAY_DATA__TRUSTED_PROXIES", "192.0.2.0/24, ::1")
    assert [str(each) for each in load(file(written)).data.trusted_proxies] == ["192.0.2.0/24", "::1/128"]
    monkeypatch.setenv("GATEWAY_DATA__TRUSTED_PROXIES", "")
    assert load(file(written)).data.trusted_proxies == ()


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("10.0.0.7/8", "such as 10.0.0.0/8"),
        ("proxy.example.com", "such as 10.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "must be written as IPv4"),
    ],
)
def test_what_is_no_network_is_named(file, written, message):
    (fault,) = faults(file(WHOLE + f'[data]\ntrusted_proxies = ["::1", "{written}"]'))
    assert fault.startswith("data.trusted_proxies.1: ")
    assert message in fault


def test_one_address_may_not_have_all_connections(file):
    (fault,) = faults(file(WHOLE + "[limits]\nconnections = 100\nconnections_per_address = 100"))
    assert fault == "limits: `connections_per_address` must be less than `connections`"


def test_bad_keys_may_be_unlimited(file):
    assert load(file(WHOLE + '[limits]\nbad_keys = "none"')).limits.bad_keys is None
    (fault,) = faults(file(WHOLE + '[limits]\nbad_keys = "0/60"'))
    assert fault == "limits.bad_keys: is out of range: a rate is 1 to 1000000000 calls, not 0"


# --- services at several addresses

J1QL = 'j1ql = "http://127.0.0.1:7000"'
ONE, TWO = "http://one.example/j1ql", "http://two.example/j1ql"


def test_a_service_may_have_several_addresses(file, monkeypatch):
    written = WHOLE.replace(J1QL, f'j1ql = ["{ONE}/", "{TWO}"]')
    assert load(file(written)).organizations["acme"].upstream.j1ql == (ONE, TWO)
    monkeypatch.setenv("GATEWAY_ORGANIZATIONS__ACME__UPSTREAM__J1QL", f"{TWO}, {ONE}")
    assert load(file(WHOLE)).organizations["acme"].upstream.j1ql == (TWO, ONE)
    monkeypatch.setenv("GATEWAY_ORGANIZATIONS__ACME__UPSTREAM__J1QL", f"{TWO}/a,b")
    assert load(file(WHOLE)).organizations["acme"].upstream.j1ql == (f"{TWO}/a,b",)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("[]", ": must name an address"),
        ('""', ": must name an address"),
        ("7", ": must be a URL or a list of URLs"),
        (f'["{ONE}", "{ONE}/"]', f": names `{ONE}` twice"),
        ('["http://one.example", "http://ONE.example:80"]', ": names `http://ONE.example:80` twice"),
        (
            f'["{ONE}", "https://two.example/j1ql"]',
            ": must be all http:// or all https://: calls would be safe by chance",
        ),
        (f'["{ONE}", "ftp://two.example"]', ".1: must be an http:// or https:// URL"),
        (f'["{ONE}", 7]', ".1: Input should be a valid string"),
        ('"http://x?y"', ": must have no user, query or fragment"),
    ],
)
def test_addresses_that_are_no_service_are_a_fault_that_names_the_place(file, written, told):
    assert faults(file(WHOLE.replace(J1QL, f"j1ql = {written}"))) == [f"organizations.acme.upstream.j1ql{told}"]


def test_an_address_is_left_out_for_at_least_as_long_as_the_first_time(file):
    (fault,) = faults(file(WHOLE + "[upstreams]\nout = 10\nlongest_out = 5"))
    assert fault == "upstreams: `longest_out` must not be less than `out`"


@pytest.mark.parametrize("wrong", ["retries = -1", "retries = 6", "retry_share = 1.5", "check = 0", "failures = 0"])
def test_what_no_upstream_should_be_asked_is_a_fault(file, wrong):
    (fault,) = faults(file(WHOLE + f"[upstreams]\n{wrong}"))
    assert fault.startswith(f"upstreams.{wrong.split()[0]}: ")


# --- rows for GraphQL fields --------------------------------------------------------------------------------------

ROWS = """
[graph]
introspection = "nobody"

[graph.roots]
openBoard = [{ action = "dashboard:View", resource = "dashboard:{boardId}" }]

[graph.roots.exportBoard]
needs = [
    { action = "dashboard:View", resource = "dashboard:{input.id}" },
    { action = "query:ReadGraphData" },
]
arguments = ["input.id", "format"]
"""


def test_rows_for_graphql_fields_come_beside_the_gateways_own(file):
    settings = load(file(WHOLE + ROWS))
    rules = options.rules(settings)
    assert rules.introspection is Introspection.NOBODY
    assert rules.roots == ROOTS | {
        "openBoard": (Needs("dashboard:View", "dashboard:{boardId}"),),
        "exportBoard": (Needs("dashboard:View", "dashboard:{input.id}"), Needs("query:ReadGraphData", "*")),
    }
    assert 'graph.roots.openBoard.needs = [{action = "dashboard:View"' in effective(settings)


FAULTY_ROWS = {
    'createToken = [{ action = "*" }]': "graph.roots.createToken.[key]: is answered by the gateway itself",
    'createPublicSharedUrl = [{ action = "*" }]': "graph.roots.createPublicSharedUrl.[key]: hands out",
    'inviteUser = [{ action = "*" }]': "graph.roots.inviteUser.[key]: is about keys and people",
    'listVertices = [{ action = "*" }]': "graph.roots.listVertices.[key]: reads the graph past /j1ql",
    'getDashboard = [{ action = "*" }]': "graph.roots.getDashboard.[key]: has a row of the gateway's own",
    '"a b" = [{ action = "*" }]': "graph.roots.a b.[key]: is not the name",
    "f = []": "graph.roots.f.needs: must name a permission",
    "f = 1": "graph.roots.f: ",
    'f = [{ resource = "*" }]': "graph.roots.f.needs.0.action: is missing",
    'f = [{ action = "dashboard:Edit" }]': "graph.roots.f.needs.0.action: must be one of",
    'f = [{ action = "*" }, { action = "dashboard:View", resource = "dashboard:{}" }]': (
        "graph.roots.f.needs.1: `resource` has no path"
    ),
    'f = [{ action = "*", resource = "dashboard:1" }]': "graph.roots.f.needs.0: `resource` must be `*`",
    'f = [{ action = "*", also = 1 }]': "graph.roots.f.needs.0.also: is not a setting",
    'f = [{ action = "*" }, { action = "*" }]': "graph.roots.f: `*` on `*` is there twice",
    'f = { needs = [{ action = "dashboard:View", resource = "dashboard:{id}" }], arguments = ["boardId"] }': (
        "graph.roots.f: `dashboard:{id}` names an argument that the field does not take; it takes `boardId`"
    ),
    'f = { needs = [{ action = "*" }], arguments = ["a b"] }': "graph.roots.f: `a b` is not the path",
}


@pytest.mark.parametrize(("row", "told"), FAULTY_ROWS.items())
def test_a_faulty_row_is_told_with_its_place(file, row, told):
    (fault,) = faults(file(f"{WHOLE}\n[graph.roots]\n{row}\n"))
    assert fault.startswith(told)


def test_all_faulty_rows_are_told_at_once(file):
    rows = [row.replace("f =", f"f{number} =", 1) for number, row in enumerate(FAULTY_ROWS)]
    assert len(faults(file(WHOLE + "\n[graph.roots]\n" + "\n".join(rows)))) == len(FAULTY_ROWS)


def test_the_rows_in_readme_hold(file):
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    rows = readme.partition("<!-- roots -->\n```toml\n")[2].partition("```")[0]
    assert set(load(file(WHOLE + rows)).graph.roots) == {"openBoard", "exportBoard"}


def test_a_row_twice_is_a_fault(file):
    rows = '[graph.roots]\nf = [{ action = "*" }]\nf = [{ action = "*" }]\n'
    (fault,) = faults(file(WHOLE + rows))
    assert "line" in fault
