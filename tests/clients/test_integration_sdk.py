"""The command line of the platform's integration SDK, `@jupiterone/integration-sdk-cli` 8.41.0, through the gateway.

Its `sync` uploads six batches at once, tries an upload five times whatever the answer, and ends the job with `abort`
when one fails.
"""

from __future__ import annotations

import json
import socket
from collections import Counter
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from clients.world import ACCOUNT, INSTALLED, INSTANCE, OTHER_INSTANCE, SUPER, allow, installation
from gateway.sandbox.faults import Fault, Kind
from revocation.processes import until

ENTITIES, EDGES = "demo_server", "demo_server_uses_server"
JOBS = "/persister/synchronization/jobs"
PROGRAM = str(INSTALLED / ".bin" / "j1-integration")


def write_project(folder, files, per_file, raw="as the provider said it"):
    """What a run of an integration leaves for `sync`: files of entities, and of relationships from each to the next."""
    graph = folder / ".j1-integration" / "graph" / "fetch-servers"
    for kind in ("entities", "relationships"):
        (graph / kind).mkdir(parents=True)
    summary = {"metadata": {"partialDatasets": {"types": []}}, "integrationStepResults": []}
    (folder / ".j1-integration" / "summary.json").write_text(json.dumps(summary))
    for file in range(files):
        numbers = range(file * per_file, (file + 1) * per_file)
        entities = {"entities": [entity(number, raw) for number in numbers]}
        (graph / "entities" / f"{file}.json").write_text(json.dumps(entities))
        relationships = {"relationships": [relationship(number) for number in numbers if number]}
        (graph / "relationships" / f"{file}.json").write_text(json.dumps(relationships))


def entity(number, raw):
    provided = [{"name": "default", "rawData": {"id": number, "note": raw}}]
    names = {"_key": f"server:{number}", "_type": ENTITIES, "_class": ["Host"], "displayName": f"server {number}"}
    return names | {"rank": number, "_rawData": provided}


def relationship(number):
    ends = {"_fromEntityKey": f"server:{number - 1}", "_toEntityKey": f"server:{number}"}
    return {"_key": f"{number - 1}|{number}", "_type": EDGES, "_class": "USES", "displayName": "USES"} | ends


@pytest.fixture
def cli(world, node, tmp_path):
    """The words that start a command against the gateway."""

    def words(command, secret, *more):
        if command == "sync":
            return sync(world, secret, tmp_path, *more)
        login = ["--jupiterone-account-id", ACCOUNT, "--jupiterone-api-key", secret]
        return [PROGRAM, command, "--api-base-url", world.url, *login, *more]

    return words


def sync(world, secret, project, *more):
    login = ["--api-base-url", world.url, "--account", ACCOUNT, "--api-key", secret]
    return [PROGRAM, "sync", *login, "--project-path", str(project), *more]


@pytest.fixture(autouse=True)
def forget(world):
    world.forget()


def routes(world):
    """How often each route of a job was called at the platform."""
    return Counter(call.path.rpartition("/")[2] for call in world.received if call.path.startswith(JOBS))


def test_a_project_of_thousands_of_objects_is_synchronized_with_an_integration_key(world, node, cli, tmp_path):
    write_project(tmp_path, files=4, per_file=1000)
    ended = node.run(*cli("sync", world.integration_key().secret, "-i", INSTANCE))

    assert ended.code == 0, ended.said
    assert "FINISHED" in ended.said
    servers = list(world.upstream.graph.of_type(ENTITIES))
    assert {server.get("rank") for server in servers} == set(range(4000))
    assert {server.get("_integrationInstanceId") for server in servers} == {INSTANCE}
    edges = [edge for edge in world.upstream.graph.relationships if edge.get("_type") == EDGES]
    assert len(edges) == 3999
    called = routes(world)
    assert called == {"jobs": 1, "entities": 16, "relationships": 16, "events": called["events"], "finalize": 1}
    assert called["events"] > 0


def test_what_a_later_run_does_not_have_is_gone(world, node, cli, tmp_path):
    write_project(tmp_path, files=1, per_file=10)
    ended = node.run(*cli("sync", world.integration_key().secret, "-i", INSTANCE, "--source", "integration-external"))
    assert ended.code == 0, ended.said
    assert world.count(ENTITIES) == 10


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ((allow("query:ReadGraphData"),), ("-i", INSTANCE)),
        ((allow("persister:Synchronize", f"integration:{OTHER_INSTANCE}"),), ("-i", INSTANCE)),
        ((allow("persister:Synchronize", f"integration:{INSTANCE}"),), ("--source", "api", "--scope", "mine")),
    ],
    ids=["a key that reads", "a key of another integration", "a job of no integration"],
)
def test_a_key_that_may_not_ends_at_once_and_says_so(world, node, cli, tmp_path, statements, words):
    write_project(tmp_path, files=1, per_file=10)
    before = len(world.decisions())
    ended = node.run(*cli("sync", world.key(*statements).secret, *words))
    assert ended.code == 1
    assert "this key may not persister:Synchronize" in ended.said
    assert "FORBIDDEN" in ended.said
    assert world.received == []
    assert len(world.decisions()) == before + 1, "it asked once"


