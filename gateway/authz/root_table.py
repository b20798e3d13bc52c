"""An operator's rows for the table root field -> permissions: what may stand in one, and why not.

A row can open a field that the gateway does not know, and nothing else: what it knows to read the graph, to be about
keys and people, or to hand out credentials stays as it is, and so do its own rows. There is no schema to hold a row
against, so an operator may give the paths of the arguments that a field takes; a template that names another one is a
fault then. Without them a wrong path fails closed: the argument is always absent, which stands for all resources.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from gateway.authz.roots import GRAPH, KEYS_DECIDE, NEVER, ORGANIZATION, OURS, ROOTS
from gateway.policy import ANY, READ_GRAPH
from gateway.policy.supported import ACTIONS

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
"""GraphQL (October 2021), section 2.1.9."""
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
_TEMPLATE = re.compile(r"(?P<type>[^:{}]+):(?:\{(?P<path>[^{}]*)\}|(?P<id>[^{}]+))")


def check_field(name: str) -> None:
    """Raises ValueError for a root field that no row can open."""
    if not _NAME.fullmatch(name) or name.startswith("__"):
        raise ValueError("is not the name of a GraphQL field")
    if name in OURS:
        raise ValueError("is answered by the gateway itself, whatever a policy says")
    if name in KEYS_DECIDE:
        raise ValueError("is about keys and people, which no policy opens")
    if name in NEVER:
        raise ValueError("hands out an upstream credential or a public address, so no key may use it")
    if name in GRAPH:
        raise ValueError("reads the graph past /j1ql, so it stays with keys that may do everything")
    if name in ROOTS:
        raise ValueError("has a row of the gateway's own, which cannot be replaced")


def check_action(action: str) -> None:
    """Raises ValueError for an action that no policy can name."""
    if action != ANY and action not in ACTIONS:
        raise ValueError(f"must be one of {', '.join(ACTIONS)}, or `*`")


def check_resource(action: str, resource: str) -> None:
    """Raises ValueError for a resource, or a template of one, on which no policy can allow the action."""
    if resource == ANY:
        return
    if action in {ANY, READ_GRAPH}:
        raise ValueError(f"must be `*`, as `{action}` is about everything")
    match = _TEMPLATE.fullmatch(resource)
    if match is None:
        raise ValueError("must be `*`, `type:id`, or `type:{argument}` with the path of an argument")
    if match["type"] not in ACTIONS[action]:
        raise ValueError(f"must be about a {' or a '.join(sorted(ACTIONS[action]))}, as `{action}` is")
    path = match["path"]
    if path is not None and path != ORGANIZATION and not _PATH.fullmatch(path):
        raise ValueError(f"has no path of an argument in its braces: `{path}`; such as `id`, or `input.id`")


def check_arguments(paths: Iterable[str]) -> None:
    """Raises ValueError for what cannot be the path of an argument."""
    for path in paths:
        if not _PATH.fullmatch(path):
            raise ValueError(f"`{path}` is not the path of an argument, such as `id` or `input.id`")


def check_needs(needs: Collection[tuple[str, str]], arguments: Collection[str] | None) -> None:
    """Actions and resources of one row. Raises ValueError for one that is there twice, and for a missing argument."""
    if len(set(needs)) < len(needs):
        twice = next(need for number, need in enumerate(needs) if need in list(needs)[:number])
        raise ValueError(f"`{twice[0]}` on `{twice[1]}` is there twice")
    for _, resource in needs:
        match = _TEMPLATE.fullmatch(resource)
        path = match["path"] if match else None
        if path and path != ORGANIZATION and arguments is not None and path not in arguments:
            takes = ", ".join(f"`{each}`" for each in arguments) or "none"
            raise ValueError(f"`{resource}` names an argument that the field does not take; it takes {takes}")
