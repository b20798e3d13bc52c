"""What a key sees of the graph, by which doors, and what is known of the platform's language."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from gateway.authz import Introspection, Mode, Needs, check_arguments, check_needs, check_resource
from gateway.policy import ANY
from gateway.settings.kinds import Capabilities, PolicyAction, QueryFields, RootName, Section


class Need(Section):
    """A permission that a root field needs."""

    action: PolicyAction
    """An action of a policy, or `*`."""
    resource: str = ANY
    """`*`, `type:id`, or `type:{argument}` with the path of the argument that names the resource."""

    @model_validator(mode="after")
    def _the_action_is_about_the_resource(self) -> Self:
        try:
            check_resource(self.action, self.resource)
        except ValueError as fault:
            raise ValueError(f"`resource` {fault}") from None
        return self


def _some(needs: tuple[Need, ...]) -> tuple[Need, ...]:
    if not needs:
        raise ValueError("must name a permission; without a row a field needs everything")
    return needs


class RootField(Section):
    """What a root field of the platform's GraphQL needs that the gateway does not know; all of `needs`."""

    needs: Annotated[tuple[Need, ...], AfterValidator(_some)]
    """`[{action = "dashboard:View", resource = "dashboard:{boardId}"}]`: all of them. `<field> = […]` says the same."""
    arguments: tuple[str, ...] | None = None
    """Paths of the arguments that the field takes, `["boardId", "input.id"]`: then no other can be named."""

    @model_validator(mode="before")
    @classmethod
    def _needs_may_stand_alone(cls, data: Any) -> Any:
        return {"needs": data} if isinstance(data, list) else data

    @model_validator(mode="after")
    def _each_argument_is_there(self) -> Self:
        check_arguments(self.arguments or ())
        check_needs([(need.action, need.resource) for need in self.needs], self.arguments)
        return self

    def permissions(self) -> tuple[Needs, ...]:
        return tuple(Needs(need.action, need.resource) for need in self.needs)


class Graph(Section):
    """What a key with a condition sees, and what is known about the platform's query language and GraphQL."""

    relationships: Mode = Mode.STRICT
    """`strict`: relationships that satisfy the condition themselves; `induced`: all between two visible entities."""
    query_fields: QueryFields = True
    """Whether `queryV1` and `queryV2` are open to keys that may do everything; `enforce`: to all, as `/j1ql` is."""
    verified: Capabilities = ()
    """Capabilities of the upstream that hold (see `gateway/authz/capabilities.py`), whatever probes find."""
    failed: Capabilities = ()
    """Capabilities that do not hold, whatever probes find; what rests on one is refused."""
    introspection: Introspection = Introspection.UNRESTRICTED
    """Who may ask for the GraphQL schema: `nobody`, keys that may do everything (`unrestricted`), or `everybody`."""
    roots: dict[RootName, RootField] = Field(default={})
    """GraphQL root fields that the gateway does not know, by name; without a row they need everything."""

    @model_validator(mode="after")
    def _no_capability_is_both(self) -> Self:
        if both := set(self.verified) & set(self.failed):
            raise ValueError(f"`{min(both)}` is both verified and failed")
        return self
