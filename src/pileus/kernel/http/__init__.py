"""HTTP as OpenStack speaks it: routes are data, bodies are typed, faults are each service's own."""

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
