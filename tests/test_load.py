"""`make load`: its users see what is wrong with a gateway, and nothing wrong with ours; what grows is told."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf
from pathlib import Path

import pytest

LOADTESTS = Path(__file__).parents[1] / "loadtests"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched in /proc")


@pytest.fixture
def loadtests(monkeypatch):
    """Imports what `make load` is made of, but for what needs locust: that would change this process."""
    monkeypatch.syspath_prepend(LOADTESTS)
    return importlib.import_module


def run(*words):
    command = [sys.executable, LOADTESTS / "load.py", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


# --- short runs ---------------------------------------------------------------------------------------------------


@LINUX
def test_a_ramp_tells_a_line_for_each_step_and_who_was_full():
    done = run("--only", "ramp", "--workers", 1, 2, "--ramp-seconds", 0.5, "--most-users", 8, "--keys", 4)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"(?m)^ramp: (\d) worker", done.stdout) == ["1", "2"]
    steps = re.findall(r"(?m)^ +(4|8) +[\d,]+ +[\d.]+ +[\d.]+ +0 +[1-9]\d* ", done.stdout)
    assert steps == ["4", "8", "4", "8"]
    assert len(re.findall(r"(?m)^(?:the gateway|the users' process|neither the gateway) .*full", done.stdout)) == 2
    assert "no failure" in done.stdout


@LINUX
def test_a_soak_has_all_kinds_of_users_and_none_sees_a_failure():
    done = run("--only", "soak", "--soak-seconds", 5, "--users", 18, "--keys", 4)
    assert "no failure" in done.stdout, done.stdout + done.stderr
    for kind in ("/j1ql: ", "/graphql: ", "/j1ql, condition: ", "job: finalize", "junk", "key: revoke", "key: bear"):
        assert re.search(rf"(?m)^{re.escape(kind)}.* [1-9]", done.stdout), (kind, done.stdout)
    assert re.search(r"after they went: \d+: closed", done.stdout), done.stdout
    assert len(re.findall(r"(?m)^(?:memory|descriptors|threads).*(?:bounded|GROWS)$", done.stdout)) == 3


# --- the users ----------------------------------------------------------------------------------------------------

ISSUE = {"id": "1", "entity": {"_id": "1", "_type": ["jira_issue"]}, "properties": {}}


class Broken(BaseHTTPRequestHandler):
    """A gateway that lets everything through: junk, revoked keys, objects outside the condition."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        graphql = {"createToken": {"id": "1", "token": "t"}, "revokeToken": {"id": "1", "revoked": True}}
        self.reply({"data": graphql} if self.path == "/graphql" else self.query(text))

    def query(self, text):
        return {"type": "table", "data": [{"n": id(text)}]} if "COUNT" in text else {"type": "list", "data": [ISSUE]}

    def do_GET(self):
        self.reply({})

    def reply(self, body):
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def broken():
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_users_notice_a_gateway_that_lets_everything_through(broken, tmp_path):
    told = tmp_path / "load.json"
    keys = dict.fromkeys(("super", "repos", "admin", "integration"), "key")
    told.write_text(json.dumps({"gateway": broken, "keys": keys, "integration_instance": "1"}))
    environment = os.environ | {"GATEWAY_LOAD_FILE": str(told), "GATEWAY_LOAD_PACE": "0.1"}
    done = subprocess.run(
        [sys.executable, LOADTESTS / "driving.py"],
        input='{"users": 18, "settle": 0, "seconds": 3}\n',
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env=environment,
    )
    failures = "\n".join(json.loads(done.stdout)["failures"])
    assert "/j1ql, condition: 25 rows: _type = ['jira_issue'] is not of github_repo" in failures
    assert "junk: 200 for a key that nobody has" in failures
    assert "key: bear: 200 after the revocation was acknowledged" in failures
    assert "Synchronizer: " in failures  # an answer of another shape
    assert "/j1ql: 8 rows" not in failures


CONDITION = {"_type": ["github_repo"], "public": ["yes", "no"]}


def entity(types, **properties):
    return {"id": "1", "entity": {"_type": types}, "properties": properties}


