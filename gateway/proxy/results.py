"""Addresses of results that upstreams have put aside: where they may lie, and how ours are made and opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from gateway.authz import RESULTS
from gateway.authz.outcome import Postponed
from gateway.http1 import Call, Reason, Refusal
from gateway.proxy.line import Binding
from gateway.proxy.result_seals import ResultSeals
from gateway.proxy.spool import Spool
from gateway.proxy.wire import Stop

_NO_HOST = Refusal(
    Reason.MALFORMED_REQUEST, "a deferred result needs a Host header, which tells where the result can be asked for"
)
_TOO_LONG = Refusal(
    Reason.UNSUPPORTED_ARGUMENT, "this query is too long for a deferred result: send it without `deferredResponse`"
)
_ELSEWHERE = Refusal(Reason.UPSTREAM_FAILED, "the query service put the result where the gateway does not fetch it")

_LABEL = r"[A-Za-z0-9_-]{1,63}"
_PLACE = re.compile(rf"https?://(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?(?:/[!-\"$-~]*)?")
"""No credential, no fragment, and only names that can be looked up."""
_NO_PLACE = "the result has no http address"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """`hosts`: where results may lie beside the upstreams themselves, by https only: `name`, `name:port`, or `*.name`
    for all hosts below a name."""

    hosts: tuple[str, ...] = ()
    url: str | None = None
    """The gateway's own, without a slash at its end; None for `scheme` and the Host header of the call."""
    scheme: str = "http"
    seconds: float = 900.0
    """That an address of ours is good: longer than clients ask (Node's for five minutes), shorter than the platform's
    own, which is good for an hour."""


class Results:
    """See the module. `spool` reads them whole."""

    def __init__(self, options: ResultOptions, seals: ResultSeals, spool: Spool) -> None:
        self.options = options
        self.spool = spool
        self._seals = seals

    def ours(self, call: Call, postponed: Postponed, binding: Binding) -> str:
        """The address that stands for a result, for whom a call came. Raises Stop."""
        self.refuse_elsewhere(postponed.place, binding)
        sealed = self._seals.seal(postponed)
        if sealed is None:
            raise Stop(_TOO_LONG, "query, address and cursor are too long to be sealed")
        return self._base(call) + RESULTS + sealed

    def opened(self, path: str) -> Postponed | None:
        """What the path of an address of ours stands for; None if it is none."""
        return self._seals.open(path.removeprefix(RESULTS))

    def refuse_elsewhere(self, place: str, binding: Binding) -> None:
        """Raises Stop for an address that is not fetched."""
        if not _PLACE.fullmatch(place):
            raise Stop(_ELSEWHERE, _NO_PLACE)
        try:
            parts = urlsplit(place)
        except ValueError:  # brackets around what is no address of IPv6
            raise Stop(_ELSEWHERE, _NO_PLACE) from None
        if not self._may_fetch(parts, binding):
            raise Stop(_ELSEWHERE, f"results at {parts.hostname} are not fetched: `deferred.hosts` does not name it")

    def _may_fetch(self, parts: SplitResult, binding: Binding) -> bool:
        if _origin(parts) in {_origin(urlsplit(url)) for url in _upstreams(binding)}:
            return True
        return parts.scheme == "https" and any(_fits(parts, host) for host in self.options.hosts)

    def _base(self, call: Call) -> str:
        """A proxy in front that ends TLS says so; whoever else says it leads only themselves astray."""
        if self.options.url is not None:
            return self.options.url
        host = call.header(b"host")
        if not host:
            raise Stop(_NO_HOST)
        secure = call.header(b"x-forwarded-proto") == b"https"
        return f"{'https' if secure else self.options.scheme}://{host.decode('ascii')}"


def _upstreams(binding: Binding) -> Iterator[str]:
    for service in (binding.j1ql, binding.graphql, binding.persister):
        yield from (address.url for address in service.addresses.all)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, _port(parts)


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port or _PORTS[parts.scheme]
    except ValueError:  # no number
        return None


def _fits(parts: SplitResult, pattern: str) -> bool:
    name, _, port = pattern.lower().partition(":")
    host = parts.hostname or ""
    if _port(parts) != int(port or _PORTS["https"]):
        return False
    return host.endswith(name[1:]) if name.startswith("*.") else host == name
