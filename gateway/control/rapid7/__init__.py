"""The Rapid7 face: `/validate` and `/account/api/1/…`."""

from gateway.control.rapid7.face import Rapid7

__all__ = ["Rapid7"]
