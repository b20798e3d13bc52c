"""Who calls a gateway, as locust users: `make load` runs them, and so does `locust -f loadtests/locustfile.py`.

    Reader          has a key that may do everything: queries on /j1ql, documents on /graphql
    Restricted      has a key with a condition; reads lists page by page, counts, tables. Every object that it gets is
                    held against the condition here: a foreign one is a failure, and so is one that is missing
    Synchronizer    has an integration's key: creates a job, uploads to it, finalizes it; aborts one in ten
    Junk            has keys that nobody has, each from an address of its own
    Administrator   one alone: makes a key, lets several bearers use it all the time, and revokes it. What begins after
                    the acknowledgement and is let through is a failure

They wait as such callers do: people and scripts a second or so, a synchronization some. GATEWAY_LOAD_PACE multiplies
all waits; 0 makes calls one after the other. GATEWAY_LOAD_FILE says where the gateway is and which keys there are, in
the form of `demo.json`, the file of `make demo` and the default. Tasks with the tag `fixed` get a true answer from an
upstream that knows a few answers only (`upstream.py`).
"""

from __future__ import annotations

import json
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import gevent
from judging import Condition, Revocation, foreign, ids
from locust import FastHttpUser, between, tag, task
from locust.exception import RescheduleTask

TOLD: dict[str, Any] = json.loads(Path(os.environ.get("GATEWAY_LOAD_FILE", ".demo/demo.json")).read_text())
PACE = float(os.environ.get("GATEWAY_LOAD_PACE", "1"))
"""Of all waits."""
CHANCE = random.Random()  # noqa: S311 (no secret)
PATIENCE = 30.0
"""Seconds, after which a call that is not answered has failed."""

_REPOS: Condition = {"_type": ["github_repo"]}
READERS: list[str] = TOLD.get("readers") or [TOLD["keys"]["super"]]
RESTRICTED: list[tuple[str, Condition]] = [
    (key, group["condition"])
    for group in TOLD.get("restricted") or [{"condition": _REPOS, "keys": [TOLD["keys"]["repos"]]}]
    for key in group["keys"]
]

Judge = Callable[[dict[str, Any]], str | None]
"""What is wrong with an answer, or None."""


def paced(least: float, most: float) -> Callable[[Any], float]:
    return between(least * PACE, most * PACE)


class Caller(FastHttpUser):
    abstract = True
    host = TOLD["gateway"]
    network_timeout = connection_timeout = PATIENCE

    def on_stop(self) -> None:
        """Hangs up: what the gateway then still holds is its own."""
        self.client.client.clientpool.close()

    def ask(self, path: str, key: str, body: Any, *, name: str, judge: Judge = lambda _: None) -> dict[str, Any]:
        """The answer of 200 to a POST, or to a GET where there is no body.

        Anything else, and what `judge` objects to, is a failure and ends the task.
        """
        method = "GET" if body is None else "POST"
        headers = {"Authorization": f"Bearer {key}"}
        with self.client.request(method, path, json=body, headers=headers, name=name, catch_response=True) as answer:
            fault = None if answer.status_code == 200 else f"{answer.status_code} {_start(answer)}"  # noqa: PLR2004
            found = {} if fault else answer.json()
            fault = fault or judge(found)
            if fault:
                answer.failure(fault)
                raise RescheduleTask
            answer.success()
        return found

    def query(self, key: str, text: str, *, name: str, judge: Judge = lambda _: None, **more: str) -> dict[str, Any]:
        return self.ask("/j1ql", key, {"query": text, **more}, name=name, judge=judge)

    def document(self, key: str, text: str, *, name: str, **variables: Any) -> dict[str, Any]:
        body = {"query": text, "variables": variables}
        return self.ask("/graphql", key, body, name=name, judge=_graphql_fault)["data"]


def _start(answer: Any) -> str:
    return (answer.text or str(answer.error))[:200]


def _graphql_fault(answer: dict[str, Any]) -> str | None:
    return str(answer["errors"])[:200] if answer.get("errors") else None


# --- who reads ----------------------------------------------------------------------------------------------------


