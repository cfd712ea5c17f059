"""The names of resource classes. Only this noun imports this module."""

from pileus.kernel.facts import facts
from pileus.services.placement.names import Vocabulary

names = Vocabulary("resource_class", facts("placement", "resource_classes")["standard"].split())
