"""Wires everything, and owns start and stop; with `cli` the only part that reads settings."""

from gateway.app import options
from gateway.app.control import REAL_WORLD, Control, StartError, World, opened_control
from gateway.app.serving import Gateway, serving

__all__ = ["REAL_WORLD", "Control", "Gateway", "StartError", "World", "opened_control", "options", "serving"]
