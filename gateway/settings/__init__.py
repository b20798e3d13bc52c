"""Every knob once. Read from one TOML file and `GATEWAY_…` variables.

A variable names section and field, `GATEWAY_DATA__PORT=8080`, and wins over the file. A secret may also be in a file of
its own: `identity_file = "/run/secrets/identity"` instead of `identity = "…"`, or `GATEWAY_SECRETS__IDENTITY_FILE=…`.
Names of variables know no case, so that they reach only organizations whose id is in lower case:
`GATEWAY_ORGANIZATIONS__ACME__UPSTREAM__CREDENTIAL=…`. Every fault is reported at once, with its path; an unknown name
is a fault.
"""

from gateway.settings.certificates import check_certificates, stale_certificates, tls_context
from gateway.settings.listeners import Listener
from gateway.settings.reading import SettingsError, load, validated
from gateway.settings.sections import PREFIX, Settings
from gateway.settings.showing import effective, fields, table

__all__ = [
    "PREFIX",
    "Listener",
    "Settings",
    "SettingsError",
    "check_certificates",
    "effective",
    "fields",
    "load",
    "stale_certificates",
    "table",
    "tls_context",
    "validated",
]
