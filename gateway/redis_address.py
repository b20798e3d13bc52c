"""Addresses of Redis: one server, a master that Sentinels watch, or a Cluster.

    redis://[[user]:password@][host][:port][/database]            also rediss (TLS)
    unix://[[user]:password@]/path/of/the/socket[?db=database]
    redis+sentinel://[[user]:password@]host[:port][,host[:port]...][/database]?master=name[&sentinel_password=...]
    redis+cluster://[[user]:password@]host[:port][,host[:port]...]

The last two also as `rediss+sentinel` and `rediss+cluster`. User and password are those of the Redis servers; Sentinels
have a password of their own. Every part but the names of hosts may have %-escapes. With TLS `ssl_ca_certs`,
`ssl_certfile` and `ssl_keyfile` name files, `ssl_cert_reqs` is `required`, `optional` or `none`, and
`ssl_check_hostname` is `true` or `false`; they are called as redis-py calls them.

No fault quotes a word of the address: whatever is in the wrong place may be a part of the password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import unquote


class Topology(StrEnum):
    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """`nodes` are (host, port) of the server, of the Sentinels, or of some nodes of the Cluster; none for a socket."""

    topology: Topology
    nodes: tuple[tuple[str, int], ...]
    socket: str | None = None
    tls: Mapping[str, str | bool] | None = None
    """Its parameters, by the names of redis-py; None without TLS."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    master: str = ""
    """The name under which the Sentinels know it."""
    sentinel_password: str | None = field(default=None, repr=False)


_SCHEMES = {
    "redis": (Topology.SINGLE, False),
    "rediss": (Topology.SINGLE, True),
    "unix": (Topology.SINGLE, False),
    "redis+sentinel": (Topology.SENTINEL, False),
    "rediss+sentinel": (Topology.SENTINEL, True),
    "redis+cluster": (Topology.CLUSTER, False),
    "rediss+cluster": (Topology.CLUSTER, True),
}
_PORTS = {Topology.SINGLE: 6379, Topology.SENTINEL: 26379, Topology.CLUSTER: 6379}

_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z+]+)://((?P<credentials>[^/?#]*)@)?(?P<nodes>[^/?#]*)(?P<path>/[^?#]*)?(\?(?P<query>[^#]*))?"
)
_NODE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+)(:(?P<port>[0-9]{1,5}))?", re.ASCII)
_DATABASE = re.compile(r"[0-9]{1,4}", re.ASCII)

_ESCAPE = "Write `/`, `?` and `#` in a password as %2F, %3F and %23"
_FORM = "must be of the form redis://[user:password@]host[:port][/database]"


def redis_address(url: str) -> RedisAddress:
    """Raises ValueError; its text goes on after the name of the setting, and has no part of the address."""
    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(f'{name}://' for name in _SCHEMES)}")
    parts = _ADDRESS.fullmatch(url)
    if parts is None:
        raise ValueError(f"{_FORM}. {_ESCAPE}")
    topology, tls = _SCHEMES[scheme]
    user, _, password = (parts["credentials"] or "").partition(":")
    parameters = _parameters(parts["query"] or "", _known(topology, tls=tls))
    is_socket = scheme == "unix"
    return RedisAddress(
        topology,
        nodes=() if is_socket else _nodes(parts["nodes"], topology),
        socket=_socket(parts["nodes"], parts["path"]) if is_socket else None,
        tls=_tls(parameters) if tls else None,
        user=unquote(user) or None,
        password=unquote(password) or None,
        database=_database("" if is_socket else parts["path"] or "", parameters.get("db"), topology),
        master=_master(parameters, topology),
        sentinel_password=parameters.get("sentinel_password") or None,
    )


def _word(*words: str) -> Callable[[str], str]:
    def chosen(value: str) -> str:
        if value not in words:
            raise ValueError(f"must be {', '.join(words[:-1])} or {words[-1]}")
        return value

    return chosen


def _path(value: str) -> str:
    if not value:
        raise ValueError("names no file")
    return value


def _truth(value: str) -> bool:
    return _word("true", "false")(value.lower()) == "true"


_TLS: Mapping[str, Callable[[str], str | bool]] = MappingProxyType(
    {
        "ssl_ca_certs": _path,
        "ssl_certfile": _path,
        "ssl_keyfile": _path,
        "ssl_cert_reqs": _word("required", "optional", "none"),
        "ssl_check_hostname": _truth,
    }
)


def _known(topology: Topology, *, tls: bool) -> tuple[str, ...]:
    known = {Topology.SINGLE: ("db",), Topology.SENTINEL: ("master", "sentinel_password"), Topology.CLUSTER: ()}
    return (*known[topology], *(_TLS if tls else ()))


def _parameters(query: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, _, value in (part.partition("=") for part in query.split("&") if part):
        if name not in known:
            allowed = f"are {', '.join(f'`{each}`' for each in known)}" if known else "there are none"
            raise ValueError(f"has a parameter after `?` that is not known; known {allowed}. {_ESCAPE}")
        if name in found:
            raise ValueError(f"has the parameter `{name}` twice")
        found[name] = unquote(value)
    return found


def _nodes(text: str, topology: Topology) -> tuple[tuple[str, int], ...]:
    if topology is Topology.SINGLE:
        if "," in text:
            raise ValueError("has several hosts: for these it must begin with redis+sentinel:// or redis+cluster://")
        text = f"localhost{text}" if not text or text.startswith(":") else text
    return tuple(_node(each, _PORTS[topology]) for each in text.split(","))


def _node(text: str, otherwise: int) -> tuple[str, int]:
    found = _NODE.fullmatch(text)
    if found is None:
        raise ValueError(f"has a host or a port that cannot be read. {_ESCAPE}")
    port = int(found["port"] or otherwise)
    if not 0 < port <= 65535:  # noqa: PLR2004 (the largest that there is)
        raise ValueError("has a port that is not one of 1 to 65535")
    return found["host"].strip("[]"), port


def _socket(host: str, path: str | None) -> str:
    if host or path in {None, "", "/"}:
        raise ValueError("must be of the form unix:///path/of/the/socket")
    return unquote(path or "")


def _database(path: str, parameter: str | None, topology: Topology) -> int:
    text = path.removeprefix("/")
    if parameter is not None and text:
        raise ValueError("has a database twice: after the host and as the parameter `db`")
    text = text if parameter is None else parameter
    if text and topology is Topology.CLUSTER:
        raise ValueError("must end after the hosts: a Redis Cluster has no databases")
    if text and not _DATABASE.fullmatch(text):
        raise ValueError(f"must have the number of a database after the host, or nothing. {_ESCAPE}")
    return int(text or 0)


def _master(parameters: Mapping[str, str], topology: Topology) -> str:
    if topology is not Topology.SENTINEL:
        return ""
    if not parameters.get("master"):
        raise ValueError("must say ?master=name, as the Sentinels call it")
    return parameters["master"]


def _tls(parameters: Mapping[str, str]) -> dict[str, str | bool]:
    found: dict[str, str | bool] = {}
    for name, read in _TLS.items():
        if name in parameters:
            try:
                found[name] = read(parameters[name])
            except ValueError as fault:
                raise ValueError(f"has a wrong parameter: `{name}` {fault}") from None
    return found
