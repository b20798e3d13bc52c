"""After an alarm its class of queries is refused, before an upstream is asked and after it has answered."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace

from gateway.authz import Mode
from gateway.authz.outcome import Check, Seal
from gateway.http1 import Reason
from gateway.metrics import Metrics
from gateway.policy import Condition, Predicate
from gateway.proxy import Alarms, PageOptions, Pages, Seals
from gateway.proxy.alarms import MOST
from gateway.proxy.line import Whole
from gateway.proxy.wire import Stop


def predicate(kind: str = "github_repo") -> Predicate:
    return Predicate((Condition((("_type", (kind,)),)),))


def check(kind: str = "github_repo", shape: str = "list", organization: str = "acme") -> Check:
    seal = Seal("key-1", predicate(kind), Mode.STRICT, "query", "")
    made = Check(predicate(kind), shape, (), 3, seal, None, {"query": "q"}, organization=organization)
    return replace(made, columns=("a",)) if shape == "table" else made


def answer(shape: str = "list", kind: str = "hidden") -> Whole:
    entity = {"id": "1", "entity": {"_id": "1", "_type": [kind]}, "properties": {}}
    data = {"list": [entity], "tree": {"vertices": [entity], "edges": []}, "table": []}[shape]
    return Whole(200, (), json.dumps({"type": shape, "data": data}).encode())


class Asked:
    """An upstream that gives one answer; `times` it was asked."""

    def __init__(self, whole: Whole) -> None:
        self.whole = whole
        self.times = 0

    async def __call__(self, _: bytes) -> Whole:
        self.times += 1
        return self.whole


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def pages(metrics: Metrics) -> Pages:
    return Pages(Seals("s" * 32), metrics, PageOptions(again_seconds=0), alarms=Alarms(metrics))


async def reason(pages: Pages, wanted: Check, asked: Asked) -> Reason | None:
    """Why a call is refused, or None."""
    try:
        await pages.answer(wanted, asked, call="request-1")
    except Stop as stop:
        return stop.refusal.reason
    return None


async def test_the_class_is_refused_without_asking_the_upstream_again(pages):
    lying, honest = Asked(answer()), Asked(answer(kind="github_repo"))
    assert await reason(pages, check(), lying) is Reason.ANSWER_WITHHELD
    assert lying.times == 2
    for asked in (lying, honest):
        assert await reason(pages, check(), asked) is Reason.QUERY_CLASS_REFUSED
    assert (lying.times, honest.times) == (2, 0)


async def test_other_policies_shapes_and_organizations_go_on(pages):
    assert await reason(pages, check(), Asked(answer())) is Reason.ANSWER_WITHHELD
    for other, asked in (
        (check("aws_instance"), Asked(answer(kind="aws_instance"))),
        (check(shape="tree"), Asked(answer("tree", "github_repo"))),
        (check(shape="table"), Asked(answer("table"))),
        (check(organization="globex"), Asked(answer(kind="github_repo"))),
    ):
        assert await reason(pages, other, asked) is None
    assert await reason(pages, check(), Asked(answer())) is Reason.QUERY_CLASS_REFUSED


@pytest.mark.parametrize("shape", ["list", "tree"])
async def test_an_object_that_is_seen_once_raises_no_alarm(pages, shape):
    answers = [answer(shape), answer(shape, "github_repo")]

    async def asked(_: bytes) -> Whole:
        return answers.pop(0)

    await pages.answer(check(shape=shape), asked)
    assert await reason(pages, check(shape=shape), Asked(answer(shape, "github_repo"))) is None


async def test_calls_that_are_under_way_end_refused_whatever_they_found(pages):
    """Else each of a thousand calls at once would tell its own bit."""
    here, let_go = asyncio.Event(), asyncio.Event()

    def waiting(whole: Whole):
        async def asked(_: bytes) -> Whole:
            here.set()
            await let_go.wait()
            return whole

        return asked

    wholes = [answer(kind="github_repo"), answer(), answer(), answer(kind="github_repo")]
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(reason(pages, check(), waiting(whole))) for whole in wholes]
        await here.wait()
        assert await reason(pages, check(), Asked(answer())) is Reason.ANSWER_WITHHELD
        let_go.set()
    assert [call.result() for call in calls] == [Reason.QUERY_CLASS_REFUSED] * len(calls)


async def test_many_alarms_stop_all_conditioned_queries_of_their_organization_alone(pages):
    for number in range(MOST):
        assert await reason(pages, check("github_repo"), Asked(answer(kind="github_repo"))) is None
        assert await reason(pages, check(f"kind_{number}"), Asked(answer())) is Reason.ANSWER_WITHHELD
    assert await reason(pages, check("github_repo"), Asked(answer(kind="github_repo"))) is Reason.QUERY_CLASS_REFUSED
    assert await reason(pages, check(organization="globex"), Asked(answer(kind="github_repo"))) is None


async def test_it_is_told_to_operators_and_not_with_the_object(pages, metrics, caplog):
    assert pages.alarms.notes() == ()
    await reason(pages, check(), Asked(answer()))
    assert pages.alarms.notes() == ("alarms: 1 open, see `gateway alarms list`",)
    assert metrics.registry.get_sample_value("gateway_alarms", {"state": "open"}) == 1
    assert metrics.registry.get_sample_value("gateway_alarms", {"state": "unwritten"}) == 0
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "request-1" in record.getMessage()
    assert "hidden" not in record.getMessage()


async def test_a_refusal_is_none_that_clients_try_again(pages):
    await reason(pages, check(), Asked(answer()))
    with pytest.raises(Stop) as caught:
        await pages.answer(check(), Asked(answer()))
    assert "hidden" not in caught.value.detail + caught.value.refusal.message
    assert caught.value.refusal.status == 403
    assert "operator" in caught.value.refusal.message
    assert caught.value.refusal.retry_after is None