@pytest.mark.parametrize(
    ("kind", "data", "fault"),
    [
        ("list", [], None),
        ("list", [entity(["x", "github_repo"], public="no")], None),
        ("list", [entity(["github_repo"], public="no"), entity(["x"], public="no")], "_type = ['x'] is not"),
        ("list", [entity(["github_repo"])], "public = absent is not of yes, no"),
        ("list", [{"id": "1", "relationship": {"_type": "x"}, "properties": {}}], "_type = 'x' is not"),
        ("tree", {"vertices": [entity(["github_repo"], public="yes")], "edges": []}, None),
        ("tree", {"vertices": [], "edges": [entity("x", public="yes")]}, "_type = 'x' is not"),
        ("table", [{"_type": ["github_repo"], "public": "yes"}], None),
        ("table", [{"_type": ["github_repo"]}], "public = absent is not"),
    ],
)
def test_a_foreign_object_is_found_wherever_it_is(loadtests, kind, data, fault):
    found = loadtests("judging").foreign({"type": kind, "data": data}, CONDITION)
    assert found is None if fault is None else found.startswith(fault)


@pytest.mark.parametrize(
    ("status", "began", "ended", "right"),
    [
        (200, 1, 2, True),
        (401, 1, 2, False),  # the key is good
        (200, 3, 6, True),  # under way
        (401, 3, 6, True),
        (401, 7, 8, True),
        (200, 7, 8, False),  # revoked
        (503, 3, 6, False),
        (0, 3, 6, False),
    ],
)
def test_calls_are_judged_by_when_the_revocation_was_sent_and_acknowledged(loadtests, status, began, ended, right):
    revocation = loadtests("judging").Revocation(sent=4, acknowledged=5)
    assert (revocation.fault(status, began, ended) is None) == right
    unsent = loadtests("judging").Revocation()
    assert (unsent.sent, unsent.acknowledged) == (inf, inf)


# --- what is told -------------------------------------------------------------------------------------------------


def test_a_percentile_is_the_least_time_within_which_so_many_ended(loadtests):
    load = loadtests("load")
    times = Counter({1.0: 98, 5.0: 1, 9.0: 1})
    assert [load.percentile(times, part) for part in (0.5, 0.98, 0.99, 1)] == [1, 1, 5, 9]
    assert load.percentile(Counter(), 0.5) == 0


def test_a_ramp_ends_where_more_users_get_no_more_done(loadtests):
    load = loadtests("load")
    assert load.grew([100])
    assert load.grew([100, 90])
    assert load.grew([100, 90, 110])
    assert not load.grew([100, 90, 104])
    assert load.grew([100, 200, 205])
    assert not load.grew([100, 200, 205, 201])


@pytest.mark.parametrize(
    ("gateway", "workers", "users", "who"),
    [(0.9, 1, 0.5, "the gateway"), (0.9, 2, 0.5, "neither"), (1.8, 2, 0.5, "the gateway"), (1, 1, 0.9, "the users'")],
)
def test_who_was_full_is_who_used_its_cores(loadtests, gateway, workers, users, who):
    assert loadtests("load").full(gateway, workers, users).startswith(who)


def readings(watching, pss, descriptors=lambda _: 40):
    return [watching.Holding(1, pss(each), 0, descriptors(each), 9) for each in range(30)]


def test_what_grows_after_the_warm_up_is_told(loadtests):
    watching = loadtests("watching")
    warming = readings(watching, lambda each: min(100, 50 + 5 * each))
    assert all(growth.bounded for growth in watching.growths(warming))
    leaking = readings(watching, lambda each: 100 + each)
    assert [growth.bounded for growth in watching.growths(leaking)] == [False, True, True]
    unclosed = readings(watching, lambda _: 100, lambda each: 40 + each)
    assert [growth.bounded for growth in watching.growths(unclosed)] == [True, False, True]


@LINUX
def test_what_a_process_holds_is_what_the_system_says(loadtests):
    watching = loadtests("watching")
    before = watching.holding(os.getpid())
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
    sleeper = subprocess.Popen(["sleep", "60"])
    after = watching.holding(os.getpid())
    sleeper.kill()
    sleeper.wait()
    for each in opened:
        os.close(each)
    assert after.processes == before.processes + 1
    assert after.descriptors >= before.descriptors + 20
    assert before.threads >= threading.active_count()
    assert before.rss >= before.pss > 1