class Reader(Caller):
    weight = 60
    wait_time = paced(0.5, 2)

    @tag("fixed")
    @task(6)
    def few(self) -> None:
        self.query(CHANCE.choice(READERS), "FIND github_repo LIMIT 8", name="/j1ql: 8 rows")

    @tag("fixed")
    @task(3)
    def page(self) -> None:
        self.query(CHANCE.choice(READERS), "FIND github_repo LIMIT 25", name="/j1ql: 25 rows")

    @task(2)
    def steps(self) -> None:
        text = "FIND github_user AS u THAT RELATES TO github_repo AS r RETURN u.displayName, r.displayName LIMIT 20"
        self.query(CHANCE.choice(READERS), text, name="/j1ql: over a relationship")

    @tag("fixed")
    @task(4)
    def instances(self) -> None:
        text = "{ integrationInstances { instances { id name } } }"
        self.document(CHANCE.choice(READERS), text, name="/graphql: instances")

    @task(2)
    def query_field(self) -> None:
        text = "query ($q: String!) { queryV1(query: $q) { type data } }"
        self.document(CHANCE.choice(READERS), text, name="/graphql: queryV1", q="FIND aws_instance LIMIT 10")


class Restricted(Caller):
    weight = 25
    wait_time = paced(0.5, 2)
    seen: ClassVar[dict[str, Any]] = {}
    """What all that has been read must go on to be: nobody changes objects that these keys see."""

    @tag("fixed")
    @task(5)
    def page(self) -> None:
        """A query that the gateway has seen before."""
        key, condition = CHANCE.choice(RESTRICTED)
        self.query(key, "FIND github_repo LIMIT 25", name="/j1ql, condition: 25 rows", judge=_within(condition))

    @task(2)
    def everything(self) -> None:
        """All pages of all there is to see: each object once, and the same ones every time."""
        key, condition = CHANCE.choice(RESTRICTED)
        found = [each for answer in self._pages(key, condition) for each in ids(answer)]
        self._same(f"ids {condition}", sorted(found), name="/j1ql, condition: all pages")
        if len(found) != len(set(found)):
            self._failed("/j1ql, condition: all pages", "an object came twice")

    def _pages(self, key: str, condition: Condition) -> Iterator[dict[str, Any]]:
        cursor: dict[str, str] = {}
        while True:
            name = f"/j1ql, condition: {'next' if cursor else 'first'} page"
            answer = self.query(key, "FIND *", name=name, judge=_within(condition), **cursor)
            yield answer
            if not answer.get("cursor"):
                return
            cursor = {"cursor": answer["cursor"]}

    @task(2)
    def count(self) -> None:
        key, condition = CHANCE.choice(RESTRICTED)
        name = "/j1ql, condition: count"
        answer = self.query(key, "FIND * AS e RETURN COUNT(e) AS n", name=name)
        self._same(f"count {condition}", answer["data"], name=name)

    @task(2)
    def table(self) -> None:
        key, condition = CHANCE.choice(RESTRICTED)
        columns = ", ".join(f"e.{name} AS {name}" for name in condition)
        text = f"FIND * AS e RETURN {columns}, e.displayName AS title LIMIT 30"
        self.query(key, text, name="/j1ql, condition: table", judge=_within(condition))

    @task(1)
    def hidden(self) -> None:
        """What the condition hides altogether."""
        key, _ = CHANCE.choice(RESTRICTED)
        name = "/j1ql, condition: hidden objects"
        self.query(
            key, "FIND jira_issue", name=name, judge=lambda answer: str(answer["data"][0]) if answer["data"] else None
        )

    def _same(self, what: str, found: Any, *, name: str) -> None:
        if self.seen.setdefault(what, found) != found:
            self._failed(name, "objects have come or gone that nobody has changed")

    def _failed(self, name: str, fault: str) -> None:
        """A failure that no single answer shows."""
        self.environment.events.request.fire(
            request_type="", name=name, response_time=0, response_length=0, exception=AssertionError(fault), context={}
        )


def _within(condition: Condition) -> Judge:
    return lambda answer: foreign(answer, condition)


# --- who writes ---------------------------------------------------------------------------------------------------

JOBS = "/persister/synchronization/jobs"
UPLOADS = 3
BATCH = 100
"""Entities in one upload: some 50 KB."""
ABORTED = 0.1


