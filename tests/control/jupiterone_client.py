"""What the tests of the JupiterOne face have in common: asking it, and reading what it says."""

from __future__ import annotations

from typing import Any

from gateway.authz.outcome import GraphQLRequest
from gateway.control.jupiterone import GraphQLAnswer, JupiterOne
from gateway.keys import Principal


async def ask(face: JupiterOne, actor: Principal, query: str, **variables: Any) -> GraphQLAnswer:
    return await face.execute(GraphQLRequest(query, variables, None), actor, "call-1")


async def given(face: JupiterOne, actor: Principal, query: str, **variables: Any) -> Any:
    """The value of the only root field, of an answer without errors."""
    answer = await ask(face, actor, query, **variables)
    assert (answer.status, list(answer.body)) == (200, ["data"]), answer.body
    (value,) = answer.body["data"].values()
    return value


async def refused(face: JupiterOne, actor: Principal, query: str, **variables: Any) -> dict[str, Any]:
    """The only error of an answer that gives nothing, with its code and reason beside its message."""
    answer = await ask(face, actor, query, **variables)
    assert list(answer.body["data"].values()) == [None], answer.body
    (error,) = answer.body["errors"]
    return {"message": error["message"], **error["extensions"]}
