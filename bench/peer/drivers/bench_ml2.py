"""For Neutron, in its own environment: a mechanism driver that binds every port and does nothing else."""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class BindAnything(api.MechanismDriver):
    """The first segment will do, on any host: ports that servers can boot with, and no data plane."""

    connectivity = portbindings.CONNECTIVITY_L2

    def initialize(self):
        """Nothing to do."""

    def bind_port(self, context):
        segment = context.segments_to_bind[0]
        details = {portbindings.CAP_PORT_FILTER: True}
        context.set_binding(segment[api.ID], portbindings.VIF_TYPE_OVS, details, constants.PORT_STATUS_ACTIVE)
