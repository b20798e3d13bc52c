"""The Contember face: `/tenant`."""

from gateway.control.contember.face import Contember

__all__ = ["Contember"]
