"""The calls that are measured, and what the fixed upstream answers them.

    small     a POST of 500 bytes, answered by 4 KB
    tls       the same over TLS
    rows      a query, answered by 25 rows of 500 bytes
    upload    a POST of 1 MB, answered by a few bytes
    download  a POST of 500 bytes, answered by 1 MB

One path of the platform stands for each answer, so that the upstream need not think. A proxy that does not look into
calls gets them on the path of a synchronization job, which is also where the gateway passes bodies on unread.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

JOBS = "/persister/synchronization/jobs"
JOB = f"{JOBS}/3f1c2f0e-7d5b-4f0e-9c84-2a3a2f6f5a10"
INSTANCE = "5465397d-8491-4a12-806a-04792839abe3"
"""The integration whose job it is: the sandbox has the same one."""
REQUEST_BYTES = 500
LARGE = 1_000_000
ROW_BYTES = 500


class Way(StrEnum):
    """What happens to a call on its way."""

    PROXIED = "proxied"
    """By somebody who does not look into it."""
    KEY = "key"
    """By the gateway, for a key that may do everything, the body passed on unread."""
    QUERY = "query"
    """`/j1ql` by the gateway, for a key that may do everything."""
    CONDITION = "condition"
    """`/j1ql` by the gateway, for a key with a condition: narrowed and checked."""
    GRAPHQL = "graphql"
    """`/graphql` by the gateway, for a key that may do everything."""


@dataclass(frozen=True, slots=True)
class Call:
    path: str
    body: bytes

    def request(self, key: str, host: str = "gateway") -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {key}"]
        lines += ["Content-Type: application/json", "Accept: application/json", "User-Agent: loadtests"]
        return "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""]).encode() + self.body


@dataclass(frozen=True, slots=True)
class Case:
    """One table. `keys` and `connections` are the most that are used: large messages need few of both."""

    name: str
    title: str
    calls: dict[Way, Call]
    latency: bool = False
    keys: int = 10_000
    connections: int = 32
    tls: bool = False
    """Of those who take calls over TLS. Connections are kept, so that handshakes hardly count."""


# --- what is asked ------------------------------------------------------------------------------------------------


def padded(before: str, after: str, size: int) -> bytes:
    """A JSON text of so many bytes."""
    return (before + "x" * (size - len(before) - len(after)) + after).encode()


def query(rows: int) -> bytes:
    return padded('{"query": "FIND github_repo WITH name != \'', f"' LIMIT {rows}\"}}", REQUEST_BYTES)


SMALL_ROWS = 8
ROWS = 25
_FEW, _MANY = query(SMALL_ROWS), query(ROWS)
_BATCH = padded('{"entities": [{"_key": "', '"}]}', REQUEST_BYTES)
_UPLOAD = padded('{"entities": [{"_key": "', '"}]}', LARGE)
_GRAPHQL = padded(
    '{"query": "{ integrationInstances { instances { id name description } } }", "variables": {"note": "',
    '"}}',
    REQUEST_BYTES,
)

_SMALL = {way: Call(f"{JOB}/entities", _BATCH) for way in (Way.PROXIED, Way.KEY)}

CASES = (
    Case(
        "small",
        "a POST of 500 bytes, answered by 4 KB",
        {
            **_SMALL,
            Way.QUERY: Call("/j1ql", _FEW),
            Way.CONDITION: Call("/j1ql", _FEW),
            Way.GRAPHQL: Call("/graphql", _GRAPHQL),
        },
        latency=True,
    ),
    Case("tls", "the small call over TLS", _SMALL, tls=True),
    Case(
        "rows",
        "a query of 500 bytes, answered by 25 rows (12.5 KB)",
        {way: Call("/j1ql", _MANY) for way in (Way.PROXIED, Way.QUERY, Way.CONDITION)},
        latency=True,
    ),
    Case(
        "upload",
        "a POST of 1 MB, answered by a few bytes",
        {way: Call(f"{JOB}/upload", _UPLOAD) for way in (Way.PROXIED, Way.KEY)},
        keys=16,
        connections=8,
    ),
    Case(
        "download",
        "a POST of 500 bytes, answered by 1 MB",
        {way: Call(f"{JOB}/events", _BATCH) for way in (Way.PROXIED, Way.KEY)},
        keys=16,
        connections=8,
    ),
)

# --- what is answered ---------------------------------------------------------------------------------------------


def row(number: int, size: int = ROW_BYTES) -> bytes:
    """One entity of a list, as the platform writes them."""
    entity = {
        "_id": f"repo-{number}",
        "_type": ["github_repo"],
        "_class": ["CodeRepo"],
        "displayName": f"repo {number}",
    }
    head = json.dumps({"id": f"repo-{number}", "entity": entity}, separators=(",", ":"))[:-1]
    return padded(head + f',"properties":{{"name":"repo-{number}","private":true,"description":"', '"}}', size)


def listed(rows: int) -> bytes:
    return b'{"type":"list","data":[' + b",".join(row(number) for number in range(rows)) + b"]}"


_JOB = {"id": JOB.rpartition("/")[2], "integrationInstanceId": INSTANCE, "status": "AWAITING_UPLOADS"}
_JOB_ANSWER = json.dumps({"job": _JOB}).encode()
_FEW_ROWS, _MANY_ROWS = listed(SMALL_ROWS), listed(ROWS)


def answer(method: str, path: str, body: bytes) -> bytes:
    """The JSON that the upstream answers: it depends on the path, and of a query on its LIMIT."""
    if method == "GET":
        return _JOB_ANSWER
    if path == "/j1ql":
        return _MANY_ROWS if f"LIMIT {ROWS}".encode() in body else _FEW_ROWS
    return _ANSWERS[path]


_ANSWERS = {
    **dict.fromkeys((JOBS, f"{JOB}/finalize", f"{JOB}/abort"), _JOB_ANSWER),
    f"{JOB}/entities": padded('{"job": {"note": "', '"}}', 4096),
    f"{JOB}/upload": b'{"job":{}}',
    f"{JOB}/events": padded('{"job": {"note": "', '"}}', LARGE),
    "/graphql": padded('{"data": {"integrationInstances": {"instances": [], "note": "', '"}}}', 4096),
}
