"""The data plane: from a client's bytes to an upstream's, and back; and the ops listener.

the wire        wire (what is asked of both ends), link, deadlines
  to clients    server, exchange, handshakes, connections, listener_options
  to upstreams  upstream, upstream_link, upstream_options
a call's way    handler, context, deciding, carrying, batch, graphql_answers, jobs, line, body, headers
who may call    bad_keys; how often: limiting, charging, alone (no Redis), shares (with it)
which upstream  service: addresses, retrying; checking, total_time
answers         codings, writing; to keys with a condition: pages, queried (GraphQL), seals, alarms
deferred ones   deferred, results, result_seals, spool
what is known   rulebook: calibrations (calibration_round, canary_graph, asking_upstream), unprobed_conditions
what is told    trace, decisions, uses, identity (to upstreams), ops
"""

from gateway.proxy.addresses import Addresses, AddressOptions, Circuit
from gateway.proxy.alarms import Alarms
from gateway.proxy.asking_upstream import Asker, AskingOptions, own_lines
from gateway.proxy.bad_keys import BadKeyOptions, BadKeys
from gateway.proxy.calibration_round import CalibrationOptions, calibrated
from gateway.proxy.calibrations import Calibrations, ConditionProbes
from gateway.proxy.checking import AddressChecks, CheckOptions, any_reachable
from gateway.proxy.context import Deps, Executed, ProxyOptions
from gateway.proxy.decisions import DecisionLog, DecisionOptions
from gateway.proxy.handler import Handler
from gateway.proxy.identity import Identities, IdentityOptions
from gateway.proxy.jobs import Jobs
from gateway.proxy.limiting import Limiter, LimitOptions, Unlimited
from gateway.proxy.line import Binding
from gateway.proxy.listener_options import ListenerOptions
from gateway.proxy.ops import Health, Ops, OpsOptions
from gateway.proxy.pages import PageOptions, Pages
from gateway.proxy.result_seals import ResultSeals
from gateway.proxy.results import ResultOptions, Results
from gateway.proxy.retrying import RetryBudget, RetryOptions
from gateway.proxy.rulebook import Rulebook
from gateway.proxy.seals import Seals
from gateway.proxy.server import Listener, listening
from gateway.proxy.service import Service
from gateway.proxy.spool import Spool, SpoolOptions
from gateway.proxy.unprobed_conditions import ConditionOptions, Conditions
from gateway.proxy.upstream import Upstreams, reachable
from gateway.proxy.upstream_options import UpstreamOptions
from gateway.proxy.uses import Uses, UseWriter

__all__ = [
    "AddressChecks",
    "AddressOptions",
    "Addresses",
    "Alarms",
    "Asker",
    "AskingOptions",
    "BadKeyOptions",
    "BadKeys",
    "Binding",
    "CalibrationOptions",
    "Calibrations",
    "CheckOptions",
    "Circuit",
    "ConditionOptions",
    "ConditionProbes",
    "Conditions",
    "DecisionLog",
    "DecisionOptions",
    "Deps",
    "Executed",
    "Handler",
    "Health",
    "Identities",
    "IdentityOptions",
    "Jobs",
    "LimitOptions",
    "Limiter",
    "Listener",
    "ListenerOptions",
    "Ops",
    "OpsOptions",
    "PageOptions",
    "Pages",
    "ProxyOptions",
    "ResultOptions",
    "ResultSeals",
    "Results",
    "RetryBudget",
    "RetryOptions",
    "Rulebook",
    "Seals",
    "Service",
    "Spool",
    "SpoolOptions",
    "Unlimited",
    "UpstreamOptions",
    "Upstreams",
    "UseWriter",
    "Uses",
    "any_reachable",
    "calibrated",
    "listening",
    "own_lines",
    "reachable",
]
