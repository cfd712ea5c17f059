"""How our own API speaks HTTP: no microversions, faults as Identity's."""

from pileus.kernel.http import Service

api = Service("pileus", "/pileus")
