from __future__ import annotations

import json

import pytest

from gateway.authz.outcome import Job
from gateway.http1 import Reason
from gateway.proxy import Jobs
from gateway.proxy.line import Whole
from gateway.proxy.wire import Stop


def job(name: str = "j1", status: int = 200, **members) -> Whole:
    return Whole(status, (), json.dumps({"job": {"id": name, "status": "AWAITING_UPLOADS"} | members}).encode())


class Persister:
    """A line that gives one answer."""

    def __init__(self, answer: Whole) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def ask(self, request, **_) -> Whole:
        self.asked.append(f"{request.method} {request.path}")
        return self.answer


async def test_the_upstream_is_asked_once_for_a_job_it_knows():
    jobs, persister = Jobs(), Persister(job(integrationInstanceId="i1"))
    for _ in range(3):
        assert await jobs.find("acme", "j1", persister) == Job("i1")
    assert persister.asked == ["GET /persister/synchronization/jobs/j1"]


async def test_a_job_of_no_integration_is_known_as_such():
    assert await Jobs().find("acme", "j1", Persister(job())) == Job(None)
    assert await Jobs().find("acme", "j1", Persister(job(integrationInstanceId=None))) == Job(None)


async def test_one_organization_s_jobs_say_nothing_about_another_s():
    jobs = Jobs()
    await jobs.find("acme", "j1", Persister(job(integrationInstanceId="i1")))
    assert await jobs.find("other", "j1", Persister(job(integrationInstanceId="i2"))) == Job("i2")


async def test_an_unknown_job_is_asked_for_again():
    jobs, persister = Jobs(), Persister(Whole(404, (), b""))
    assert await jobs.find("acme", "j1", persister) is None
    persister.answer = job(integrationInstanceId="i1")
    assert await jobs.find("acme", "j1", persister) == Job("i1")


@pytest.mark.parametrize("name", ["", "a/b", "..", "../x", "a?b", "a%2fb", "a b", "ł", "a" * 65, "a\n"])
async def test_a_name_that_could_be_a_path_is_not_asked_for(name):
    persister = Persister(job(name))
    with pytest.raises(Stop) as caught:
        await Jobs().find("acme", name, persister)
    assert caught.value.refusal.reason is Reason.MALFORMED_BODY
    assert persister.asked == []


UNUSABLE = [
    Whole(500, (), b""),
    Whole(301, (), b""),
    Whole(200, (), b"<html>"),
    Whole(200, (), b"[]"),
    Whole(200, (), b'{"job":null}'),
    Whole(200, (), b'{"job":{"integrationInstanceId":"i1"}}'),
    Whole(200, (), b'{"job":{"id":7}}'),
    Whole(200, (), b'{"job":{"id":"j1","id":"j1"}}'),
    job(integrationInstanceId=7),
    job(integrationInstanceId=["i1"]),
]


@pytest.mark.parametrize("answer", [*UNUSABLE, job("another", integrationInstanceId="i1")])
async def test_an_answer_that_is_no_job_is_no_answer(answer):
    with pytest.raises(Stop) as caught:
        await Jobs().find("acme", "j1", Persister(answer))
    assert caught.value.refusal.reason is Reason.UPSTREAM_FAILED


async def test_a_created_job_need_not_be_asked_for():
    jobs, persister = Jobs(), Persister(Whole(500, (), b""))
    jobs.learn("acme", "i1", job(status=201, integrationInstanceId="i1"))
    assert await jobs.find("acme", "j1", persister) == Job("i1")
    assert persister.asked == []


@pytest.mark.parametrize(
    ("instance", "answer"),
    [
        ("i1", job(integrationInstanceId="i2")),
        ("i1", job()),
        (None, job(integrationInstanceId="i2")),
        *[("i1", answer) for answer in UNUSABLE[2:]],
    ],
)
async def test_a_job_of_another_instance_is_not_learnt(instance, answer):
    jobs, persister = Jobs(), Persister(Whole(404, (), b""))
    with pytest.raises(Stop) as caught:
        jobs.learn("acme", instance, answer)
    assert caught.value.refusal.reason is Reason.UPSTREAM_FAILED
    assert await jobs.find("acme", "j1", persister) is None


async def test_only_so_many_jobs_are_kept():
    jobs, persister = Jobs(2), Persister(Whole(404, (), b""))
    for name in ("j1", "j2", "j3"):
        jobs.learn("acme", "i1", job(name, integrationInstanceId="i1"))
    assert await jobs.find("acme", "j3", persister) == Job("i1")
    assert await jobs.find("acme", "j1", persister) is None
