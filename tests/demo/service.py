"""The demonstration as a service of a cloud: its routes, all declared."""

from demo.http import POLICIES, api
from demo.machines import api as _machines
from demo.networks import api as _networks

__all__ = ["POLICIES", "api"]
_DECLARED = (_machines, _networks)
