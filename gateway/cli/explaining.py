"""Why a call is decided as it is, and what another policy would change."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, TextIO

import click

from gateway.authz import Explanation, Mode, Rules, explain
from gateway.cli.decision_log import by_policy, log_option, records
from gateway.policy import (
    ANY,
    READ_GRAPH,
    Policy,
    PolicyError,
    Refused,
    Verdict,
    decide,
    decide_unknown,
    decide_whole_graph,
    lint,
    parse,
)

policy_option = click.option("--policy", "policy", type=click.File(encoding="utf-8"), required=True)


mode_option = click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.STRICT.value,
    show_default=True,
    help="Which relationships a key with a condition sees.",
)


@click.command("explain")
@policy_option
@click.option("--query", help="A J1QL query; without one, the decision for any.")
@click.option("--variables", default="{}", help="The query's variables, a JSON object.")
@mode_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def explain_command(policy: TextIO, query: str | None, variables: str, mode: str, *, as_json: bool) -> None:
    """The decision on POST /j1ql, the statements that made it, and the narrowed query or why it is refused.

    What narrowing adds stands between « and ».
    """
    read = _policy(policy)
    told = explain(read, query, Rules(mode=Mode(mode)), _variables(variables))
    if as_json:
        members = dataclasses.asdict(told)
        del members["added"]
        click.echo(json.dumps(members | {"remarks": lint(read)}, ensure_ascii=False))
        return
    click.echo(f"{told.decision}: {told.reason}")
    if told.statements:
        click.echo(f"because of {', '.join(told.statements)}")
    if told.query is not None:
        click.echo(f"\n  {told.added or told.query}")
    for remark in lint(read):
        click.echo(f"\nremark: {remark}")


@click.command("replay")
@policy_option
@log_option
@click.option("--key", help="Only the calls of this key.")
@mode_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def replay(policy: TextIO, log: TextIO, key: str | None, mode: str, *, as_json: bool) -> None:
    """Which calls of a decision log would be decided otherwise under another policy.

    Queries are looked at where the log has them (setting decision_log.bodies). Calls that no policy decides, such as
    those about keys, are left out.
    """
    read, rules = _policy(policy), Rules(mode=Mode(mode))
    calls = [call for record in records(log) if key is None or record.get("key") == key for call in _calls(record)]
    decided = [(call, _was(call), _would(call, read, rules)) for call in calls]
    changed = [(record, was, would) for record, was, would in decided if was != would.decision]
    if as_json:
        differing = [_difference(record, was, would) for record, was, would in changed]
        click.echo(json.dumps({"calls": len(decided), "different": differing}, ensure_ascii=False))
        return
    for record, was, would in changed:
        click.echo(
            f"{record['request']}  {record['action']} {record['resource']}: {was} -> {would.decision} ({would.reason})"
        )
    click.echo(f"{len(decided)} calls, {len(changed)} decided otherwise")


def _policy(file: TextIO) -> Policy:
    try:
        return parse(file.read())
    except PolicyError as fault:
        raise click.ClickException(f"{file.name}: {fault}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{file.name}: not a text in UTF-8") from None


def _variables(text: str) -> dict[str, Any]:
    try:
        variables = json.loads(text)
    except ValueError:
        variables = None
    if not isinstance(variables, dict):
        raise click.ClickException('--variables must be a JSON object such as {"name": "value"}')
    return variables


def _calls(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a policy decided in a record.

    A refusal for another reason, such as a query that cannot be narrowed, can only be judged with its query.
    """
    return by_policy(record, others=_query(record) is not None)


def _was(record: dict[str, Any]) -> str:
    return {"refused": "refuse", "narrowed": "narrow"}.get(record.get("outcome", ""), "allow")


def _would(record: dict[str, Any], policy: Policy, rules: Rules) -> Explanation:
    if record.get("route") == "j1ql":
        variables = _asked(record).get("variables")
        return explain(policy, _query(record), rules, variables if isinstance(variables, dict) else None)
    match _verdict(record, policy):
        case Refused(because=because):
            return Explanation("refuse", "a DENY refuses it" if because else "no ALLOW grants it", because)
        case verdict:
            return Explanation("allow", "granted", verdict.because)


def _verdict(record: dict[str, Any], policy: Policy) -> Verdict:
    """As `authz` decides it: GraphQL fields that read the graph, or that nobody knows, need everything."""
    action = record["action"]
    if record.get("route") == "graphql" and action == READ_GRAPH:
        return decide_whole_graph(policy)
    return decide_unknown(policy) if action == ANY else decide(policy, action, record.get("resource", ANY))


def _query(record: dict[str, Any]) -> str | None:
    query = _asked(record).get("query")
    return query if isinstance(query, str) else None


def _asked(record: dict[str, Any]) -> dict[str, Any]:
    """The body of a call where the log has it whole."""
    try:
        body = json.loads(record.get("body", ""))
    except (ValueError, TypeError):
        return {}
    return body if isinstance(body, dict) else {}


def _difference(record: dict[str, Any], was: str, would: Explanation) -> dict[str, Any]:
    told = {name: record.get(name) for name in ("request", "key", "action", "resource")}
    return told | {"was": was, "would": would.decision, "reason": would.reason, "statements": would.statements}