def test_an_integration_key_of_another_instance_ends_at_once_and_says_so(world, node, cli, tmp_path):
    write_project(tmp_path, files=1, per_file=10)
    ended = node.run(*cli("sync", world.integration_key(OTHER_INSTANCE).secret, "-i", INSTANCE))
    assert ended.code == 1
    assert f"this key may not persister:Synchronize on integration:{INSTANCE}" in ended.said
    assert world.received == []


def test_a_revoked_key_ends_at_once_and_says_so(world, node, cli, tmp_path):
    write_project(tmp_path, files=1, per_file=10)
    issued = world.integration_key()
    world.revoke(issued)
    ended = node.run(*cli("sync", issued.secret, "-i", INSTANCE))
    assert ended.code == 1
    assert "the API key is not valid" in ended.said
    assert world.received == []


def test_a_key_revoked_in_the_middle_of_a_job_is_stopped_at_the_next_call(world, node, cli, tmp_path):
    """Each file is one upload after the other; the platform takes its time over the third call."""
    write_project(tmp_path, files=20, per_file=20)
    before = world.count(ENTITIES)
    issued = world.integration_key()
    stall = Fault(Kind.STALL, skip=3, seconds=2)
    world.loop.call_soon_threadsafe(world.upstream.faults.inject, stall)
    process = node.start(cli("sync", issued.secret, "-i", INSTANCE))
    try:
        until(lambda: len(world.received) > 3)
        world.revoke(issued)
        reached = len(world.received)
        said, _ = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "the API key is not valid" in said
    assert len(world.received) <= reached + 1, "one call may have passed the gateway when the key was revoked"
    assert not {"finalize", "abort"} & set(routes(world))
    assert world.count(ENTITIES) == before


LARGE = 300_000
"""Characters of the raw data that an entity has where it is to be large."""


def test_what_is_too_large_is_shrunk_and_sent_again(node, tmp_path):
    """The SDK drops raw data until a batch has less than 5.5 MB."""
    (tmp_path / "world").mkdir()
    write_project(tmp_path, files=1, per_file=25, raw="x" * LARGE)
    with installation(tmp_path / "world", limits={"inspected_upload": 6_000_000}) as world:
        words = sync(world, world.integration_key().secret, tmp_path, "-i", INSTANCE)
        ended = node.run(*words)
        assert ended.code == 0, ended.said
        assert world.count(ENTITIES) == 25
        sizes = [call.size for call in world.received if call.path.endswith("/entities")]
        assert len(sizes) == 1
        assert sizes[0] < 5_500_000
        until(lambda: world.reasons == ["too_large"])


def test_what_there_is_no_room_for_is_sent_again(node, tmp_path):
    """Somebody who does not finish an upload holds the room that the SDK's uploads need, until one was refused."""
    (tmp_path / "world").mkdir()
    write_project(tmp_path, files=1, per_file=30, raw="x" * LARGE)
    with installation(tmp_path / "world", limits={"buffered": 7_000_000}) as world:
        issued = world.integration_key()
        job = start_job(world, issued.secret)
        with unfinished(world, issued.secret, f"{JOBS}/{job}/entities", size=5_000_000):
            process = node.start(sync(world, issued.secret, tmp_path, "-i", INSTANCE, "--upload-batch-size", "10"))
            until(lambda: "overloaded" in world.reasons)
        said, _ = process.communicate(timeout=100)
        assert process.returncode == 0, said
        assert world.count(ENTITIES) == 30


def start_job(world, secret):
    made = world.python_client(secret).start_sync_job(INSTANCE, "DIFF", "integration-external")
    return made["job"]["id"]


@contextmanager
def unfinished(world, secret, path, size):
    """An upload of which all but the last byte was sent, and taken by the gateway."""
    address = urlsplit(world.url)
    head = [f"POST {path} HTTP/1.1", "Host: gateway", f"Authorization: Bearer {secret}"]
    head += ["Content-Type: application/json", f"Content-Length: {size}"]
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + b" " * (size - 1))
        yield


# --- validate-question-file ---------------------------------------------------------------------------------------

QUESTIONS = """
sourceId: managed:demo
integrationDefinitionId: demo
questions:
  - id: managed-question-demo-hosts
    title: Which hosts are there?
    description: All of them
    queries:
      - name: hosts
        query: {query}
    tags:
      - demo
"""


@pytest.fixture
def questions(tmp_path):
    def file(query):
        (tmp_path / "questions.yaml").write_text(QUESTIONS.format(query=query))
        return ["--file-path", str(tmp_path / "questions.yaml")]

    return file


@pytest.mark.parametrize("statements", [SUPER, (allow("query:ReadGraphData", _type="github_repo"),)])
def test_questions_are_validated(world, node, cli, questions, statements):
    secret = world.key(*statements).secret
    ended = node.run(*cli("validate-question-file", secret, *questions("FIND Host THAT HAS Device")))
    assert ended.code == 0, ended.said
    assert "Successfully validated" in ended.said
    ended = node.run(*cli("validate-question-file", secret, *questions("FIND Host THAT")))
    assert ended.code == 1
    assert "Queries failed to validate" in ended.said
    assert "FIND Host THAT" in ended.said


def test_who_may_not_read_is_not_told_what_is_valid(world, node, cli, questions):
    secret = world.integration_key().secret
    ended = node.run(*cli("validate-question-file", secret, *questions("FIND Host")))
    assert ended.code == 1
    assert "Request failed with status code 403" in ended.said
    assert "'gateway-reason': 'not_allowed'" in ended.said, "the client does not print the body"
    assert world.received == []
