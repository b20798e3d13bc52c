"""An upstream in this process: the sandbox's own answers, by whatever dialect and manner of serving, without a wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from gateway.authz.calibration import (
    Asking,
    Finding,
    Question,
    Refused,
    Said,
    Scene,
    canary,
    look,
    probes_of,
    steadily,
)
from gateway.sandbox.account import Account, Parameter, example_account
from gateway.sandbox.company import example_graph
from gateway.sandbox.graph import Graph
from gateway.sandbox.queries import PLAINLY, QueryError, Serving, answer, read_call
from gateway.sandbox.synchronization import Jobs
from gateway.sandbox.uploads import Flags, read_chunk

NOW = 1_763_800_000_000
NOBODY = "00000000-0000-4000-8000-000000000000"
RUN = "ab12"


def company(entities: int = 300) -> Graph:
    """A part of the example company: with more entities than a page, and all relationships between them."""
    whole = example_graph("j1sandbox")
    # The data stores come first, and the users last: some of both, and of what lies between.
    every = list(whole.entities)
    kept = list(islice(every, 0, None, len(every) // entities))
    ids = {entity.id for entity in kept}
    return Graph(kept, [edge for edge in whole.relationships if {edge.from_id, edge.to_id} <= ids])


@dataclass
class Upstream:
    graph: Graph = field(default_factory=company)
    account: Account = field(default_factory=lambda: example_account("j1sandbox", NOW))
    serving: Serving = PLAINLY
    asked: int = 0

    def converse(self, asking: Asking[Any]) -> Any:
        try:
            question = next(asking)
            while True:
                question = asking.send(self.said(question))
        except StopIteration as over:
            return over.value

    def said(self, question: Question) -> Said | Refused:
        bodies: list[bytes] = []
        pages: list[dict[str, Any]] = []
        while len(pages) < question.pages:
            self.asked += 1
            cursor = {"cursor": pages[-1]["cursor"]} if pages else {}
            call = read_call({"query": question.text, **cursor})
            try:
                page = answer(call, self.graph, self.account, page=250, now=NOW, serving=self.serving)
            except QueryError as fault:
                return Refused(fault.message)
            pages.append(page)
            bodies.append(orjson.dumps(page))
            if "cursor" not in page:
                break
        rows = [row for page in pages for row in (page["data"] if isinstance(page["data"], list) else [page["data"]])]
        return Said(pages[0]["type"], tuple(rows), "cursor" in pages[-1], pages[0]["totalCount"], tuple(bodies))

    def plant(self, run: str) -> None:
        """The canaries of a run, uploaded as a client uploads them, and its parameters."""
        jobs = Jobs(self.account, self.graph)
        job = jobs.create(canary.job_of(canary.scope(run)), NOW)
        for _, body in canary.uploads(run, NOW):
            jobs.upload(job, read_chunk(body, ("entities", "relationships"), job.mode, Flags()), Flags())
        jobs.finalize(job, frozenset(), NOW)
        for name, value in canary.parameters(run).items():
            self.account.parameters[name] = Parameter(name, value, secret=False, updated=NOW)

    def live(self) -> dict[str, Finding]:
        """What is found on the data that is there."""
        return self._found(self.converse(look(NOBODY, "gateway_nothing_1")))

    def by_canaries(self, run: str = RUN) -> dict[str, Finding]:
        """What is found by canaries that were planted."""
        ids: Mapping[str, str] | None = self.converse(canary.found(run))
        assert ids is not None, "not all canaries are there"
        return self._found(canary.scene(run, ids, NOBODY, with_parameters=True))

    def _found(self, scene: Scene) -> dict[str, Finding]:
        return {name: self.converse(steadily(probe)) for name, probe in probes_of(scene).items()}
