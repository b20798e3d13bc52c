"""`gateway calibrate`: what holds of the real upstreams, and what it costs where something does not."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.app import options
from gateway.app.control import REAL_WORLD
from gateway.app.request_ids import RequestIds
from gateway.authz import Capabilities, State
from gateway.authz.calibration import MEANINGS, Finding, refused_without
from gateway.authz.capabilities import CAPABILITIES
from gateway.cli.checking import config, settings_of
from gateway.cli.common import json_option, run, stop_requested, tell
from gateway.metrics import Metrics
from gateway.proxy import Asker, CalibrationOptions, Identities, Upstreams, calibrated, own_lines
from gateway.proxy.calibration_round import Calibrated
from gateway.settings import Settings

T = TypeVar("T")


@click.command()
@config
@click.option("--organization", metavar="ID", help="Ask this one's upstream alone.")
@click.option("--write", is_flag=True, help="Make a canary graph for it, and remove it again.")
@json_option
def calibrate(config: Path | None, organization: str | None, *, write: bool, as_json: bool) -> None:
    """Ask the upstreams whether what is assumed of them holds.

    Exit code 1: an upstream gave no answer, or a capability failed that the settings do not say failed.
    """
    settings = settings_of(config)
    asked = _organizations(settings, organization)
    found = run(_until_stopped(_calibrate(settings, asked, replace(options.calibration(settings), write=write))))
    settled = options.rules(settings).capabilities
    for name, done in found.items():
        _tell(name, done, settled, as_json=as_json)
    if any(_is_bad(done, settled) for done in found.values()):
        raise SystemExit(1)


def _organizations(settings: Settings, named: str | None) -> tuple[str, ...]:
    known = tuple(settings.organizations)
    if named is not None and named not in known:
        raise click.BadParameter(f"no upstream is bound to `{named}`", param_hint="--organization")
    if not known:
        raise click.ClickException("no organization has an upstream, see [organizations.….upstream]")
    return known if named is None else (named,)


async def _calibrate(
    settings: Settings, organizations: Iterable[str], chosen: CalibrationOptions
) -> dict[str, Calibrated]:
    bindings, metrics = options.bindings(settings), Metrics()
    identities, new_id = Identities(options.identities(settings)), RequestIds(REAL_WORLD.randomness)
    found = {}
    async with Upstreams(options.upstreams(settings)) as sender:
        for name in organizations:
            lines = own_lines(name, bindings[name], sender, metrics, identities, new_id, REAL_WORLD.now)
            asker = Asker(lines, chosen.asking)
            found[name] = await calibrated(asker, chosen, REAL_WORLD.randomness, REAL_WORLD.now())
    return found


async def _until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Its result. SIGTERM and SIGINT break it off, and what it has to tidy up is tidied up."""
    stop = asyncio.ensure_future(stop_requested().wait())
    task = asyncio.ensure_future(work)
    await asyncio.wait({stop, task}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    task.cancel()  # nothing happens to one that is done
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


# --- what is told -------------------------------------------------------------------------------------------------


def _is_bad(done: Calibrated, settled: Capabilities) -> bool:
    failed = [name for name in CAPABILITIES if done.findings[name].state is State.FAILED]
    return any(getattr(settled, name) is not State.FAILED for name in failed) or not any(
        finding.heard for finding in done.findings.values()
    )


def _tell(organization: str, done: Calibrated, settled: Capabilities, *, as_json: bool) -> None:
    lines = [_line(name, found, settled) for name, found in done.findings.items()]
    if as_json:
        tell({"organization": organization, "queries": done.asked, "found": lines}, as_json=True)
        return
    click.echo(f"{organization}: {done.asked} requests")
    for line in lines:
        click.echo(f"  {line['number']:4}{line['name']:26}{line['state']:12}{line['why']}")
        if line["settings"]:
            click.echo(f"      the settings say: {line['settings']}, and win")
        if line["refused"]:
            click.echo(f"      refused: {line['refused']}")


def _line(name: str, found: Finding, settled: Capabilities) -> dict[str, Any]:
    """`refused` is what is refused for the state that takes effect: the operator's, or else the one that was found."""
    said = getattr(settled, name, State.UNWITNESSED)
    own = None if said is State.UNWITNESSED else said.value
    cost = refused_without(name, found.state if own is None else said)
    number = MEANINGS[name].number
    return {
        "number": number,
        "name": name,
        "state": found.state.value,
        "why": found.why,
        "settings": own,
        "refused": cost,
    }