def batch(number: int) -> dict[str, Any]:
    """An upload; the same one every time, so that the graph does not grow."""
    entities = [
        {
            "_key": f"load:{number}:{each}",
            "_type": "load_host",
            "_class": "Host",
            "displayName": f"host {number}.{each}",
            "note": "x" * 350,
        }
        for each in range(BATCH)
    ]
    return {"entities": entities}


class Synchronizer(Caller):
    weight = 6
    wait_time = paced(2, 5)

    @tag("fixed")
    @task
    def synchronize(self) -> None:
        key, instance = TOLD["keys"]["integration"], TOLD["integration_instance"]
        wanted = {"source": "integration-external", "integrationInstanceId": instance}
        job = f"{JOBS}/{self.ask(JOBS, key, wanted, name='job: create')['job']['id']}"
        for number in range(UPLOADS):
            self.ask(f"{job}/entities", key, batch(number), name="job: upload")
        self.ask(job, key, None, name="job: status")
        if CHANCE.random() < ABORTED:
            self.ask(f"{job}/abort", key, {}, name="job: abort")
        else:
            self.ask(f"{job}/finalize", key, {}, name="job: finalize")


# --- who should not be there --------------------------------------------------------------------------------------


class Junk(Caller):
    """401, or 429 once its address has sent too many."""

    weight = 8
    wait_time = paced(0.5, 2)

    def on_start(self) -> None:
        self._address = f"198.51.100.{CHANCE.randrange(1, 255)}"  # of RFC 5737: nobody's

    @tag("fixed")
    @task
    def guess(self) -> None:
        key = CHANCE.choice((secrets.token_hex(20), f"gwa_{secrets.token_hex(18)}", secrets.token_urlsafe(60)))
        headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": self._address}
        body = {"query": "FIND *"}
        with self.client.post("/j1ql", json=body, headers=headers, name="junk", catch_response=True) as answer:
            if answer.status_code in (401, 429):
                answer.success()
            else:
                answer.failure(f"{answer.status_code} for a key that nobody has: {_start(answer)}")


# --- who makes and revokes keys -----------------------------------------------------------------------------------

CREATE = "mutation ($token: TokenInput!) { createToken(token: $token) { id token } }"
REVOKE = "mutation ($id: String!) { revokeToken(id: $id) { id revoked } }"
EVERYTHING = json.dumps({"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]})
BEARERS = 4
"""Who use one key at once, each on a connection of its own."""
AFTERWARDS = 5
"""Calls of each of them that begin after the acknowledgement."""
BORNE, BETWEEN = 0.2, 0.05
"""Seconds that a key is used before it is revoked, and between two calls of a bearer."""


class Administrator(Caller):
    fixed_count = 1
    wait_time = paced(1, 3)

    @tag("fixed")
    @task
    def make_and_revoke(self) -> None:
        admin = TOLD["keys"]["admin"]
        wanted = {"name": "load", "category": "load", "policy": EVERYTHING}
        made = self.document(admin, CREATE, name="key: make", token=wanted)["createToken"]
        revocation = Revocation()
        bearers = [gevent.spawn(self._bear, made["token"], revocation) for _ in range(BEARERS)]
        try:
            gevent.sleep(BORNE)
            revocation.sent = time.monotonic()
            self.document(admin, REVOKE, name="key: revoke", id=made["id"])
            revocation.acknowledged = time.monotonic()
            gevent.joinall(bearers, raise_error=True)
        finally:
            gevent.killall(bearers)

    def _bear(self, key: str, revocation: Revocation) -> None:
        """Call after call, until enough of them have begun after the revocation."""
        late = 0
        while late < AFTERWARDS:
            began = time.monotonic()
            late += began > revocation.acknowledged
            headers = {"Authorization": f"Bearer {key}"}
            with self.client.get("/whoami", headers=headers, name="key: bear", catch_response=True) as answer:
                fault = revocation.fault(answer.status_code, began, time.monotonic())
                if fault:
                    answer.failure(f"{fault}: {_start(answer)}")
                else:
                    answer.success()
            gevent.sleep(BETWEEN)