# --- the scaling page ---------------------------------------------------------------------------------------------


def test_the_page_on_scaling_has_the_tables_that_are_computed(loadtests):
    page = loadtests("scaling_page")
    text = page.PAGE.read_text("utf-8")
    assert page.written(text, page.tables(*page.measured())) == text, "`loadtests/scaling_page.py --write` is due"


@pytest.mark.parametrize(
    ("keys", "room", "percent"),
    [(10_000, 10_000, 100), (100_000, 10_000, 74), (100_000, 50_000, 92), (1_000_000, 50_000, 72), (10**6, 10**5, 78)],
)
def test_memory_answers_what_the_page_on_sizing_says(loadtests, keys, room, percent):
    scaling = loadtests("scaling")
    assert round(100 * scaling.remembered(keys, room)) == percent
    row = f"| 10^{len(str(keys)) - 1} |"
    sizing = (LOADTESTS.parent / "deploy" / "SIZING.md").read_text("utf-8")
    assert any(line.startswith(row) and f" {percent} % " in line for line in sizing.splitlines())


def test_so_many_calls_have_as_many_keys_as_the_page_on_sizing_says(loadtests):
    assert round(loadtests("scaling").distinct(1_000_000, 3_000_000), -3) == 436_000


def test_what_the_stores_cost_is_as_on_the_page_on_sizing(loadtests):
    sizing = (LOADTESTS.parent / "deploy" / "SIZING.md").read_text("utf-8")
    told = [line.strip("| ").split(" | ") for line in sizing.splitlines() if line.startswith("| ")]
    for row, units in loadtests("scaling").STORE_UNITS.items():
        (unit,) = (cells[2] for cells in told if cells[0] == row)
        bounds = [float(each) for each in re.findall(r"[\d.]+", unit)]
        assert bounds[0] <= units <= bounds[-1], row


def test_a_key_that_calls_often_asks_seldom_and_one_that_calls_seldom_asks_each_time(loadtests):
    scaling = loadtests("scaling")
    assert scaling.questions(1, 100_000, 1) == pytest.approx(100)
    assert scaling.questions(1, 100, 1) == pytest.approx(1)
    assert scaling.questions(1, 100, 200) == pytest.approx(100)
    assert 800 < scaling.questions(1_000_000, 1000, 10) < 1000  # the few that call often ask less


def test_more_calls_take_more_of_everything(loadtests):
    scaling, page = loadtests("scaling"), loadtests("scaling_page")
    each = [scaling.Demand(rate, scaling.costs(*page.measured())) for rate in scaling.RATES]
    for name in ("workers", "questions", "uses", "redis_cores", "sql_cores", "canary_cores", "uses_written"):
        found = [getattr(one, name) for one in each]
        assert found == sorted(found), name
        assert found[0] < found[-1], name


@LINUX
@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("workers", None),
        ("beside", {"log", "unit", "scrape", "idle worker", "silent connection"}),
        ("way", {"client sends", "client gets", "upstream sends", "upstream gets"}),
        ("uses", {"last use", "last use that is hardly news", "change", "change beside last uses"}),
    ],
)
def test_what_a_gateway_costs_beside_its_calls_is_told(tmp_path, part, told):
    few = ["--only", part, "--keys", "20", "--seconds", "0.2", "--rounds", "1", "--idle", "0.5", "--scrapes", "2"]
    few += ["--silent", "20", "--uses", "300", "--json", tmp_path / "costs.json"]
    command = [sys.executable, LOADTESTS / "running_costs.py", *few]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "costs.json").read_text())
    if told is None:
        assert found["workers"].keys() == {"1", "2"}
        assert all(of["rate"] > 0 and of["cost"] > 0 for ways in found["workers"].values() for of in ways.values())
        return
    kept = json.loads((LOADTESTS / "running_costs.json").read_text())["figures"]
    assert found["figures"].keys() == {name for name in kept if name.partition(",")[0] in told}
    assert all(value > 0 for name, value in found["figures"].items() if "memory" not in name)
