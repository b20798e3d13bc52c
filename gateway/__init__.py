"""An authorizing API gateway for a JupiterOne-like graph platform.

The map of the house; imports go one way, from the top of this list to its end:

    cli, app        the commands, and the one place that wires everything and owns start and stop
    proxy           the data plane: handler, upstream connections, streaming
    control         the control plane: use cases about keys, people and rights, and the faces over them
    sandbox         a small graph that speaks J1QL: demo, test upstream, oracle
    stores          where keys live: in-process, Redis, SQL; and the counters of limits
    settings, metrics, answers
    authz           may this call pass, and how narrowed (pure)
    keys            identities, keys, limits, and who may do what with them (pure)
    policy          what a key may do (pure)
    j1ql            the query language (pure)
    http1           our values for a call and a reply (pure)
    redis_address   the forms of Redis's addresses (pure)
    strict_json     JSON with one meaning (pure)
"""

__version__ = "0.1.0"
