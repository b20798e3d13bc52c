"""What can be asked of the real upstream about the assumptions of the threat model, and what its answers say.

asking     questions and answers, and what a finding is
scene      objects to see something by, on live data
canary     the same, made for it (`--write`)
probes     of the capabilities that plans read
assumed    of what is assumed outright
policies   of the condition of one policy
knowledge  what is known from round to round, what of it plans read, and what it costs
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from gateway.authz.calibration import canary
from gateway.authz.calibration.asking import (
    Asking,
    Finding,
    Probe,
    Question,
    Refused,
    Said,
    Silent,
    Unclear,
    steadily,
)
from gateway.authz.calibration.assumed import ASSUMPTION_PROBES
from gateway.authz.calibration.knowledge import (
    MEANINGS,
    Knowledge,
    Known,
    capabilities_of,
    refused_without,
    renewed,
    together,
)
from gateway.authz.calibration.policies import policy_holds
from gateway.authz.calibration.probes import CAPABILITY_PROBES, EXAMPLES
from gateway.authz.calibration.scene import Scene, look

PROBES = CAPABILITY_PROBES | ASSUMPTION_PROBES

__all__ = [
    "EXAMPLES",
    "MEANINGS",
    "PROBES",
    "Asking",
    "Finding",
    "Knowledge",
    "Known",
    "Probe",
    "Question",
    "Refused",
    "Said",
    "Scene",
    "Silent",
    "Unclear",
    "canary",
    "capabilities_of",
    "look",
    "policy_holds",
    "probes_of",
    "refused_without",
    "renewed",
    "steadily",
    "together",
]


def probes_of(scene: Scene) -> Mapping[str, Probe]:
    """All that is asked of a scene, by name."""
    return {name: partial(probe, scene) for name, probe in PROBES.items()}
