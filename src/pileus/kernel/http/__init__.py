"""HTTP as OpenStack speaks it: routes are data, bodies are typed, faults are each service's own.

What it offers is imported when it is first named: an agent serves by `http.server` alone, and knows no database.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pileus.kernel.http.answers import Answer, FilePart, Stream
    from pileus.kernel.http.app import App, build_app
    from pileus.kernel.http.bodies import Body, converted
    from pileus.kernel.http.plan import Anew
    from pileus.kernel.http.queries import Query
    from pileus.kernel.http.routes import Route
    from pileus.kernel.http.service import Service
    from pileus.kernel.http.urls import Here
    from pileus.kernel.http.versions import ApiVersion, VersionDocument

__all__ = [
    "Anew",
    "Answer",
    "ApiVersion",
    "App",
    "Body",
    "FilePart",
    "Here",
    "Query",
    "Route",
    "Service",
    "Stream",
    "VersionDocument",
    "build_app",
    "converted",
]

_ROOMS = ("answers", "app", "bodies", "plan", "queries", "routes", "service", "urls", "versions")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    found = (import_module(f"{__name__}.{room}") for room in _ROOMS)
    globals()[name] = next(getattr(module, name) for module in found if hasattr(module, name))
    return globals()[name]
