"""How failures read when a service has no own way, and how a path that is no route reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pileus.kernel.errors import CloudError, NotFound
from pileus.kernel.http.answers import Answer

Fault = Callable[[CloudError], Any]
"""A service's fault shape: the JSON document for an error, or an Answer for another media type."""

Missing = Callable[[str, str], CloudError]
"""What a path parameter that cannot name anything gives: (its name, its value) -> what a missing item would give."""

NOT_FOUND = "The resource could not be found."
PAGE = f"""<html>
 <head>
  <title>404 Not Found</title>
 </head>
 <body>
  <h1>404 Not Found</h1>
  {NOT_FOUND}<br /><br />


 </body>
</html>"""


class InternalError(CloudError):
    """Something broke that should not. The client learns the request's id, the log the rest."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"An unexpected error prevented the server from fulfilling your request ({request_id}).")


def plain_fault(error: CloudError) -> dict[str, Any]:
    """Identity's shape, which is also our own: {"error": {"code", "title", "message"}}."""
    return {"error": {"code": error.status, "title": error.title, "message": error.message, **error.details}}


def unknown_route(accept: str) -> Answer:
    """What OpenStack's services give for a path that is no route: WebOb's page, or its JSON for who wants JSON."""
    if "application/json" in accept:
        document = {"message": f"{NOT_FOUND}<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}
        return Answer(document, 404)
    return Answer(PAGE, 404, media_type="text/html; charset=UTF-8")


def missing_item(name: str, value: str) -> CloudError:
    """`server_id`, `x` -> "Server x could not be found."."""
    noun = name.removesuffix("_id").replace("_", " ").capitalize()
    return NotFound(f"{noun} {value} could not be found.")
