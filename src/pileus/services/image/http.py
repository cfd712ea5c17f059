"""How Image speaks HTTP: its versions, its faults, its times."""

from __future__ import annotations

import html
from http import HTTPStatus
from typing import Any

from pileus.kernel.clock import iso
from pileus.kernel.errors import CloudError, NotFound
from pileus.kernel.facts import facts
from pileus.kernel.http import Answer, ApiVersion, Service, VersionDocument
from pileus.kernel.http.faults import plain_fault

SEEN = ("text/html", "*/*", "text/*", "application/json", "application/*")
PAGE = """<html>
 <head>
  <title>{title}</title>
 </head>
 <body>
  <h1>{title}</h1>
  {text}<br /><br />



 </body>
</html>"""


def fault(error: CloudError) -> Any:
    """WebOb's three shapes: a page, unless the client would rather read JSON or neither."""
    if error.status == 401:
        return plain_fault(error)
    title = HTTPStatus(error.status).phrase
    said, kind = f"{error.status} {title}", wanted(error.accept)
    if kind == "application/json":
        return {"message": f"{error.message}<br /><br />\n\n\n", "code": said, "title": title}
    if kind == "text/html":
        page = PAGE.format(title=said, text=html.escape(error.message))
        return Answer(page, error.status, media_type="text/html; charset=UTF-8")
    return Answer(f"{said}\n\n{error.message}\n\n\n", error.status, media_type="text/plain; charset=UTF-8")


def wanted(accept: str) -> str:
    """The kind that a client asks for first; no wish at all is a page."""
    for part in accept.lower().split(",") if accept else ["*/*"]:
        kind = part.partition(";")[0].strip()
        if kind in SEEN:
            return "application/json" if kind in SEEN[3:] else "text/html"
    return "text/plain"


def missing(name: str, value: str) -> CloudError:
    """What no id can be reads as an image that is not there."""
    if name == "task_id":
        return NotFound(f"Task not found with id {value}")
    if name == "image_id":
        return NotFound(f"No image found with ID {value}")
    return NotFound(f"{name} {value} could not be found.")


def located(segments: list[str]) -> tuple[list[str], str | None]:
    """`/v2/images/` is an image without an id, and not the list."""
    return (["v2", "images", "null"] if segments == ["v2", "images", ""] else segments), None


api = Service("image", "/image", fault=fault, missing=missing, ports=(9292,), located=located)

FACTS = facts("image", "microversions")


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


NUMBERS = sorted({*FACTS["listed"], *FACTS["with_several_stores"]} - {FACTS["maximum"]}, key=number, reverse=True)

VersionDocument(
    versions=(
        ApiVersion(id=f"v{FACTS['maximum']}", path="/v2/"),
        *(ApiVersion(id=f"v{version}", path="/v2/", status="SUPPORTED") for version in NUMBERS),
    ),
    single="",
    also=("/versions",),
).declare(api)


def stamp(at: float) -> str:
    """2026-11-28T13:30:00Z."""
    return iso(at)
